"""Figures of one split, with how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix


def split_metrics(
    actual: NDArray[np.integer], predicted: NDArray[np.integer], classes: Sequence[str]
) -> dict[str, Any]:
    """Accuracy with n and its 95 % interval, balanced accuracy, and recall of each class.

    Args:
        actual: Class indices (N,), N ≥ 1.
        predicted: Class indices (N,).
        classes: Names in the order of the indices.

    Returns:
        ``accuracy``, ``accuracy_low`` and ``accuracy_high`` (Wilson), ``n``,
        ``balanced_accuracy`` (mean recall of the classes that occur), and for each class that
        occurs ``recall.<class>`` and ``support.<class>``.
    """
    right = int((actual == predicted).sum())
    interval = binomtest(right, len(actual)).proportion_ci(0.95, method="wilson")
    # Predicted classes that do not occur have no recall: they are left out of the mean.
    present = sorted({int(c) for c in actual})
    matrix = confusion_matrix(actual, predicted, labels=range(len(classes)))
    recalls = {classes[c]: float(matrix[c, c] / matrix[c].sum()) for c in present}
    return {
        "n": len(actual),
        "accuracy": float(accuracy_score(actual, predicted)),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        "balanced_accuracy": float(np.mean(list(recalls.values()))),
        "recall": recalls,
        "support": {classes[c]: int(matrix[c].sum()) for c in present},
    }
