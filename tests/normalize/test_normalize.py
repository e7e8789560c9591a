"""Masks, region of interest and statistics, on scenes whose motion is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.rows import sample
from tests.stored import frames_file
from twinstroke.errors import UserError
from twinstroke.flow.fields import compute_flow
from twinstroke.flow.stored import quantised
from twinstroke.hdf5 import new_hdf5
from twinstroke.normalize.mask import foreground
from twinstroke.normalize.motion import describe_motion
from twinstroke.normalize.roi import roi_centre, roi_track, smoothing_kernel
from twinstroke.normalize.statistics import flow_statistics, training_peaks
from twinstroke.parallel.workers import Workers
from twinstroke.regions import PlayerRegion, Region, Regions
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.normalize import MaskSettings, NormalizeSettings, RoiSettings
from twinstroke.settings.window import WindowSettings

CROP = (20, 30)


def field(*moving: tuple[int, int, float, float]) -> NDArray[np.float32]:
    """A flow (60, 100) that is zero but for some (x, y, u, v)."""
    flow = np.zeros((60, 100, 2), np.float32)
    for x, y, u, v in moving:
        flow[y, x] = u, v
    return flow


def test_roi_mixes_largest_motion_and_centroid() -> None:
    # Largest L1 norm at (60, 30); centroid of the three at (50, 30). 3 + 3 beats 0 + 5.
    flow = field((60, 30, 3, -3), (40, 20, 0, 5), (50, 40, 1, 0))
    np.testing.assert_allclose(roi_centre(flow, CROP, 0.6), [0.6 * 60 + 0.4 * 50, 30])
    np.testing.assert_allclose(roi_centre(flow, CROP, 1.0), [60, 30])
    np.testing.assert_allclose(roi_centre(flow, CROP, 0.0), [50, 30])


def test_roi_keeps_the_window_inside_the_frame() -> None:
    np.testing.assert_allclose(roi_centre(field((99, 0, 9, 9)), CROP, 0.6), [100 - 15, 10])
    np.testing.assert_allclose(roi_centre(field((0, 59, 9, 9)), CROP, 0.6), [15, 60 - 10])
    np.testing.assert_allclose(roi_centre(field((3, 3, 1, 0)), (80, 200), 0.6), [50, 30])


def test_each_of_the_two_points_is_kept_inside_before_they_are_mixed() -> None:
    # Largest at (99, 30), which becomes (85, 30); centroid at (49.5, 30), which is inside.
    flow = field((99, 30, 9, 9), (0, 30, 1, 0))
    np.testing.assert_allclose(roi_centre(flow, CROP, 0.6), [0.6 * 85 + 0.4 * 49.5, 30])


def test_without_motion_there_is_no_centre() -> None:
    assert np.isnan(roi_centre(field(), CROP, 0.6)).all()


def test_track_holds_the_last_centre_and_anticipates_the_first() -> None:
    nan = [np.nan, np.nan]
    centres = np.array([nan, nan, [10, 20], nan, [30, 40], nan])
    track = roi_track(centres, (60, 100), np.ones(1))
    assert track.tolist() == [[10, 20]] * 4 + [[30, 40]] * 2
    assert roi_track(np.array([nan, nan]), (60, 100), np.ones(1)).tolist() == [[50, 30]] * 2


def test_kernel_of_the_authors() -> None:
    kernel = smoothing_kernel(RoiSettings(), 120)
    assert len(kernel) == 41
    np.testing.assert_allclose(kernel, cv2.getGaussianKernel(41, 6.5)[:, 0], rtol=1e-12)
    # Their preset writes the third of a second in decimals.
    assert len(smoothing_kernel(RoiSettings(smoothing_s=0.3333333333), 120)) == 41
    assert len(smoothing_kernel(RoiSettings(), 30)) == 11
    assert len(smoothing_kernel(RoiSettings(), 24)) == 9
    assert smoothing_kernel(RoiSettings(smoothing_s=0), 120).tolist() == [1]


@given(st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_smoothing_is_opencvs_with_mirrored_ends(length: int, seed: int) -> None:
    centres = np.random.default_rng(seed).uniform(0, 100, (length, 2))
    smooth = roi_track(centres, (100, 100), smoothing_kernel(RoiSettings(), 120))
    # A column (N, 1): OpenCV 5 does not smooth a plain vector.
    for axis in range(2):
        column = np.ascontiguousarray(centres[:, axis : axis + 1])
        expected = cv2.GaussianBlur(
            column, (1, 41), 0, sigmaY=6.5, borderType=cv2.BORDER_REFLECT_101
        )
        np.testing.assert_allclose(smooth[:, axis], expected.reshape(-1), rtol=1e-6, atol=1e-6)


def scene(count: int) -> NDArray[np.uint8]:
    """A bright square of 12 px, moving right by 4 px a frame before a wall, (N, 60, 160, 3)."""
    random = np.random.default_rng(0)
    wall = cv2.GaussianBlur(random.integers(60, 120, (60, 160, 3), np.uint8), (0, 0), 1)
    patch = cv2.GaussianBlur(random.integers(120, 256, (12, 12, 3), np.uint8), (0, 0), 0.8)
    frames = np.repeat(wall[None], count, 0)
    for n in range(count):
        frames[n, 20:32, 8 + 4 * n : 20 + 4 * n] = patch
    return np.asarray(frames, np.uint8)


@pytest.mark.parametrize(("method", "threshold"), [("knn", 400.0), ("mog2", 16.0)])
def test_foreground_is_the_moving_square(method: str, threshold: float) -> None:
    settings = MaskSettings.model_validate(
        {"method": method, "threshold": threshold, "dilate": 0, "history": 500}
    )
    frames = scene(30)
    masks = list(foreground(frames, settings))
    truth = np.zeros(frames.shape[1:3], np.bool_)
    truth[20:32, 8 + 4 * 29 : 20 + 4 * 29] = True
    overlap = (masks[-1] & truth).sum() / (masks[-1] | truth).sum()
    assert overlap > 0.7
    again = list(foreground(frames, settings))
    np.testing.assert_array_equal(masks, again)
    wider = list(foreground(frames, settings.model_copy(update={"dilate": 3})))
    for mask, wide in zip(masks, wider, strict=True):
        np.testing.assert_array_equal(
            wide, cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        )


def appearing(change: Callable[[NDArray[np.uint8]], NDArray[np.generic]]) -> NDArray[np.uint8]:
    """A wall for 200 frames, and for 100 more one of which a square of 10 × 10 px is changed."""
    wall = np.random.default_rng(0).integers(100, 200, (20, 20, 3)).astype(np.uint8)
    frames = np.repeat(wall[None], 300, 0)
    frames[200:, 5:15, 5:15] = change(wall[5:15, 5:15])
    return frames


def extent(frames: NDArray[np.uint8], method: str, **settings: float) -> NDArray[np.integer]:
    """Pixels of the foreground of each frame."""
    rules = MaskSettings.model_validate({"method": method, "dilate": 0, **settings})
    return np.array([mask.sum() for mask in foreground(frames, rules)])


@pytest.mark.parametrize(("method", "bound"), [("knn", 3 * 12**2), ("mog2", 3 * 12**2 / 4)])
def test_the_threshold_is_that_of_the_squared_distance(method: str, bound: float) -> None:
    """12 in each colour; MOG2 divides by the variance, of which it takes 4 for the least."""
    frames = appearing(lambda square: square + 12)
    assert extent(frames, method, threshold=0.95 * bound)[199:201].tolist() == [0, 100]
    assert extent(frames, method, threshold=1.05 * bound)[199:201].tolist() == [0, 0]


@pytest.mark.parametrize("method", ["knn", "mog2"])
def test_what_stays_is_background_after_a_part_of_the_history(method: str) -> None:
    frames = appearing(lambda square: 250 - square)
    shorter, longer = (extent(frames, method, history=n) for n in (50, 500))
    assert shorter[200] > 90
    seen = [int((own[200:] > 0).sum()) for own in (shorter, longer)]
    assert 0 < 2 * seen[0] < seen[1]


@pytest.mark.parametrize("method", ["knn", "mog2"])
def test_a_shadow_is_background(method: str) -> None:
    assert extent(appearing(lambda square: square * 0.7), method)[200] == 0
    assert extent(appearing(lambda square: 250 - square), method)[200] > 90


def test_masks_do_not_depend_on_what_was_drawn_before() -> None:
    """KNN draws the samples that it keeps, which decides where there is noise."""
    noise = np.random.default_rng(0).integers(100, 140, (40, 20, 20, 3)).astype(np.uint8)
    found = []
    for seed in (1, 2):
        cv2.setRNGSeed(seed)
        found.append(list(foreground(noise, MaskSettings(method="knn", dilate=0))))
    np.testing.assert_array_equal(found[0], found[1])
    assert 0.1 < np.mean(found) < 0.9, "chance decides nothing"


def test_no_mask_keeps_every_pixel() -> None:
    assert all(mask.all() for mask in foreground(scene(2), MaskSettings(method="none")))


def test_motion_files_follow_the_square(tmp_path: Path) -> None:
    frames = scene(30)
    source = frames_file(tmp_path / "frames" / "v.h5", frames, np.arange(30))
    compute_flow(
        [source],
        FlowSettings(estimator="dis", blur=3),
        folder=tmp_path / "flow",
        store=tmp_path / "store",
        workers=Workers(count=0),
    )
    settings = NormalizeSettings(roi=RoiSettings(smoothing_s=0))

    def run() -> tuple[int, int]:
        done = describe_motion(
            [tmp_path / "flow" / "v.h5"],
            settings,
            WindowSettings(frames=8, height=20, width=20),
            frames_folder=tmp_path / "frames",
            fps=30,
            folder=tmp_path / "motion",
            store=tmp_path / "store",
            workers=Workers(count=0),
        )
        return done.made, done.present

    assert run() == (1, 0)
    with h5py.File(tmp_path / "motion" / "v.h5") as file:
        roi, peak, mask = file["roi"][:], file["peak"][:], file["mask"][:]
    assert mask.shape == (29, 60, 20)
    # After the background is learnt: the centre of the square in frame n is (14 + 4n, 26).
    late = np.arange(10, 29)
    np.testing.assert_allclose(roi[late], np.stack([14 + 4 * late, 0 * late + 26], 1), atol=5)
    np.testing.assert_allclose(peak[late, 0], 4, atol=0.6)
    assert peak[late, 1].max() < 2
    assert run() == (0, 1)


def described(
    folder: Path,
    frames: NDArray[np.uint8],
    frame: NDArray[np.int64],
    flow: Sequence[NDArray[np.float32]],
    settings: NormalizeSettings,
    place: PlayerRegion | None = None,
) -> dict[str, NDArray[Any]]:
    """What is found of frames and the flow between them; the window is wider than high."""
    source = frames_file(folder / "frames" / "v.h5", frames, frame)
    with new_hdf5(folder / "flow" / "v.h5", "made by hand") as file:
        file["flow"] = quantised(np.stack(flow)).transpose(0, 3, 1, 2)
        file["frame"] = frame[np.flatnonzero(np.diff(frame) == 1)]
        file.attrs["content"] = "flow"
    describe_motion(
        [folder / "flow" / "v.h5"],
        settings,
        WindowSettings(frames=8, height=20, width=30),
        frames_folder=source.parent,
        fps=30,
        folder=folder / "motion",
        store=folder / "store",
        workers=Workers(count=0),
        regions=Regions([place] if place else []),
    )
    region = "40,10,80,50" if place else ""
    with h5py.File(folder / "motion" / region / "v.h5") as file:
        return {name: file[name][:] for name in ("mask", "roi", "peak", "frame")}


def test_a_region_is_described_like_a_video_that_shows_nothing_else(tmp_path: Path) -> None:
    frames = scene(30)
    # Another player, below and at the left, where more moves.
    other = np.random.default_rng(2).integers(0, 256, (30, 60, 40, 3))
    frames[:, :, :40] = other
    random = np.random.default_rng(5)
    flow = random.uniform(-4, 4, (29, 60, 160, 2)).astype(np.float32)
    flow[:, :, :40] *= 9
    place = PlayerRegion(
        video="v",
        group="Ann",
        **Region(40, 10, 80, 50)._asdict(),
        picture_width=160,
        picture_height=60,
    )
    inside = np.s_[:, 10:60, 40:120]
    settings, numbers = NormalizeSettings(), np.arange(30)
    found = described(tmp_path / "region", frames, numbers, [*flow], settings, place)
    cut = frames[inside], numbers, [*flow[inside]]
    alone = described(tmp_path / "alone", *cut, settings)
    np.testing.assert_allclose(found["roi"], alone["roi"] + [40, 10], atol=1e-4)
    np.testing.assert_array_equal(found["peak"], alone["peak"])
    mask = np.unpackbits(found["mask"], axis=-1, count=160)
    np.testing.assert_array_equal(mask[inside], np.unpackbits(alone["mask"], axis=-1, count=80))
    assert mask.sum() == mask[inside].sum() > 0
    # Files of a place that is gone are deleted.
    described(tmp_path / "region", frames, numbers, [*flow], settings)
    assert [*(tmp_path / "region" / "motion").rglob("*.h5")] == [
        tmp_path / "region" / "motion" / "v.h5"
    ]


def test_peaks_have_no_sign_and_windows_stay_inside(tmp_path: Path) -> None:
    flow = [field((99, 30, -7, 2), (98, 30, 3, 0)), field((50, 59, 1, -9)), field((50, 30, 4, 4))]
    still = np.zeros((4, 60, 100, 3), np.uint8)
    settings = NormalizeSettings(
        mask=MaskSettings(method="none"), roi=RoiSettings(smoothing_s=0, max_weight=1)
    )
    found = described(tmp_path, still, np.arange(4), flow, settings)
    assert found["peak"].tolist() == [[7, 2], [1, 9], [4, 4]]
    assert found["roi"].tolist() == [[100 - 15, 30], [50, 60 - 10], [50, 30]]


def test_each_run_without_a_gap_is_a_scene_of_its_own(tmp_path: Path) -> None:
    """Neither regions are smoothed across a gap, nor is the background taken over."""
    frames = scene(24)[:, :, :100]
    frame = np.array([*range(10), *range(50, 64)])
    runs = np.s_[0:9], np.s_[10:23]
    flow = [*[field((30, 25, 5, 0))] * 9, *[field((60, 40, 5, 0))] * 13]
    masks = MaskSettings(dilate=0)
    found = described(tmp_path, frames, frame, flow, NormalizeSettings(mask=masks))
    assert found["frame"].tolist() == [*range(9), *range(50, 63)]
    expected = np.concatenate([list(foreground(frames[run], masks)) for run in runs])
    np.testing.assert_array_equal(np.unpackbits(found["mask"], axis=-1, count=100), expected)
    # At the beginning of a run nearly everything is foreground, also where flow is not zero.
    assert expected[[0, 9]].mean() > 0.9
    assert found["roi"][0].tolist() == [30, 25]
    assert found["roi"][9].tolist() == [60, 40]


def test_normal_rule_uses_maxima_above_the_bound_for_each_component() -> None:
    # u: 6, 8 and 10 count, 4 and 5 do not. v: only 7 counts.
    peaks = np.array([[6, 1], [8, 2], [10, 7], [4, 3], [5, 5]], np.float32)
    found = flow_statistics(peaks, NormalizeSettings(min_motion=5))
    assert found.frames_used == (3, 1)
    assert found.mean == pytest.approx((8, 7))
    assert found.deviation == pytest.approx((np.sqrt(8 / 3), 0))
    assert found.scale == pytest.approx((8 + 3 * np.sqrt(8 / 3), 7))


def test_max_rule() -> None:
    peaks = np.array([[6, 1], [8, 2]], np.float32)
    assert flow_statistics(peaks, NormalizeSettings(rule="max")).scale == (8, 2)


def test_without_motion_the_message_says_what_to_change() -> None:
    with pytest.raises(UserError, match=r"more than 5 px.*largest: 2\.00.*min_motion"):
        flow_statistics(np.full((4, 2), 2, np.float32), NormalizeSettings())
    with pytest.raises(UserError, match="no frame"):
        flow_statistics(np.empty((0, 2), np.float32), NormalizeSettings(rule="max"))


def test_only_frames_of_training_samples_count_and_only_once(tmp_path: Path) -> None:
    for name in "ab":
        with new_hdf5(tmp_path / f"{name}.h5", "made by hand") as file:
            file["frame"] = np.arange(0, 40, 2)
            file["peak"] = np.arange(20, dtype=np.float32)[:, None] + [0, 100]
    samples = [
        sample(0, 6, "a"),  # frames 0, 2, 4
        sample(4, 8, "a"),  # frames 4 (again), 6
        sample(20, 24, "a").model_copy(update={"split": "test"}),
        sample(0, 40, "b").model_copy(update={"split": "validation"}),
    ]
    peaks = training_peaks(samples, tmp_path)
    assert peaks.tolist() == [[0, 100], [1, 101], [2, 102], [3, 103]]


def test_a_damaged_file_is_named_when_peaks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with new_hdf5(path, "made by hand") as file:
        file["frame"] = np.arange(5000)
        file["peak"] = np.ones((5000, 2), np.float32)
    path.write_bytes(path.read_bytes()[:9000])
    for damaged in (path, tmp_path / "gone.h5"):
        with pytest.raises(UserError, match=f"{damaged.name}: cannot be read"):
            training_peaks([sample(0, 6, damaged.stem)], tmp_path)
