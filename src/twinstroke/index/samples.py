"""From strokes and the gaps between them to named samples."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from twinstroke.findings import Place
from twinstroke.index.consensus import Stroke
from twinstroke.index.negatives import Gap, drawn, mine_negatives
from twinstroke.index.split import Unit
from twinstroke.settings.index import NegativeSettings
from twinstroke.tables import NEGATIVE, Sample, Split


class Segment(NamedTuple):
    """A sample before it has a split."""

    name: str
    """Unique: ``<video>:<begin>-<end>``, with ``#2`` … where one video has the same twice."""
    stroke: Stroke
    label: str
    mined: bool


class Mark(BaseModel):
    """One row of ``unlabelled.csv``: a stroke that is no sample, because its class is unknown.

    Nothing is mined there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: str
    begin: int
    end: int
    split: Split | Literal[""]
    group: str


def marks_of(
    present: Iterable[Stroke], usable: Iterable[Stroke], videos: Container[str]
) -> list[Mark]:
    """The strokes of some videos that are no samples, by video, begin and end."""
    samples = set(usable)
    return [
        Mark(video=s.video, begin=s.begin, end=s.end, split=s.split or "", group=s.group)
        for s in present
        if s.video in videos and s not in samples
    ]


def cut_segments(
    usable: Iterable[Stroke],
    present: Iterable[Stroke],
    unsure: Container[str],
    settings: NegativeSettings,
    seed: int,
) -> list[Segment]:
    """Name the usable strokes, and the negatives mined beside them.

    Args:
        usable: Strokes that become samples.
        present: All strokes, which bound the gaps; only videos with usable ones are mined.
        unsure: Videos from which no negatives are cut.
        settings: How negatives are mined, and how many are kept.
        seed: Decides which are kept.

    Returns:
        Segments by video, begin and end.
    """
    strokes = [(stroke, stroke.label, False) for stroke in usable if stroke.label is not None]
    places = {stroke.video: stroke.place for stroke, _, _ in strokes}
    gaps = defaultdict(list)
    for stroke in present:
        gaps[stroke.video].append(Gap(stroke.begin, stroke.end, stroke.split, stroke.group))
    mined = {}
    for video in sorted(video for video in places if video not in unsure):
        for gap in mine_negatives(gaps[video], settings):
            mined[f"{video}:{gap.begin}-{gap.end}"] = Stroke(
                video=video,
                begin=gap.begin,
                end=gap.end,
                label=NEGATIVE,
                split=gap.split,
                group=gap.group,
                place=Place(places[video].file),
            )
    pool = len(mined) if settings.pool == "all" else settings.pool
    chosen = drawn(list(mined), pool, seed)
    negatives = [(mined[name], NEGATIVE, True) for name in chosen]

    times: Counter[str] = Counter()
    segments = []
    for stroke, label, is_mined in sorted(strokes + negatives, key=_order):
        name = f"{stroke.video}:{stroke.begin}-{stroke.end}"
        times[name] += 1
        unique = name if times[name] == 1 else f"{name}#{times[name]}"
        segments.append(Segment(unique, stroke, label, is_mined))
    return segments


def _order(item: tuple[Stroke, str, bool]) -> tuple[str, int, int, str, bool]:
    stroke, label, mined = item
    return stroke.video, stroke.begin, stroke.end, label, mined


def unit_of(segment: Segment) -> Unit:
    """What splitting needs to know of a segment."""
    stroke = segment.stroke
    return Unit(
        key=segment.name,
        video=stroke.video,
        group=stroke.group,
        label=segment.label,
        given=stroke.split,
        place=stroke.place,
    )


def sample_of(segment: Segment, split: Split, classes: Sequence[str]) -> Sample:
    """The row of the table of samples."""
    stroke = segment.stroke
    return Sample(
        sample=segment.name,
        video=stroke.video,
        begin=stroke.begin,
        end=stroke.end,
        label=segment.label,
        class_index=classes.index(segment.label),
        split=split,
        origin="mined" if segment.mined else "annotated",
        group=stroke.group,
        agreement=round(stroke.agreement, 4),
        votes=json.dumps(dict(stroke.votes), ensure_ascii=False) if stroke.votes else "",
    )


def places_of(segments: Iterable[Segment]) -> Mapping[str, Place]:
    """Where each annotated sample stands, by its name."""
    return {item.name: item.stroke.place for item in segments if not item.mined}
