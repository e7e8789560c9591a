"""Progress with an ETA on standard error, and the one line of summary on standard output."""

from __future__ import annotations

import sys

from tqdm import tqdm


def progress_bar(stage: str, total: int, unit: str) -> tqdm[None]:
    """A bar for people; in a log file, a line every half minute."""
    interactive = sys.stderr.isatty()
    return tqdm(
        desc=stage,
        total=total,
        unit=f" {unit}",
        dynamic_ncols=interactive,
        mininterval=0.2 if interactive else 30,
        leave=False,
    )


def summarise(stage: str, text: str) -> None:
    """Print what a stage did, in one line."""
    print(f"{stage}: {text}", flush=True)
