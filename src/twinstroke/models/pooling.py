"""Max-pooling whose gradient is the same at every run, on every device, in every version of torch.

On CUDA some versions of torch, 2.11 among them, add the gradients of ``F.max_pool3d`` up in no
fixed order, and refuse to under ``torch.use_deterministic_algorithms(True)``. The largest of a box
is the largest along W, then H, then T, so that slices and comparisons, one axis after the other, do
the same in a fixed order.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Axes = tuple[int, int, int]
"""One number for each of T, H and W."""

Margins = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Positions added (before, after) T, H and W."""


class MaxPool3d(nn.Module):
    """``nn.MaxPool3d`` with a gradient in a fixed order, and TensorFlow's padding "SAME".

    Added positions are -inf: they never are the largest. Zeros, as some ports of I3D add, give the
    same behind a ReLU, since no value is below zero and no gradient passes where it is zero.

    Args:
        kernel: T, H and W of the boxes; one number stands for all three.
        stride: Distance between boxes, likewise.
        padding: Positions added at both ends of each axis, at most half the kernel; or ``"same"``,
            which adds what leaves ⌈size/stride⌉ boxes, see :func:`same_padding`.
    """

    def __init__(
        self, kernel: int | Axes, *, stride: int | Axes, padding: int | Axes | Literal["same"] = 0
    ) -> None:
        super().__init__()
        self.kernel = _axes(kernel)
        self.stride = _axes(stride)
        self.padding: Axes | Literal["same"] = "same" if padding == "same" else _axes(padding)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, T, H, W)`` to the largest values of the boxes ``(N, C, T', H', W')``."""
        margins = self._margins(x)
        if x.device.type == "cpu":  # torch's own is ordered there, and several times as fast
            return _torch_max_pool(x, self.kernel, self.stride, margins)
        return separable_max_pool(x, self.kernel, self.stride, margins)

    def _margins(self, x: Tensor) -> Margins:
        if self.padding == "same":
            return same_padding(x, self.kernel, self.stride)
        t, h, w = self.padding
        return (t, t), (h, h), (w, w)


def same_padding(x: Tensor, kernel: Axes, stride: Axes) -> Margins:
    """Padding that TensorFlow calls "SAME": ⌈size/stride⌉ boxes along each axis of ``x``.

    Of an odd number of positions the greater part comes after, so that the boxes of an even size
    begin at its first value.

    Returns:
        Positions to add before and after T, H and W of ``x``, ``(N, C, T, H, W)``.
    """

    def margins(axis: int) -> tuple[int, int]:
        size = x.shape[2 + axis]
        boxes = -(-size // stride[axis])
        missing = max((boxes - 1) * stride[axis] + kernel[axis] - size, 0)
        return missing // 2, missing - missing // 2

    return margins(0), margins(1), margins(2)


def pad(x: Tensor, margins: Margins, value: float) -> Tensor:
    """Add positions of one value around T, H and W of ``x``, ``(N, C, T, H, W)``."""
    t, h, w = margins
    return F.pad(x, (*w, *h, *t), value=value) if any(t + h + w) else x


def separable_max_pool(x: Tensor, kernel: Axes, stride: Axes, margins: Margins) -> Tensor:
    """Max-pooling by comparisons, along W, then H, then T.

    Equal to ``F.max_pool3d``, in values and in gradients: of several largest values both take the
    first in the order of T, H, W, and both pass NaN on. Keeps the layout of ``x`` in memory.

    Args:
        x: ``(N, C, T, H, W)``, floating point, above -inf.
        kernel: T, H and W of the boxes.
        stride: Distance between boxes along T, H and W.
        margins: Positions of -inf to add before and after T, H and W.

    Returns:
        ``(N, C, T', H', W')``, each size ⌊(before + size + after - kernel) / stride⌋ + 1.
    """
    x = pad(x, margins, -math.inf)
    for axis in (2, 1, 0):
        x = _largest_along(x, 2 + axis, kernel[axis], stride[axis])
    return x


def _largest_along(x: Tensor, dim: int, kernel: int, stride: int) -> Tensor:
    span = (
        x.shape[dim] - kernel
    ) // stride * stride + 1  # from the first box's start to the last's
    before = (slice(None),) * dim
    best = x[(*before, slice(0, span, stride))]
    for offset in range(1, kernel):
        tap = x[(*before, slice(offset, offset + span, stride))]
        best = torch.where((tap > best) | tap.isnan(), tap, best)
    return best


def _torch_max_pool(x: Tensor, kernel: Axes, stride: Axes, margins: Margins) -> Tensor:
    """The same by torch's operator, which takes the margins that are equal on both sides."""
    (t, t_after), (h, h_after), (w, w_after) = margins
    x = pad(x, ((0, t_after - t), (0, h_after - h), (0, w_after - w)), -math.inf)
    return F.max_pool3d(x, kernel, stride, padding=(t, h, w))


def _axes(value: int | Axes) -> Axes:
    return (value, value, value) if isinstance(value, int) else value
