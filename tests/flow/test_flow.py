"""flow[i] leads from frame i to frame i + 1; files resume; the rounding is bounded."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Literal, get_args

import cv2
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.stored import frames_file
from tests.work import after_each_item
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.fields import compute_flow
from twinstroke.flow.stored import FLOW_UNIT_PX, dequantised, fields, pairs, quantised
from twinstroke.parallel.workers import Workers
from twinstroke.settings.flow import Estimator, FlowSettings

SIZE = (64, 96)
HERE = Workers(count=0)
QUICK = FlowSettings(estimator="farneback", blur=3)


def texture(seed: int = 0) -> NDArray[np.uint8]:
    """A smooth random picture, larger than a frame on all sides."""
    noise = np.random.default_rng(seed).random((SIZE[0] + 64, SIZE[1] + 64))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload, no-any-return]


def moving(steps: list[tuple[int, int]]) -> NDArray[np.uint8]:
    """Frames (N, H, W, 3) of a scene that moves by (right, down) whole pixels at each step."""
    picture, x, y, frames = texture(), 32, 32, []
    for right, down in [(0, 0), *steps]:
        x, y = x - right, y - down
        frames.append(picture[y : y + SIZE[0], x : x + SIZE[1]])
    return np.repeat(np.stack(frames)[..., None], 3, -1)


@pytest.mark.parametrize("estimator", get_args(Estimator))
def test_sign_axes_and_size(estimator: Estimator) -> None:
    first, second = moving([(3, -2)])[..., 0]
    flow = estimate_flow(first, second, FlowSettings(estimator=estimator, blur=3))
    assert flow.shape == (*SIZE, 2)
    assert flow.dtype == np.float32
    inner = flow[12:-12, 12:-12]
    np.testing.assert_allclose(np.median(inner, (0, 1)), [3, -2], atol=0.25)


def test_flow_i_leads_from_frame_i_to_the_next_and_crosses_no_gap(tmp_path: Path) -> None:
    steps = [(2, 0), (0, 3), (-4, 0), (9, 9), (0, -1)]
    # The fourth step lies across a gap: frames 13 to 23 were not kept.
    frame = np.array([10, 11, 12, 13, 23, 24])
    source = frames_file(tmp_path / "v.h5", moving(steps), frame)
    done = compute_flow(
        [source],
        FlowSettings(estimator="dis", blur=3),
        folder=tmp_path / "flow",
        store=tmp_path / "store",
        workers=HERE,
    )
    assert (done.made, done.pairs) == (1, 4)
    with h5py.File(tmp_path / "flow" / "v.h5") as file:
        flow, first = dequantised(fields(file, slice(None))), file["frame"][:]
    assert first.tolist() == [10, 11, 12, 23]
    motion = np.median(flow[:, 12:-12, 12:-12], (1, 2))
    np.testing.assert_allclose(motion, [steps[i] for i in (0, 1, 2, 4)], atol=0.25)


def test_grey_is_what_people_see(tmp_path: Path) -> None:
    """Of red and blue that move apart, red wins: it is 0.299 of the grey, and blue 0.114."""
    rgb = np.zeros((2, *SIZE, 3), np.uint8)
    rgb[..., 0] = moving([(3, 1)])[..., 0]
    rgb[..., 2] = moving([(-3, -1)])[::-1, ::-1, ::-1, 0]
    source = frames_file(tmp_path / "v.h5", rgb, np.arange(2))
    settings = FlowSettings(estimator="farneback", blur=3)
    compute_flow(
        [source], settings, folder=tmp_path / "flow", store=tmp_path / "store", workers=HERE
    )
    with h5py.File(tmp_path / "flow" / "v.h5") as file:
        (flow,) = dequantised(fields(file, slice(None)))
    np.testing.assert_allclose(np.median(flow[12:-12, 12:-12], (0, 1)), [3, 1], atol=0.5)


@pytest.mark.parametrize(("blur", "weights"), [(3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])])
def test_blur_is_a_weighted_mean_of_neighbours(blur: Literal[3, 5], weights: list[int]) -> None:
    """OpenCV's weights; pictures are mirrored at the edges."""
    # Of pictures that have nothing to do with each other, flow is rough.
    first, second = (texture(seed)[: SIZE[0], : SIZE[1]].copy() for seed in (0, 1))
    plain, found = (
        estimate_flow(first, second, FlowSettings(estimator="dis", blur=own)).astype(float)
        for own in (0, blur)
    )
    expected = plain
    for axis in (0, 1):
        around = [(blur // 2,) * 2 if axis == own else (0, 0) for own in range(3)]
        padded = np.pad(expected, around, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, blur, axis)
        expected = windows @ (np.array(weights) / sum(weights))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found - plain).max() > 0.1


def test_pairs_obey_the_frame_step() -> None:
    assert pairs(np.array([0, 4, 8, 16, 20]), 4).tolist() == [0, 1, 3]


@given(
    arrays(
        np.float32, st.integers(1, 20), elements=st.floats(-1023, 1023, width=32, allow_nan=False)
    )
)
def test_rounding_is_at_most_half_a_unit(flow: NDArray[np.float32]) -> None:
    assert np.abs(dequantised(quantised(flow)) - flow).max() <= 1 / 64
    np.testing.assert_array_equal(quantised(dequantised(quantised(flow))), quantised(flow))


def test_beyond_its_range_flow_saturates() -> None:
    flow = np.array([5000.0, -5000.0], np.float32)
    assert dequantised(quantised(flow)).tolist() == [32767 * FLOW_UNIT_PX, -1024]


def three_videos(folder: Path, frames: int) -> list[Path]:
    folder.mkdir()
    rgb = moving([(1, 0), (0, 1), (-1, 0), (0, -1)] * (frames // 4))
    return [
        frames_file(folder / f"{name}.h5", np.roll(rgb, i, 0), np.arange(len(rgb)))
        for i, name in enumerate("abc")
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.h5"))}


def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    sources = three_videos(tmp_path / "frames", 20)
    for count in (0, 2):
        with Workers(count=count) as workers:
            compute_flow(
                sources,
                QUICK,
                folder=tmp_path / str(count),
                store=tmp_path / f"store {count}",
                workers=workers,
            )
    assert contents(tmp_path / "0") == contents(tmp_path / "2")


def test_only_changed_videos_are_computed_and_removed_ones_pruned(tmp_path: Path) -> None:
    sources = three_videos(tmp_path / "frames", 8)
    folder = tmp_path / "flow"

    def run(sources: list[Path], estimator: Estimator = "dis") -> tuple[int, int]:
        done = compute_flow(
            sources,
            FlowSettings(estimator=estimator, blur=0),
            folder=folder,
            store=tmp_path / "store",
            workers=HERE,
        )
        return done.made, done.present

    assert run(sources) == (3, 0)
    assert run(sources) == (0, 3)
    assert run(sources[:2]) == (0, 2)
    assert [path.name for path in sorted(folder.iterdir())] == ["a.h5", "b.h5"]
    frames_file(sources[0], moving([(0, 0)] * 8), np.arange(9))
    assert run(sources[:2]) == (1, 1)
    assert run(sources[:2], "farneback") == (2, 0)
    assert run(sources) == (0, 3), "what other parameters and fewer videos left"


def _compute_one_of(sources: list[Path], folder: Path) -> None:
    """Be killed as soon as one file is made."""

    def kill(_: int) -> None:
        if list(folder.glob("*.h5")):
            os.kill(os.getpid(), signal.SIGKILL)

    after_each_item(kill)
    compute_flow(sources, QUICK, folder=folder, store=folder / "store", workers=HERE)


def test_killed_half_way_it_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    sources = three_videos(tmp_path / "frames", 12)
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    compute_flow(sources, QUICK, folder=undisturbed, store=tmp_path / "store", workers=HERE)

    process = multiprocessing.get_context("spawn").Process(
        target=_compute_one_of, args=(sources, disturbed)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [path.name for path in disturbed.glob("*.h5")] == ["a.h5"]
    done = compute_flow(sources, QUICK, folder=disturbed, store=disturbed / "store", workers=HERE)
    assert (done.made, done.present) == (2, 1)
    assert contents(disturbed) == contents(undisturbed)
