"""Work that tests give to other processes, which must be able to import it."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Number(int):
    """An item that says what it is."""

    def __str__(self) -> str:
        return f"number {int(self)}"


def note_and_sleep(folder: Path) -> None:
    """Leave a file named after the process."""
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(0.2)
