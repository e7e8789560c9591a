"""Work for other processes, which must be able to import it; and kills amid such work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twinstroke.parallel.workers import Workers


class Number(int):
    """An item that says what it is."""

    def __str__(self) -> str:
        return f"number {int(self)}"


def note_and_sleep(folder: Path) -> None:
    """Leave a file named after the process."""
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(0.2)


def after_each_item(then: Callable[[int], None]) -> None:
    """From now on, do something in this process whenever an item of work is done.

    It is not missed on a busy machine: no other item is given out meanwhile.

    Args:
        then: What; it gets the number of items that are done, counted from 1.
    """
    outcomes, done = Workers.outcomes, 0

    def watched(*arguments: Any) -> Iterator[Any]:
        nonlocal done
        for outcome in outcomes(*arguments):
            yield outcome
            done += 1
            then(done)

    setattr(Workers, "outcomes", watched)  # noqa: B010 - its type is not that of one method
