"""Boxes that people drew around players, as the formats read them: in what they measure in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, NamedTuple

from twinstroke.findings import Place
from twinstroke.regions import Region

Measure = tuple[float, float] | None
"""Width and height of the whole picture in what a box is measured in; None: pixels of the picture
as it is shown."""
PERCENT: Measure = (100, 100)
Corners = tuple[float, float, float, float]
"""Left, top, right and bottom edge."""
FARTHEST = 10**6
"""From 0, in whatever an edge is measured: no picture is so large."""
TOLERANCE = 0.01
"""Part of a pixel that does not count: tools round, and calculate in floats."""


class Drawn(NamedTuple):
    """One box, at one moment."""

    left: float
    top: float
    right: float
    bottom: float
    place: Place
    problem: str = ""
    """Why it cannot be used; empty if it can."""

    def pixels(self, measure: Measure, picture: tuple[int, int]) -> tuple[int, int, int, int]:
        """Its edges in whole pixels of the picture: rounded outward, and clipped to it."""
        width, height = measure or picture
        across, down = picture[0] / width, picture[1] / height
        return (
            max(0, math.floor(self.left * across + TOLERANCE)),
            max(0, math.floor(self.top * down + TOLERANCE)),
            min(picture[0], math.ceil(self.right * across - TOLERANCE)),
            min(picture[1], math.ceil(self.bottom * down - TOLERANCE)),
        )

    def __str__(self) -> str:
        """As messages name it."""
        corners = ",".join(f"{edge:g}" for edge in self[:4])
        return f"the box {corners} (left, top, right, bottom)"


def drawn(corners: Corners, place: Place, turned: float = 0.0) -> Drawn:
    """A box, with what is wrong with it whatever the picture is.

    Args:
        corners: Its edges; NaN for what is no number.
        place: Where it stands.
        turned: Degrees by which it is turned.
    """
    box = Drawn(*corners, place)
    # NaN is not less than anything.
    if not all(abs(number) < FARTHEST for number in (*corners, turned)):
        return box._replace(problem="has an edge or a turn that is no number, or far too large")
    if turned % 360:
        return box._replace(problem=f"is turned by {turned:g}°; only upright boxes are read")
    if box.left >= box.right or box.top >= box.bottom:
        return box._replace(problem="is empty")
    return box


def edge(value: Any) -> float:
    """A number of a file from strangers; NaN if it is none, or far too large."""
    return float(value) if isinstance(value, int | float) and abs(value) < FARTHEST else math.nan


class Boxes:
    """What all boxes of a player tell of where he is; however many they are, eight are kept."""

    def __init__(self) -> None:
        self.outermost: list[Drawn] = []
        """The first box that is wrong, or those whose edges lie farthest to all sides."""
        self._is_wrong = False

    def add(self, box: Drawn) -> None:
        """Take one more."""
        if box.problem and not self._is_wrong:
            self._is_wrong, self.outermost = True, [box]
        elif not self.outermost:
            self.outermost = [box] * 8
        elif not self._is_wrong:
            self.outermost = [
                choose(kept, box, key=itemgetter(n % 4))
                for n, (choose, kept) in enumerate(
                    zip([min] * 4 + [max] * 4, self.outermost, strict=True)
                )
            ]


def around(
    boxes: Iterable[tuple[Measure, Boxes]], picture: tuple[int, int]
) -> tuple[Region | None, Drawn, str]:
    """The smallest region that holds all boxes of a player.

    Args:
        boxes: His boxes, and what they are measured in; at least one.
        picture: Width and height of the video as it is shown.

    Returns:
        The region, a box and an empty text; or None, a box that cannot be used, and why.
    """
    edges = []
    for measure, own in boxes:
        for box in own.outermost:
            if box.problem:
                return None, box, box.problem
            # Formats that say how large a picture was mean the one that they showed.
            if measure and (measure[0] - measure[1]) * (picture[0] - picture[1]) < 0:
                problem = (
                    f"was drawn in a picture of {measure[0]:g}×{measure[1]:g}, but the video shows "
                    f"{picture[0]}×{picture[1]}"
                )
                return None, box, problem
            left, top, right, bottom = box.pixels(measure, picture)
            if left >= right or top >= bottom:
                return None, box, f"holds nothing of the picture of {picture[0]}×{picture[1]}"
            edges.append((left, top, right, bottom))
    lefts, tops, rights, bottoms = zip(*edges, strict=True)
    x, y = min(lefts), min(tops)
    return Region(x, y, max(rights) - x, max(bottoms) - y), box, ""
