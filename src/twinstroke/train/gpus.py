"""The memory that a network needs on a GPU, counted beforehand; and a GPU that has it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from twinstroke.models.network import CHANNELS, STREAMS
from twinstroke.parallel.gpu_locks import Claim, claimed_gpus
from twinstroke.train.fit import train_step
from twinstroke.train.model_file import TrainedModel, read_description
from twinstroke.train.state import State

META = torch.device("meta")
"""Its tensors have shapes and no contents."""
WINDOWS_AT_ONCE = 8
"""That a network sees together, at least, when it is used."""
FACTOR, CONTEXT = 1.25, 2**30
"""What cuDNN works with and what torch's allocator rounds up, as a part of the tensors; and bytes
that each program takes on a GPU before it has any."""


@contextmanager
def on_a_gpu(who: str, *model_files: Path) -> Iterator[None]:
    """Use networks on a GPU that has the memory for it; do nothing where torch sees none.

    Args:
        who: Stage or verb, for messages.
        model_files: What `train` wrote, all used at once. Without any, and for other files, which
            torch does not run, no GPU is claimed.

    Raises:
        UserError: A file is missing or damaged.
    """
    files = [file for file in model_files if file.suffix == ".safetensors"]
    if not files or not torch.cuda.is_available():
        yield
        return
    memory = sum(memory_of_use(read_description(file)) for file in files)
    with claimed_gpus(1, Claim(who, memory)) as (index,), torch.cuda.device(index):
        yield


def memory_of_use(made: TrainedModel) -> int:
    """Bytes that a network needs on a GPU to be shown windows."""

    def show() -> None:
        model = made.build(META).eval()
        with torch.inference_mode():
            model(_streams(made, max(WINDOWS_AT_ONCE, made.optimisation.batch_size)))

    return round(FACTOR * _peak(show)) + CONTEXT


def memory_of_training(made: TrainedModel, held: int) -> int:
    """Bytes that each process needs on its GPU to train a network, or several in turns.

    Args:
        made: What is trained. Float32 is counted, which is the most that a precision takes.
        held: Bytes of samples that may lie there too.
    """
    size = -(-made.optimisation.batch_size // made.execution.processes)

    def train(part: TrainedModel) -> None:
        model = part.build(META).train()
        optimiser = State.initial(model, part.optimisation, steps=1).optimiser
        optimiser.param_groups[0]["fused"] = False  # torch's fused step needs contents
        streams, target = _streams(part, size), torch.zeros(size, dtype=torch.int64, device=META)
        for _ in range(2):  # momentum is there from the first step on
            train_step(
                *(model, optimiser, streams, target),
                weight=1 / size,
                gradient_clip=part.optimisation.gradient_clip,
                precision="float32",
            )

    tensors = held + max(_peak(partial(train, part)) for part in made.networks())
    return round(FACTOR * tensors) + CONTEXT


def _streams(made: TrainedModel, count: int) -> Mapping[str, Tensor]:
    shapes = {name: (CHANNELS[name], *made.window) for name in STREAMS[made.modality]}
    return {name: torch.empty(count, *shape, device=META) for name, shape in shapes.items()}


def _peak(run: Callable[[], None]) -> int:
    counted = Allocated()
    with META, counted:  # nothing is made on the CPU first, which takes seconds
        run()
    return counted.peak


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
