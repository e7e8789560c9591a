"""Measure the trained network on every split and draw what it confuses."""

import csv
import json
from pathlib import Path

from twinstroke.balance import UsedSample
from twinstroke.errors import exits_cleanly
from twinstroke.evaluate import ClassRecall, Prediction, evaluate, plot_confusion, plot_history
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
    )
    with replacing(reports / "metrics.json") as partial:
        partial.write_text(json.dumps(result.metrics, indent=2, ensure_ascii=False) + "\n")
    write_table(reports / "classes.csv", result.recalls, ClassRecall)
    write_table(reports / "predictions.csv", result.predictions, Prediction)
    # Strokes to be tested on may be unlabelled: then those of the validation split are shown.
    measured = [split for split in SPLITS if split in result.metrics]
    shown = measured[-1]
    pairs = [(p.actual, p.predicted) for p in result.predictions if p.split == shown]
    with replacing(reports / "confusion.csv") as partial, partial.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("actual", "predicted"), *pairs])
    actual, predicted = zip(*pairs, strict=True)
    title = f"{shown.title()} split: {result.metrics[shown]['accuracy']:.1%} of {len(pairs)}"
    plot_confusion(actual, predicted, result.classes, title, reports / "confusion.png")
    plot_history(read_table(reports / "history.csv", Epoch), reports / "history.png")
    figures = (
        f"{split} {own['accuracy']:.1%} of {own['n']} (95 %: {own['accuracy_low']:.1%} to "
        f"{own['accuracy_high']:.1%})"
        for split, own in ((split, result.metrics[split]) for split in measured)
    )
    summarise("evaluate", "accuracy: " + "; ".join(figures))


if __name__ == "__main__":
    main()
