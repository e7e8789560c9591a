"""Measure and draw where the attention blocks of the trained network look."""

from pathlib import Path

from twinstroke.attend.choice import single_predictions, striking
from twinstroke.attend.draw import draw
from twinstroke.attend.statistics import measure
from twinstroke.attend.tables import AttentionRow
from twinstroke.errors import exits_cleanly
from twinstroke.evaluate.predictions import shown_split
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings
from twinstroke.tables import write_table
from twinstroke.train.gpus import on_a_gpu


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    strokes, model_file = folder / "strokes.h5", folder / "model.safetensors"
    tables = single_predictions(reports / "predictions")
    split = shown_split([name for name, rows in tables.items() if rows])
    with on_a_gpu("attend", model_file):
        rows = measure(strokes, model_file, tables[split], split)
        write_table(reports / "attention.csv", rows, AttentionRow)
        chosen = striking(tables[split], settings.attend.samples)
        drawn = draw(strokes, model_file, chosen, reports / "attention")
    summarise("attend", summary(rows, len(drawn)))


def summary(rows: list[AttentionRow], drawn: int) -> str:
    trained = [row for row in rows if row.weights == "trained"]
    if not trained:
        return "the network has no attention blocks"
    low, high = min(row.minimum for row in trained), max(row.maximum for row in trained)
    return (
        f"{len(trained)} masks of {trained[0].n} {trained[0].split} samples lie between {low:.2f} "
        f"and {high:.2f}; {drawn} samples are drawn"
    )


if __name__ == "__main__":
    main()
