"""What the splits share that they should not, whoever made them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from pydantic import BaseModel, ConfigDict

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings, Place
from twinstroke.tables import SPLITS, Split

NAMED = 10
"""How many of the shared things a warning names."""


class Shared(BaseModel):
    """What two splits share, in ascending order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: Split
    second: Split
    videos: tuple[str, ...]
    """Videos with samples in both."""
    groups: tuple[str, ...]
    """Players, or other groups, with samples in both."""
    contents: tuple[tuple[str, ...], ...]
    """Videos of equal content of which both splits have samples, from different ones."""


class Leaks(BaseModel):
    """What each pair of splits shares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: tuple[Shared, ...]
    """train with validation, train with test, validation with test."""

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """For ``data.json``: ``{"train_test": {"videos": 3, "groups": 2, "contents": 0}, …}``."""
        return {
            f"{pair.first}_{pair.second}": {
                "videos": len(pair.videos),
                "groups": len(pair.groups),
                "contents": len(pair.contents),
            }
            for pair in self.pairs
        }

    def warn(self, findings: Findings, *, group: str) -> None:
        """Add a warning for each pair of splits and kind of thing that they share.

        Args:
            findings: Gets the warnings.
            group: Name of the group column: ``player``.
        """
        whole = "draw these as a whole (index.split.rule), or tell it beside the figures"
        copies = "remove all but one of them, or tell it beside the figures"
        for pair in self.pairs:
            for kind, names, advice in (
                ("video", pair.videos, whole),
                (group, pair.groups, whole),
                ("content", [" = ".join(videos) for videos in pair.contents], copies),
            ):
                if names:
                    found = (
                        f"{pair.first} and {pair.second} share {len(names)} "
                        f"{kind}{'s' if len(names) > 1 else ''}: {', '.join(names[:NAMED])}"
                    )
                    more = ", …" if len(names) > NAMED else ""
                    findings.warning("leak", Place("index.split"), found + more, advice)


def leak_report(
    strokes: Mapping[str, Stroke], splits: Mapping[str, Split], same: Sequence[frozenset[str]]
) -> Leaks:
    """Find what the splits share.

    Args:
        strokes: All samples by their names, mined negatives too.
        splits: Splits by the same names; samples without one do not count.
        same: Sets of videos of equal content.
    """
    videos: dict[Split, set[str]] = defaultdict(set)
    groups: dict[Split, set[str]] = defaultdict(set)
    for name, stroke in strokes.items():
        if name in splits:
            videos[splits[name]].add(stroke.video)
            groups[splits[name]] |= {stroke.group} - {""}
    pairs = []
    for first, second in combinations(SPLITS, 2):
        contents = []
        for copies in set(same):
            here, there = copies & videos[first], copies & videos[second]
            # One video in both splits is a shared video; a content is shared by two of them.
            if here and there and len(here | there) > 1:
                contents.append(tuple(sorted(here | there)))
        pairs.append(
            Shared(
                first=first,
                second=second,
                videos=tuple(sorted(videos[first] & videos[second])),
                groups=tuple(sorted(groups[first] & groups[second])),
                contents=tuple(sorted(contents)),
            )
        )
    return Leaks(pairs=tuple(pairs))
