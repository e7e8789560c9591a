"""Foreground masks: where flow is the player's and not the wall's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from twinstroke.settings.normalize import MaskSettings


def foreground(
    frames: Iterable[NDArray[np.uint8]], settings: MaskSettings
) -> Iterator[NDArray[np.bool_]]:
    """Foreground of each frame of one uncut run, by background subtraction.

    The subtractor learns as it goes: at the beginning of a run, nearly everything counts as
    foreground. Shadows count as background (the authors' ``mask / 255`` would weigh them by a
    half). Repeatable: OpenCV's KNN draws random numbers, so its generator is set first.

    Args:
        frames: uint8 (H, W, 3) RGB, in order.
        settings: Method, its thresholds, and the dilation (authors: 3×3).

    Yields:
        bool (H, W) for each frame.
    """
    cv2.setRNGSeed(0)
    subtractor = _subtractor(settings)
    for frame in frames:
        if subtractor is None:
            yield np.ones(frame.shape[:2], np.bool_)
            continue
        mask = (subtractor.apply(frame) == 255).astype(np.uint8)
        if settings.dilate:
            mask = cv2.dilate(mask, np.ones((settings.dilate, settings.dilate), np.uint8))
        yield mask.astype(np.bool_)


def masked(flow: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Flow (..., H, W, 2) with zero outside the foreground (..., H, W)."""
    return flow * mask[..., None]


def _subtractor(settings: MaskSettings) -> cv2.BackgroundSubtractor | None:
    if settings.method == "knn":
        return cv2.createBackgroundSubtractorKNN(
            settings.history, settings.threshold or 400.0, True
        )
    if settings.method == "mog2":
        return cv2.createBackgroundSubtractorMOG2(
            settings.history, settings.threshold or 16.0, True
        )
    return None
