"""Where the time of a detection goes."""

from __future__ import annotations

import resource
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds of work by step, of several threads. Steps overlap."""

    def __init__(self) -> None:
        self.share = 0.0
        """Of the video that was gone through, rather than found to be done."""
        self.passed = 0.0
        """Seconds from beginning to end."""
        self.seconds: dict[str, float] = defaultdict(float)
        """Of each step: of a core that worked on it, but for the network those that passed."""
        self._lock = threading.Lock()
        self._begin = time.perf_counter()
        self._others = _children()

    @contextmanager
    def on(self, step: str, clock: Callable[[], float] = time.thread_time) -> Iterator[None]:
        """Count the time of the block, by the clock of its thread if no other is named."""
        begin = clock()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[step] += clock() - begin

    def end(self) -> None:
        """Count what programs took that were started since the beginning and have ended: FFmpeg."""
        self.seconds["decoding"] += _children() - self._others
        self.passed = time.perf_counter() - self._begin


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
