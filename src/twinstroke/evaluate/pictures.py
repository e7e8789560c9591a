"""Pictures of one split, one centred window a sample, and the same as tables for ``dvc plots``.

============================== =================================================================
file                           what
============================== =================================================================
confusion.png, .csv            what was taken for what; the table has a row a sample
superclasses.csv               the same for the finest of the coarser classes
recalls.png, .csv              recall of each class (`ClassRecall`)
reliability.png, .csv          whether the probabilities can be believed (`ReliabilityBin`)
mistakes.png                   the samples about which the network was most sure and wrong
============================== =================================================================
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from twinstroke.annotations.superclasses import groupings
from twinstroke.evaluate.evaluation import Evaluation
from twinstroke.evaluate.metrics import ClassRecall, ReliabilityBin, reliability
from twinstroke.evaluate.mistakes import draw_mistakes
from twinstroke.evaluate.plots import plot_confusion, plot_recalls, plot_reliability
from twinstroke.evaluate.predictions import shown_split
from twinstroke.files import replacing
from twinstroke.tables import write_table


def write_pictures(result: Evaluation, strokes: Path, folder: Path) -> None:
    """Draw the split that is shown: test, or where that is unlabelled, validation.

    Args:
        result: What was found.
        strokes: ``strokes.h5``.
        folder: Where the files go.

    Raises:
        UserError: No split has samples.
    """
    split = shown_split(result.predictions)
    rows = [row for row in result.predictions[split] if row.decision == "single"]
    figures, name = result.measured[split], f"{split.title()} split"
    actual, predicted = [row.actual for row in rows], [row.predicted for row in rows]
    _write_pairs(folder / "confusion.csv", zip(actual, predicted, strict=True))
    # Where the names tell of no coarser classes, the classes themselves: DVC must find the same
    # file for every data set.
    coarse = [result.classes, *groupings(result.classes).values()][-1]
    to = dict(zip(result.classes, coarse, strict=True))
    pairs = ((to[a], to[p]) for a, p in zip(actual, predicted, strict=True))
    _write_pairs(folder / "superclasses.csv", pairs)
    title = f"{name}: {figures['accuracy']:.1%} of {len(rows)}"
    plot_confusion(actual, predicted, result.classes, title, folder / "confusion.png")
    recalls = [row for row in result.recalls if row.split == split]
    write_table(folder / "recalls.csv", recalls, ClassRecall)
    plot_recalls(recalls, name, folder / "recalls.png")
    right, sure = [row.right for row in rows], [row.confidence for row in rows]
    bins = reliability(np.array(right), np.array(sure))
    write_table(folder / "reliability.csv", bins, ReliabilityBin)
    plot_reliability(bins, figures["ece"], name, folder / "reliability.png")
    title = f"{name}: the most confident mistakes"
    draw_mistakes(strokes, rows, title, folder / "mistakes.png")


def _write_pairs(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("actual", "predicted"), *pairs])
