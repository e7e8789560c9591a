"""Figures of one split under one decision rule, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    recall_score,
    top_k_accuracy_score,
)
from torchmetrics.functional.classification import multiclass_calibration_error

from twinstroke.annotations.superclasses import groupings
from twinstroke.evaluate.intervals import wilson

TOP = 3
CALIBRATION_BINS = 15


class ClassRecall(BaseModel):
    """One row of ``classes.csv``: one centred window a sample."""

    split: str
    label: str
    n: int
    """Samples of this class."""
    right: int
    """Those of them that were recognised."""
    recall: float
    """Their share, with its 95 % interval (Wilson)."""
    low: float
    high: float


class ReliabilityBin(BaseModel):
    """One row of ``reliability.csv``: samples whose probability lies in one range."""

    confidence: float
    """Mean probability of the predicted class."""
    accuracy: float
    """Share of right predictions, with its 95 % interval (Wilson)."""
    low: float
    high: float
    n: int


def scores(
    actual: NDArray[np.integer],
    predicted: NDArray[np.integer],
    probabilities: NDArray[np.float64],
    classes: Sequence[str],
) -> dict[str, float | int]:
    """All figures of one split.

    Args:
        actual: Class indices (N,), N ≥ 1.
        predicted: Class indices (N,).
        probabilities: (N, C), rows with sum 1.
        classes: Names in the order of the indices.

    Returns:
        In this order:

        - ``n``; ``accuracy``, and its 95 % interval (Wilson): ``accuracy_low``, ``accuracy_high``;
        - ``balanced_accuracy``: mean recall of the classes that occur;
        - ``macro_f1``: mean F1 of the classes that occur or were predicted;
        - ``top3_accuracy``, with more than three classes;
        - ``hand_accuracy``, ``type_accuracy``, ``type_hand_accuracy``: see `groupings`;
        - ``ece``: expected calibration error in 15 bins of equal width (Guo et al., ICML 2017);
        - ``nll``: mean negative logarithm of the probability of the truth, in nats.
    """
    right = int((actual == predicted).sum())
    low, high = wilson(right, len(actual))
    found: dict[str, float | int] = {
        "n": len(actual),
        "accuracy": float(accuracy_score(actual, predicted)),
        "accuracy_low": low,
        "accuracy_high": high,
        # Only the classes that occur: others have no recall to take the mean of.
        "balanced_accuracy": float(
            recall_score(
                actual, predicted, labels=np.unique(actual), average="macro", zero_division=0
            )
        ),
        "macro_f1": float(f1_score(actual, predicted, average="macro", zero_division=0)),
    }
    labels = np.arange(len(classes))
    if len(classes) > TOP:
        found["top3_accuracy"] = float(
            top_k_accuracy_score(actual, probabilities, k=TOP, labels=labels)
        )
    for grouping, names in groupings(classes).items():
        coarse = np.array(names)
        found[f"{grouping}_accuracy"] = float(accuracy_score(coarse[actual], coarse[predicted]))
    error = multiclass_calibration_error(
        torch.from_numpy(probabilities),
        torch.from_numpy(np.asarray(actual, np.int64)),
        num_classes=len(classes),
        n_bins=CALIBRATION_BINS,
    )
    found["ece"] = float(error)
    found["nll"] = float(log_loss(actual, probabilities, labels=labels))
    return found


def class_recalls(
    split: str,
    actual: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: Sequence[str],
) -> list[ClassRecall]:
    """Recall of each class that occurs, in the order of the classes.

    Args:
        split: Name of the split.
        actual: Class indices (N,).
        predicted: Class indices (N,).
        classes: Names in the order of the indices.
    """
    counts = confusion_matrix(actual, predicted, labels=np.arange(len(classes)))
    rows = []
    for label, right, n in zip(classes, counts.diagonal(), counts.sum(1), strict=True):
        if n:
            low, high = wilson(int(right), int(n))
            rows.append(
                ClassRecall(
                    split=split,
                    label=label,
                    n=int(n),
                    right=int(right),
                    recall=round(float(right / n), 4),
                    low=round(low, 4),
                    high=round(high, 4),
                )
            )
    return rows


def reliability(
    right: NDArray[np.bool_], confidence: NDArray[np.float64], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """How often predictions of a given probability are right.

    Args:
        right: (N,) whether each prediction is right.
        confidence: (N,) its probability, from 0 to 1.
        bins: How many ranges of equal width; each holds its upper bound. As many as in `scores`.

    Returns:
        The ranges in which samples lie, ascending.
    """
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    rows = []
    for own in (place == number for number in np.unique(place)):
        n, hits = int(own.sum()), int(right[own].sum())
        low, high = wilson(hits, n)
        rows.append(
            ReliabilityBin(
                confidence=round(float(confidence[own].mean()), 4),
                accuracy=round(hits / n, 4),
                low=round(low, 4),
                high=round(high, 4),
                n=n,
            )
        )
    return rows
