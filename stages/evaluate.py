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
    test = [(p.actual, p.predicted) for p in result.predictions if p.split == "test"]
    with replacing(reports / "confusion.csv") as partial, partial.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("actual", "predicted"), *test])
    actual, predicted = zip(*test, strict=True)
    title = f"Test split: {result.metrics['test']['accuracy']:.1%} of {len(test)}"
    plot_confusion(actual, predicted, result.classes, title, reports / "confusion.png")
    plot_history(read_table(reports / "history.csv", Epoch), reports / "history.png")
    figures = (
        f"{split} {own['accuracy']:.1%} of {own['n']} (95 %: {own['accuracy_low']:.1%} to "
        f"{own['accuracy_high']:.1%})"
        for split, own in ((split, result.metrics[split]) for split in SPLITS)
    )
    summarise("evaluate", "accuracy: " + "; ".join(figures))


if __name__ == "__main__":
    main()
