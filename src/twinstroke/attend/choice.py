"""Which samples are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from twinstroke.errors import UserError
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


def named(predictions: Sequence[Prediction], names: Sequence[str]) -> list[Prediction]:
    """The predictions for samples with these ids, in this order, each once.

    Raises:
        UserError: One line for each id of which there is no prediction.
    """
    by_name = {row.sample: row for row in predictions}
    if unknown := [name for name in names if name not in by_name]:
        raise UserError(_unknown(name, list(by_name)) for name in unknown)
    return [by_name[name] for name in dict.fromkeys(names)]


def _unknown(name: str, known: Sequence[str]) -> str:
    close = ", ".join(get_close_matches(name, known, n=3, cutoff=0.5))
    hint = f"closest: {close}" if close else "the tables of predictions list those there are"
    return f"{name!r}: nothing was predicted of a sample with this id; {hint}"
