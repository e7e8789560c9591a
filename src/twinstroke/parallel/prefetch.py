"""Doing things before they are asked for, in threads, without running too far ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK_S = 0.1
"""How often a thread looks whether anybody still wants what it makes."""


def chained(
    sources: Iterable[Callable[[], Iterator[T]]], *, at_once: int, depth: int
) -> Generator[T, None, None]:
    """Go through several iterators, one after the other, while the next ones are at work already.

    Args:
        sources: Each begins an iterator, which is used in a thread of its own.
        at_once: Iterators that are at work at the same time.
        depth: Items that each of them may be ahead.

    Raises:
        Exception: What an iterator raised, once everything before it was given.
    """
    waiting = iter(sources)
    running: deque[_Ahead[T]] = deque()
    try:
        while True:
            while len(running) < at_once and (source := next(waiting, None)) is not None:
                running.append(_Ahead(source, depth))
            if not running:
                return
            yield from running[0]
            running.popleft()
    finally:
        for one in running:
            one.stop()


class _Ahead(Generic[T]):
    """An iterator that runs in a thread."""

    def __init__(self, source: Callable[[], Iterator[T]], depth: int) -> None:
        self._items: Queue[tuple[str, T | BaseException | None]] = Queue(depth)
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(source,), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while True:
            kind, item = self._items.get()
            if kind == "end":
                return
            if kind == "error":
                raise item  # type: ignore[misc]
            yield item  # type: ignore[misc]

    def stop(self) -> None:
        """Let the thread end, and wait for it: nothing of it is left running."""
        self._unwanted.set()
        self._thread.join()

    def _run(self, source: Callable[[], Iterator[T]]) -> None:
        items: Iterator[T] | None = None
        try:
            items = source()
            for item in items:
                if not self._put("item", item):
                    return
            self._put("end", None)
        except BaseException as error:  # whoever asks gets it
            self._put("error", error)
        finally:
            # An iterator that holds a program or a file lets go of it in this thread.
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def _put(self, kind: str, item: T | BaseException | None) -> bool:
        while not self._unwanted.is_set():
            try:
                self._items.put((kind, item), timeout=_LOOK_S)
            except Full:
                continue
            return True
        return False
