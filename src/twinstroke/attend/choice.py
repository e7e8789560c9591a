"""Which samples are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinstroke.evaluate.predictions import Prediction, load_predictions
from twinstroke.tables import SPLITS, Split


def single_predictions(folder: Path) -> dict[Split, list[Prediction]]:
    """What was predicted of each sample, by its centred window.

    Args:
        folder: The predictions that `evaluate` wrote, a table for each split.

    Returns:
        In the order of the splits and tables.

    Raises:
        UserError: A table is missing or damaged.
    """
    return {split: load_predictions(folder / f"{split}.csv").by("single") for split in SPLITS}


def striking(predictions: Sequence[Prediction], count: int) -> list[Prediction]:
    """The most confident mistakes, then the most confident right ones.

    Args:
        predictions: Of one split.
        count: How many; half of them mistakes, rounded down. Where there are too few of one kind,
            the other fills up.
    """
    ordered = sorted(predictions, key=lambda row: (-row.confidence, row.sample))
    wrong = [row for row in ordered if not row.right]
    right = [row for row in ordered if row.right]
    wrong = wrong[: max(count // 2, count - len(right))]
    return wrong + right[: count - len(wrong)]
