"""Pictures as PNG: they need no network and no program but a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import confusion_matrix

from twinstroke.annotations.superclasses import groupings
from twinstroke.colours import BLUE, GREY, VERMILLION
from twinstroke.drawing import plain, save_png
from twinstroke.evaluate.metrics import ClassRecall, ReliabilityBin
from twinstroke.train.history import Epoch

GROUPING_TITLES = {"hand": "Hand", "type": "Type", "type_hand": "Type and hand"}


def plot_confusion(
    actual: Sequence[str], predicted: Sequence[str], classes: Sequence[str], title: str, path: Path
) -> None:
    """Draw the confusion matrix, and beside it those of the coarser classes, if there are any.

    Counts, coloured by the share of the actual class.
    """
    side = 2.5 + 0.36 * len(classes)
    coarse = groupings(classes)
    width = side + 0.8 + (0.55 * side if coarse else 0)
    figure = Figure(figsize=(width, side), layout="constrained")
    ratios = [1, 0.45] if coarse else [1]
    grid = figure.add_gridspec(max(1, len(coarse)), len(ratios), width_ratios=ratios)
    main = figure.add_subplot(grid[:, 0])
    _matrix(main, actual, predicted, classes, title)
    for row, (grouping, names) in enumerate(coarse.items()):
        to = dict(zip(classes, names, strict=True))
        own = [to[name] for name in actual], [to[name] for name in predicted]
        right = sum(a == p for a, p in zip(*own, strict=True))
        heading = f"{GROUPING_TITLES[grouping]}: {right / len(actual):.1%}"
        _matrix(figure.add_subplot(grid[row, 1]), *own, list(dict.fromkeys(names)), heading)
    figure.colorbar(
        main.images[0],
        ax=main,
        format=PercentFormatter(1),
        shrink=0.5,
        location="left",
        label="of the actual class",
    )
    save_png(figure, path)


def _matrix(
    axes: Axes, actual: Sequence[str], predicted: Sequence[str], classes: Sequence[str], title: str
) -> None:
    counts = confusion_matrix(actual, predicted, labels=list(classes))
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[row, column] > 0.55 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(classes)), list(map(plain, classes)), rotation=90, fontsize=8)
    axes.set_yticks(range(len(classes)), list(map(plain, classes)), fontsize=8)
    axes.set(xlabel="predicted", ylabel="actual", title=plain(title))


def plot_recalls(recalls: Sequence[ClassRecall], title: str, path: Path) -> None:
    """Draw the recall of each class of one split, with its 95 % interval and number of samples."""
    figure = Figure(figsize=(7.5, 1.4 + 0.28 * len(recalls)), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(recalls))
    values = np.array([[row.recall, row.low, row.high] for row in recalls]).T
    bars = np.stack([values[0] - values[1], values[2] - values[0]]).clip(0)
    axes.errorbar(values[0], places, xerr=bars, fmt="o", color=BLUE, ecolor=GREY, capsize=2)
    axes.set_yticks(
        places, [f"{plain(row.label)}  ({row.right}/{row.n})" for row in recalls], fontsize=8
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(len(recalls) - 0.5, -0.5), title=plain(title))
    axes.set_xlabel("recall, and its 95 % interval (Wilson)")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="x", alpha=0.3)
    save_png(figure, path)


def plot_reliability(bins: Sequence[ReliabilityBin], error: float, title: str, path: Path) -> None:
    """Draw how often predictions of a given probability are right.

    Args:
        bins: Of one split.
        error: Its expected calibration error.
        title: Of the picture.
        path: PNG file.
    """
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    x = np.array([row.confidence for row in bins])
    y = np.array([row.accuracy for row in bins])
    bars = np.array([[r.accuracy - r.low, r.high - r.accuracy] for r in bins]).T.clip(0)
    axes.errorbar(x, y, yerr=bars, fmt="o", color=BLUE, capsize=2, label="share that is right")
    for row in bins:
        axes.annotate(
            str(row.n),
            (row.confidence, row.accuracy),
            xytext=(6, -3),
            textcoords="offset points",
            fontsize=8,
        )
    room = -0.03, 1.06
    axes.set(xlim=room, ylim=room, xlabel="probability of the predicted class")
    axes.set_ylabel("right, with 95 % interval")
    axes.set_title(
        f"{plain(title)}\ncalibration error {error:.3f}; numbers of samples", fontsize=10
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    save_png(figure, path)


def plot_history(history: Sequence[Epoch], path: Path) -> None:
    """Draw loss, accuracy and learning rate by epoch; dotted where training restarted."""
    figure = Figure(figsize=(12.5, 3.6), layout="constrained")
    networks = list(dict.fromkeys(row.network for row in history))
    for place, (name, unit) in enumerate((("loss", "cross-entropy"), ("accuracy", "accuracy"))):
        axes = figure.add_subplot(1, 3, place + 1)
        for network, shade in zip(networks, (1, 0.5), strict=False):
            rows = [row for row in history if row.network == network]
            for split, colour in (("train", BLUE), ("validation", VERMILLION)):
                axes.plot(
                    [row.epoch for row in rows],
                    [getattr(row, f"{split}_{name}") for row in rows],
                    color=colour,
                    alpha=shade,
                    label=split if len(networks) == 1 else f"{network}, {split}",
                )
        axes.set(ylabel=unit, ylim=(0, 1) if name == "accuracy" else (0, None))
        axes.legend()
    figure.axes[1].yaxis.set_major_formatter(PercentFormatter(1))
    axes = figure.add_subplot(1, 3, 3)
    for network in networks:
        rows = [row for row in history if row.network == network]
        rates = [row.learning_rate for row in rows]
        axes.semilogy([row.epoch for row in rows], rates, color=BLUE, drawstyle="steps-mid")
    axes.set(ylabel="learning rate")
    for axes in figure.axes:
        for row in history:
            if row.restart:
                axes.axvline(row.epoch + 0.5, color=GREY, linestyle=":", linewidth=0.8)
        axes.set(xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    save_png(figure, path)
