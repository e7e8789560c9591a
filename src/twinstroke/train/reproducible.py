"""Same commit, same data, same device type: same bits."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

DRAWS_OF_TORCH = 2**32 - 1


def make_deterministic(seed: int) -> torch.device:
    """Seed every generator, forbid nondeterministic operations, and choose the device.

    Call it before the first tensor is made: cuBLAS reads its variable only once.

    Returns:
        The CUDA device where there is one, otherwise the CPU.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries may draw from the global generator
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Would fill every new tensor, at a price; nothing here reads memory that was not written. The
    # documented switch is missing in torch's type hints.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def draws_of(seed: int, epoch: int) -> Iterator[None]:
    """Let what torch draws inside, such as dropout, depend on seed and epoch alone.

    So an epoch is the same whatever was drawn before it, and whether training was interrupted.
    """
    with torch.random.fork_rng():
        # The last number tells these draws from those of the order and of the views.
        numbers = np.random.SeedSequence([seed, epoch, DRAWS_OF_TORCH]).generate_state(1)
        torch.manual_seed(int(numbers[0]))
        yield
