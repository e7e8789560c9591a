"""Region of interest: where the window is cut, frame by frame.

Source: the authors' ROI rule, X = α · f(X_max) + (1 - α) · f(X_g) with α = 0.6, where X_max is the
point of largest flow, X_g the centroid of the moving pixels and f keeps the window inside the
frame; then Gaussian smoothing in time over a third of a second (41 frames at 120 fps).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from twinstroke.settings.normalize import RoiSettings

TRACK_FRAMES = 64
"""Frames of a whole video whose regions of interest are smoothed at once, always the same ones."""


def roi_centre(
    flow: NDArray[np.float32], crop: tuple[int, int], max_weight: float
) -> NDArray[np.float64]:
    """Centre of the region of interest of one frame.

    Args:
        flow: Masked flow, float32 (H, W, 2), in pixels.
        crop: (H, W) of the window.
        max_weight: α, the weight of the point of largest flow.

    Returns:
        float64 (2,): (x, y) in pixels; NaN where nothing moves.
    """
    strength = np.abs(flow[..., 0]) + np.abs(flow[..., 1])
    rows, columns = np.nonzero(strength)
    if not len(rows):
        return np.full(2, np.nan)
    y_max, x_max = np.unravel_index(int(strength.argmax()), strength.shape)
    largest = np.array([x_max, y_max], np.float64)
    centroid = np.array([columns.mean(), rows.mean()])
    # A window larger than the frame has only one place: the middle.
    half = np.minimum([crop[1], crop[0]], [flow.shape[1], flow.shape[0]]) / 2
    low, high = half, np.array([flow.shape[1], flow.shape[0]]) - half
    result: NDArray[np.float64] = max_weight * np.clip(largest, low, high) + (
        1 - max_weight
    ) * np.clip(centroid, low, high)
    return result


def smoothing_kernel(settings: RoiSettings, fps: float) -> NDArray[np.float64]:
    """Gaussian weights of the smoothing in time: odd length, sum 1.

    Length ``int(seconds · fps + 1)``, one more where that is even: 41 at 120 fps. The width follows
    OpenCV's rule for a kernel of that length, σ = 0.3 · ((length - 1)/2 - 1) + 0.8: 6.5 for 41.
    """
    # The small number undoes rounding in products such as 1/3 · 120.
    length = int(settings.smoothing_s * fps + 1 + 1e-9) | 1
    half = length // 2
    sigma = 0.3 * (half - 1) + 0.8
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    result: NDArray[np.float64] = weights / weights.sum()
    return result


def roi_track(
    centres: NDArray[np.float64], size: tuple[int, int], kernel: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Smoothed track of the region of interest over one uncut run.

    Where nothing moves, the centre stays where it was; before the first motion it is where that
    will be; with no motion at all it is the middle of the frame. Beyond both ends the track is
    mirrored about its last point (OpenCV's ``BORDER_REFLECT_101``, as in the authors' code).

    Args:
        centres: (M, 2) of (x, y), NaN where nothing moves.
        size: (H, W) of the frame.
        kernel: Weights from `smoothing_kernel`.

    Returns:
        float64 (M, 2) without NaN.
    """
    moving = np.flatnonzero(~np.isnan(centres[:, 0]))
    if not len(moving):
        return np.tile([size[1] / 2, size[0] / 2], (len(centres), 1))
    latest = np.searchsorted(moving, np.arange(len(centres)), side="right") - 1
    filled = centres[moving[np.maximum(latest, 0)]]
    if math.isclose(kernel.max(), 1.0):
        return filled
    smooth: NDArray[np.float64] = correlate1d(filled, kernel, axis=0, mode="mirror")
    return smooth


def track_block(
    centres: NDArray[np.float64], begin: int, size: tuple[int, int], kernel: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Smoothed track over `TRACK_FRAMES` frames of a whole video, which may still be coming in.

    As :func:`roi_track` has it over all frames, but where nothing moves in the block or around it:
    there it is the middle of the frame at the beginning of the video, not where something will move
    at last.

    Args:
        centres: (M, 2) of (x, y) of all frames, each that of the last frame that moved, NaN before;
            those after the block and half the kernel do not matter.
        begin: First frame of the block.
        size: (H, W) of the frame.
        kernel: Weights from `smoothing_kernel`.

    Returns:
        float32 (n, 2), n ≤ `TRACK_FRAMES`.
    """
    around = len(kernel) // 2
    end = min(begin + TRACK_FRAMES, len(centres))
    low, high = max(0, begin - around), min(len(centres), end + around)
    track = roi_track(centres[low:high], size, kernel)
    return track[begin - low : end - low].astype(np.float32)


def latest_centres(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each frame the centre of the last one that moved, itself included; NaN before the first.

    Args:
        centres: (M, 2) of (x, y), NaN where nothing moves.
    """
    places = np.where(np.isnan(centres[:, 0]), 0, np.arange(len(centres)))
    result: NDArray[np.float64] = centres[np.maximum.accumulate(places)]
    return result
