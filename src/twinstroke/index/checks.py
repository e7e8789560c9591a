"""What must hold between strokes, and between strokes and their videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings, Place
from twinstroke.tables import NEGATIVE, SPLITS, Sample, Split


def without_repetitions(strokes: Iterable[Stroke], findings: Findings) -> list[Stroke]:
    """Drop strokes that one person stated twice, with the same class; an error each."""
    first: dict[tuple[str, str, str, int, int, str], Stroke] = {}
    for stroke in strokes:
        content = (*stroke.lane, stroke.annotator, *_content(stroke))
        earlier = first.setdefault(content, stroke)
        if earlier is not stroke:
            findings.error(
                "repetition",
                stroke.place,
                f"repeats {earlier.place}",
                "remove one of them",
                video=stroke.video,
            )
    return list(first.values())


def _content(stroke: Stroke) -> tuple[int, int, str]:
    return stroke.begin, stroke.end, stroke.label or ""


def overlapping(strokes: Sequence[Stroke], max_overlap: float, findings: Findings) -> set[Stroke]:
    """Find strokes of one lane that share too much of the shorter one; an error each.

    Players whose regions are known may play at the same time: each has a lane of its own.

    Where the two come from different people, they disagree about when a stroke was, which is no
    mistake to mend before work: a warning.

    Each stroke is compared with the one that reaches furthest among those that begin before it. If
    any two overlap too much, so do two of these: whatever lies between them in order is overlapped
    by the furthest at least as much.

    Args:
        strokes: Strokes of all videos, no two alike.
        max_overlap: Largest allowed share of the shorter stroke, 0 to 1.
        findings: Gets the errors.

    Returns:
        Both strokes of each such pair: nobody knows which of them is wrong.
    """
    wrong: set[Stroke] = set()
    furthest: Stroke | None = None
    for stroke in sorted(strokes, key=lambda s: (s.lane, *_content(s))):
        if furthest is None or furthest.lane != stroke.lane:
            furthest = stroke
            continue
        shared = min(stroke.end, furthest.end) - stroke.begin
        shorter = min(stroke.end - stroke.begin, furthest.end - furthest.begin)
        if shared > max_overlap * shorter:
            wrong |= {stroke, furthest}
            found = (
                f"{stroke.begin}–{stroke.end} shares {shared} of {shorter} frames with "
                f"{furthest.begin}–{furthest.end} ({furthest.place})"
            )
            if _of_different_people(stroke, furthest):
                findings.warning(
                    "consensus",
                    stroke.place,
                    f"{found}, too little to be the same stroke and too much to be another",
                    "neither is a sample, and nothing is mined there; look at it together",
                    video=stroke.video,
                )
            else:
                both = sorted({stroke.group, furthest.group} - {""})
                findings.error(
                    "overlap",
                    stroke.place,
                    f"{found}, but index.max_overlap is {max_overlap:g}",
                    f"correct the frames, or as {both[0]} and {both[1]} play at once, say where "
                    "each is, in columns x,y,width,height of the strokes or of index.groups"
                    if len(both) > 1
                    else "correct the frames",
                    video=stroke.video,
                )
        if stroke.end > furthest.end:
            furthest = stroke
    return wrong


def _of_different_people(one: Stroke, other: Stroke) -> bool:
    people = ({mark.annotator for mark in stroke.members} for stroke in (one, other))
    return bool(one.members and other.members) and next(people).isdisjoint(next(people))


def check_lengths(
    samples: Iterable[Sample], strokes: Mapping[str, Stroke], frames: int, findings: Findings
) -> None:
    """Warn of strokes and clips that are shorter than the window.

    Args:
        samples: All samples.
        strokes: By the names of the samples.
        frames: Length of the window in source frames.
        findings: Gets the warnings.
    """
    for sample in samples:
        length = sample.end - sample.begin
        if sample.origin == "annotated" and length < frames:
            findings.warning(
                "short",
                strokes[sample.sample].place,
                f"{sample.begin}–{sample.end} lasts {length} frames, less than the window of "
                f"{frames}",
                "the window shows what comes before and after it",
                video=sample.video,
            )


def check_classes(
    samples: Iterable[Sample], classes: Sequence[str], place: Place, findings: Findings
) -> None:
    """Warn of classes that some split lacks.

    Args:
        samples: All samples.
        classes: All class names.
        place: The raw folder.
        findings: Gets one warning for each split.
    """
    sizes = Counter((sample.split, sample.label) for sample in samples)
    for split in SPLITS:
        absent = [name for name in classes if not sizes[split, name]]
        if absent and any(sizes[split, name] for name in classes):
            findings.warning(
                "classes",
                place,
                f"no {split} sample of {len(absent)} of {len(classes)} classes: "
                f"{', '.join(absent)}",
                "nothing can be learnt about them"
                if split == "train"
                else f"the {split} figures say nothing about them",
            )


def check_splits(samples: Iterable[Sample], place: Place, findings: Findings) -> None:
    """Complain about splits without an annotated sample; a test split may lack labels.

    Args:
        samples: All samples.
        place: The raw folder.
        findings: Gets an error, or for the test split a warning.
    """
    present: set[Split] = {s.split for s in samples if s.origin == "annotated"}
    if not present:
        findings.error(
            "splits",
            place,
            "no labelled stroke or clip at all",
            "check index.format and its folders",
        )
        return
    for split in SPLITS:
        if split not in present:
            found = f"the {split} split has no labelled sample"
            if split == "test":
                findings.warning("splits", place, found, "figures are of the other splits only")
            else:
                findings.error("splits", place, found, "annotate some, or change index.split")


def class_sizes(samples: Iterable[Sample], classes: Sequence[str]) -> str:
    """Samples of each class and split, as a table for people."""
    sizes = Counter((sample.label, sample.split) for sample in samples)
    width = max(len(name) for name in (*classes, NEGATIVE))
    head = f"{'class':<{width}}" + "".join(f"{split:>12}" for split in SPLITS)
    rows = (
        f"{name:<{width}}" + "".join(f"{sizes[name, split]:>12,}" for split in SPLITS)
        for name in classes
    )
    return "\n".join((head, *rows))
