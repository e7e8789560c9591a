"""Cutting a rectangle that may reach beyond the picture."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twinstroke.regions import Box

Pixel = TypeVar("Pixel", np.uint8, np.int16)


def window_around(
    picture: NDArray[Pixel],
    centre: NDArray[np.floating],
    window: tuple[int, int],
    margin: int,
    box: Box | None = None,
) -> NDArray[Pixel]:
    """Cut a window around `centre` where it lies in a crop with a margin, as training sees it.

    Args:
        picture: (H, W, C).
        centre: (x, y) in pixels.
        window: (H, W).
        margin: Pixels around the window, which decide how its place is rounded.
        box: What counts of the picture; None: all of it.

    Returns:
        (*window, C) of the same dtype.
    """
    crop = crop_around(picture, centre, (window[0] + 2 * margin, window[1] + 2 * margin), box)
    return crop[margin : margin + window[0], margin : margin + window[1]]


def crop_around(
    picture: NDArray[Pixel],
    centre: NDArray[np.floating],
    size: tuple[int, int],
    box: Box | None = None,
) -> NDArray[Pixel]:
    """Cut `size` around `centre`, with zeros outside the picture.

    Args:
        picture: (H, W, C).
        centre: (x, y) in pixels; the crop begins at round(centre - size / 2).
        size: (H, W) of the crop.
        box: What counts of the picture, beyond which there are zeros too; None: all of it.

    Returns:
        (*size, C) of the same dtype.
    """
    result = np.zeros((*size, picture.shape[2]), picture.dtype)
    top, left = (round(float(c) - s / 2) for c, s in zip(centre[::-1], size, strict=True))
    bottom, right = top + size[0], left + size[1]
    box = box or Box(0, 0, *picture.shape[:2])
    rows = slice(min(max(box.top, top), box.bottom), max(box.top, min(box.bottom, bottom)))
    columns = slice(min(max(box.left, left), box.right), max(box.left, min(box.right, right)))
    part = picture[rows, columns]
    # A crop wholly outside has no part in the picture and stays zero.
    result[
        rows.start - top : rows.start - top + part.shape[0],
        columns.start - left : columns.start - left + part.shape[1],
    ] = part
    return result
