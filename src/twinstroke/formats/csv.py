"""Spreadsheets: tables with the columns ``video,begin,end,label``, as text or as a workbook.

Columns that may stand beside them: ``split``, ``annotator``, the one that ``index.split.group``
names (``player``), ``x,y,width,height``, where that player is in this video, and
``recorded_fps`` of slow motion. ``video`` is a file name, with or without suffix and folders. Plain
numbers are frames, or seconds where ``index.times`` says so; clock times such as ``1:02.5`` are
understood either way. Spreadsheets write whole numbers as ``20.0`` at times.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from twinstroke import regions
from twinstroke.annotations.classes import tidy
from twinstroke.annotations.records import SPLIT_NAMES, Reading, Time, frame_number, seconds
from twinstroke.annotations.regions import row_region
from twinstroke.annotations.rows import SUFFIXES, header_of, read_rows
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.files import replacing
from twinstroke.findings import Findings, Place
from twinstroke.settings.index import PLAYER, IndexSettings

__all__ = ["COLUMNS", "SUFFIXES", "read", "read_strokes", "recognises", "write"]

COLUMNS = ("video", "begin", "end", "label")


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is such a table."""
    return header_of(start, COLUMNS) is not None


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the rows of all tables."""
    group = settings.split.group.lower()
    for file in files:
        for place, row in read_rows(file, COLUMNS, reading.findings, settings.sheet):
            if not row["video"]:
                advice = "write its name into each row (of merged cells only the first counts)"
                reading.findings.error("video", place, "names no video", advice)
                continue
            video = reading.video_named(row["video"], place)
            begin, end = (
                _time(name, row[name], video or "", settings, place, reading.findings)
                for name in ("begin", "end")
            )
            split_name = row.get("split", "")
            split = SPLIT_NAMES.get(split_name.lower())
            if split_name and split is None:
                reading.findings.error(
                    "split", place, f"split {split_name!r}", "write train, validation or test"
                )
            if video is not None:
                reading.add_recorded(video, row.get("recorded_fps", ""), place)
            region, is_usable = row_region(row, place, reading.findings, video or "")
            if video is not None and begin is not None and end is not None and is_usable:
                reading.add(
                    place,
                    video=video,
                    begin=begin,
                    end=end,
                    label=row["label"],
                    split=split,
                    annotator=row.get("annotator", ""),
                    group=row.get(group, ""),
                    region=region,
                )


def read_strokes(table: Path) -> dict[str, list[Stroke]]:
    """Read a table whose times are frames: of the page, of ``twinstroke export``, or of `detect`.

    Args:
        table: CSV with the columns ``video,begin,end,label``, and perhaps ``annotator``, ``player``
            and ``x,y,width,height``.

    Returns:
        Strokes by the names of their videos, without folder and suffix.

    Raises:
        UserError: There is no such table, or a row is none of it; a line each.
    """
    if not table.is_file():
        raise UserError(f"{table}: no such table; name one with the columns {','.join(COLUMNS)}")
    findings = Findings()
    strokes: dict[str, list[Stroke]] = defaultdict(list)
    for place, row in read_rows(table, COLUMNS, findings):
        begin, end = (_frame(row[name]) for name in ("begin", "end"))
        if begin is None or end is None or begin >= end:
            findings.error(
                "time",
                place,
                f"{row['begin'][:40]!r} to {row['end'][:40]!r} are no frames",
                "write whole frame numbers, the end being the frame after the last one",
            )
            continue
        path = PurePosixPath(row["video"])
        video = path.stem if path.suffix else path.name
        region, _ = row_region(row, place, findings, video)
        strokes[video].append(
            Stroke(
                video,
                begin,
                end,
                row["label"] or None,
                place=place,
                annotator=row.get("annotator", ""),
                group=tidy(row.get(PLAYER, "")),
                region=region,
            )
        )
    if findings.errors:
        raise UserError(str(item) for item in findings.errors)
    return strokes


def write(path: Path, strokes: Iterable[Stroke], videos: Mapping[str, Path], group: str) -> None:
    """Write a table that `read` reads.

    Args:
        path: Where to.
        strokes: In the order of the rows.
        videos: Files of the videos by their ids.
        group: Name of the column of groups.
    """
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        rows = list(strokes)
        has_regions = any(s.region for s in rows)
        writer.writerow((*COLUMNS, "split", group, *(regions.COLUMNS if has_regions else ())))
        for s in rows:
            own = (s.region or ("",) * 4) if has_regions else ()
            video = videos[s.video].as_posix()
            writer.writerow((video, s.begin, s.end, s.label, s.split, s.group, *own))


def _time(
    name: str, text: str, video: str, settings: IndexSettings, place: Place, findings: Findings
) -> Time | None:
    if settings.times == "frames" and ":" not in text:
        frame = _frame(text)
        if frame is None:
            findings.error(
                "time",
                place,
                f"{name} is {text[:40]!r}, no whole frame number from 0",
                "write one, or a clock time as 1:02.5, or set index.times to seconds",
                video=video,
            )
        return frame
    time = seconds(text)
    if time is None:
        findings.error(
            "time",
            place,
            f"{name} is {text[:40]!r}, no time",
            "write seconds as 62.5 or a clock time as 1:02.5",
            video=video,
        )
    return time


def _frame(text: str) -> int | None:
    """A frame number, also as ``20.0`` or ``20,00``; three zeros may be thousands, and are not."""
    return frame_number(re.sub(r"[.,]0{1,2}$", "", text))
