"""Progress with an ETA on standard error, and the one line of summary on standard output."""

from __future__ import annotations

import sys
from typing import Never

from tqdm import tqdm


def progress_bar(stage: str, total: int, unit: str, *, shown: bool = True) -> tqdm[Never]:
    """A bar for people; in a log file, a line every half minute; nothing, if another shows it."""
    interactive = sys.stderr.isatty()
    bar: tqdm[Never] = tqdm(
        desc=stage,
        total=total,
        unit=f" {unit}",
        dynamic_ncols=interactive,
        mininterval=0.2 if interactive else 30,
        leave=False,
        disable=not shown,
    )
    return bar


def summarise(stage: str, text: str) -> None:
    """Print what a stage did, in one line."""
    print(f"{stage}: {text}", flush=True)
