"""Which player, or other group, each stroke belongs to, if a table of its own says that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twinstroke.annotations.classes import tidy
from twinstroke.annotations.folders import find_files
from twinstroke.annotations.records import Annotation, Reading
from twinstroke.annotations.rows import SUFFIXES, read_rows
from twinstroke.findings import Place
from twinstroke.settings.index import IndexSettings


def with_groups(reading: Reading, raw: Path, settings: IndexSettings) -> list[Annotation]:
    """Fill in the group that the table of groups names, where the annotation names none.

    Args:
        reading: Videos and annotations; gets an error for each video with two groups, and a
            warning for each annotated one without.
        raw: Folder of the raw data.
        settings: Place of the table, if there is one, and name of its column.
    """
    if not settings.groups:
        return reading.annotations
    column = settings.split.group.lower()
    groups: dict[str, tuple[str, Place]] = {}
    for file in find_files(raw, settings.groups, SUFFIXES, reading.findings):
        for place, row in read_rows(file, ("video", column), reading.findings):
            video = reading.video_named(row["video"], place)
            name = tidy(row[column])
            if video is None:
                continue
            reading.add_recorded(video, row.get("recorded_fps", ""), place)
            earlier, where = groups.setdefault(video, (name, place))
            if earlier != name:
                reading.findings.error(
                    "group",
                    place,
                    f"{column} {name!r}, but {earlier!r} in {where}",
                    "a video has one here; where it has several, name them beside the strokes",
                    video=video,
                )
    result = []
    told: set[str] = set()
    for item in reading.annotations:
        if not item.group and item.video in groups:
            item = replace(item, group=groups[item.video][0])
        if not item.group and item.video not in told:
            told.add(item.video)
            reading.findings.warning(
                "group",
                item.place,
                f"video {item.video!r} has no {column}, here or in {settings.groups}",
                "what splits share of it cannot be told",
                video=item.video,
            )
        result.append(item)
    return result
