"""Where each player of a video is: the part of the picture in which a stroke is looked for.

A region belongs to one player of one video. Inside it everything is as if the video showed nothing
else: the mask, the region of interest and the crop stay in it, and what lies outside is black and
does not move. Without one, the whole picture counts.

``regions.csv``, which `index` writes, has one row (`PlayerRegion`) for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from twinstroke.tables import VideoId

COLUMNS = ("x", "y", "width", "height")
"""Of tables that people write."""


class Region(NamedTuple):
    """A rectangle in whole pixels of the shown picture: rotation and pixel shape are applied."""

    x: int
    """From the left edge of the picture."""
    y: int
    """From its upper edge."""
    width: int
    height: int

    def __str__(self) -> str:
        """As people write it: ``0,0,320,360``."""
        return ",".join(str(number) for number in self)


class Box(NamedTuple):
    """The same in pixels of kept frames."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.bottom - self.top, self.right - self.left

    @property
    def corner(self) -> NDArray[np.float32]:
        """(x, y) of the upper left one."""
        return np.array([self.left, self.top], np.float32)


class PlayerRegion(BaseModel):
    """Where one player of one video is: a row of ``regions.csv``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: VideoId
    group: str
    """The player; empty where the only one has no name."""
    x: Annotated[int, Field(ge=0)]
    y: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    picture_width: Annotated[int, Field(ge=1)]
    """Of the whole picture, in the same pixels."""
    picture_height: Annotated[int, Field(ge=1)]

    @property
    def region(self) -> Region:
        """The rectangle alone."""
        return Region(self.x, self.y, self.width, self.height)

    def box(self, size: tuple[int, int]) -> Box:
        """Where it lies in kept frames of `size` (H, W); at least one pixel.

        Edges are rounded to the nearest pixel, so that regions side by side stay so.
        """
        down, across = size[0] / self.picture_height, size[1] / self.picture_width
        top = min(round(self.y * down), size[0] - 1)
        left = min(round(self.x * across), size[1] - 1)
        bottom = max(top + 1, round((self.y + self.height) * down))
        right = max(left + 1, round((self.x + self.width) * across))
        return Box(top, left, min(bottom, size[0]), min(right, size[1]))


Lane = tuple[str, str]
"""A video, and the player to whom its strokes belong; empty where no region tells players apart."""


class Regions:
    """The regions of all players, by video."""

    def __init__(self, rows: Iterable[PlayerRegion] = ()) -> None:
        self._rows: Mapping[Lane, PlayerRegion] = {(row.video, row.group): row for row in rows}

    def of(self, video: str, group: str) -> PlayerRegion | None:
        """Where a player is; None: anywhere in the picture."""
        return self._rows.get((video, group))

    def places(self, video: str) -> list[PlayerRegion | None]:
        """All places of a video where strokes are, each once; None for the whole picture."""
        own = {row.region: row for row in self._rows.values() if row.video == video}
        return [own[region] for region in sorted(own)] or [None]

    def players(self, video: str) -> list[PlayerRegion | None]:
        """The players of a video, two in one place too; None where no region tells them apart."""
        return [row for row in self._rows.values() if row.video == video] or [None]


WHOLE = Regions()
"""No player of any video has a region."""


def place_file(folder: Path, video: str, place: PlayerRegion | None) -> Path:
    """The file for what a stage makes of one place of a video, or of its whole picture.

    Args:
        folder: Of the stage. Each region has a folder of its own in it.
        video: Its id.
        place: Where the player is; None: anywhere.
    """
    return folder / (str(place.region) if place else "") / f"{video}.h5"


def pixels(text: str) -> int | None:
    """A whole number of pixels from 0, also as spreadsheets write it (``20.0``); None if none."""
    match = re.fullmatch(r"([0-9]{1,6})(?:[.,]0{1,2})?", text.strip())
    return int(match[1]) if match else None


def region_from(texts: Iterable[str]) -> Region | str:
    """Read a region from its four numbers, or say what is wrong with them.

    Args:
        texts: x, y, width and height, in this order.
    """
    given = list(texts)
    if len(given) != len(COLUMNS):
        return f"{len(given)} numbers where {','.join(COLUMNS)} are four"
    missing = [name for name, text in zip(COLUMNS, given, strict=True) if not text.strip()]
    if missing:
        return f"the region lacks {', '.join(missing)}"
    numbers = []
    for name, text in zip(COLUMNS, given, strict=True):
        number = pixels(text)
        if number is None:
            return f"{name} of the region is {text.strip()[:40]!r}, no whole number of pixels"
        numbers.append(number)
    region = Region(*numbers)
    if not region.width or not region.height:
        return f"the region {region} is empty"
    return region


def beyond(region: Region, picture: tuple[int, int]) -> str:
    """Say that a region reaches beyond the picture of (width, height); empty if it does not."""
    if region.x + region.width <= picture[0] and region.y + region.height <= picture[1]:
        return ""
    return f"the region {region} reaches beyond the picture of {picture[0]}×{picture[1]}"
