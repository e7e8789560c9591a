"""Which frames of a video some sample needs."""

from __future__ import annotations

from collections.abc import Iterable

from twinstroke.tables import Sample
from twinstroke.timeline import clip_range, kept_count, merged


def needed_frames(
    samples: Iterable[Sample], *, frames: int, window: int, frame_step: int, context: int
) -> list[range]:
    """Kept frames that the samples of one video need.

    For each sample: its clip (within which the start of the window may jitter), one frame more
    because flow leads from a frame to the next, and `context` on both sides, over which the region
    of interest is smoothed and the background is learnt.

    Args:
        samples: Samples of one video.
        frames: Number of source frames of the video.
        window: T, in kept frames.
        frame_step: Every n-th source frame is kept.
        context: Source frames on both sides of a clip.

    Returns:
        Sorted, disjoint ranges of kept frames within the video.
    """
    around = -(-context // frame_step)
    last = kept_count(frames, frame_step)
    clips = (clip_range(s.begin, s.end, frame_step, window) for s in samples)
    return merged(
        range(max(0, clip.start - around), min(last, clip.stop + 1 + around)) for clip in clips
    )
