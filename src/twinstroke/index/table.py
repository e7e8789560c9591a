"""One CSV file for all videos: columns ``video,begin,end,label`` and, if you like, ``split``.

``video`` is a file name, with or without suffix and folder. Columns may stand in any order and
others beside them. Commas, semicolons and tabs separate; UTF-8 with or without byte order mark.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from twinstroke.index.annotations import SPLIT_NAMES, Reading
from twinstroke.index.folders import find_videos
from twinstroke.settings import IndexSettings

COLUMNS = ("video", "begin", "end", "label")


def read(raw: Path, settings: IndexSettings, classes: Sequence[str]) -> Reading:
    """Read all videos and the rows of the CSV file."""
    reading = Reading()
    find_videos(raw, settings.videos, lambda path: path.stem, reading)
    file = raw / settings.annotations
    names = _names(reading.videos, raw / settings.videos)
    missing: dict[str, int] = {}
    for line, row in _rows(file, raw, reading.problems):
        where = f"{file}:{line}"
        video = names.get(row["video"].replace("\\", "/"))
        if video is None:
            missing.setdefault(row["video"], line)
            continue
        split_name = row.get("split", "")
        split = SPLIT_NAMES.get(split_name.lower())
        if split_name and split is None:
            reading.problems.append(
                f"{where}: split {split_name!r}; write train, validation or test, or nothing"
            )
        reading.add(
            where=where,
            video=video,
            begin=row["begin"],
            end=row["end"],
            label=row["label"],
            split=split,
            classes=classes,
        )
    reading.problems += [
        f"{file}:{line}: no video {name!r} below {raw / settings.videos}; add the video, or "
        "remove its rows"
        for name, line in missing.items()
    ]
    return reading


def _names(videos: dict[str, Path], folder: Path) -> dict[str, str]:
    """Every way to write a video's name, with its id."""
    names = {}
    for video, path in videos.items():
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        for name in (relative, relative.with_suffix(""), relative.name, relative.stem):
            names[str(name)] = video
    return names


def _rows(file: Path, raw: Path, problems: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line numbers; keys are column names in lower case."""
    if not file.is_file():
        problems.append(f"{file}: no such file; set index.annotations to the CSV file")
        return []
    if not file.resolve().is_relative_to(raw.resolve()):
        problems.append(f"{file}: links to a place outside {raw}; copy the file into that folder")
        return []
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(f"{file}:{line}: not UTF-8; save the file as CSV UTF-8")
        return []
    first_line = next(io.StringIO(text, newline=""), "")
    header: list[str] = []
    for delimiter in ",;\t":
        names = next(csv.reader([first_line], delimiter=delimiter), [])
        header = [name.strip().lower() for name in names]
        if set(COLUMNS) <= set(header):
            break
    else:
        problems.append(
            f"{file}:1: the header is {first_line.strip()[:80]!r}; it needs the columns "
            f"{', '.join(COLUMNS)}, separated by commas, semicolons or tabs"
        )
        return []
    if len(set(header)) < len(header):
        problems.append(f"{file}:1: a column stands there twice; keep one of them")
        return []
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        next(reader)
        for fields in reader:
            if len(fields) == len(header):
                values = (field.strip() for field in fields)
                rows.append((reader.line_num, dict(zip(header, values, strict=True))))
            elif fields:
                problems.append(
                    f"{file}:{reader.line_num}: {len(fields)} fields, but the header has "
                    f"{len(header)}; a separator is missing or too many"
                )
    except csv.Error as error:
        problems.append(f"{file}:{reader.line_num}: malformed CSV ({error}); mend the quotes")
    return rows
