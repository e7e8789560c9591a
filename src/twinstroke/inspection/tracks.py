"""The picture of a video: where the crop went, how much moved, and which samples lie where."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter, SymmetricalLogLocator
from numpy.typing import NDArray

from twinstroke.colours import BLUE, GREEN, GREY, VERMILLION, WINDOW
from twinstroke.decode.stored import pictures
from twinstroke.drawing import DPI, plain
from twinstroke.inspection.measure import Measures, VideoRow
from twinstroke.inspection.sheets import draw_rectangle
from twinstroke.inspection.source import Scene, Source, opened, window_at
from twinstroke.tables import NEGATIVE, Sample

SAMPLE_INCHES = 0.14
"""Room for the upright label of a stroke."""


def video_picture(
    source: Source, scene: Scene, row: VideoRow, measures: Measures, min_motion: float | None
) -> Figure:
    """Draw one video, or the place of a player in it.

    Args:
        source: For the samples, the window's size and the scale of the flow.
        scene: Which it is.
        row: Its numbers.
        measures: Its values frame by frame.
        min_motion: Peaks below it do not count for the scale; None if the rule has none.
    """
    samples = [sample for sample in source.samples if source.scene(sample) == scene]
    width = min(40.0, max(16.0, 6 + SAMPLE_INCHES * len(samples)))
    figure = Figure(figsize=(width, 10), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(4, 2, width_ratios=[width - 5, 5], height_ratios=[1.3, 1, 1, 1])
    track = figure.add_subplot(grid[0, 0])
    peak, flow, share = (figure.add_subplot(grid[i, 0], sharex=track) for i in (1, 2, 3))
    step = source.geometry.frame_step

    def line(axes: Axes, values: NDArray[np.floating], colour: str, label: str) -> None:
        axes.plot(*with_gaps(measures.frame, values, step), color=colour, label=label, lw=1)

    for axis, (name, colour) in enumerate((("x", BLUE), ("y", VERMILLION))):
        line(track, measures.roi[:, axis], colour, f"{name} of the crop's centre")
        flow_name = "uv"[axis]
        line(peak, measures.peak[:, axis], colour, f"largest |{flow_name}|")
        scale = source.statistics.scale[axis]
        label = f"scale of {flow_name}: {scale:.1f} px"
        peak.axhline(scale, color=colour, linestyle="--", lw=1, label=label)
    if min_motion is not None:
        label = f"min_motion: {min_motion:g} px"
        peak.axhline(min_motion, color="black", linestyle=":", lw=1, label=label)
    line(flow, measures.mean_flow, GREEN, "mean in the foreground")
    line(share, measures.foreground, GREY, "foreground, of the picture")
    line(share, measures.motion_outside, VERMILLION, "motion outside the window")
    track.set(ylabel="px from left, top", ylim=(0, max(measures.size)))
    # Cuts give flows of hundreds of px, beside which the player's would be a flat line.
    peak.set_yscale("symlog", linthresh=1)
    peak.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=[1, 2, 5]))
    peak.yaxis.set_major_formatter(ScalarFormatter())
    peak.set(ylabel="largest flow, px a frame", ylim=(0, None))
    flow.set(ylabel="|flow|, px a frame", ylim=(0, None))
    share.set(ylabel="share", ylim=(0, 1.02), xlabel="source frame")
    share.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (track, peak, flow, share):
        axes.grid(alpha=0.3)
        _spans(axes, samples)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    track.set_xlim(measures.frame[0], measures.frame[-1] + step)
    _labels(track, samples)
    _map(figure.add_subplot(grid[:2, 1]), source, scene, measures)
    _numbers(figure.add_subplot(grid[2:, 1]), row)
    title = f"{row.video}: {row.motion_outside:.0%} of what moves lies outside the window"
    look = f"\nLook: {row.why}" if row.why else ""
    figure.suptitle(plain(title + fill(look, round(10 * width), replace_whitespace=False)))
    return figure


def with_gaps(
    frame: NDArray[np.int64], values: NDArray[np.floating], step: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put NaN where frames are missing, so that a line breaks there.

    Args:
        frame: (M,) Source frames, ascending.
        values: (M,) or (M, K).
        step: Distance of neighbours in one run.

    Returns:
        Frames and values, both with one more entry for each gap.
    """
    gaps = np.flatnonzero(np.diff(frame) != step) + 1
    return (
        np.insert(frame.astype(np.float64), gaps, np.nan),
        np.insert(values.astype(np.float64), gaps, np.nan, axis=0),
    )


def _spans(axes: Axes, samples: Sequence[Sample]) -> None:
    for sample in samples:
        colour = GREY if sample.label == NEGATIVE else BLUE
        axes.axvspan(sample.begin, sample.end, color=colour, alpha=0.15, lw=0)


def _labels(axes: Axes, samples: Sequence[Sample]) -> None:
    """The strokes' names above; negatives are the grey spans."""
    for sample in samples:
        if sample.label != NEGATIVE:
            axes.text(
                (sample.begin + sample.end) / 2,
                1.02,
                plain(sample.label),
                transform=axes.get_xaxis_transform(),
                rotation=90,
                ha="center",
                va="bottom",
                fontsize=7,
            )


def _map(axes: Axes, source: Source, scene: Scene, measures: Measures) -> None:
    """The track over the middle one of the measured frames."""
    middle = len(measures.frame) // 2
    with opened(source, scene) as files:
        at = int(np.searchsorted(files.frames["frame"][:], measures.frame[middle]))
        axes.imshow(pictures(files.frames, slice(at, at + 1))[0])
    _, ways = with_gaps(measures.frame, measures.roi - 0.5, source.geometry.frame_step)
    axes.plot(*ways.T, color=WINDOW, lw=0.7, alpha=0.8)
    draw_rectangle(axes, window_at(measures.roi[middle], source.geometry), 1.8, WINDOW)
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"all ways of the crop's centre; window at frame {measures.frame[middle]}")


def _numbers(axes: Axes, row: VideoRow) -> None:
    axes.axis("off")
    lines = [
        f"kept frames: {row.frames:,}",
        f"flow in the foreground: mean {row.flow_mean:.2f}, median {row.flow_median:.2f}, "
        f"95 % below {row.flow_p95:.2f},\n    largest {row.flow_largest:.1f} px a frame",
        f"foreground: {row.foreground:.1%} of the picture",
        f"outside the window: {row.motion_outside:.0%} of the motion, "
        f"{row.foreground_outside:.0%} of the foreground",
        f"beyond the picture: window in {row.window_beyond:.0%}, with margin in "
        f"{row.crop_beyond:.0%} of the frames",
        f"nothing moves in {row.still:.0%} of the frames",
        f"largest leap of the crop: {row.largest_jump:.1f} px a frame",
        "shaded: samples; blue strokes, grey negatives",
    ]
    axes.text(0, 1, "\n".join(lines), va="top", fontsize=9, linespacing=1.6)
