"""From strokes and the gaps between them to named samples."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence

from twinstroke.annotations.strokes import Stroke
from twinstroke.index.negatives import drawn, mine_negatives
from twinstroke.settings.index import NegativeSettings
from twinstroke.tables import Sample, Split, Unlabelled


def unlabelled_of(
    present: Iterable[Stroke], usable: Iterable[Stroke], videos: Container[str]
) -> list[Unlabelled]:
    """The strokes of some videos that are no samples, by video, begin and end."""
    samples = set(usable)
    return [
        Unlabelled(video=s.video, begin=s.begin, end=s.end, split=s.split or "", group=s.group)
        for s in present
        if s.video in videos and s not in samples
    ]


def named_samples(
    usable: Iterable[Stroke],
    present: Iterable[Stroke],
    unsure: Container[str],
    settings: NegativeSettings,
    seed: int,
) -> dict[str, Stroke]:
    """Name the usable strokes, and the negatives mined beside them.

    Args:
        usable: Strokes that become samples, with their classes.
        present: All strokes, which bound the gaps of their player; only lanes with usable ones are
            mined.
        unsure: Videos from which no negatives are cut.
        settings: How negatives are mined, and how many are kept.
        seed: Decides which are kept.

    Returns:
        Strokes and negatives by the name of their sample (`Sample.sample`), in the order of video,
        begin and end.
    """
    samples = list(usable)
    lanes = defaultdict(list)
    for stroke in present:
        lanes[stroke.lane].append(stroke)
    mined = {
        f"{negative.video}:{negative.begin}-{negative.end}{player and f' {player}'}": negative
        for video, player in sorted({stroke.lane for stroke in samples})
        if video not in unsure
        for negative in mine_negatives(lanes[video, player], settings)
    }
    pool = len(mined) if settings.pool == "all" else settings.pool
    samples += [mined[name] for name in drawn(list(mined), pool, seed)]

    times: Counter[str] = Counter()
    named = {}
    for stroke in sorted(samples, key=_order):
        name = f"{stroke.video}:{stroke.begin}-{stroke.end}"
        times[name] += 1
        named[name if times[name] == 1 else f"{name}#{times[name]}"] = stroke
    return named


def _order(stroke: Stroke) -> tuple[str, int, int, str, bool, str]:
    player = stroke.lane[1]
    return stroke.video, stroke.begin, stroke.end, stroke.label or "", stroke.mined, player


def sample_of(name: str, stroke: Stroke, split: Split, classes: Sequence[str]) -> Sample:
    """The row of the table of samples, of a stroke with a class."""
    label = stroke.label or ""
    return Sample(
        sample=name,
        video=stroke.video,
        begin=stroke.begin,
        end=stroke.end,
        label=label,
        class_index=classes.index(label),
        split=split,
        origin="mined" if stroke.mined else "annotated",
        group=stroke.group,
        agreement=round(stroke.agreement, 4),
        votes=json.dumps(dict(stroke.votes), ensure_ascii=False) if stroke.votes else "",
    )
