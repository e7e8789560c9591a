"""What is written down about a training: each epoch, and what it took."""

from __future__ import annotations

import csv
import json
import math
import resource
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel

from twinstroke.files import replacing
from twinstroke.settings.train import Restart


class Epoch(BaseModel):
    """One row of ``history.csv``."""

    network: str
    """Modality of the network that was trained: two streams that are fused late have both."""
    epoch: int
    """From 1; in the file counted on from network to network."""
    learning_rate: float
    """At the end of the epoch."""
    train_loss: float
    train_accuracy: float
    """Of the augmented windows, in training mode, while the weights changed."""
    validation_loss: float
    validation_accuracy: float
    restart: Restart | Literal[""] = ""
    """Why training went back to its best state after this epoch, if it did."""

    @property
    def finite(self) -> bool:
        """Both losses are numbers: the weights may be used."""
        return math.isfinite(self.train_loss) and math.isfinite(self.validation_loss)


class Timing(BaseModel):
    """What one epoch took; of a network, the median of its epochs."""

    seconds: float
    """Validation included."""
    training_seconds: float
    """Of the training windows alone."""
    waiting_seconds: float
    """Part of all in which the program read, stacked and sent windows, or waited for them. On a GPU
    the network is at work meanwhile."""


@dataclass(frozen=True)
class TrainingSummary:
    """What a run of the stage did."""

    epochs: int
    """Of all networks."""
    resumed_at: int
    """Epochs that an interrupted run had already finished."""
    best: dict[str, Epoch]
    """The epoch whose weights were kept, for each network, counted from its own first."""
    peak_memory_gib: float
    """See :func:`peak_memory_gib`."""


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write ``history.csv``."""
    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, list(Epoch.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.model_dump() for row in history)


def write_timing(
    path: Path,
    timings: Sequence[Sequence[Timing]],
    *,
    samples: int,
    device: torch.device,
    processes: int,
) -> float:
    """Write ``training.json``; return the peak memory in GiB that it has.

    Args:
        path: The file.
        timings: Of each network, its epochs.
        samples: Training windows of an epoch.
        device: On which it was trained.
        processes: How many shared it.
    """

    def of_an_epoch(name: str) -> float:
        return float(
            sum(statistics.median(getattr(own, name) for own in epochs) for epochs in timings)
        )

    peak = peak_memory_gib(device)
    seconds, training = (max(of_an_epoch(name), 1e-9) for name in ("seconds", "training_seconds"))
    timing = {
        "seconds_per_epoch": round(seconds, 2),
        "samples_per_second": round(samples * len(timings) / training, 2),
        "waiting_for_windows": round(of_an_epoch("waiting_seconds") / seconds, 4),
        "peak_memory_gib": round(peak, 2),
        "device": _described(device, processes),
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(timing, indent=2) + "\n", encoding="utf-8")
    return peak


def peak_memory_gib(device: torch.device) -> float:
    """Most memory in use at once, in GiB: tensors on a GPU; on a CPU all of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _described(device: torch.device, processes: int) -> str:
    threads = torch.get_num_threads()
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    )
    return f"{processes} × {name}" if processes > 1 else name
