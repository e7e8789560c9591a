"""The contact sheet of a sample: does the crop hold what moves?"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patches import Rectangle as Box
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from twinstroke.colours import (
    BEYOND,
    OUTLINE,
    OUTSIDE,
    WINDOW,
    colour_wheel,
    flow_colours,
    full_colour,
)
from twinstroke.drawing import DPI, plain
from twinstroke.inspection.measure import SampleRow
from twinstroke.inspection.moments import Moment
from twinstroke.inspection.source import Rectangle, Source
from twinstroke.tables import Sample

ROWS = ("frame", "flow", "stored crop", "stored flow")
DARK = withStroke(linewidth=3, foreground="black")


def contact_sheet(
    source: Source, sample: Sample, row: SampleRow, moments: Sequence[Moment]
) -> Figure:
    """Draw one sample: a column a moment, see `ROWS`.

    Args:
        source: For the window's size and the scale of the flow.
        sample: What is drawn.
        row: Its numbers.
        moments: Of its window.
    """
    view = _view(moments)
    across, down = view[1] - view[0], view[2] - view[3]
    crop = source.geometry.crop
    # A pixel of the frame has at least one of the sheet.
    width = max(240, across) / DPI
    heights = [width * down / across] * 2 + [width * crop[0] / crop[1]] * 2
    columns = len(moments)
    figure = Figure(
        figsize=(width * (columns + 0.7) + 0.5, sum(heights) + 2.2), dpi=DPI, layout="constrained"
    )
    grid = figure.add_gridspec(
        4, columns + 1, height_ratios=heights, width_ratios=[1] * columns + [0.6]
    )
    full = full_colour(np.concatenate([np.hypot(*m.field[m.mask].T) for m in moments]))
    for column, moment in enumerate(moments):
        places = [figure.add_subplot(grid[i, column]) for i in range(4)]
        _draw(places, moment, view, full, source.geometry.margin)
        if not column:
            for axes, name in zip(places, ROWS, strict=True):
                axes.set_ylabel(name)
    _wheel(figure.add_subplot(grid[:, columns]), full, source.statistics.scale)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(_title(sample, row, moments))
    return figure


def draw_rectangle(axes: Axes, place: Rectangle, width: float, colour: str) -> None:
    """Draw the edge of some whole pixels of an image."""
    effects = [withStroke(linewidth=width + 1.5, foreground="black")]
    corner = place.left - 0.5, place.top - 0.5
    axes.add_patch(
        Box(
            corner,
            place.width,
            place.height,
            fill=False,
            edgecolor=colour,
            linewidth=width,
            path_effects=effects,
        )
    )


def _view(moments: Sequence[Moment]) -> tuple[float, float, float, float]:
    """Left, right, bottom and top that show the picture and each crop, also beyond the picture."""
    height, width = moments[0].mask.shape
    crops = [moment.crop for moment in moments]
    return (
        min(0, *(c.left for c in crops)) - 2.5,
        max(width, *(c.left + c.width for c in crops)) + 1.5,
        max(height, *(c.top + c.height for c in crops)) + 1.5,
        min(0, *(c.top for c in crops)) - 2.5,
    )


def _draw(
    places: Sequence[Axes],
    moment: Moment,
    view: tuple[float, float, float, float],
    full: float,
    margin: int,
) -> None:
    frame, flow, stored_rgb, stored_flow = places
    frame.imshow(moment.picture)
    frame.imshow(_lost(moment))
    flow.imshow(flow_colours(moment.field, full))
    if moment.mask.any() and not moment.mask.all():
        frame.contour(moment.mask, [0.5], colors=OUTLINE, linewidths=0.7)
    for axes in (frame, flow):
        axes.set(xlim=view[:2], ylim=view[2:], facecolor=BEYOND)
        draw_rectangle(axes, moment.crop, 0.8, "white")
        draw_rectangle(axes, moment.window, 1.8, WINDOW)
        axes.plot(*(moment.centre - 0.5), "+", color=WINDOW, markersize=8, path_effects=[DARK])
    held = "" if np.isnan(moment.held) else f": holds {moment.held:.0%}"
    frame.set_title(f"frame {moment.frame}{held}", fontsize=9)
    if moment.note:
        flow.set_title(moment.note, fontsize=9)
    stored_rgb.imshow(moment.stored_rgb)
    stored_flow.imshow(flow_colours(moment.stored_field, full))
    height, width = moment.stored_rgb.shape[:2]
    for axes in (stored_rgb, stored_flow):
        inner = Rectangle(margin, margin, width - 2 * margin, height - 2 * margin)
        draw_rectangle(axes, inner, 1.8, WINDOW)
    for axes in places:
        axes.set(xticks=[], yticks=[])


def _lost(moment: Moment) -> NDArray[np.float64]:
    """A veil (H, W, 4) over the foreground that the window does not hold."""
    lost = moment.mask.copy()
    lost[moment.window.inside(lost.shape)] = False
    veil: NDArray[np.float64] = lost[..., None] * np.array(to_rgba(OUTSIDE, 0.5))
    return veil


def _wheel(axes: Axes, full: float, scale: tuple[float, float]) -> None:
    wheel = colour_wheel()
    axes.imshow(wheel)
    axes.axis("off")
    axes.set_title("where it moves", fontsize=9)
    axes.text(
        0.5,
        -0.05,
        f"rim: {full:.1f} px a kept\nframe or more\nwhite: at rest\n"
        f"(the network divides\nby {scale[0]:.1f}, {scale[1]:.1f} px)",
        transform=axes.transAxes,
        ha="center",
        va="top",
        fontsize=8,
    )


def _legend() -> list[Line2D | Patch]:
    outlined = [withStroke(linewidth=3, foreground="black")]
    return [
        Line2D([], [], color=WINDOW, linewidth=2, path_effects=outlined, label="window"),
        Line2D([], [], color="white", linewidth=1, path_effects=outlined, label="with margin"),
        Line2D([], [], color=OUTLINE, label="outline of the foreground"),
        Patch(color=OUTSIDE, alpha=0.5, label="foreground that the window misses"),
        Patch(color=BEYOND, label="beyond the picture"),
    ]


def _title(sample: Sample, row: SampleRow, moments: Sequence[Moment]) -> str:
    lines = [
        f"{sample.sample}: {sample.label} ({sample.split}), frames {sample.begin} to "
        f"{sample.end - 1} of {sample.video}",
        f"Over the clip, the window holds {1 - row.foreground_outside:.0%} of the foreground and "
        f"{1 - row.motion_outside:.0%} of its motion",
    ]
    if not all(moment.agrees for moment in moments):
        lines.append("Look: the stored crop is NOT what the frame shows there")
    elif row.why:
        lines.append(f"Look: {row.why}")
    return plain("\n".join(fill(line, 200) for line in lines))
