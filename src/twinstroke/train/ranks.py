"""Processes that train together: what they share out, and what they add up."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.parallel import DistributedDataParallel

from twinstroke.models import Network

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone, if nothing else is said."""

    rank: int = 0
    """From 0; the first one writes and prints."""
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether it is the one that writes and prints."""
        return self.rank == 0

    def own(self, items: Sequence[T]) -> Sequence[T]:
        """The share of this process: every `size`-th, so that shares differ by one at most."""
        return items[self.rank :: self.size]

    def total(self, tensor: Tensor) -> Tensor:
        """Sum over all processes, with the same bits in each; it may be `tensor` itself."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first process made, in each; the others wait for it."""
        found: list[Any] = [make() if self.first else None]
        if self.size > 1:
            dist.broadcast_object_list(found)
        made: T = found[0]
        return made

    def shared(self, model: Network, device: torch.device) -> nn.Module:
        """The network, such that its gradients are means over all processes."""
        if self.size == 1:
            return model
        shared = DistributedDataParallel(model, [device.index] if device.type == "cuda" else None)
        # torch sorts gradients into new parcels after the first backward pass, and three numbers or
        # more have another sum in another order. So this happens before any step that counts, or
        # the first step after an interruption would have other bits.
        kept = copy.deepcopy(model.state_dict())
        nothing = {name: torch.zeros(2, *s, device=device) for name, s in model.streams.items()}
        shared.train()(nothing).sum().backward()
        model.load_state_dict(kept)
        model.zero_grad()
        return shared

    def normalising_together(self, model: nn.Module) -> None:
        """Let batch normalisation be over the windows of all processes.

        Names of parameters and running statistics stay.
        """
        for module in model.modules():
            if self.size > 1 and type(module) is nn.BatchNorm3d:
                module.__class__ = SharedBatchNorm3d


class SharedBatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation over the windows of all processes, on any device.

    As ``nn.BatchNorm3d`` of the whole batch, to rounding: values, gradients, running statistics. A
    process may have no window at all. (torch's own SyncBatchNorm refuses CPUs, makes a GPU wait in
    each layer, and its processes disagree in bfloat16 when one has no window.)
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, C, T, H, W)``, the share of this process, in float32 at least."""
        if not self.training:
            return super().forward(x)
        across = (0, 2, 3, 4)
        with torch.autocast(x.device.type, enabled=False):
            values = x.to(self.weight.dtype)
            count = _over_all(values.new_full((), x.numel() / x.shape[1]))
            mean = _over_all(values.sum(across)) / count
            centred = values - mean.view(-1, 1, 1, 1)
            variance = _over_all(centred.square().sum(across)) / count
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            scale = self.weight * (variance + self.eps).rsqrt()
            normalised = centred * scale.view(-1, 1, 1, 1) + self.bias.view(-1, 1, 1, 1)
            return normalised.to(x.dtype)


def _over_all(own: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """Sum over all processes; what each does with it counts in the gradient of every one."""

    @staticmethod
    def forward(_: FunctionCtx, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
