"""Samples of the rejection class, cut from the gaps between strokes.

After the MediaEval baseline: consecutive segments of equal length from the end of one stroke (or
frame 0) to the beginning of the next. That code relies on strokes in order of time and drops a
segment that ends exactly where the next stroke begins; here strokes are sorted, a stroke within a
longer one opens no gap, and an exact fit is kept. Nothing is cut after the last stroke: annotators
may just have stopped there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from twinstroke.tables import Split


class Stroke(NamedTuple):
    """Where one annotated stroke lies, in frames, `end` exclusive."""

    begin: int
    end: int
    split: Split | None


def mine_negatives(strokes: Iterable[Stroke], frames: int) -> list[Stroke]:
    """Cut the gaps between the strokes of one video into segments.

    Args:
        strokes: All strokes of one video, in any order, labelled or not.
        frames: Length of a segment.

    Returns:
        Segments in order of time, each with the split of the stroke that follows it.
    """
    segments = []
    free = 0
    for stroke in sorted(strokes, key=lambda s: (s.begin, s.end)):
        for begin in range(free, stroke.begin - frames + 1, frames):
            segments.append(Stroke(begin, begin + frames, stroke.split))
        free = max(free, stroke.end)
    return segments
