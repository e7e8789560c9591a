"""Accuracy of a trained network on every split, its predictions, and pictures of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from twinstroke.evaluate.metrics import ClassRecall, class_recalls, split_metrics
from twinstroke.evaluate.plots import plot_confusion, plot_history
from twinstroke.models import convolutional_parameters
from twinstroke.train import StrokeWindows, load_model, make_deterministic
from twinstroke.train.fit import predict

__all__ = [
    "ClassRecall",
    "Evaluation",
    "Prediction",
    "class_recalls",
    "evaluate",
    "plot_confusion",
    "plot_history",
    "split_metrics",
]


class Prediction(BaseModel):
    """One row of ``predictions.csv``: the centred window of one sample."""

    sample: str
    video: str
    begin: int
    end: int
    split: str
    actual: str
    predicted: str
    probability: float
    """Of the predicted class."""
    probability_actual: float


@dataclass(frozen=True)
class Evaluation:
    """What is known about a trained network."""

    classes: list[str]
    """Names in the order of the network's outputs."""
    metrics: dict[str, Any]
    """Nested: split, then name; see :func:`split_metrics`."""
    recalls: list[ClassRecall]
    """Of each class and split."""
    predictions: list[Prediction]
    """Of all splits."""


def evaluate(strokes: Path, samples: Mapping[str, Sequence[str]], model_file: Path) -> Evaluation:
    """Classify one centred window of each sample, in evaluation mode.

    Args:
        strokes: ``strokes.h5``.
        samples: Names of the samples of each split; a split without any has no metrics.
        model_file: What `train` wrote.

    Raises:
        UserError: The model file is missing or damaged.
    """
    device = make_deterministic(seed=0)
    description, model = load_model(model_file, device)
    metrics: dict[str, Any] = {}
    recalls: list[ClassRecall] = []
    predictions: list[Prediction] = []
    for split, names in samples.items():
        if not names:
            continue
        windows = StrokeWindows(strokes, names)
        logits = predict(model, windows, description, device=device)
        probability = torch.softmax(logits.double(), 1).numpy()
        actual = np.array(windows.targets)
        predicted = probability.argmax(1)
        metrics[split] = split_metrics(actual, predicted)
        recalls += class_recalls(split, actual, predicted, description.classes)
        predictions += _rows(strokes, split, windows, probability, description.classes)
    metrics["parameters"] = {
        "all": sum(p.numel() for p in model.parameters()),
        "without_fully_connected": convolutional_parameters(model),
    }
    # Each network's own count; where two are fused late, the later one.
    metrics["best_epoch"] = max(description.best_epochs.values())
    return Evaluation(description.classes, metrics, recalls, predictions)


def _rows(
    strokes: Path,
    split: str,
    windows: StrokeWindows,
    probability: NDArray[np.float64],
    classes: Sequence[str],
) -> list[Prediction]:
    with h5py.File(strokes) as file:
        text = {name: file[f"samples/{name}"].asstr()[:] for name in ("sample", "video")}
        number = {name: file[f"samples/{name}"][:] for name in ("begin", "end")}
    return [
        Prediction(
            sample=text["sample"][row],
            video=text["video"][row],
            begin=number["begin"][row],
            end=number["end"][row],
            split=split,
            actual=classes[actual],
            predicted=classes[int(own.argmax())],
            probability=round(float(own.max()), 4),
            probability_actual=round(float(own[actual]), 4),
        )
        for row, actual, own in zip(windows.rows, windows.targets, probability, strict=True)
    ]
