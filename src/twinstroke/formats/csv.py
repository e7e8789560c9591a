"""Spreadsheets: tables with the columns ``video,begin,end,label``.

Columns that may stand beside them: ``split``, ``annotator``, and the one that
``index.split.group`` names (``player``). ``video`` is a file name, with or without suffix and
folders. Plain numbers are frames, or seconds where ``index.times`` says so; clock times such as
``1:02.5`` are understood either way.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from twinstroke.annotations.records import SPLIT_NAMES, Reading, Time, frame_number, seconds
from twinstroke.annotations.rows import SUFFIXES, header_of, read_rows
from twinstroke.files import replacing
from twinstroke.findings import Findings, Place
from twinstroke.settings.index import IndexSettings

__all__ = ["COLUMNS", "SUFFIXES", "read", "recognises", "write"]

COLUMNS = ("video", "begin", "end", "label")


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is such a table."""
    return header_of(start, COLUMNS) is not None


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the rows of all tables."""
    group = settings.split.group.lower()
    for file in files:
        for place, row in read_rows(file, COLUMNS, reading.findings):
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
            if video is not None and begin is not None and end is not None:
                reading.add(
                    place,
                    video=video,
                    begin=begin,
                    end=end,
                    label=row["label"],
                    split=split,
                    annotator=row.get("annotator", ""),
                    group=row.get(group, ""),
                )


def write(path: Path, strokes: Iterable[tuple[Path, int, int, str, str, str]], group: str) -> None:
    """Write a table that `read` reads.

    Args:
        path: Where to.
        strokes: File of the video, begin and end in frames (`end` exclusive), label, split, group.
        group: Name of the column of groups.
    """
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*COLUMNS, "split", group))
        writer.writerows((video.as_posix(), *rest) for video, *rest in strokes)


def _time(
    name: str, text: str, video: str, settings: IndexSettings, place: Place, findings: Findings
) -> Time | None:
    if settings.times == "frames" and ":" not in text:
        frame = frame_number(text)
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
