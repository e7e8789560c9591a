"""The machine, as far as it decides the bits of a training."""

from __future__ import annotations

from collections.abc import Mapping

import torch

Machine = Mapping[str, str]
"""What decides bits, by its name for people."""
THREADS = "threads"


def this_machine(gpu: int | None, threads: int) -> Machine:
    """Name all that decides bits, but for what is trained.

    Args:
        gpu: Index of the GPU that trains; None is the CPU.
        threads: Of a process that trains on the CPU.
    """
    if gpu is None:
        return {
            "instruction set": torch.backends.cpu.get_cpu_capability(),
            THREADS: str(threads),
            "torch": torch.__version__,
        }
    return {
        "GPU": torch.cuda.get_device_name(gpu),
        "torch": torch.__version__,
        "CUDA": str(torch.version.cuda),
        "cuDNN": str(torch.backends.cudnn.version()),
    }


def kinds_of_machine(threads: int) -> list[Machine]:
    """What :func:`this_machine` may say here: its GPUs may be of several models."""
    found = [this_machine(gpu, threads) for gpu in range(torch.cuda.device_count()) or [None]]
    return [kind for place, kind in enumerate(found) if kind not in found[:place]]


def differences(then: Machine, now: Machine) -> str:
    """What is not the same, in words; empty if all is."""
    names = [*then, *(name for name in now if name not in then)]
    return "; ".join(
        f"{name}: {then.get(name, 'none')} then, {now.get(name, 'none')} now"
        for name in names
        if then.get(name) != now.get(name)
    )
