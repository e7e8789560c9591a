"""Measure the trained network on every split and draw what it confuses."""

import json
from pathlib import Path

from twinstroke.balance.stored import used_samples
from twinstroke.errors import exits_cleanly
from twinstroke.evaluate.evaluation import evaluate
from twinstroke.evaluate.metrics import ClassRecall
from twinstroke.evaluate.pictures import write_pictures
from twinstroke.evaluate.plots import plot_history
from twinstroke.evaluate.predictions import write_predictions
from twinstroke.files import replacing
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings
from twinstroke.tables import SPLITS, read_table, write_table
from twinstroke.train.gpus import on_a_gpu
from twinstroke.train.history import Epoch


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    model_file = folder / "model.safetensors"
    with on_a_gpu("evaluate", model_file):
        result = evaluate(
            folder / "strokes.h5",
            used_samples(folder / "balanced.csv"),
            model_file,
            stride=settings.evaluate.stride,
        )
    for name, content in (("metrics", result.headline), ("scores", result.scores)):
        with replacing(reports / f"{name}.json") as partial:
            text = json.dumps(content, indent=2, ensure_ascii=False)
            partial.write_text(text + "\n", encoding="utf-8")
    write_table(reports / "classes.csv", result.recalls, ClassRecall)
    for split in SPLITS:
        # Also of a split without samples: files are then never of another run.
        rows = result.predictions.get(split, [])
        write_predictions(reports / "predictions" / f"{split}.csv", result.classes, rows)
    plot_history(read_table(reports / "history.csv", Epoch), reports / "history.png")
    write_pictures(result, folder / "strokes.h5", reports)
    figures = (
        f"{split} {own['accuracy']:.1%} of {own['n']} (95 %: {own['accuracy_low']:.1%} to "
        f"{own['accuracy_high']:.1%})"
        for split, own in result.measured.items()
    )
    summarise("evaluate", "accuracy: " + "; ".join(figures))


if __name__ == "__main__":
    main()
