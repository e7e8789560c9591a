"""When the state of a training is written: often enough, and seldom enough."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 50
"""Times as long as it took to write a state, training goes on before the next: so writing takes
less than 2 % of the time."""


class Saving:
    """Decides after which epochs a state is written.

    With ``minutes`` of 0 it is after each. Otherwise an epoch is followed by a state if so many
    minutes have passed since the last one, and `PAUSE` times as long as writing that one took.
    """

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count now, by a clock in seconds."""
        self._minutes, self._clock = minutes, clock
        self._took = 0.0
        self._written = clock()

    @property
    def due(self) -> bool:
        """Whether a state is to be written now."""
        passed = self._clock() - self._written
        return not self._minutes or passed >= max(60 * self._minutes, PAUSE * self._took)

    def write(self, save: Callable[[], None]) -> None:
        """Write a state, and see how long it takes."""
        begun = self._clock()
        save()
        self._written = self._clock()
        self._took = self._written - begun
