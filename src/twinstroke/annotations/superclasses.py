"""Coarser classes: hand, type, and both, where the names of the classes tell them.

The classes of TTStroke-21 are named by type, hand and stroke ("Serve Forehand Topspin"). MediaEval
reports Hand, Type and Type+Hand: accuracies after both truth and prediction were replaced by the
coarser class, with the rejection class as one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from twinstroke.tables import NEGATIVE

Grouping = Literal["hand", "type", "type_hand"]
HANDS = ("Forehand", "Backhand")
TYPES = ("Serve", "Offensive", "Defensive")


def groupings(classes: Sequence[str]) -> dict[Grouping, list[str]]:
    """The coarser class of each class, for each grouping that the names tell.

    A grouping is there if each class but ``Negative`` has exactly one of its words in its name,
    upper or lower case, and at least two different ones occur.

    Returns:
        Names in the order of `classes`; ``{}`` where the names tell nothing.
    """
    found: dict[Grouping, list[str]] = {}
    hands, types = _words(classes, HANDS), _words(classes, TYPES)
    if hands:
        found["hand"] = hands
    if types:
        found["type"] = types
    if hands and types:
        found["type_hand"] = [
            kind if kind == hand else f"{kind} {hand}"
            for kind, hand in zip(types, hands, strict=True)
        ]
    return found


def _words(classes: Sequence[str], words: Sequence[str]) -> list[str]:
    result = []
    for name in classes:
        if name == NEGATIVE:
            result.append(NEGATIVE)
            continue
        parts = name.lower().replace("_", " ").split()
        own = [word for word in words if word.lower() in parts]
        if len(own) != 1:
            return []
        result.append(own[0])
    return result if len(set(result) - {NEGATIVE}) > 1 else []
