"""Figures of one split, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, recall_score


class ClassRecall(BaseModel):
    """One row of ``classes.csv``."""

    split: str
    label: str
    n: int
    """Samples of this class."""
    recall: float
    """Share of them that was recognised."""


def split_metrics(
    actual: NDArray[np.integer], predicted: NDArray[np.integer]
) -> dict[str, float | int]:
    """Accuracy with n and its 95 % interval (Wilson), and balanced accuracy.

    Args:
        actual: Class indices (N,), N ≥ 1.
        predicted: Class indices (N,).

    Returns:
        ``n``, ``accuracy``, ``accuracy_low``, ``accuracy_high`` and ``balanced_accuracy``, the mean
        recall of the classes that occur.
    """
    right = int((actual == predicted).sum())
    interval = binomtest(right, len(actual)).proportion_ci(0.95, method="wilson")
    present = np.unique(actual)
    return {
        "n": len(actual),
        "accuracy": float(accuracy_score(actual, predicted)),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        # Only the classes that occur: others have no recall to take the mean of.
        "balanced_accuracy": float(
            recall_score(actual, predicted, labels=present, average="macro", zero_division=0)
        ),
    }


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
    present, counts = np.unique(actual, return_counts=True)
    recalls = recall_score(actual, predicted, labels=present, average=None, zero_division=0)
    return [
        ClassRecall(split=split, label=classes[index], n=int(n), recall=round(float(recall), 4))
        for index, n, recall in zip(present, counts, recalls, strict=True)
    ]
