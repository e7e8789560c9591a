"""Measure the trained network on every split and draw what it confuses."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twinstroke.balance import UsedSample
from twinstroke.errors import exits_cleanly
from twinstroke.evaluate import (
    ClassRecall,
    Evaluation,
    ReliabilityBin,
    draw_mistakes,
    evaluate,
    groupings,
    plot_confusion,
    plot_history,
    plot_recalls,
    plot_reliability,
    reliability,
    write_predictions,
)
from twinstroke.files import replacing
from twinstroke.progress import summarise
from twinstroke.settings import load_settings
from twinstroke.tables import SPLITS, read_table, write_table
from twinstroke.train import Epoch


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    used = read_table(folder / "balanced.csv", UsedSample)
    result = evaluate(
        folder / "strokes.h5",
        {split: [s.sample for s in used if s.split == split] for split in SPLITS},
        folder / "model.safetensors",
        stride=settings.evaluate.stride,
    )
    for name in ("metrics", "scores"):
        with replacing(reports / f"{name}.json") as partial:
            text = json.dumps(getattr(result, name), indent=2, ensure_ascii=False)
            partial.write_text(text + "\n", encoding="utf-8")
    write_table(reports / "classes.csv", result.recalls, ClassRecall)
    for split in SPLITS:
        # Also of a split without samples: files are then never of another run.
        rows = result.predictions.get(split, [])
        write_predictions(reports / "predictions" / f"{split}.csv", result.classes, rows)
    plot_history(read_table(reports / "history.csv", Epoch), reports / "history.png")
    # Strokes to be tested on may be unlabelled: then those of the validation split are shown.
    measured = [split for split in SPLITS if split in result.metrics]
    show(result, measured[-1], folder / "strokes.h5", reports)
    figures = (
        f"{split} {own['accuracy']:.1%} of {own['n']} (95 %: {own['accuracy_low']:.1%} to "
        f"{own['accuracy_high']:.1%})"
        for split, own in ((split, result.metrics[split]) for split in measured)
    )
    summarise("evaluate", "accuracy: " + "; ".join(figures))


def show(result: Evaluation, split: str, strokes: Path, reports: Path) -> None:
    """Draw one split, one centred window a sample; with the data of the pictures for DVC."""
    rows = [row for row in result.predictions[split] if row.decision == "single"]
    metrics, name = result.metrics[split], f"{split.title()} split"
    pairs = [(row.actual, row.predicted) for row in rows]
    write_pairs(reports / "confusion.csv", pairs)
    # The finest of the coarser classes; where the names tell none, the classes themselves, since
    # DVC must find the same file for every data set.
    coarse = [result.classes, *groupings(result.classes).values()][-1]
    to = dict(zip(result.classes, coarse, strict=True))
    write_pairs(reports / "superclasses.csv", [(to[a], to[p]) for a, p in pairs])
    title = f"{name}: {metrics['accuracy']:.1%} of {len(pairs)}"
    actual, predicted = zip(*pairs, strict=True)
    plot_confusion(actual, predicted, result.classes, title, reports / "confusion.png")
    recalls = [row for row in result.recalls if row.split == split]
    write_table(reports / "recalls.csv", recalls, ClassRecall)
    plot_recalls(recalls, name, reports / "recalls.png")
    bins = reliability(
        np.array([row.right for row in rows]), np.array([row.confidence for row in rows])
    )
    write_table(reports / "reliability.csv", bins, ReliabilityBin)
    plot_reliability(bins, metrics["ece"], name, reports / "reliability.png")
    draw_mistakes(strokes, rows, f"{name}: the most confident mistakes", reports / "mistakes.png")


def write_pairs(path: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Truth and prediction of each sample, as DVC draws confusion matrices from."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("actual", "predicted"), *pairs])


if __name__ == "__main__":
    main()
