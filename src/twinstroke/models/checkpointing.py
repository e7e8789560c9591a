"""Features that are computed again for the gradient, rather than kept: less memory, more time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module, and keep its input alone for the gradient.

    Values, gradients and running statistics have the same bits as those of ``module(x)``: what is
    computed again sees the same batch, and does not count in the statistics. The module must draw
    no random numbers, as dropout does.
    """
    if not torch.is_grad_enabled():
        return cast(Tensor, module(x))
    result = checkpoint(
        module,
        x,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), _statistics_kept(module)),
    )
    return cast(Tensor, result)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """What batch normalisation takes in meanwhile, goes into copies of its running statistics."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    own = [dict(norm.named_buffers(recurse=False)) for norm in norms]
    for norm, buffers in zip(norms, own, strict=True):
        for name, buffer in buffers.items():
            setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, buffers in zip(norms, own, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
