"""The page beside a video that somebody names, to mark its strokes or to watch marked ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twinstroke.annotations.classes import tidy, ttstroke21
from twinstroke.errors import UserError
from twinstroke.formats.csv import read_strokes
from twinstroke.results.viewer.page import MARK, write_viewer
from twinstroke.tables import NEGATIVE
from twinstroke.video.probe import probe_video


class Beside(NamedTuple):
    """What was written."""

    page: Path
    strokes: int
    negatives: int
    """Rows of the table that are no strokes, and were left out."""


def write_beside(video: Path, table: Path | None, classes: Sequence[str]) -> Beside:
    """Write ``<video>.html`` beside a video.

    Args:
        video: The video.
        table: Strokes of this video, and perhaps others, in frames: ``video,begin,end,label``.
        classes: Names to choose from; those of TTStroke-21 if there is none. Those of the table
            come after them.

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
    page = write_viewer(
        target,
        video=video,
        clock=probe.clock,
        classes=[name for name in names if name != NEGATIVE],
        annotations=marked,
    )
    return Beside(page, len(marked), len(rows) - len(marked))
