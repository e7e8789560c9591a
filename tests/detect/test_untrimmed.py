"""Videos that the stages prepared once, for detection: the same as streaming gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import twinstroke.detect.prepare as streaming
from tests.indexed import sample, video
from tests.prepared import FRAMES, PREPARATION, WINDOW, network, prepared, prepared_data
from tests.project import moving
from twinstroke.detect.data_set import detect_held_out, held_out
from twinstroke.detect.found import detect
from twinstroke.detect.prepare import Source
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.shown import Frame
from twinstroke.detect.timing import Stopwatch
from twinstroke.detect.untrimmed import Untrimmed, open_untrimmed
from twinstroke.detect.video import open_video
from twinstroke.errors import UserError
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.limits import DEFAULT_LIMITS
from twinstroke.settings.preparation import Preparation
from twinstroke.timeline import every

STROKES = ((40, 70), (120, 180), (230, 260))
SIZE = (WINDOW.height, WINDOW.width)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    return Recogniser(network(tmp_path_factory.mktemp("network") / "model.safetensors"))


def still_then_moving(still: int) -> NDArray[np.uint8]:
    frames = moving(1)
    frames[:still] = frames[still]
    return frames


def streamed(folder: Path, preparation: Preparation = PREPARATION) -> Iterator[Frame]:
    source = Source(folder / "v.mp4", every(1, FRAMES), 160, 90)
    return source.prepared(preparation, SIZE, Stopwatch(), None)


def stored(folder: Path, centres: NDArray[np.float64] | None = None) -> Iterator[Frame]:
    path = folder / "untrimmed" / "v.h5"
    with h5py.File(path) as file:
        kept = every(1, len(file["rgb"]))
        source = Untrimmed(path, "", kept, kept, clock=None)  # type: ignore[arg-type]
    return source.prepared(PREPARATION, SIZE, Stopwatch(), centres)


@pytest.mark.parametrize("still", [0, 30, 100, 150])
def test_prepared_frames_are_those_of_streaming(still: int) -> None:
    """Also where nothing moves for longer than streaming looks ahead."""
    # Of equal frames, DIS says that nothing moves.
    made = PREPARATION.model_copy(update={"flow": FlowSettings(estimator="dis", blur=0)})
    folder = prepared(still_then_moving(still), STROKES, context=4, made=made, exact=True)
    one, other = list(stored(folder)), list(streamed(folder, made))
    assert len(one) == len(other) == FRAMES
    for name in Frame._fields:
        pairs = ([getattr(frame, name) for frame in frames] for frames in (one, other))
        for left, right in zip(*pairs, strict=True):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
    moved = [bool(frame.flow.any()) for frame in one]
    assert any(moved)
    assert moved.index(True) >= still - 1, "nothing moves before"
    assert np.isnan(one[0].centre).all() == (still > 1)


@pytest.mark.parametrize("begin", [1, 63, 64, 150, FRAMES - 1])
def test_reading_goes_on_anywhere(begin: int) -> None:
    frames = list(stored(prepared_data()))
    later = list(stored(prepared_data(), np.stack([f.centre for f in frames[:begin]])))
    assert len(later) == FRAMES - begin
    for one, other in zip(later, frames[begin:], strict=True):
        for name in Frame._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_samples_do_not_depend_on_whether_detection_is_wanted() -> None:
    """To the last byte: a network is not trained again for it."""
    with_it, without = (prepared(moving(2), STROKES, context=9, whole=own) for own in (True, False))
    assert (with_it / "strokes.h5").read_bytes() == (without / "strokes.h5").read_bytes()
    with h5py.File(with_it / "frames" / "v.h5") as file:
        assert len(file["frame"]) == FRAMES
        whole = file["frame"][:]
        rows = np.concatenate([whole[begin:end] for begin, end in file["runs"][:]])
    with h5py.File(without / "frames" / "v.h5") as file:
        assert "runs" not in file
        np.testing.assert_array_equal(file["frame"][:], rows)
        assert 100 < len(rows) < FRAMES
    for name in ("mask", "roi", "peak", "frame"):
        one, other = (h5py.File(folder / "motion" / "v.h5") for folder in (with_it, without))
        np.testing.assert_array_equal(one[name][:], other[name][:])
    assert not (without / "motion" / "untrimmed" / "v.h5").exists()
    assert list((without / "untrimmed").iterdir()) == []


def test_what_is_found_is_the_same(recogniser: Recogniser, tmp_path: Path) -> None:
    folder = prepared_data()
    rules = DetectSettings(stride=4, negative_weight=1e-9)
    seen = open_video(folder / "v.mp4", recogniser.preparation, recogniser.window, DEFAULT_LIMITS)
    new = detect(seen, recogniser, rules, store=tmp_path / "new")
    (own,) = detect_held_out(
        held_out([video("v", frames=FRAMES)], [sample("v", 50, 90, "test")], [], "test"),
        network(tmp_path / "model.safetensors"),
        rules,
        prepared=folder / "untrimmed",
        folder=tmp_path / "tracks",
        store=tmp_path / "store",
        reports=tmp_path / "reports",
    )
    np.testing.assert_array_equal(own.track.probabilities, new.track.probabilities)
    assert own.detections == new.detections != []
    assert own.seconds == new.seconds > 0
    assert {*own.timing.seconds} <= {"reading", "network", "decoding"}
    assert {"flow", "masks"} <= {*new.timing.seconds}


def test_a_second_experiment_decodes_and_estimates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted(name: str) -> Any:
        own = getattr(streaming, name)

        def call(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            return own(*arguments, **named)

        return call

    for name in ("estimate_flow", "decoded_frames", "plan_passes", "foreground"):
        monkeypatch.setattr(streaming, name, counted(name))
    folder = prepared_data()
    assert len(list(streamed(folder))) == FRAMES
    assert {*calls} == {"estimate_flow", "decoded_frames", "plan_passes", "foreground"}
    assert calls.count("estimate_flow") == FRAMES - 1
    calls.clear()
    for experiment, stride in (("one", 4), ("two", 3)):
        (found,) = detect_held_out(
            held_out([video("v", frames=FRAMES)], [sample("v", 50, 90, "test")], [], "test"),
            network(tmp_path / f"{experiment}.safetensors"),
            DetectSettings(stride=stride),
            prepared=folder / "untrimmed",
            folder=tmp_path / "tracks",
            store=tmp_path / "store",
            reports=tmp_path / "reports",
        )
        assert found.timing.share == 1, "the network was asked"
    assert calls == []


def test_what_was_prepared_for_another_network_is_refused(recogniser: Recogniser) -> None:
    other = prepared(moving(0), context=4, made=PREPARATION.model_copy(update={"margin": 8}))
    found = open_untrimmed(prepared_data() / "untrimmed" / "v.h5", recogniser)
    assert len(found.kept) == len(found.counted) == FRAMES
    with pytest.raises(UserError, match=r"untrimmed/v\.h5: was prepared in another way than"):
        open_untrimmed(other / "untrimmed" / "v.h5", recogniser)
    with pytest.raises(UserError, match=r"untrimmed/none\.h5: cannot be read"):
        open_untrimmed(other / "untrimmed" / "none.h5", recogniser)
