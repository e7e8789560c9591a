"""In which numbers a network is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from twinstroke.settings.execution import Precision


def imitated(precision: Precision, device: torch.device) -> bool:
    """Whether this precision is imitated: bfloat16 on every CPU.

    With torch 2.13 on a processor that has such arithmetic (AVX512_BF16), the same training gave
    other bits at each run, or NaN. Imitated, it repeats, and does so on every processor alike.
    """
    return precision == "bfloat16" and device.type == "cpu"


def forward_pass(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Where a forward pass belongs: torch's autocast, unless that is imitated."""
    if precision == "float32" or imitated(precision, device):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def whole_step(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Where forward and backward pass belong together: the imitation, if the device needs one."""
    return RoundedProducts() if imitated(precision, device) else nullcontext()


class RoundedProducts(TorchFunctionMode):
    """Convolutions and matrix products as bfloat16 has them, computed in float32.

    A product of two numbers of 8 significant bits is exact in float32, in which hardware adds such
    products up, too. So inputs and results are rounded, and their gradients, and nothing is gained
    but the knowledge of what becomes of a training. Without this, torch's own operators for
    processors that lack such arithmetic take forty times as long as float32. What lies between the
    products stays float32 here, where autocast keeps some of it in bfloat16.
    """

    PRODUCTS = (F.conv3d, F.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Round around the products; leave everything else as it is."""
        kwargs = kwargs or {}
        if func not in self.PRODUCTS:
            return func(*args, **kwargs)
        rounded = [_rounded(a) if isinstance(a, Tensor) else a for a in args]
        kwargs = {name: _rounded(a) if isinstance(a, Tensor) else a for name, a in kwargs.items()}
        return _rounded(func(*rounded, **kwargs))


def _rounded(x: Tensor) -> Tensor:
    return x.bfloat16().to(x.dtype)
