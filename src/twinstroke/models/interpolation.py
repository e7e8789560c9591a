"""Trilinear up-sampling whose gradient is the same at every run, on every device.

``F.interpolate(mode="trilinear")`` adds its gradients up in no fixed order on CUDA, and refuses to
under ``torch.use_deterministic_algorithms(True)``. Interpolation is linear and separable, so three
matrix products, one an axis, do the same in a fixed order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def upsample_trilinear(x: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Resize T, H and W with aligned corners: the first and last samples of an axis stay put.

    Equal to ``F.interpolate(x, size, mode="trilinear", align_corners=True)`` to rounding, in values
    and in gradients.

    Args:
        x: Features ``(N, C, T, H, W)``, floating point.
        size: T, H and W to resize to.

    Returns:
        Features ``(N, C, *size)`` in the layout ``torch.channels_last_3d``.
    """
    # With the channels innermost no axis has to be moved, and W first leaves the longest rows to
    # the product with the most of them.
    y = x.permute(0, 2, 3, 4, 1)  # (N, T, H, W, C)
    for axis in (3, 2, 1):
        before, after = y.shape[:axis], y.shape[axis + 1 :]
        weights = interpolation_weights(y.shape[axis], size[axis - 1], like=x)
        # Not numel(): in a network that is exported it makes N a constant.
        rows = y.reshape(math.prod(before), y.shape[axis], math.prod(after))
        y = (weights @ rows).reshape(*before, size[axis - 1], *after)
    return y.permute(0, 4, 1, 2, 3)  # (N, C, T', H', W')


def interpolation_weights(source: int, target: int, *, like: Tensor) -> Tensor:
    """Weight of each of ``source`` samples in each of ``target`` samples, corners aligned.

    Sample i of the target lies at i·(source-1)/(target-1) of the source, and takes from sample j
    the part 1 - |distance|, if that is positive. The numerators are integers, hence exact.

    Returns:
        ``(target, source)`` of the type and on the device of ``like``; each row sums to 1.
    """
    steps = max(target - 1, 1)  # a single target sample sits on the first source sample
    position = torch.arange(target, device=like.device).unsqueeze(1) * (source - 1)  # (target, 1)
    sample = torch.arange(source, device=like.device) * steps  # (source,)
    nearness = steps - (position - sample).abs()  # (target, source)
    # Divided before it is rounded: numbers of few bits have no large integers.
    return (nearness.clamp(min=0).double() / steps).to(like.dtype)
