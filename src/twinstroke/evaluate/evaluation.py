"""Predictions and figures of a trained network, of every split and by every decision rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.evaluate.decisions import DECISIONS, Decision, decide
from twinstroke.evaluate.metrics import ClassRecall, class_recalls, scores
from twinstroke.evaluate.predictions import Prediction
from twinstroke.evaluate.tracks import Track, probability_tracks
from twinstroke.models import convolutional_parameters
from twinstroke.train.model_file import load_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows


@dataclass(frozen=True)
class Evaluation:
    """What is known about a trained network."""

    classes: list[str]
    """Names in the order of the network's outputs."""
    metrics: dict[str, Any]
    """What experiments are compared by, nested: split, then name. All of one centred window, and
    the accuracy of each other decision; parameters; best epoch."""
    scores: dict[str, float | int]
    """Everything, flat: ``<split>.<decision>.<name>``, see `metrics.scores`, and by class
    ``<split>.<decision>.recall.<class>`` and ``recall_n``."""
    recalls: list[ClassRecall]
    """Of each class and split, one centred window."""
    predictions: dict[str, list[Prediction]]
    """Of each split that has samples."""


def evaluate(
    strokes: Path, samples: Mapping[str, Sequence[str]], model_file: Path, *, stride: int
) -> Evaluation:
    """Classify each sample by each decision rule, in evaluation mode.

    Args:
        strokes: ``strokes.h5``.
        samples: Names of the samples of each split; a split without any has no metrics.
        model_file: What `train` wrote.
        stride: Kept frames from window to window, for the rules that ask several.

    Raises:
        UserError: The model file is missing or damaged.
    """
    device = make_deterministic(seed=0)
    description, model = load_model(model_file, device)
    metrics: dict[str, Any] = {}
    every: dict[str, float | int] = {}
    recalls: list[ClassRecall] = []
    predictions: dict[str, list[Prediction]] = {}
    for split, names in samples.items():
        if not names:
            continue
        windows = StrokeWindows(strokes, names, classes=description.classes)
        tracks = probability_tracks(model, windows, description, stride=stride, device=device)
        by_rule = _decided(tracks)
        actual = np.array(windows.targets)
        metrics[split] = {}
        for decision, probabilities in by_rule.items():
            predicted = probabilities.argmax(1)
            own = scores(actual, predicted, probabilities, description.classes)
            every |= {f"{split}.{decision}.{name}": value for name, value in own.items()}
            found = class_recalls(split, actual, predicted, description.classes)
            for row in found:
                every[f"{split}.{decision}.recall.{row.label}"] = row.recall
                every[f"{split}.{decision}.recall_n.{row.label}"] = row.n
            if decision == "single":
                metrics[split] |= own
                recalls += found
            else:
                metrics[split][f"{decision}_accuracy"] = own["accuracy"]
        predictions[split] = _rows(strokes, windows, tracks, by_rule, description.classes)
    metrics["parameters"] = {
        "all": sum(p.numel() for p in model.parameters()),
        "without_fully_connected": convolutional_parameters(model),
    }
    # Each network's own count; where two are fused late, the later one.
    metrics["best_epoch"] = max(description.best_epochs.values())
    return Evaluation(description.classes, metrics, every, recalls, predictions)


def _decided(tracks: Sequence[Track]) -> dict[Decision, NDArray[np.float64]]:
    """Probabilities (N, classes) by each rule."""
    decided = [decide(track.probabilities, track.starts, track.slack) for track in tracks]
    return {rule: np.stack([own[rule] for own in decided]) for rule in DECISIONS}


def _rows(
    strokes: Path,
    windows: StrokeWindows,
    tracks: Sequence[Track],
    by_rule: Mapping[Decision, NDArray[np.float64]],
    classes: Sequence[str],
) -> list[Prediction]:
    with h5py.File(strokes) as file:
        text = {name: file[f"samples/{name}"].asstr()[:] for name in ("sample", "video", "group")}
        number = {name: file[f"samples/{name}"][:] for name in ("begin", "end")}
    return [
        Prediction(
            sample=text["sample"][row],
            video=text["video"][row],
            begin=number["begin"][row],
            end=number["end"][row],
            group=text["group"][row],
            decision=rule,
            windows=1 if rule == "single" else len(track.starts),
            actual=classes[windows.targets[place]],
            predicted=classes[int(by_rule[rule][place].argmax())],
            probabilities=dict(zip(classes, by_rule[rule][place].tolist(), strict=True)),
        )
        for place, (row, track) in enumerate(zip(windows.rows, tracks, strict=True))
        for rule in DECISIONS
    ]
