"""Cutting a rectangle that may reach beyond the picture."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", np.uint8, np.int16)


def window_around(
    picture: NDArray[Pixel], centre: NDArray[np.floating], window: tuple[int, int], margin: int
) -> NDArray[Pixel]:
    """Cut a window around `centre` where it lies in a crop with a margin, as training sees it.

    Args:
        picture: (H, W, C).
        centre: (x, y) in pixels.
        window: (H, W).
        margin: Pixels around the window, which decide how its place is rounded.

    Returns:
        (*window, C) of the same dtype.
    """
    crop = crop_around(picture, centre, (window[0] + 2 * margin, window[1] + 2 * margin))
    return crop[margin : margin + window[0], margin : margin + window[1]]


def crop_around(
    picture: NDArray[Pixel], centre: NDArray[np.floating], size: tuple[int, int]
) -> NDArray[Pixel]:
    """Cut `size` around `centre`, with zeros outside the picture.

    Args:
        picture: (H, W, C).
        centre: (x, y) in pixels; the crop begins at round(centre - size / 2).
        size: (H, W) of the crop.

    Returns:
        (*size, C) of the same dtype.
    """
    result = np.zeros((*size, picture.shape[2]), picture.dtype)
    top, left = (round(float(c) - s / 2) for c, s in zip(centre[::-1], size, strict=True))
    bottom, right = top + size[0], left + size[1]
    height, width = picture.shape[:2]
    rows = slice(min(max(0, top), height), max(0, min(height, bottom)))
    columns = slice(min(max(0, left), width), max(0, min(width, right)))
    part = picture[rows, columns]
    # A crop wholly outside has no part in the picture and stays zero.
    result[
        rows.start - top : rows.start - top + part.shape[0],
        columns.start - left : columns.start - left + part.shape[1],
    ] = part
    return result
