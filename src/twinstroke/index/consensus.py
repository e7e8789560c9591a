"""Strokes that several people marked in one video become one set.

Two people mean the same stroke if their marks overlap enough. Pairs of marks are taken by falling
overlap and joined into clusters, as long as nobody is in a cluster twice and every two of its marks
overlap enough (complete linkage). A cluster becomes one stroke: its class is what most of those who
named one say, its begin and end are the medians. The class stays open where votes are equal, and
where too few people marked the stroke at all; nothing is mined from such a place, and it is no
sample.

The annotators of a video are those who marked at least one stroke in it: whoever watched it and
found nothing leaves no trace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings, Place
from twinstroke.regions import Lane
from twinstroke.settings.index import ConsensusSettings

MOST_ANNOTATORS = 50
"""More names than this in one video are no people: a wrong column."""
PAIRS_PER_STROKE = 100
"""Overlaps: twice what so many people can reach who mark one stroke after the other."""
MOST_PAIRS = 5_000_000
"""Of one video: a limit to memory."""
T = TypeVar("T", bound=str)


def iou(first: Stroke, second: Stroke) -> float:
    """Frames that two strokes of one video share, as a part of the frames of either: 0 to 1."""
    shared = min(first.end, second.end) - max(first.begin, second.begin)
    return max(0, shared) / (max(first.end, second.end) - min(first.begin, second.begin))


def merge(
    strokes: Iterable[Stroke], settings: ConsensusSettings, findings: Findings
) -> list[Stroke]:
    """Merge what several people marked in one video; the order of the strokes does not matter.

    Where regions tell its players apart, the strokes of each are merged on their own.

    Videos that one person annotated (no name counts as one person) are left as they are. A cluster
    of fewer annotators than the quorum, or of equal votes, is kept without class, with a warning.
    Merged strokes may overlap each other, as a person's own may.

    Args:
        strokes: Strokes of any number of videos; each ends after it begins.
        settings: From which overlap on two people mean the same, and how many must.
        findings: Takes the warnings, and errors where one stroke is put into two splits or groups.

    Returns:
        By video, begin and end.
    """
    lanes: dict[Lane, list[Stroke]] = defaultdict(list)
    for stroke in sorted(strokes, key=_order):
        lanes[stroke.lane].append(stroke)
    merged = []
    for marks in lanes.values():
        people = len({mark.annotator for mark in marks})
        if people <= 1:
            merged += marks
            continue
        clusters = _clusters(marks, people, settings.min_iou, findings)
        if clusters is None:
            merged += [replace(mark, label=None) for mark in marks]
        else:
            merged += [_joined(members, people, settings.quorum, findings) for members in clusters]
    return sorted(merged, key=_order)


def _order(stroke: Stroke) -> tuple[str, int, int, str, Place, str, str, str]:
    """Every property takes part, so that the result cannot depend on the order of the input."""
    return (
        stroke.video,
        stroke.begin,
        stroke.end,
        stroke.annotator,
        stroke.place,
        stroke.label or "",
        stroke.split or "",
        stroke.group,
    )


def _clusters(
    marks: Sequence[Stroke], people: int, min_iou: float, findings: Findings
) -> list[list[Stroke]] | None:
    """Marks of one video, in order, as clusters; None, with an error, if there are too many."""
    place, video = marks[0].place, marks[0].video
    if people > MOST_ANNOTATORS:
        findings.error(
            "consensus",
            place,
            f"{people} annotators in one video, more than {MOST_ANNOTATORS}",
            "see that the names of the annotators are read from the right column or tier",
            video=video,
        )
        return None
    pairs = _pairs(marks, min_iou)
    if pairs is None:
        findings.error(
            "consensus",
            place,
            f"the {len(marks)} strokes of {people} annotators overlap each other too often to be "
            "compared",
            "see that begin, end and video are read from the right columns",
            video=video,
        )
        return None
    cluster_of = [[number] for number in range(len(marks))]
    for one, other in pairs:
        left, right = cluster_of[one], cluster_of[other]
        if {marks[i].annotator for i in left}.isdisjoint(marks[i].annotator for i in right) and all(
            iou(marks[i], marks[j]) >= min_iou for i in left for j in right
        ):
            both = left + right
            for number in both:
                cluster_of[number] = both
    return [
        sorted((marks[i] for i in cluster), key=lambda mark: mark.annotator)
        for number, cluster in enumerate(cluster_of)
        if cluster[0] == number
    ]


def _pairs(marks: Sequence[Stroke], min_iou: float) -> Iterable[tuple[int, int]] | None:
    """Indices of marks that overlap enough, by falling overlap, then by order.

    Args:
        marks: In order of their begins, so that those which begin within one follow it directly.
        min_iou: Smallest overlap.

    Returns:
        None if far more marks overlap than people who mark one stroke after the other can make.
    """
    begins = np.array([mark.begin for mark in marks], dtype=np.int64)
    ends = np.array([mark.end for mark in marks], dtype=np.int64)
    numbers = np.arange(len(marks))
    counts = np.searchsorted(begins, ends) - numbers - 1
    total = int(counts.sum())
    if total > min(MOST_PAIRS, PAIRS_PER_STROKE * len(marks)):
        return None
    one = np.repeat(numbers, counts)
    other = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts) + one + 1
    shared = np.minimum(ends[one], ends[other]) - begins[other]
    either = np.maximum(ends[one], ends[other]) - begins[one]
    overlaps: NDArray[np.float64] = shared / either
    kept = np.flatnonzero(overlaps >= min_iou)
    kept = kept[np.argsort(-overlaps[kept], kind="stable")]
    return zip(one[kept].tolist(), other[kept].tolist(), strict=True)


def _joined(members: Sequence[Stroke], people: int, quorum: float, findings: Findings) -> Stroke:
    """One stroke out of marks of different annotators, sorted by annotator."""
    first = members[0]
    stroke = Stroke(
        video=first.video,
        # Each mark begins before it ends; so, in order, do the sorted begins and ends, and medians.
        begin=_median([mark.begin for mark in members]),
        end=_median([mark.end for mark in members]),
        split=_common("split", [(mark.split, mark) for mark in members], findings),
        place=first.place,
        group=_common("group", [(mark.group, mark) for mark in members], findings) or "",
        agreement=0.0,
        members=tuple(members),
        region=first.region,
    )
    votes = stroke.votes
    named = ", ".join(f"{label} ({number})" for label, number in votes) or "no class"
    problem = ""
    if len(members) / people < quorum:
        names = ", ".join(mark.annotator or "without name" for mark in members)
        problem = (
            f"only {len(members)} of {people} annotators ({names}) marked a stroke at frames "
            f"{stroke.begin}–{stroke.end}: {named}"
        )
    elif len(votes) > 1 and votes[0][1] == votes[1][1]:
        problem = f"equal votes for frames {stroke.begin}–{stroke.end}: {named}"
    if problem:
        findings.warning(
            "consensus",
            first.place,
            problem,
            "it is no sample, and nothing is mined there; look at it together",
            video=first.video,
        )
    elif votes:
        return replace(stroke, label=votes[0][0], agreement=votes[0][1] / people)
    return stroke


def _median(frames: Iterable[int]) -> int:
    """Half frames are rounded down."""
    ordered = sorted(frames)
    middle = len(ordered) // 2
    return (ordered[~middle] + ordered[middle]) // 2


def _common(what: str, stated: Iterable[tuple[T | None, Stroke]], findings: Findings) -> T | None:
    """The value that marks of one stroke state, the first one if they differ; None if none does."""
    named = [(value, mark) for value, mark in stated if value]
    if not named:
        return None
    value, first = named[0]
    for other, mark in named[1:]:
        if other != value:
            findings.error(
                "consensus",
                mark.place,
                f"{what} {other!r}, but {value!r} at {first.place} for the same stroke",
                f"a stroke has one {what}; correct one of them",
                video=mark.video,
            )
    return value
