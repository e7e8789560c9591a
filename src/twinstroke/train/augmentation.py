"""Views of a stroke: where a window begins, and how its picture is turned, scaled and moved.

Optical flow is a field of vectors in the plane of the picture: what turns, scales or mirrors the
picture does the same to the vectors, so that the flow of two augmented frames is the augmented flow
of the two. (The published code turns the vectors in the other sense, mirrors both components, and
scales them after each had been normalised by a divisor of its own.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from twinstroke.settings.train import AugmentationSettings


@dataclass(frozen=True)
class View:
    """One draw: the same for all frames of a window, and for both streams.

    The picture is mirrored, turned about the region of interest and scaled; the window lies beside
    the region of interest by the shift.
    """

    start: int
    """First frame of the window within the clip."""
    angle: float
    """Degrees, counter-clockwise as one sees it."""
    zoom: float
    """Above 1: things look larger."""
    right: float
    """Where the middle of the window lies in the stored picture: pixels right of its middle."""
    down: float
    """The same, pixels below."""
    mirrored: bool
    """Left and right change places."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(2, 2): what happens to a vector (x right, y down) that is drawn into the picture."""
        cosine, sine = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        turn = np.array([[cosine, sine], [-sine, cosine]])
        return self.zoom * turn @ np.diag([-1.0 if self.mirrored else 1.0, 1.0])


def draw_view(
    settings: AugmentationSettings,
    *,
    seed: int,
    epoch: int,
    sample: int,
    slack: int,
    window: tuple[int, int],
) -> View:
    """Draw the view of one sample in one epoch.

    It depends on the arguments alone: neither on how many processes read, nor on their order, nor
    on whether training was interrupted.

    Args:
        settings: Ranges.
        seed: Of the training.
        epoch: Counted from 0.
        sample: Row of the sample in ``strokes.h5``.
        slack: Largest start: length of the clip less T.
        window: (H, W) in pixels.

    Returns:
        Start ~ N(slack/2, slack/6), drawn again until it is within [0, slack]: in the published
        code the same centre and deviation. Angle, zoom and shifts are uniform in their ranges.
    """
    generator = np.random.default_rng([seed, epoch, sample])
    start = -1
    while not 0 <= start <= slack:
        start = round(generator.normal(slack / 2, slack / 6))
    angle, zoom, down, right = generator.uniform(-1, 1, 4)
    return View(
        start=start,
        angle=settings.rotation_deg * angle,
        zoom=1 + settings.zoom * zoom,
        right=settings.shift * window[1] * right,
        down=settings.shift * window[0] * down,
        mirrored=bool(generator.random() < settings.flip),
    )


def resample(
    pictures: Tensor, linear: Tensor, shift: Tensor, size: tuple[int, int], *, vectors: bool
) -> Tensor:
    """Cut windows out of pictures as their views say, by bilinear interpolation.

    Args:
        pictures: (N, T, H', W', C), of integers or float32; the middle is the region of interest.
        linear: float64 (N, 2, 2), :attr:`View.matrix` of each window.
        shift: float64 (N, 2), pixels to the right and down.
        size: (H, W) of the windows.
        vectors: The C = 2 values are vectors (x right, y down) and are transformed too.

    Returns:
        float32 (N, T, H, W, C); zero where a window reaches beyond the picture.
    """
    samples, frames, height, width, channels = pictures.shape
    # A place in the window leads to the place in the picture that is seen there. Both are counted
    # from the middle, in halves of the sides, as affine_grid wants them.
    to_picture = [
        # The inverse of the matrix; written out, because torch.linalg.inv makes a GPU wait.
        torch.stack([linear[:, 1, 1] * (size[1] / width), -linear[:, 0, 1] * (size[0] / width)], 1),
        torch.stack(
            [-linear[:, 1, 0] * (size[1] / height), linear[:, 0, 0] * (size[0] / height)], 1
        ),
    ]
    determinant = linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
    back = torch.stack(to_picture, 1) / determinant[:, None, None]
    moved = torch.stack([shift[:, 0] * (2 / width), shift[:, 1] * (2 / height)], 1)
    theta = torch.cat([back, moved[..., None]], 2).float()
    grid = F.affine_grid(theta, [samples, 1, *size], align_corners=False)
    # To float32 and into the order of grid_sample in one pass.
    planes = pictures.permute(0, 1, 4, 2, 3).to(
        torch.float32, copy=True, memory_format=torch.contiguous_format
    )
    flat = planes.view(samples, frames * channels, height, width)
    seen = F.grid_sample(flat, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    result = seen.view(samples, frames, channels, *size).permute(0, 1, 3, 4, 2).contiguous()
    if vectors:
        result = torch.einsum("nij,nthwj->nthwi", linear.float(), result)
    return result
