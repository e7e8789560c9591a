"""Curves of several trainings in one picture, as Fig. 6 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from twinstroke.colours import BLUE, GREEN, VERMILLION
from twinstroke.drawing import plain, save_png
from twinstroke.train.history import Epoch

# The others are of Okabe and Ito too.
COLOURS = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.")
"""For more experiments than colours."""


def draw_curves(histories: Mapping[str, Sequence[Epoch]], title: str, path: Path) -> None:
    """Draw validation accuracy by epoch; dotted where a training went back to its best state.

    Args:
        histories: Name of each experiment, and its epochs. Two networks that were trained one after
            the other have two lines of one colour, the second one paler.
        title: Of the picture.
        path: PNG file.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, history) in enumerate(histories.items()):
        colour, style = COLOURS[place % len(COLOURS)], STYLES[place // len(COLOURS) % len(STYLES)]
        networks = list(dict.fromkeys(row.network for row in history))
        for network, shade in zip(networks, (1, 0.5), strict=False):
            rows = [row for row in history if row.network == network]
            axes.plot(
                [row.epoch for row in rows],
                [row.validation_accuracy for row in rows],
                # A single epoch is seen, too.
                marker="." if len(rows) < 30 else "",
                color=colour,
                linestyle=style,
                alpha=shade,
                label=plain(name if len(networks) == 1 else f"{name}, {network}"),
            )
        for row in history:
            if row.restart:
                axes.axvline(row.epoch + 0.5, color=colour, linestyle=":", linewidth=0.8)
    if any(row.restart for history in histories.values() for row in history):
        title += "; dotted: back to the best state"
    axes.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1), title=plain(title))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    save_png(figure, path)
