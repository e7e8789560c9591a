"""Where the time of a detection goes."""

from __future__ import annotations

import resource
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Spent:
    """Seconds of work by step. Steps overlap, so that together they may exceed what passed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        """Of each step that was measured: as long as it took, whoever did it."""
        self._lock = threading.Lock()
        self._begin = time.perf_counter()
        self._others = _children()

    @contextmanager
    def on(self, step: str) -> Iterator[None]:
        """Count the time of the block."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[step] += time.perf_counter() - begin

    @property
    def passed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._begin

    @property
    def in_programs(self) -> float:
        """Seconds of processor time of programs that were started and have ended: of FFmpeg."""
        return _children() - self._others


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
