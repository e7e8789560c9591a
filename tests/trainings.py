"""Networks and trainings so small that each takes a moment, on the samples of `tests/stored.py`."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.stored import WINDOW
from twinstroke.settings.train import RestartSettings, TrainSettings
from twinstroke.train.fit import Outputs
from twinstroke.train.launch import train
from twinstroke.train.model_file import TrainedModel

SETTINGS = TrainSettings(
    epochs=4,
    batch_size=4,
    learning_rate=0.02,
    schedule="one_cycle",
    momentum=0.9,
    weight_decay=5e-4,
    gradient_clip=5.0,
    augment=True,
)
RESTARTS = SETTINGS.model_copy(
    update={
        "epochs": 8,
        "schedule": "restarts",
        # So large that losses rise, and accuracies of three samples fall.
        "learning_rate": 0.03,
        "restarts": RestartSettings(patience=2, recent=1, before=1, drop_floor=0.3),
    }
)


def description(**changes: object) -> TrainedModel:
    """A small network of two streams, but for these changes."""
    values: dict[str, object] = {
        "architecture": "tstcnn",
        "modality": "twin",
        "attention_blocks": 0,
        "residual_blocks": 0,
        "classes": ["Negative", "Left", "Right"],
        "window": WINDOW,
        "flow_scale": (4.0, 2.0),
        "seed": 3,
        "optimisation": SETTINGS,
        "torch_version": torch.__version__,
        "twinstroke_version": "0",
    }
    return TrainedModel.model_validate({**values, **changes})


def random_weights(wanted: TrainedModel) -> dict[str, torch.Tensor]:
    """As after a training: no bias, no statistic and no block is zero or one."""
    torch.manual_seed(0)
    weights = wanted.build(torch.device("cpu")).state_dict()
    for name, values in weights.items():
        if values.dim() == 1:
            values.copy_(0.5 + torch.rand_like(values))
        elif name.endswith("residual.2.2.weight"):
            values.normal_(std=0.1)
    return weights


def run(
    strokes: Path,
    folder: Path,
    settings: TrainSettings = SETTINGS,
    *,
    workers: int = 0,
    memory_gb: float = 1.0,
    leftovers: int = 0,
    samples: int = 9,
    **changes: object,
) -> tuple[bytes, str]:
    """Train on nine samples; return what was written: the model, and the history as text."""
    train(
        strokes,
        {"train": [f"s{i}" for i in range(samples)], "validation": ["s9", "s10", "s11"]},
        description(optimisation=settings, **changes),
        Outputs(
            work=folder / "work",
            model=folder / "model.safetensors",
            history=folder / "history.csv",
            timing=folder / "training.json",
        ),
        memory_gb=memory_gb,
        loader_workers=workers,
    )
    states = list((folder / "work").glob("*/state.pt"))
    assert len(states) == leftovers, "a finished run leaves no state"
    return (folder / "model.safetensors").read_bytes(), (folder / "history.csv").read_text()
