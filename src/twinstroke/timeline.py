"""Source frames, kept frames, and the clip of a sample.

Source frame *n* is the *n*-th decoded frame of the video, from 0. Every ``frame_step``-th one is
kept: kept frame *k* is source frame ``k · frame_step``. Annotations count source frames; from
`decode` on, everything counts kept frames. All ranges are half open: ``[begin, end)``.
"""

from __future__ import annotations

from collections.abc import Iterable


def kept_rate(fps: float, frame_step: int) -> float:
    """Kept frames a second, of a video of `fps` frames a second."""
    return fps / frame_step


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
