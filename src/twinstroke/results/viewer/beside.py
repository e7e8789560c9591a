"""The page beside a video that somebody names, to mark its strokes or to watch marked ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twinstroke.annotations.classes import tidy, ttstroke21
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.formats.csv import read_strokes
from twinstroke.regions import Region, beyond
from twinstroke.results.viewer.page import MARK, write_viewer
from twinstroke.tables import NEGATIVE
from twinstroke.video.probe import probe_video


class Beside(NamedTuple):
    """What was written."""

    page: Path
    strokes: int
    negatives: int
    """Rows of the table that are no strokes, and were left out."""


def write_beside(
    video: Path,
    table: Path | None,
    classes: Sequence[str],
    players: Sequence[tuple[str, Region]] = (),
) -> Beside:
    """Write ``<video>.html`` beside a video.

    Args:
        video: The video.
        table: Strokes of this video, and perhaps others, in frames: ``video,begin,end,label``.
        classes: Names to choose from; those of TTStroke-21 if there is none. Those of the table
            come after them.
        players: Names and regions of players; those of the table come after them.

    Raises:
        UserError: The video or the table cannot be read, they do not belong together, or another
            page is in the way.
    """
    probe = probe_video(video)
    rows = []
    if table is not None:
        tables = read_strokes(table)
        rows = tables.get(video.stem, [])
        if tables and not rows:
            raise UserError(
                f"{table}: none of its strokes is of {video.name}, but of "
                f"{', '.join(sorted(tables))[:200]}; see how it names the video"
            )
    marked = [row for row in rows if row.label != NEGATIVE]
    given = [name for name in map(tidy, classes) if name] or [row.label for row in ttstroke21()]
    names = dict.fromkeys([*given, *(stroke.label for stroke in marked if stroke.label)])
    target = video.with_suffix(".html")
    if target.exists() and MARK not in target.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{target}: is another page, and would be replaced; move it away first")
    known = _players(marked, dict(players), video, (probe.width, probe.height))
    page = write_viewer(
        target,
        video=video,
        clock=probe.clock,
        classes=[name for name in names if name != NEGATIVE],
        annotations=marked,
        players=[*known.items()],
    )
    return Beside(page, len(marked), len(rows) - len(marked))


def _players(
    strokes: Sequence[Stroke], players: dict[str, Region], video: Path, picture: tuple[int, int]
) -> dict[str, Region]:
    """Add the players of a table whose strokes have regions; see that all strokes are of one."""
    for stroke in strokes:
        region = players.setdefault(stroke.group, stroke.region) if stroke.region else None
        if stroke.region != region:
            raise UserError(
                f"{stroke.place}: player {stroke.group!r} is in {stroke.region}, but in {region} "
                "elsewhere; a player has one region in a video"
            )
    for stroke in strokes:
        if players and stroke.group not in players:
            raise UserError(
                f"{stroke.place}: a stroke of player {stroke.group!r}, but those with a region are "
                f"{', '.join(players)}; write these names in a column player, or name its region"
            )
    for player, region in players.items():
        if problem := beyond(region, picture):
            raise UserError(f"{video}: player {player!r}: {problem}; correct the region")
    return players
