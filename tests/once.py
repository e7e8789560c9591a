"""What takes long and several files of tests need: made once for all processes of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

from filelock import FileLock

_folder: list[Path] = []


def share(folder: Path) -> None:
    """Say where all processes of this run of the tests find what one of them has made."""
    _folder[:] = [folder]


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process that wants it fills, while others wait; not to be changed.

    Args:
        name: Tells it from others.
        make: Fills an empty folder, which then gets another place.
    """
    folder = _folder[0] / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            rmtree(unfinished, ignore_errors=True)  # of a process that failed
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder
