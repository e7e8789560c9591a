"""Where the attention blocks of a trained network look, in pictures and in numbers.

`measure` says over a whole split what the masks are about; `draw` shows some samples:

=========== ================================================================================
file        what
=========== ================================================================================
samples.csv a row for each sample that is drawn (`DrawnSample`)
n-*.png     its contact sheet: masks of each block over frames and flow, at some moments
n-*.mp4     the same as a film, every kept frame of the window
=========== ================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinstroke.attend.film import encode, film, film_rate
from twinstroke.attend.sheet import contact_sheet
from twinstroke.attend.subject import subjects
from twinstroke.attend.tables import DrawnSample
from twinstroke.drawing import file_stem, save_png
from twinstroke.evaluate.predictions import Prediction
from twinstroke.files import prune, replacing
from twinstroke.tables import write_table

TABLE = "samples.csv"


def draw(
    strokes: Path, model_file: Path, predictions: Sequence[Prediction], folder: Path
) -> list[DrawnSample]:
    """Draw where the network looked in the centred windows of some samples.

    Args:
        strokes: ``strokes.h5``.
        model_file: What `train` wrote.
        predictions: Of the samples, in the order of drawing.
        folder: Where everything goes; files of an earlier call are deleted.

    Returns:
        What the table lists; nothing for a network without attention blocks, but the table is
        written all the same.

    Raises:
        UserError: The model file is missing or damaged, or a sample is not in ``strokes.h5``.
    """
    rows = []
    for number, subject in enumerate(subjects(strokes, model_file, predictions), start=1):
        own = subject.prediction
        name = f"{number}-{file_stem(own.sample)}"
        row = DrawnSample(
            sample=own.sample,
            actual=own.actual,
            predicted=own.predicted,
            probability=own.confidence,
            picture=f"{name}.png",
            video=f"{name}.mp4",
        )
        save_png(contact_sheet(subject), folder / row.picture)
        size, frames = film(subject)
        with replacing(folder / row.video) as partial:
            encode(frames, size, film_rate(len(subject.rgb), subject.fps), partial)
        rows.append(row)
    write_table(folder / TABLE, rows, DrawnSample)
    files = {name for row in rows for name in (row.picture, row.video)}
    prune(folder, [folder / name for name in (TABLE, *files)])
    return rows
