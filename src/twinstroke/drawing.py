"""What all pictures share."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from twinstroke.files import replacing

DPI = 110


def plain(text: str) -> str:
    """Names of videos and classes are no formulas."""
    return text.replace("$", r"\$")


def file_stem(sample: str) -> str:
    """Name of a file about a sample, without suffix: some systems allow neither sign in it."""
    return sample.replace(":", "_").replace("#", "_")


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; equal figures give equal bytes."""
    with replacing(path) as partial:
        # Without the date and the program's version, equal pictures are equal files.
        figure.savefig(partial, format="png", dpi=DPI, metadata={"Software": None})
