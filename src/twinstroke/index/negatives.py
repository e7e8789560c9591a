"""Samples of the rejection class, cut from the gaps between strokes.

Two rules cut consecutive segments of equal length from the end of one stroke (or frame 0) to the
beginning of the next. Nothing is cut after the last stroke: annotators may just have stopped there.

``mediaeval``
    As the published baseline does: a segment begins where a stroke ends, and one that ends exactly
    where the next stroke begins is dropped. (That code relies on the order of the XML file, and
    goes on behind the last stroke's end even if a longer one is not over; here strokes are sorted,
    and a stroke within a longer one opens no gap.)
``gaps``
    Segments keep a margin to the strokes, and an exact fit is kept.

The paper had 681 such segments at hand and used 106, by rules that it does not tell; the published
baseline's yields 682 on the 755 training strokes of MediaEval 2020. A pool of 106 with all of them
used (``balance.negatives: all``) gives the paper's numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Place
from twinstroke.settings.index import NegativeSettings
from twinstroke.tables import NEGATIVE


def mine_negatives(strokes: Iterable[Stroke], settings: NegativeSettings) -> list[Stroke]:
    """Cut the gaps between the strokes of one lane into segments.

    A segment has the split, group, region and file of the stroke that follows it.

    Args:
        strokes: All strokes of one lane (`Stroke.lane`: of one video, or of one player in it), in
            any order, labelled or not.
        settings: Rule, length and margin.

    Returns:
        Segments in order of time.
    """
    if settings.rule == "none":
        return []
    segments = []
    free = 0
    for stroke in sorted(strokes, key=lambda s: (s.begin, s.end)):
        last = stroke.begin - settings.margin - (1 if settings.rule == "mediaeval" else 0)
        for begin in range(free, last - settings.frames + 1, settings.frames):
            segments.append(
                Stroke(
                    video=stroke.video,
                    begin=begin,
                    end=begin + settings.frames,
                    label=NEGATIVE,
                    split=stroke.split,
                    place=Place(stroke.place.file),
                    group=stroke.group,
                    mined=True,
                    region=stroke.region,
                )
            )
        free = max(free, stroke.end + settings.margin)
    return segments


def drawn(names: Sequence[str], pool: int, seed: int) -> set[str]:
    """Draw `pool` of the names, or all if there are not so many.

    Each name has a place of its own in the order of the draw: names that come later (another video)
    change nothing else but for the last places.
    """

    def place(name: str) -> bytes:
        return hashlib.sha256(f"{seed} {name}".encode()).digest()

    return set(sorted(names, key=place)[:pool])
