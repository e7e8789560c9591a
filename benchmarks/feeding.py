"""Does the network ever wait for windows?"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import twinstroke
from benchmarks.measuring import Result, Section, table
from twinstroke.gpu_check import CLASSES, made_up_strokes
from twinstroke.models.network import CHANNELS, STREAMS
from twinstroke.settings.network import Modality
from twinstroke.settings.train import TrainSettings
from twinstroke.train.fit import Outputs, train_step
from twinstroke.train.launch import train
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.state import State
from twinstroke.train.windows import StrokeWindows

TARGET = 0.95
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.001,
    "schedule": "constant",
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "gradient_clip": 5.0,
    "augment": True,
}
MODALITIES: Sequence[Modality] = ("rgb", "flow", "twin")


@dataclass(frozen=True)
class Scale:
    """How large, and how often."""

    window: tuple[int, int, int]
    batch_size: int
    batches: int
    """Of an epoch."""
    repetitions: int


CPU = Scale((24, 48, 48), 8, batches=6, repetitions=3)
"""The built-in data set."""
GPU = Scale((100, 120, 120), 10, batches=10, repetitions=3)
"""The paper."""


def measure(folder: Path) -> Section:
    """Train as the stage does, and step on tensors that lie on the device, in turns."""
    device = make_deterministic(0)
    scale = GPU if device.type == "cuda" else CPU
    strokes = folder / "feeding.h5"
    names = made_up_strokes(strokes, scale.window, scale.batches * scale.batch_size)
    rows, results = [], []
    for modality in MODALITIES:
        made = description(modality, scale)
        resident = _steps_on_tensors(made, scale, device)
        rates: dict[str, list[float]] = {"held": [], "file": [], "resident": []}
        for _ in range(scale.repetitions):
            rates["resident"].append(resident())
            for place, memory_gb in (("held", 4.0), ("file", 0.0)):
                rates[place].append(_trained(strokes, names, made, folder, memory_gb=memory_gb))
        shares = {
            place: statistics.median(
                own / other for own, other in zip(rates[place], rates["resident"], strict=True)
            )
            for place in ("held", "file")
        }
        results.append(Result(f"{modality}, samples in memory", shares["held"], TARGET, "≥"))
        rows.append(
            [
                modality,
                *(f"{statistics.median(own):.1f}" for own in rates.values()),
                f"{shares['held']:.1%}",
                f"{shares['file']:.1%}",
            ]
        )
    windows = StrokeWindows(strokes, names["train"])
    return Section(
        "Windows for the network",
        results,
        "Samples a second of real training (`train` itself: drawn views, reading, stacking, "
        "resampling, normalising, step, progress), with samples held in memory and with samples "
        "read from `strokes.h5` by the process that trains, against the same step on tensors that "
        f"lie on the device already. TSTCNN without blocks, {'×'.join(map(str, scale.window))}, "
        f"batch {scale.batch_size}, {len(windows)} made-up samples an epoch; median of "
        f"{scale.repetitions} runs in turns, of each the median of two epochs.",
        [
            table(
                [
                    "samples/s",
                    "held",
                    "from the file",
                    "tensors",
                    "held / tensors",
                    "file / tensors",
                ],
                rows,
            )
        ],
        "both runs use the same cores, on a machine that others use too: between neighbouring runs "
        "of the very same steps lie several points. What the profile finds for windows (stacking, "
        "resampling, normalising) is in `training.json` as `waiting_for_windows`.",
    )


def description(modality: Modality, scale: Scale, attention_blocks: int = 0) -> TrainedModel:
    """A TSTCNN, and how the benchmarks train it."""
    return TrainedModel(
        architecture="tstcnn",
        modality=modality,
        attention_blocks=attention_blocks,
        residual_blocks=0,
        classes=[f"class {number}" for number in range(CLASSES)],
        window=scale.window,
        flow_scale=(5.0, 5.0),
        seed=1,
        optimisation=TrainSettings(epochs=2, batch_size=scale.batch_size, **SETTINGS),
        torch_version=torch.__version__,
        twinstroke_version=twinstroke.__version__,
    )


def _trained(
    strokes: Path,
    names: dict[str, list[str]],
    made: TrainedModel,
    folder: Path,
    *,
    memory_gb: float,
) -> float:
    """Samples a second of the median epoch."""
    outputs = Outputs(
        folder / "work", folder / "model", folder / "history.csv", folder / "training.json"
    )
    train(strokes, names, made, outputs, memory_gb=memory_gb)
    rate: float = json.loads(outputs.timing.read_text())["samples_per_second"]
    return rate


def _steps_on_tensors(
    made: TrainedModel, scale: Scale, device: torch.device
) -> Callable[[], float]:
    """What tells samples a second of an epoch's steps on one batch."""
    settings = made.optimisation
    streams = {
        name: torch.rand(scale.batch_size, *scale.window, CHANNELS[name], device=device)
        .mul_(2)
        .sub_(1)
        .permute(0, 4, 1, 2, 3)
        for name in STREAMS[made.modality]
    }
    target = torch.randint(CLASSES, (scale.batch_size,), device=device)

    def run() -> float:
        model = made.build(device).train()
        optimiser = State.initial(model, settings, steps=1).optimiser

        def epoch() -> float:
            begun = time.perf_counter()
            total = torch.zeros((), dtype=torch.float64, device=device)
            for _ in range(scale.batches):
                total += _step(model, optimiser, streams, target, settings)
            float(total)  # waits for a GPU
            return scale.batches * scale.batch_size / (time.perf_counter() - begun)

        return statistics.median(epoch() for _ in range(2))

    return run


def _step(
    model: Any,
    optimiser: torch.optim.Optimizer,
    streams: dict[str, Tensor],
    target: Tensor,
    settings: TrainSettings,
) -> Tensor:
    loss, _ = train_step(
        model,
        optimiser,
        streams,
        target,
        weight=1 / len(target),
        gradient_clip=settings.gradient_clip,
        precision="float32",
    )
    return loss
