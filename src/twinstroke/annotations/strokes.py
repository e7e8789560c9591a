"""A stroke in the frames of its video."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from twinstroke.findings import Place
from twinstroke.regions import Lane, Region
from twinstroke.tables import Split

_NOWHERE = Place("")


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke, or a negative mined between strokes: ``[begin, end)`` in source frames from 0."""

    video: str
    """Id of the video."""
    begin: int
    """First frame."""
    end: int
    """Frame after the last one."""
    label: str | None = None
    """A class; None: unknown, or disputed."""
    split: Split | None = None
    """What the annotations say; None: nothing. A mined one has that of the next stroke."""
    place: Place = _NOWHERE
    """Where it stands; of a merged one, where its first mark stands."""
    annotator: str = ""
    """Who marked it; empty if nobody is named, or several did."""
    group: str = ""
    """What must not be in two splits at once, such as the player; empty if nothing is named."""
    agreement: float = 1.0
    """Share of the video's annotators that named this class; 0 if they could not decide."""
    members: tuple[Stroke, ...] = ()
    """What was merged, by annotator; empty in a video of one annotator."""
    mined: bool = False
    """A negative, cut from a gap between strokes."""
    region: Region | None = None
    """Where the player is in this video; None: anywhere in the picture."""

    @property
    def lane(self) -> Lane:
        """Strokes of one lane follow each other; those of two players with regions need not."""
        return self.video, self.group if self.region else ""

    @property
    def votes(self) -> tuple[tuple[str, int], ...]:
        """Of several annotators: named classes and how often, most frequent first, then by name."""
        counts = Counter(mark.label for mark in self.members if mark.label is not None)
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
