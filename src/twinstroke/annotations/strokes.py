"""Tables of strokes in frames: those of the page, of ``twinstroke export csv``, or of `detect`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from twinstroke.annotations.records import frame_number
from twinstroke.annotations.rows import read_rows
from twinstroke.errors import UserError
from twinstroke.findings import Findings
from twinstroke.formats.csv import COLUMNS
from twinstroke.results.viewer.page import Marked


def read_strokes(table: Path) -> dict[str, list[Marked]]:
    """Read the strokes of a table, by the names of their videos without folder and suffix.

    Args:
        table: CSV with the columns ``video,begin,end,label``, and perhaps ``annotator``.

    Raises:
        UserError: There is no such table, or a row is none of it; a line each.
    """
    if not table.is_file():
        raise UserError(f"{table}: no such table; name one with the columns {','.join(COLUMNS)}")
    findings = Findings()
    strokes: dict[str, list[Marked]] = defaultdict(list)
    for place, row in read_rows(table, COLUMNS, findings):
        begin, end = (frame_number(row[name]) for name in ("begin", "end"))
        if begin is None or end is None or begin >= end:
            findings.error(
                "time",
                place,
                f"{row['begin'][:40]!r} to {row['end'][:40]!r} are no frames",
                "write whole frame numbers, the end being the frame after the last one",
            )
            continue
        video = PurePosixPath(row["video"])
        stem = video.stem if video.suffix else video.name
        strokes[stem].append(Marked(begin, end, row["label"], row.get("annotator", "")))
    if findings.errors:
        raise UserError(str(item) for item in findings.errors)
    return strokes
