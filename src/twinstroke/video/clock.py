"""Which frame is shown when: seconds become frames by a video's own timestamps.

A rounded frame rate is a frame off after seconds (120 against 120000/1001 after 8.3 s), and a
variable one has no rate at all. So a time is looked up among the times at which frames begin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from twinstroke.timeline import Kept


@dataclass(frozen=True, eq=False)
class Clock:
    """The boundaries between the frames of one video."""

    ticks: NDArray[np.int64]
    """(N + 1,) ascending: when each of N frames begins, and when the last one ends."""
    time_base: Fraction
    """Seconds a tick."""

    @property
    def frames(self) -> int:
        """N."""
        return len(self.ticks) - 1

    @property
    def duration(self) -> Fraction:
        """When the last frame ends, in seconds on the player's clock."""
        return self.time_of(self.frames)

    def frame_at(self, seconds: Fraction) -> int:
        """Frame whose beginning is nearest to a time: 0 to N (N: the end of the last frame).

        Annotation tools round times to milliseconds, and a player that stands still may tell any
        moment of the frame it shows. The nearest boundary undoes the first and is at most one
        frame off for the second. In the middle between two, the later one counts. Times before the
        first frame give 0, times after the end of the last one N.
        """
        exact = seconds / self.time_base
        after = int(np.searchsorted(self.ticks, -(-exact.numerator // exact.denominator)))
        if after == 0:
            return 0
        if after > self.frames:
            return self.frames
        before_gap = exact - int(self.ticks[after - 1])
        after_gap = int(self.ticks[after]) - exact
        return after if after_gap <= before_gap else after - 1

    def kept(self, interval: Fraction) -> Kept:
        """The frames nearest to a grid of times, the first of which is when the first frame begins.

        Frame k is the one that :meth:`frame_at` has for k · `interval` after that. The grid ends
        where the end of the last frame is nearer than its beginning; where that lasts for longer
        than an interval, as odd files say, its end is after one.

        Args:
            interval: Seconds from one time of the grid to the next.
        """
        ticks = self.ticks - self.ticks[0]
        # Twice the middle between two beginnings: in whole ticks, as all that follows.
        middles = ticks[:-1] + ticks[1:]
        step = 2 * interval / self.time_base
        last = min(Fraction(int(ticks[-1] - ticks[-2])), step / 2)
        count = math.ceil((2 * int(ticks[-2]) + last) / step)
        # Of more than two to a frame most are repeated, which nobody keeps: memory goes by the
        # number of frames, and not by what a damaged file says of its length.
        count = min(count, 2 * self.frames + 1)
        grid = [k * step.numerator // step.denominator for k in range(count)]
        return Kept(np.searchsorted(middles, np.array(grid, np.int64), side="right"), self.frames)

    def time_of(self, frame: int) -> Fraction:
        """When a frame begins, in seconds; frame N: when the last one ends."""
        return int(self.ticks[frame]) * self.time_base


def exact_rate(fps: float) -> Fraction:
    """Frame rate that a decimal number stands for: 29.97 is 30000/1001, as television has it."""
    whole = round(fps * 1.001)
    if whole and fps != round(fps) and abs(fps * 1.001 - whole) < 0.005:
        return Fraction(whole * 1000, 1001)
    return Fraction(str(fps))
