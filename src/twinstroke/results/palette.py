"""The colour of each class in films and in Label Studio."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from twinstroke.colours import BLUE, GREEN, VERMILLION
from twinstroke.tables import NEGATIVE, StrokeClass

HANDS = {"Forehand": BLUE, "Backhand": VERMILLION}
# The rest of Okabe and Ito's that is no grey and not too light.
_ROUND = (BLUE, VERMILLION, GREEN, "#CC79A7", "#56B4E9", "#E69F00")


def legend(classes: Sequence[StrokeClass]) -> dict[str, str]:
    """What colours mean, by name, where that is told in a line: the hand; else nothing."""
    hands = {row.hand for row in classes}
    return {hand.lower(): colour for hand, colour in HANDS.items() if hand in hands}


def stroke_colours(classes: Sequence[StrokeClass]) -> dict[str, str]:
    """Colours of strokes, told apart by colour-blind people too.

    Where the classes tell the hand, so do the colours; else neighbours in the list differ.

    Args:
        classes: As in ``classes.csv``.

    Returns:
        ``#RRGGBB`` by label, of all but ``Negative``.
    """
    strokes = [row for row in classes if row.label != NEGATIVE]
    if any(row.hand in HANDS for row in strokes):
        return {row.label: HANDS.get(row.hand, GREEN) for row in strokes}
    return {row.label: colour for row, colour in zip(strokes, cycle(_ROUND), strict=False)}
