"""Contact sheets of the worst mistakes: what the network saw when it was most sure and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from twinstroke.colours import flow_colours, full_colour
from twinstroke.drawing import plain, save_png
from twinstroke.evaluate.predictions import Prediction
from twinstroke.train.windows import StrokeWindows

SHOWN = 6
MOMENTS = 8


def worst_mistakes(predictions: Sequence[Prediction], count: int) -> list[Prediction]:
    """The wrong predictions with the highest probability, highest first."""
    wrong = [row for row in predictions if not row.right]
    return sorted(wrong, key=lambda row: (-row.confidence, row.sample))[:count]


def draw_mistakes(strokes: Path, predictions: Sequence[Prediction], title: str, path: Path) -> None:
    """Draw moments of the windows about which the network was most sure and wrong.

    Two rows a mistake: the frames, and the masked flow as colours (the hue is the direction).

    Args:
        strokes: ``strokes.h5``.
        predictions: Of one split, one centred window each.
        title: Of the picture.
        path: PNG file.
    """
    rows = worst_mistakes(predictions, SHOWN)
    windows = StrokeWindows(strokes, [row.sample for row in rows])
    frames, height, width = windows.window
    moments = np.linspace(0, frames - 1, min(MOMENTS, frames)).round().astype(int)
    cell = 1.35
    down = cell * height / width
    size = (cell * len(moments) + 0.6, max(1, len(rows)) * (2 * down + 0.45) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(plain(title))
    if not rows:
        figure.text(0.5, 0.3, "no mistakes", ha="center")
    parts = figure.subfigures(max(1, len(rows)), 1, squeeze=False)[:, 0]
    for index, (row, part) in enumerate(zip(rows, parts, strict=False)):
        window = windows[index]
        field = window.flow.numpy() * np.float32(windows.flow_unit_px)
        full = full_colour(np.hypot(*field[field.any(-1)].T))
        text = f"{row.actual} → {row.predicted} ({row.confidence:.0%}; {row.sample})"
        part.suptitle(plain(text), fontsize=9)
        places = part.subplots(2, len(moments), squeeze=False)
        for column, moment in enumerate(moments):
            places[0, column].imshow(window.rgb[moment].numpy())
            places[1, column].imshow(flow_colours(field[moment], full))
        for axes in places.flat:
            axes.set_axis_off()
    save_png(figure, path)
