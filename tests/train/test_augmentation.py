"""Views: pictures against OpenCV, flow against what it describes, draws against their ranges."""

from __future__ import annotations

import math
from itertools import product

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinstroke.settings.train import AugmentationSettings
from twinstroke.train.augmentation import View, draw_view, resample
from twinstroke.train.windows import InputFormat, Window, collate

IDENTITY = View(start=0, angle=0, zoom=1, right=0, down=0, mirrored=False)
VIEWS = {
    "rotation": View(0, 10, 1, 0, 0, False),
    "other rotation": View(0, -10, 1, 0, 0, False),
    "zoom in": View(0, 0, 1.1, 0, 0, False),
    "zoom out": View(0, 0, 0.9, 0, 0, False),
    "shift": View(0, 0, 1, 4.4, -3.2, False),
    "mirror": View(0, 0, 1, 0, 0, True),
    "all": View(0, 8, 0.93, -3.7, 2.6, True),
    "all, other way": View(0, -9, 1.08, 2.5, 4.1, True),
}
SIZE = (48, 56)
MARGIN = 20
UNIT = 1 / 32


def scene(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth texture, known at every place: 0 to 255."""
    waves = [(0.31, 0.11, 0.3), (-0.13, 0.27, 1.1), (0.22, -0.35, 2.0), (0.05, 0.19, 0.7)]
    value = sum(np.sin(a * x + b * y + c) for a, b, c in waves)
    return 127.5 + 31 * np.asarray(value)


def moving_pair() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Two frames (2, H, W, 3) of the scene in affine motion, and the flow (H, W, 2) between them.

    Frame 2 at x + v(x) shows what frame 1 shows at x, where v(x) = B x + d is exact.
    """
    height, width = SIZE[0] + 2 * MARGIN, SIZE[1] + 2 * MARGIN
    y, x = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    place = np.stack([x, y], -1)
    change, offset = np.array([[0.02, 0.05], [-0.045, -0.01]]), np.array([1.7, -0.9])
    flow = place @ change.T + offset
    before = (place - offset) @ np.linalg.inv(np.eye(2) + change).T
    frames = np.stack([scene(x, y), scene(before[..., 0], before[..., 1])])
    return np.repeat(np.rint(frames).astype(np.uint8)[..., None], 3, -1), flow


def window_of(frames: NDArray[np.uint8], flow: NDArray[np.int16], view: View | None) -> Window:
    return Window(torch.from_numpy(frames), torch.from_numpy(flow), 0, view)


def seen(view: View | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a network would get of the pair: frames (2, H, W) in 0 to 255, flow (H, W, 2) in px."""
    frames, flow = moving_pair()
    stored = np.repeat(np.rint(flow / UNIT).astype(np.int16)[None], 2, 0)
    if view is None:
        area = np.s_[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        frames, stored = frames[area], stored[area]
    # Different scales: normalising before rotating would mix them up.
    scale = (9.0, 13.0)
    format_ = InputFormat((2, *SIZE), UNIT, scale)
    streams = format_.streams(
        collate([Window(torch.from_numpy(frames), torch.from_numpy(stored), 0, view)]),
        ("rgb", "flow"),
    )
    rgb = (streams["rgb"][0, 0].double().numpy() + 1) * 127.5
    vectors = streams["flow"][0, :, 0].permute(1, 2, 0).double().numpy() * np.array(scale)
    return rgb, vectors


def carried(frame: NDArray[np.float64], flow: NDArray[np.float64]) -> NDArray[np.float64]:
    """The frame as seen at p + flow(p)."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    place = np.stack([x, y], -1) + flow.astype(np.float32)
    found: NDArray[np.float64] = cv2.remap(
        frame.astype(np.float32), place[..., 0], place[..., 1], cv2.INTER_CUBIC
    ).astype(np.float64)
    return found


INSIDE = np.s_[8:-8, 8:-8]


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_augmented_flow_leads_from_augmented_frame_to_augmented_frame(view: View) -> None:
    (first, second), flow = seen(view)
    error = np.abs(carried(second, flow) - first)[INSIDE].mean()
    assert error < 1.5
    # The same check sees the mistakes of the published code: vectors that do not take part, that
    # turn in the other sense, and a mirrored field with both signs changed.
    plain = resample(
        torch.tensor(moving_pair()[1]).float()[None, None],
        torch.tensor(view.matrix).float()[None],
        torch.tensor([[view.right, view.down]]),
        SIZE,
        vectors=False,
    )[0, 0].numpy()
    wrong = [plain, plain @ view.matrix, -plain]
    for vectors in wrong:
        if np.abs(vectors - flow)[INSIDE].max() > 0.5:
            assert np.abs(carried(second, vectors) - first)[INSIDE].mean() > 3 * error


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_estimated_flow_of_augmented_frames_is_the_augmented_flow(view: View) -> None:
    frames, flow = seen(view)
    error = np.linalg.norm(estimated(frames) - flow, axis=-1)[INSIDE].mean()
    still, unchanged = seen(None)
    reference = np.linalg.norm(estimated(still) - unchanged, axis=-1)[INSIDE].mean()
    # As close as the estimator comes without any augmentation, up to interpolation.
    assert error < reference + 0.1
    assert error < 0.2 * np.linalg.norm(flow, axis=-1)[INSIDE].mean()


def estimated(frames: NDArray[np.float64]) -> NDArray[np.floating]:
    """What OpenCV's DIS sees move between two frames."""
    first, second = (np.rint(frame).astype(np.uint8) for frame in frames)
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(estimator.calc(first, second, np.zeros((*first.shape, 2), np.float32)))


def test_a_vector_turns_with_the_picture() -> None:
    # At 10° counter-clockwise, y down: (5, 2) becomes (5.27, 1.10), not (4.58, 2.84).
    np.testing.assert_allclose(VIEWS["rotation"].matrix @ [5, 2], [5.27, 1.10], atol=0.005)
    np.testing.assert_allclose(VIEWS["mirror"].matrix @ [5, 2], [-5, 2])
    np.testing.assert_allclose(VIEWS["zoom in"].matrix @ [5, 2], [5.5, 2.2])


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_pictures_are_those_of_opencv(view: View) -> None:
    frames, _ = moving_pair()
    picture = frames[0].astype(np.float32)
    height, width = picture.shape[:2]
    mirrored = picture[:, ::-1] if view.mirrored else picture
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, view.angle, view.zoom), np.float64)
    # The window's middle lies right and down of the picture's, before the picture turns.
    sign = -1 if view.mirrored else 1
    matrix[:, 2] -= matrix[:, :2] @ (sign * view.right, view.down)
    turned = cv2.warpAffine(np.ascontiguousarray(mirrored), matrix, (width, height))
    expected = turned[MARGIN:-MARGIN, MARGIN:-MARGIN, 0]
    # OpenCV rounds places to 1/32 px.
    np.testing.assert_allclose(seen(view)[0][0], expected, atol=1.2)


def test_no_change_is_the_middle_to_rounding() -> None:
    for found, expected in zip(seen(IDENTITY), seen(None), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_beyond_the_picture_all_is_black_and_still() -> None:
    shift = View(0, 0, 1, 0, MARGIN + 10, False)
    (first, _), flow = seen(shift)
    # Interpolation reaches half a pixel beyond the edge.
    assert np.abs(first[-9:]).max() < 1e-4
    assert first[:-11].min() > 1
    assert np.abs(flow[-9:]).max() == 0


def test_one_view_holds_for_all_frames_and_each_window_has_its_own() -> None:
    frames, flow = moving_pair()
    stored = np.repeat(np.rint(flow / UNIT).astype(np.int16)[None], 3, 0)
    same = np.repeat(frames[:1], 3, 0)
    views = [VIEWS["all"], VIEWS["rotation"]]
    batch = collate([window_of(same, stored, view) for view in views])
    format_ = InputFormat((3, *SIZE), UNIT, (5.0, 5.0))
    streams = format_.streams(batch, ("rgb", "flow"))
    for name, stream in streams.items():
        assert stream.shape == (2, {"rgb": 3, "flow": 2}[name], 3, *SIZE)
        assert torch.equal(stream[:, :, 0], stream[:, :, 2])
        assert not torch.equal(stream[0], stream[1])
        for index, view in enumerate(views):
            alone = collate([window_of(same, stored, view)])
            single = format_.streams(alone, ("rgb", "flow"))
            assert torch.equal(single[name][0], stream[index])


RANGES = st.builds(
    AugmentationSettings,
    rotation_deg=st.floats(0, 45),
    zoom=st.floats(0, 0.5),
    shift=st.floats(0, 0.3),
    flip=st.floats(0, 1),
)


@given(RANGES, st.integers(0, 2**31), st.integers(0, 99), st.integers(0, 300), st.integers(0, 99))
def test_draws_stay_in_their_ranges_and_repeat(
    ranges: AugmentationSettings, seed: int, epoch: int, slack: int, sample: int
) -> None:
    draws = [
        draw_view(ranges, seed=seed, epoch=epoch, sample=sample, slack=slack, window=(40, 60))
        for _ in range(2)
    ]
    view = draws[0]
    assert view == draws[1]
    assert 0 <= view.start <= slack
    assert abs(view.angle) <= ranges.rotation_deg
    assert 1 - ranges.zoom <= view.zoom <= 1 + ranges.zoom
    assert abs(view.right) <= ranges.shift * 60
    assert abs(view.down) <= ranges.shift * 40


def test_draws_are_distributed_as_published() -> None:
    views = [
        draw_view(AugmentationSettings(), seed=1, epoch=e, sample=0, slack=60, window=(80, 120))
        for e in range(3000)
    ]
    start = [view.start for view in views]
    assert np.mean(start) == pytest.approx(30, abs=0.8)
    assert np.std(start) == pytest.approx(10, abs=0.6)
    for values, low, high in (
        ([view.angle for view in views], -10, 10),
        ([view.zoom for view in views], 0.9, 1.1),
        ([view.right for view in views], -12, 12),
        ([view.down for view in views], -8, 8),
    ):
        side = high - low
        assert min(values) == pytest.approx(low, abs=0.02 * side)
        assert max(values) == pytest.approx(high, abs=0.02 * side)
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=0.03 * side)
        assert np.std(values) == pytest.approx(side / math.sqrt(12), rel=0.05)
    assert np.mean([view.mirrored for view in views]) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("flip", [0.0, 0.2, 1.0])
def test_as_many_are_mirrored_as_the_settings_say(flip: float) -> None:
    ranges = AugmentationSettings(flip=flip)
    mirrored = [
        draw_view(ranges, seed=1, epoch=e, sample=0, slack=0, window=(8, 8)).mirrored
        for e in range(1000)
    ]
    assert np.mean(mirrored) == pytest.approx(flip, abs=0.06 if 0 < flip < 1 else 0)


def test_every_seed_epoch_and_sample_has_a_view_of_its_own() -> None:
    views = {
        draw_view(AugmentationSettings(), seed=s, epoch=e, sample=n, slack=9, window=(40, 60))
        for s, e, n in product(range(4), repeat=3)
    }
    assert len(views) == 4**3


@settings(max_examples=60, deadline=None)
@given(RANGES, st.integers(8, 40), st.integers(8, 40), st.integers(0, 2**20))
def test_the_margin_is_all_that_a_view_can_show(
    ranges: AugmentationSettings, height: int, width: int, seed: int
) -> None:
    margin = ranges.margin(height, width)
    view = draw_view(ranges, seed=seed, epoch=0, sample=0, slack=0, window=(height, width))
    white = torch.ones(1, 1, height + 2 * margin, width + 2 * margin, 1)
    found = resample(
        white,
        torch.tensor(view.matrix).float()[None],
        torch.tensor([[view.right, view.down]]),
        (height, width),
        vectors=False,
    )
    torch.testing.assert_close(found, torch.ones_like(found), atol=1e-4, rtol=0)


def test_the_margin_is_no_wider_than_needed() -> None:
    ranges = AugmentationSettings()
    margin = ranges.margin(120, 120) - 2
    furthest = View(0, 10, 0.9, 12, 12, False)
    white = torch.ones(1, 1, 120 + 2 * margin, 120 + 2 * margin, 1)
    found = resample(
        white,
        torch.tensor(furthest.matrix).float()[None],
        torch.tensor([[furthest.right, furthest.down]]),
        (120, 120),
        vectors=False,
    )
    assert found.min() < 0.9
