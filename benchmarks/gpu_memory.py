"""Do the batches of the paper fit a GPU of 16 GB?"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.feeding import GPU, description
from benchmarks.measuring import Result, Section, table
from twinstroke.gpu_check import PAPER_CASES, Case
from twinstroke.train.fit import train_step

LIMIT = 15 * 2**30
"""Of 16 GB, what the CUDA context and the workspaces of cuDNN leave."""


def measure(_: Path) -> Section:
    """Take a step of each network of the paper, and note the most memory in use at once."""
    on_gpu = torch.cuda.is_available()
    rows, results = [], []
    for case in PAPER_CASES:
        peak = _peak(case, checkpointing=False, on_gpu=on_gpu)
        results.append(Result(str(case), peak, LIMIT, "≤", "GiB"))
        if case.attention_blocks or case.architecture == "i3d":
            less = _peak(case, checkpointing=True, on_gpu=on_gpu)
            rows.append([str(case), *(f"{own / 2**30:.1f} GiB" for own in (peak, less))])
    how = (
        f"Measured on a {torch.cuda.get_device_name()}: the most that tensors took in two steps."
        if on_gpu
        else "No GPU was at hand, so that tensors are counted, not measured: the step runs on "
        "tensors that have shapes and no contents, along the operators that it takes on CUDA, and "
        "every storage counts from its making to its end. Workspaces of cuDNN and what the "
        "allocator rounds up come on top. On a GPU the same command measures."
    )
    return Section(
        "Memory of a GPU",
        results,
        f"{how} Float32, {'×'.join(map(str, GPU.window))}, weights, gradients, momentum and the "
        "batch included; samples in memory of the GPU not, which `train` puts there only where "
        "they take no more than a quarter of what is free.",
        [table(["peak of a step", "features kept", "checkpointing"], rows)],
    )


def _peak(case: Case, *, checkpointing: bool, on_gpu: bool) -> int:
    """Bytes in use at once during the second of two steps."""
    device = torch.device("cuda" if on_gpu else "meta")
    made = description(case.modality, GPU, attention_blocks=case.attention_blocks)
    execution = made.execution.model_copy(update={"checkpointing": checkpointing})
    made = made.model_copy(update={"architecture": case.architecture, "execution": execution})
    counted = Allocated()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    with nullcontext() if on_gpu else counted:
        model = made.build(device).train()
        optimiser = torch.optim.SGD(
            model.parameters(), 1e-3, 0.5, weight_decay=5e-3, nesterov=True, fused=on_gpu
        )
        streams = {
            name: torch.empty(case.batch_size, *shape, device=device)
            for name, shape in model.streams.items()
        }
        target = torch.zeros(case.batch_size, dtype=torch.int64, device=device)
        for _ in range(2):
            train_step(
                model,
                optimiser,
                streams,
                target,
                weight=1 / case.batch_size,
                gradient_clip=0.0,
                precision="float32",
            )
    return torch.cuda.max_memory_allocated() if on_gpu else counted.peak


class Allocated(TorchDispatchMode):
    """Counts the bytes of all storages that operators make, and forgets those that are gone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operator and look at what it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
