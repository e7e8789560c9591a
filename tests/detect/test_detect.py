"""What `detect` shows a network is what training showed it, and interruptions change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, cast

import cv2
import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import twinstroke.detect.track as track_module
import twinstroke.parallel.store as store_module
from tests.decoding import decode_one
from tests.prepared import FRAMES, PREPARATION, STROKES, WINDOW, prepared_data
from tests.rows import sample
from tests.videos import distinct_frames, write_video
from twinstroke.detect.prepare import Source, prepared_frames
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.shown import Frame
from twinstroke.detect.timing import Stopwatch
from twinstroke.detect.track import Track, score_windows
from twinstroke.errors import UserError
from twinstroke.parallel.prefetch import chained
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.normalize import MaskSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.timeline import every


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight windows a part."""
    monkeypatch.setattr(track_module, "WINDOWS_AT_ONCE", 2)


@pytest.fixture(scope="module")
def data() -> Path:
    return prepared_data()


def _frames(folder: Path, centres: NDArray[np.float64] | None = None) -> Iterator[Frame]:
    return prepared_frames(
        Source(folder / "v.mp4", every(1, FRAMES), 160, 90),
        PREPARATION,
        (WINDOW.height, WINDOW.width),
        timing=Stopwatch(),
        centres=centres,
    )


def test_frames_are_those_of_the_training_file(data: Path) -> None:
    frames = list(_frames(data))
    assert len(frames) == FRAMES
    margin = PREPARATION.margin
    inside = np.s_[:, margin:-margin, margin:-margin]
    with h5py.File(data / "strokes.h5") as file:
        for row, (begin, end) in enumerate(STROKES):
            offset, length = (int(file[f"samples/{name}"][row]) for name in ("offset", "length"))
            assert length == max(end - begin, WINDOW.frames)
            clip = slice(offset, offset + length)
            # Of a stroke shorter than the window, one window around it.
            first = begin if end - begin >= WINDOW.frames else (begin + end - WINDOW.frames) // 2
            numbers = range(first, first + length)
            own = [frames[min(max(k, 0), FRAMES - 1)] for k in numbers]
            np.testing.assert_array_equal(
                np.stack([frame.rgb for frame in own]), file["rgb"][clip][inside]
            )
            # Where a clip reaches beyond the video, a frame is repeated without its flow.
            flow = [f.flow * (0 <= k < FRAMES) for k, f in zip(numbers, own, strict=True)]
            np.testing.assert_array_equal(np.stack(flow), file["flow"][clip][inside])
        assert Preparation.model_validate_json(file.attrs["preparation"]) == PREPARATION


@pytest.mark.parametrize("begin", [1, 63, 64, 150, FRAMES - 1])
def test_frames_do_not_depend_on_where_one_goes_on(data: Path, begin: int) -> None:
    frames = list(_frames(data))
    later = list(_frames(data, np.stack([frame.centre for frame in frames[:begin]])))
    assert len(later) == FRAMES - begin
    for one, other in zip(later, frames[begin:], strict=True):
        for name in Frame._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


class _Watching:
    """In place of a network: what it is shown, as numbers that tell frames apart."""

    description = type("Made", (), {"classes": ["Negative", "Stroke"]})
    digest = "watching"
    versions = ""
    window = (6, 8, 8)
    preparation = Preparation(
        kept_fps=60,
        width=32,
        flow=FlowSettings(estimator="dis", blur=0),
        mask=MaskSettings(method="none"),
        roi=RoiSettings(),
        margin=1,
    )

    def __init__(self) -> None:
        self.calls = 0

    def probabilities(
        self, rgb: NDArray[np.uint8], flow: NDArray[np.int16], starts: Sequence[int]
    ) -> NDArray[np.float64]:
        self.calls += 1
        length = self.window[0]
        windows = [slice(start, start + length) for start in starts]
        # Any function of the frames and their order will do.
        weights = np.arange(1, length + 1)
        means = [
            (rgb[own].mean((1, 2, 3)) * weights).sum() + (flow[own] != 0).sum() for own in windows
        ]
        return np.stack([np.array(means), -np.array(means)], 1)


def _followed(
    path: Path,
    folder: Path,
    watching: _Watching,
    stride: int,
    frame_step: int = 1,
    frames: int = 50,
) -> Track:
    return score_windows(
        Source(path, every(frame_step, frames), 32, 18),
        cast(Recogniser, watching),
        stride=stride,
        store=folder / "store",
        target=folder / "v.h5",
        timing=Stopwatch(),
    )


@pytest.mark.parametrize("count", [2, 3, 50, 64, 65, 66, 70, 128, 135])
def test_no_frame_is_lost_whatever_their_number(tmp_path: Path, count: int) -> None:
    """Regions of interest are smoothed in blocks of 64, with a look ahead."""
    path = write_video(tmp_path / "v.mp4", distinct_frames(count), 60)
    source = Source(path, every(1, count), 32, 18)
    watching = _Watching().preparation
    frames = list(prepared_frames(source, watching, (8, 8), timing=Stopwatch()))
    assert len(frames) == count


def test_where_nothing_moves_the_centre_stays(tmp_path: Path) -> None:
    """A square runs to the right for 20 frames, and stands still for 20."""
    frames = np.repeat(distinct_frames(1, 32, 64), 40, 0)
    for number, frame in enumerate(frames):
        left = 8 + min(number, 19)
        frame[4:12, left : left + 8] = 255 - frame[4:12, left : left + 8]
    path = write_video(tmp_path / "v.mp4", frames, 60)
    preparation = _Watching().preparation.model_copy(update={"width": 64})
    source = Source(path, every(1, 40), 64, 32)
    centres = [
        frame.centre for frame in prepared_frames(source, preparation, (8, 8), timing=Stopwatch())
    ]
    assert not np.array_equal(centres[5], centres[18])
    for centre in centres[19:39]:
        np.testing.assert_array_equal(centre, centres[18])


def test_frames_are_as_high_as_those_of_decode(tmp_path: Path) -> None:
    """34 · 48 / 64 is 25.5, of which 25 are left; nothing moves, so the window is in the middle."""
    still = np.repeat(distinct_frames(1, 34, 64), 9, 0)
    path = write_video(tmp_path / "v.mp4", still, 60)
    decoded, _ = decode_one(path, 9, [sample(0, 9)], width=64, height=34, kept_width=48)
    assert decoded.shape == (9, 25, 48, 3)
    source = Source(path, every(1, 9), 64, 34)
    preparation = _Watching().preparation.model_copy(update={"width": 48})
    frames = list(prepared_frames(source, preparation, (9, 8), timing=Stopwatch()))
    assert len(frames) == 9
    for frame, picture in zip(frames, decoded, strict=True):
        np.testing.assert_array_equal(frame.rgb, picture[8:17, 20:28])


@pytest.mark.parametrize(("stride", "frame_step"), [(1, 1), (2, 1), (3, 2), (6, 1)])
def test_each_window_lies_around_its_moment(tmp_path: Path, stride: int, frame_step: int) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(50), 60)
    watching = _Watching()
    track = _followed(path, tmp_path, watching, stride, frame_step)
    source = Source(path, every(frame_step, 50), 32, 18)
    frames = list(prepared_frames(source, watching.preparation, (8, 8), timing=Stopwatch()))
    kept = -(-50 // frame_step)
    assert len(frames) == kept
    middles = range(0, kept, stride)
    assert len(track.probabilities) == len(middles)
    for found, middle in zip(track.probabilities, middles, strict=True):
        numbers = range(middle - 3, middle + 3)
        own = [frames[min(max(k, 0), kept - 1)] for k in numbers]
        rgb = np.stack([frame.rgb for frame in own])
        flow = np.stack(
            [f.flow if 0 <= k < kept else 0 * f.flow for k, f in zip(numbers, own, strict=True)]
        )
        (expected,) = watching.probabilities(rgb, flow, [0])
        np.testing.assert_array_equal(found, expected)


class _Interrupted(BaseException):
    pass


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_interrupted_work_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(50), 60)
    _followed(path, tmp_path / "at-once", whole := _Watching(), 1)
    assert whole.calls == 7  # 50 windows, 8 a part

    class Stopping(_Watching):
        def probabilities(self, *shown: Any) -> NDArray[np.float64]:
            if self.calls == calls:
                raise _Interrupted
            return super().probabilities(*shown)

    with pytest.raises(_Interrupted):
        _followed(path, tmp_path / "twice", Stopping(), 1)
    _followed(path, tmp_path / "twice", again := _Watching(), 1)
    assert again.calls == 7 - calls
    for folder in ("at-once", "twice"):
        assert {file.name for file in (tmp_path / folder).iterdir()} == {"v.h5", "store"}
        (kept,) = (tmp_path / folder / "store").iterdir()
        assert kept.samefile(tmp_path / folder / "v.h5")
    at_once, twice = ((tmp_path / folder / "v.h5").read_bytes() for folder in ("at-once", "twice"))
    assert at_once == twice
    _followed(path, tmp_path / "twice", third := _Watching(), 1)
    assert third.calls == 0


def test_what_decides_the_result_makes_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(50), 60)

    def calls(rotation: int = 0, versions: str = "") -> int:
        watching = _Watching()
        watching.versions = versions
        score_windows(
            Source(path, every(1, 50), 32, 18, rotation),
            cast(Recogniser, watching),
            stride=1,
            store=tmp_path,
            timing=Stopwatch(),
        )
        return watching.calls

    assert calls() == 7
    assert calls() == 0
    # A mended rotation flag changes no packet.
    assert calls(rotation=180) == 7
    assert calls(rotation=180, versions="another torch") == 7
    assert calls() == 0, "it is kept"
    monkeypatch.setattr(cv2, "__version__", "9.9.9")
    assert calls(rotation=180, versions="another torch") == 7
    monkeypatch.setattr(track_module, "_REVISIONS", (9, 9, 9, 9))
    assert calls(rotation=180, versions="another torch") == 7


def test_a_share_that_was_there_does_not_count_as_speed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(50), 60)

    class Stopping(_Watching):
        def probabilities(self, *shown: Any) -> NDArray[np.float64]:
            if self.calls == 4:
                raise _Interrupted
            return super().probabilities(*shown)

    def share(watching: _Watching) -> float:
        timing = Stopwatch()
        score_windows(
            Source(path, every(1, 50), 32, 18),
            cast(Recogniser, watching),
            stride=1,
            store=tmp_path,
            timing=timing,
        )
        return timing.share

    with pytest.raises(_Interrupted):
        share(Stopping())
    # Four parts of eight windows: what they show but the first three frames of the fifth.
    assert share(_Watching()) == pytest.approx(1 - 29 / 50)
    assert share(_Watching()) == 0


def test_of_two_programs_one_waits_and_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(20), 60)
    _followed(path, tmp_path, _Watching(), 1, frames=20)
    (kept,) = (tmp_path / "store").iterdir()
    ready = kept.rename(tmp_path / "ready.h5")
    with ExitStack() as stack:
        stack.enter_context(store_module.alone(kept))

        def ends(stage: str, text: str) -> None:
            ready.rename(kept)
            stack.close()

        monkeypatch.setattr(store_module, "summarise", ends)
        _followed(path, tmp_path, watching := _Watching(), 1, frames=20)
    assert watching.calls == 0
    assert [file.name for file in (tmp_path / "store").iterdir()] == [kept.name]


@pytest.mark.parametrize("name", ["probabilities", "centres"])
def test_what_was_damaged_is_asked_again(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(20), 60)
    _followed(path, tmp_path, _Watching(), 1, frames=20)
    (kept,) = (tmp_path / "store").iterdir()
    with h5py.File(kept, "r+") as file:
        file[name][3, 1] = 0.5
    _followed(path, tmp_path, watching := _Watching(), 1, frames=20)
    assert watching.calls > 0
    assert kept.samefile(tmp_path / "v.h5")


def test_damage_in_the_middle_is_one_line_and_costs_nothing_before_it(tmp_path: Path) -> None:
    # The header promises more frames than there are.
    path = write_video(tmp_path / "v.mp4", distinct_frames(150), 60)
    watching = _Watching()
    with pytest.raises(UserError, match=r"v\.mp4: frame 150 does not decode") as caught:
        _followed(path, tmp_path, watching, 1, frames=300)
    assert len(caught.value.problems) == 1
    assert watching.calls > 0
    assert len(list(tmp_path.glob("store/*.parts/*.h5"))) == watching.calls


def test_chained_iterators_run_ahead_but_not_far() -> None:
    began: list[int] = []
    made: list[int] = []

    def count(first: int) -> Iterator[int]:
        began.append(first)
        for n in range(first, first + 10):
            made.append(n)
            yield n

    sources = [lambda first=first: count(first) for first in range(0, 50, 10)]
    items = chained(sources, at_once=2, depth=3)
    assert list(islice(items, 5)) == [0, 1, 2, 3, 4]
    assert set(began) <= {0, 10}
    assert len(made) <= 5 + 2 * (3 + 1)
    assert list(items) == list(range(5, 50))


def test_a_chained_iterator_that_does_not_begin_is_an_error_not_a_silence() -> None:
    def bad() -> Iterator[int]:
        raise UserError("no beginning")

    with pytest.raises(UserError, match="no beginning"):
        list(chained([bad], at_once=1, depth=1))


def test_chained_iterators_are_closed_and_tell_errors_in_order() -> None:
    closed: list[str] = []

    def count(name: str, fails: bool) -> Iterator[str]:
        try:
            for _ in range(100):
                yield name
                if fails:
                    raise UserError(f"{name} fails")
        finally:
            closed.append(name)

    items = chained([lambda: count("a", False), lambda: count("b", True)], at_once=2, depth=1)
    assert next(items) == "a"
    items.close()
    assert sorted(closed) == ["a", "b"]
    items = chained([lambda: count("c", False), lambda: count("d", True)], at_once=2, depth=1)
    given = []
    with pytest.raises(UserError, match="d fails"):
        for item in items:
            given.append(item)
    assert given == ["c"] * 100 + ["d"]
