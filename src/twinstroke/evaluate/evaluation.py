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
from twinstroke.evaluate.predictions import Prediction, shown_split
from twinstroke.evaluate.tracks import Track, probability_tracks
from twinstroke.models import convolutional_parameters
from twinstroke.tables import SPLITS, Split
from twinstroke.train.model_file import load_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows


@dataclass(frozen=True)
class Evaluation:
    """What is known about a trained network."""

    classes: list[str]
    """Names in the order of the network's outputs."""
    scores: dict[str, float | int]
    """Everything, flat: ``<split>.<decision>.<name>``, see `metrics.scores`, and by class
    ``<split>.<decision>.recall.<class>`` and ``recall_n``; ``parameters.all`` and
    ``parameters.without_fully_connected``; ``best_epoch``."""
    recalls: list[ClassRecall]
    """Of each class and split, one centred window."""
    predictions: dict[str, list[Prediction]]
    """Of each split that has samples."""

    @property
    def measured(self) -> dict[Split, dict[str, float | int]]:
        """Of each split that was measured, the figures of one centred window."""
        found: dict[Split, dict[str, float | int]] = {}
        for split in SPLITS:
            prefix = f"{split}.single."
            names = [name for name in self.scores if name.startswith(prefix)]
            if names:
                found[split] = {name.removeprefix(prefix): self.scores[name] for name in names}
        return found

    @property
    def headline(self) -> dict[str, Any]:
        """The few figures that experiments are compared by, in percent with one decimal.

        Accuracy by one centred window, under the name of its split (``val`` for validation); of
        the last of these, ``±``, half the width of its 95 % interval (Wilson), and ``bal``, the
        balanced accuracy; numbers of samples, ``n``. DVC shows each in a column, so the names
        are short: with the other metrics they fit into a terminal.
        """
        splits = self.measured
        shown = splits[shown_split(splits)]
        names = {split: "val" if split == "validation" else split for split in splits}
        return {
            **{names[split]: _percent(own["accuracy"]) for split, own in splits.items()},
            "±": _percent((shown["accuracy_high"] - shown["accuracy_low"]) / 2),
            "bal": _percent(shown["balanced_accuracy"]),
            "n": {names[split]: own["n"] for split, own in splits.items()},
        }


def evaluate(
    strokes: Path, samples: Mapping[str, Sequence[str]], model_file: Path, *, stride: int
) -> Evaluation:
    """Classify each sample by each decision rule, in evaluation mode.

    Args:
        strokes: ``strokes.h5``.
        samples: Names of the samples of each split; a split without any has no figures.
        model_file: What `train` wrote.
        stride: Kept frames from window to window, for the rules that ask several.

    Raises:
        UserError: The model file is missing or damaged.
    """
    device = make_deterministic(seed=0)
    description, model = load_model(model_file, device)
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
        for decision, probabilities in by_rule.items():
            predicted = probabilities.argmax(1)
            own = scores(actual, predicted, probabilities, description.classes)
            every |= {f"{split}.{decision}.{name}": value for name, value in own.items()}
            found = class_recalls(split, actual, predicted, description.classes)
            for row in found:
                every[f"{split}.{decision}.recall.{row.label}"] = row.recall
                every[f"{split}.{decision}.recall_n.{row.label}"] = row.n
            if decision == "single":
                recalls += found
        predictions[split] = _rows(strokes, windows, tracks, by_rule, description.classes)
    every["parameters.all"] = sum(p.numel() for p in model.parameters())
    every["parameters.without_fully_connected"] = convolutional_parameters(model)
    # Each network's own count; where two are fused late, the later one.
    every["best_epoch"] = max(description.best_epochs.values())
    return Evaluation(description.classes, every, recalls, predictions)


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


def _percent(share: float) -> float:
    return round(100 * share, 1)
