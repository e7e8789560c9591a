"""Pictures as PNG: they need no network and no program but a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import confusion_matrix

from twinstroke.files import replacing
from twinstroke.train import Epoch


def plot_confusion(
    actual: Sequence[str], predicted: Sequence[str], classes: Sequence[str], title: str, path: Path
) -> None:
    """Draw the confusion matrix: counts, coloured by the share of the actual class."""
    counts = confusion_matrix(actual, predicted, labels=list(classes))
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.5 + 0.36 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[row, column] > 0.55 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set(xlabel="predicted", ylabel="actual", title=title)
    figure.colorbar(image, ax=axes, format=PercentFormatter(1), shrink=0.7, label="of the actual")
    _save(figure, path)


def plot_history(history: Sequence[Epoch], path: Path) -> None:
    """Draw loss and accuracy by epoch, for training and validation; dotted where it restarted."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    networks = list(dict.fromkeys(row.network for row in history))
    for place, (name, unit) in enumerate((("loss", "cross-entropy"), ("accuracy", "accuracy"))):
        axes = figure.add_subplot(1, 2, place + 1)
        for network, shade in zip(networks, (1, 0.5), strict=False):
            rows = [row for row in history if row.network == network]
            for split, colour in (("train", "C0"), ("validation", "C1")):
                axes.plot(
                    [row.epoch for row in rows],
                    [getattr(row, f"{split}_{name}") for row in rows],
                    color=colour,
                    alpha=shade,
                    label=split if len(networks) == 1 else f"{network}, {split}",
                )
        for row in history:
            if row.restart:
                axes.axvline(row.epoch + 0.5, color="grey", linestyle=":", linewidth=0.8)
        axes.set(xlabel="epoch", ylabel=unit, ylim=(0, 1) if name == "accuracy" else (0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.axes[1].yaxis.set_major_formatter(PercentFormatter(1))
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as partial:
        # Without the date and the program's version, equal pictures are equal files.
        figure.savefig(partial, format="png", dpi=110, metadata={"Software": None})
