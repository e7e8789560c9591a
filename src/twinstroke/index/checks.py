"""What must hold between annotations, and between annotations and their videos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from twinstroke.index.annotations import Annotation
from twinstroke.tables import SPLITS, Split, Video


def fps_problems(videos: Iterable[Video], fps: float) -> list[str]:
    """Complain about frame rates that differ by more than 1 % from the expected one."""
    return [
        f"{video.path}: has {float(video.fps):.6g} frames a second, but index.fps is {fps:g}; "
        "convert the video, or change the preset"
        for video in videos
        if abs(float(video.fps) - fps) > 0.01 * fps
    ]


def range_problems(annotations: Iterable[Annotation], frames: Mapping[str, int]) -> list[str]:
    """Complain about strokes that end after the last frame of their video.

    Args:
        annotations: Strokes.
        frames: Number of frames of each probed video.
    """
    return [
        f"{item.where}: end {item.end} is past the last frame of {item.video!r}, which has "
        f"{frames[item.video]} frames; were they counted at another frame rate?"
        for item in annotations
        if item.end is not None and item.video in frames and item.end > frames[item.video]
    ]


def duplicate_problems(annotations: Iterable[Annotation]) -> list[str]:
    """Complain about strokes of one video that are stated twice, with the same class."""
    problems = []
    first: dict[tuple[str, int, int, str], Annotation] = {}
    for item in annotations:
        earlier = first.setdefault(_content(item), item)
        if earlier is not item:
            problems.append(f"{item.where}: repeats {earlier.where}; remove one of them")
    return problems


def _content(item: Annotation) -> tuple[str, int, int, str]:
    return item.video, item.begin, item.end or 0, item.label or ""


def overlap_problems(annotations: Iterable[Annotation], max_overlap: float) -> list[str]:
    """Complain about strokes of one video that share too much of the shorter one.

    Each stroke is compared with the one that reaches furthest among those that begin before it. If
    any two overlap too much, so do two of these: whatever lies between them in order is overlapped
    by the furthest at least as much.

    Args:
        annotations: Strokes; what repeats another is passed over.
        max_overlap: Largest allowed share of the shorter stroke, 0 to 1.
    """
    problems = []
    furthest: Annotation | None = None
    distinct = {_content(item): item for item in annotations}
    for _, item in sorted(distinct.items()):
        if furthest is None or furthest.video != item.video:
            furthest = item
            continue
        if item.end is None or furthest.end is None:
            continue
        shared = min(item.end, furthest.end) - item.begin
        shorter = min(item.end - item.begin, furthest.end - furthest.begin)
        if shared > max_overlap * shorter:
            problems.append(
                f"{item.where}: {item.begin}–{item.end} shares {shared} of {shorter} frames with "
                f"{furthest.begin}–{furthest.end} ({furthest.where}), but index.max_overlap is "
                f"{max_overlap:g}; correct the frames"
            )
        if item.end > furthest.end:
            furthest = item
    return problems


def empty_split_problems(where: str, splits: Sequence[Split]) -> list[str]:
    """Complain about missing splits.

    Args:
        where: The raw folder.
        splits: Split of every annotated (not mined) sample.
    """
    if not splits:
        return [f"{where}: no labelled stroke or clip at all; check index.format and its folders"]
    return [
        f"{where}: the {split} split has no labelled sample; annotate some, or change index.split"
        for split in SPLITS
        if split not in splits
    ]
