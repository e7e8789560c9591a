"""Annotated and found strokes of whole videos, one above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.colours import GREY
from twinstroke.drawing import plain, save_png

_WIDTH, _ROW, _AROUND = 11.0, 0.62, 1.1
"""Inches: of the picture, of a video, and above and below all."""
MOST = 20
"""Videos in one picture."""


class Timeline(NamedTuple):
    """One video."""

    video: str
    seconds: float
    frames: int
    truth: Sequence[Stroke]
    found: Sequence[Detection]


def draw_timelines(
    timelines: Sequence[Timeline],
    colours: Mapping[str, str],
    legend: Mapping[str, str],
    path: Path,
    *,
    title: str,
) -> None:
    """Draw the strokes of each video: annotated above, found below, on one scale of time.

    Args:
        timelines: The videos; of many, the first `MOST`.
        colours: Of strokes by class; those of unknown class are grey.
        legend: Colours by what they mean; may be empty.
        path: PNG file.
        title: Of the picture.
    """
    shown = timelines[:MOST]
    height = _AROUND + _ROW * max(1, len(shown))
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, 1)
    for row, line in enumerate(shown):
        rate = line.seconds / line.frames
        axes.broken_barh([(0, line.seconds)], (row - 0.4, 0.8), color="#EEEEEE")
        for top, strokes in ((row - 0.38, line.truth), (row + 0.02, line.found)):
            for begin, end, label in [(s.begin, s.end, s.label) for s in strokes]:
                axes.broken_barh(
                    [(begin * rate, (end - begin) * rate)],
                    (top, 0.36),
                    color=colours.get(label or "", GREY),
                    edgecolor="white",
                    linewidth=0.5,
                )
    axes.set_yticks(range(len(shown)), [plain(line.video) for line in shown])
    axes.set_ylim(max(1, len(shown)) - 0.5, -0.5)
    axes.set_xlim(0, max((line.seconds for line in shown), default=1))
    axes.set_xlabel("seconds")
    left = f", the first {MOST} of {len(timelines)} videos" if len(timelines) > MOST else ""
    axes.set_title(plain(f"{title}: annotated above, found below{left}"), fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    if legend:
        patches = [Patch(color=colour, label=name) for name, colour in legend.items()]
        figure.legend(handles=patches, loc="outside lower right", ncols=len(patches), fontsize=8)
    save_png(figure, path)
