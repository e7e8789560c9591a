"""Same commit, same data, same device type: same bits."""

from __future__ import annotations

import ctypes
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

DRAWS_OF_TORCH = 2**32 - 1
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""


def make_deterministic(seed: int) -> torch.device:
    """Seed every generator, forbid nondeterministic operations, and choose the device.

    Call it before the first tensor is made: cuBLAS reads its variable only once.

    Returns:
        The current CUDA device where there is one, otherwise the CPU.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries may draw from the global generator
    torch.manual_seed(seed)
    # The same as use_deterministic_algorithms(True), which loads torch's compiler for a second.
    torch.set_deterministic_debug_mode("error")
    # Would fill every new tensor, at a price; nothing here reads memory that was not written. The
    # documented switch is missing in torch's type hints.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # Products of bfloat16 are added up in float32 throughout.
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    _keep_freed_memory()
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def _keep_freed_memory() -> None:
    """Let the next step have the memory of the last one, rather than fetch it page by page.

    The C library of Linux gives large blocks back to the system at once. Getting them again costs
    a tenth to a fifth of a training step on a CPU. (torch has an allocator of its own on CUDA.)
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def draws_of(seed: int, epoch: int, rank: int = 0) -> Iterator[None]:
    """Let what torch draws inside, such as dropout, depend on seed, epoch and process alone.

    So an epoch is the same whatever was drawn before it, and whether training was interrupted.
    """
    # Of several GPUs the others may be in use by other programs.
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        # The third number tells these draws from those of the order and of the views.
        key = [seed, epoch, DRAWS_OF_TORCH, *([rank] if rank else [])]
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        yield
