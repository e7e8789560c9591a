"""Which frames of a video are kept: what some sample needs, or all, for detection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from twinstroke.tables import NEGATIVE, Sample, Split, StrokeClass, Video
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


def untrimmed(
    videos: Iterable[Video], samples: Iterable[Sample], split: Split | Literal["none"]
) -> list[Video]:
    """Find the untrimmed videos that belong to one split as a whole.

    A video of which other splits have samples too is left out: the network may have learnt from it.
    So is a trimmed clip, which is one stroke from its first frame to its last.

    Args:
        videos: The table of videos.
        samples: The table of samples.
        split: Which split; ``none`` has no videos.
    """
    own: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        own[sample.video].append(sample)
    return [
        video
        for video in videos
        if {sample.split for sample in own[video.video]} == {split}
        and not any((s.begin, s.end) == (0, video.frames) for s in own[video.video])
    ]


def can_find_strokes(classes: Sequence[StrokeClass]) -> bool:
    """Tell whether networks of these classes can say where there is no stroke."""
    return any(row.label == NEGATIVE for row in classes)
