"""What `detect` shows a network is what training showed it, and interruptions change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import twinstroke.detect.track as track_module
from tests.project import FRAMES, HEAVY, Project, indexed
from tests.videos import distinct_frames, write_video
from twinstroke.detect.ahead import chained
from twinstroke.detect.prepare import Frame, Source, prepared_frames
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.spent import Spent
from twinstroke.detect.track import Track, follow
from twinstroke.errors import UserError
from twinstroke.settings import FlowSettings, MaskSettings, Preparation, RoiSettings, load_settings
from twinstroke.video_file import DEFAULT_LIMITS


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of which every frame is kept, after `segment`; strokes reach over both ends."""
    project = indexed().copy(tmp_path_factory.mktemp("whole"))
    preset = project.folder / "presets" / "own.yaml"
    text = preset.read_text().replace("context: 4", f"context: {FRAMES}")
    assert f"context: {FRAMES}" in text
    preset.write_text(text)
    strokes = project.folder / "data" / "raw" / "own" / "strokes.csv"
    ends = "".join(
        f"{video}.mp4,{begin},{end},push,{split}\n"
        for video, split in (("a", "train"), ("b", "validation"), ("c", "test"))
        for begin, end in ((0, 6), (FRAMES - 5, FRAMES))
    )
    strokes.write_text(strokes.read_text() + ends)
    for stage in ("index", *HEAVY):
        project.run(stage)
    return project


def _frames(
    project: Project, video: str, centres: NDArray[np.float64] | None = None
) -> Iterator[Frame]:
    settings = load_settings(project.folder)
    path = project.folder / "data" / "raw" / "own" / "videos" / f"{video}.mp4"
    window = settings.window
    return prepared_frames(
        Source(path, FRAMES, 160, 90, settings.decode.frame_step),
        settings.preparation,
        (window.height, window.width),
        limits=DEFAULT_LIMITS,
        spent=Spent(),
        centres=centres,
    )


def test_frames_are_those_of_the_training_file(whole: Project) -> None:
    with h5py.File(whole.data / "strokes.h5") as file:
        margin, seen = int(file.attrs["margin"]), 0
        height, width = file["rgb"].shape[1:3]
        inside = np.s_[:, margin : height - margin, margin : width - margin]
        videos = file["samples/video"].asstr()[:]
        for video in ("a", "b", "c"):
            frames = list(_frames(whole, video))
            assert len(frames) == FRAMES
            for row in np.flatnonzero(videos == video):
                begin = int(file["samples/offset"][row])
                clip = slice(begin, begin + int(file["samples/length"][row]))
                own = [frames[k] for k in file["frame"][clip]]
                rgb, flow = file["rgb"][clip][inside], file["flow"][clip][inside]
                np.testing.assert_array_equal(np.stack([frame.rgb for frame in own]), rgb)
                # Where a clip reaches beyond the video, the file repeats a frame without its flow.
                first, last = file["samples/begin"][row], file["samples/end"][row]
                around = (16 - (last - first)) // 2 if last - first < 16 else 0
                numbers = np.arange(len(own)) + first - max(0, around)
                beyond = (numbers < 0) | (numbers >= FRAMES)
                expected = np.stack([frame.flow for frame in own])
                expected[beyond] = 0
                np.testing.assert_array_equal(expected, flow)
                seen += 1
    assert seen == 15


@pytest.mark.parametrize("begin", [1, 63, 64, 150, FRAMES - 1])
def test_frames_do_not_depend_on_where_one_goes_on(whole: Project, begin: int) -> None:
    frames = list(_frames(whole, "b"))
    centres = np.stack([frame.centre for frame in frames[:begin]])
    later = list(_frames(whole, "b", centres))
    assert len(later) == FRAMES - begin
    for one, other in zip(later, frames[begin:], strict=True):
        for name in Frame._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_preparation_stands_in_the_file_of_strokes(whole: Project) -> None:
    with h5py.File(whole.data / "strokes.h5") as file:
        found = Preparation.model_validate_json(file.attrs["preparation"])
    assert found == load_settings(whole.folder).preparation
    assert (found.kept_fps, found.width, found.margin) == (60, 96, 10)


class _Watching:
    """In place of a network: what it is shown, as numbers that tell frames apart."""

    description = type("Made", (), {"classes": ["Negative", "Stroke"]})
    digest = "watching"
    window = (6, 8, 8)
    windows_at_once = 2
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
    return follow(
        Source(path, frames, 32, 18, frame_step),
        "content",
        cast(Recogniser, watching),
        stride=stride,
        target=folder / "v.h5",
        limits=DEFAULT_LIMITS,
        spent=Spent(),
    )


@pytest.mark.parametrize(("stride", "frame_step"), [(1, 1), (2, 1), (3, 2), (6, 1)])
def test_each_window_lies_around_its_moment(tmp_path: Path, stride: int, frame_step: int) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(50), 60)
    watching = _Watching()
    track = _followed(path, tmp_path, watching, stride, frame_step)
    source = Source(path, 50, 32, 18, frame_step)
    frames = list(
        prepared_frames(source, watching.preparation, (8, 8), limits=DEFAULT_LIMITS, spent=Spent())
    )
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
        assert [file.name for file in (tmp_path / folder).iterdir()] == ["v.h5"]
    at_once, twice = ((tmp_path / folder / "v.h5").read_bytes() for folder in ("at-once", "twice"))
    assert at_once == twice
    _followed(path, tmp_path / "twice", third := _Watching(), 1)
    assert third.calls == 0
    monkeypatch.setattr(track_module, "REVISION", 99)
    _followed(path, tmp_path / "twice", fourth := _Watching(), 1)
    assert fourth.calls == 7


def test_damage_in_the_middle_is_one_line_and_costs_nothing_before_it(tmp_path: Path) -> None:
    # The header promises more frames than there are.
    path = write_video(tmp_path / "v.mp4", distinct_frames(150), 60)
    watching = _Watching()
    with pytest.raises(UserError, match=r"v\.mp4: frame 150 does not decode") as caught:
        _followed(path, tmp_path, watching, 1, frames=300)
    assert len(caught.value.problems) == 1
    assert watching.calls > 0
    assert len(list(tmp_path.glob(".v.h5.*/*.h5"))) == watching.calls


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
