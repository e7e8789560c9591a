"""Source frames, kept frames, and the clip of a sample.

Source frame *n* is the *n*-th decoded frame of the video, from 0. Every ``frame_step``-th one is
kept: kept frame *k* is source frame ``k · frame_step``. Annotations count source frames; from
`decode` on, everything counts kept frames. All ranges are half open: ``[begin, end)``.

With ``decode.rate`` a video is seen as if it had been filmed at that rate (`Kept`): `index` turns
annotations into frames of that rate, which all tables count from there on, and ``frame_step`` is 1.
What is written for people and other programs counts the frames that are in the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Kept:
    """Which frames of a video are kept."""

    numbers: NDArray[np.int64]
    """(K,) source frame of each kept one, ascending; where a frame was dropped, the one beside it
    stands there twice."""
    frames: int
    """Of the source."""

    def __len__(self) -> int:
        """K."""
        return len(self.numbers)

    @property
    def repeated(self) -> float:
        """Share of kept frames that repeat the one before, 0 to 1."""
        return float((np.diff(self.numbers) == 0).sum() / len(self.numbers))

    def place(self, frame: int) -> int:
        """First kept frame that is not before a source frame; K if there is none."""
        return int(np.searchsorted(self.numbers, frame))

    def frame(self, place: int) -> int:
        """Source frame of a kept one; of K, the number of source frames."""
        return int(self.numbers[place]) if place < len(self) else self.frames

    def between(self, twice: int) -> int:
        """First source frame from half a number of kept frames on.

        Args:
            twice: The double of that number, so that 5 is in the middle of the kept frames 2 and 3.
        """
        middle, is_half = divmod(twice, 2)
        return -(-(self.frame(middle) + self.frame(middle + is_half)) // 2)


def every(frame_step: int, frames: int) -> Kept:
    """Keep every n-th of a number of source frames."""
    return Kept(np.arange(0, frames, frame_step), frames)


def kept_count(frames: int, frame_step: int) -> int:
    """Number of kept frames of a video of `frames` source frames."""
    return -(-frames // frame_step)


def stroke_range(begin: int, end: int, frame_step: int) -> range:
    """Kept frames inside ``[begin, end)`` of the source; may be empty for a tiny stroke."""
    return range(-(-begin // frame_step), -(-end // frame_step))


def clip_range(begin: int, end: int, frame_step: int, window: int) -> range:
    """Kept frames of a sample's clip: the stroke, or one window centred on a shorter stroke.

    The clip is never shorter than the window. It may reach before frame 0 or past the last frame
    of the video: there `segment` repeats the first or last frame, with zero flow.

    Args:
        begin: First source frame of the stroke.
        end: Source frame after the last one.
        frame_step: Every n-th source frame is kept.
        window: T, in kept frames.
    """
    stroke = stroke_range(begin, end, frame_step)
    if len(stroke) >= window:
        return stroke
    first = (stroke.start + stroke.stop - window) // 2
    return range(first, first + window)


def merged(ranges: Iterable[range]) -> list[range]:
    """Union of ranges as sorted ranges that neither overlap nor touch."""
    result: list[range] = []
    for item in sorted(ranges, key=lambda r: r.start):
        if result and item.start <= result[-1].stop:
            result[-1] = range(result[-1].start, max(result[-1].stop, item.stop))
        elif item:
            result.append(item)
    return result
