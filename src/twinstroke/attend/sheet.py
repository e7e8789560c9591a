"""The contact sheet of a sample: where each block looked, at some moments of the window."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from twinstroke.attend.subject import (
    COLOURS,
    SHADES,
    Attention,
    Pictures,
    Subject,
    over_flow,
    over_frames,
)
from twinstroke.colours import colour_wheel
from twinstroke.drawing import plain

MOMENTS = 8
SIDE = 1.0
"""Width of a picture, in inches."""
GAP = 0.04
"""Between pictures, as a part of their width."""


def contact_sheet(subject: Subject) -> Figure:
    """Draw a sample: a column a moment.

    The first two rows are the frames and the flow; then each block has its mask over the frames
    and over the flow, and beside them the values that colours and shades stand for.
    """
    count, height, width = subject.rgb.shape[:3]
    moments = np.unique(np.linspace(0, count - 1, MOMENTS).round().astype(int))
    frames, flow = subject.rgb[moments], subject.flow[moments]
    groups = 1 + len(subject.attention)
    down = 2 * SIDE * (height / width + GAP)
    size = SIDE * (len(moments) * (1 + GAP) + 1.1) + 0.4, groups * (down + 0.2) + 0.8
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(groups, 2, width_ratios=[len(moments) * (1 + GAP), 1.1])
    top = figure.add_subplot(grid[0, 0])
    _pictures(top, frames, flow, ("frames", "flow"))
    places = (np.arange(len(moments)) + 0.5) * (width + _gap(width)) - 0.5
    top.set_xticks(places, [f"{moment / subject.fps:.2f} s" for moment in moments], fontsize=8)
    top.xaxis.tick_top()
    _wheel(figure.add_subplot(grid[0, 1]), subject.full)
    for row, (place, own) in enumerate(subject.attention.items(), start=1):
        mask = own.relative[moments]
        axes = figure.add_subplot(grid[row, 0])
        rows = over_frames(frames, mask), over_flow(flow, mask)
        _pictures(axes, *rows, ("over frames", "over flow"))
        axes.set_ylabel(f"{place.branch} branch\nblock {place.block}", fontsize=9)
        _bars(figure.add_subplot(grid[row, 1]), own)
    figure.suptitle(plain("\n".join(heading(subject))), fontsize=10)
    return figure


def heading(subject: Subject) -> list[str]:
    """What is shown, in three lines."""
    row = subject.prediction
    return [
        f"actual: {row.actual}",
        f"predicted: {row.predicted} ({row.confidence:.0%})",
        f"sample: {row.sample}",
    ]


def _gap(width: int) -> int:
    return max(1, round(GAP * width))


def _pictures(axes: Axes, upper: Pictures, lower: Pictures, names: tuple[str, str]) -> None:
    """Two rows of pictures as one image, which is drawn much faster than many."""
    _, height, width = upper.shape[:3]
    gap = _gap(width)
    apart = [
        np.pad(row, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255)
        for row in (upper, lower)
    ]
    axes.imshow(np.vstack([np.hstack(list(row)) for row in apart]))
    axes.set(xticks=[])
    axes.set_yticks([height / 2, height * 3 / 2 + gap], names, rotation=90, va="center", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _wheel(axes: Axes, full: float) -> None:
    axes.set_axis_off()
    wheel = axes.inset_axes((0.05, 0.4, 0.5, 0.5))
    wheel.imshow(colour_wheel())
    wheel.set_axis_off()
    text = f"where it moves;\nrim: {full:.1f} px\na kept frame"
    axes.text(0.05, 0.34, text, va="top", fontsize=8, transform=axes.transAxes)


def _bars(axes: Axes, own: Attention) -> None:
    """What colours and shades stand for, as values of the mask."""
    axes.set_axis_off()
    ticks = [own.low, (own.low + own.high) / 2, own.high]
    scales: tuple[Colormap, Colormap] = COLOURS, SHADES
    for bottom, colours in zip((0.56, 0.06), scales, strict=True):
        inset = axes.inset_axes((0.05, bottom, 0.14, 0.38))
        scale = ScalarMappable(Normalize(own.low, own.high), colours)
        bar = axes.figure.colorbar(scale, cax=inset)
        bar.set_ticks(ticks, labels=[f"{value:.3f}" for value in ticks], fontsize=7)
        bar.set_label("mask", fontsize=7)
