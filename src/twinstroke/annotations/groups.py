"""Which player, or other group, each stroke belongs to, if a table of its own says that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from twinstroke.annotations.classes import tidy
from twinstroke.annotations.folders import find_files
from twinstroke.annotations.records import Annotation, Reading
from twinstroke.annotations.regions import row_region
from twinstroke.annotations.rows import SUFFIXES, read_rows
from twinstroke.findings import Place, named_list
from twinstroke.regions import Region
from twinstroke.settings.index import IndexSettings


class _Row(NamedTuple):
    """What the table says of one player in one video."""

    region: Region | None
    place: Place
    is_usable: bool = True
    """Whether it is known where the player is; if not, there is an error."""


def with_groups(reading: Reading, raw: Path, settings: IndexSettings) -> list[Annotation]:
    """Fill in the group that the table of groups names, where the annotation names none.

    The table may also say where each player is. Where a video has several players there, each needs
    a region, and strokes have to name their player themselves.

    Args:
        reading: Videos and annotations; gets an error for each video with two groups of which one
            has no region, each player with two regions, and each video of several players with a
            stroke of none of them; and a warning for each annotated video without a group.
        raw: Folder of the raw data.
        settings: Place of the table, if there is one, and name of its column.

    Returns:
        The strokes without those of players of whom it is not clear where they are.
    """
    if not settings.groups:
        return reading.annotations
    column = settings.split.group.lower()
    groups = _groups(reading, raw, settings, column)
    result = []
    told: set[str] = set()
    for item in reading.annotations:
        own = groups.get(item.video, {})
        if not item.group and len(own) > 1:
            if item.video not in told:
                told.add(item.video)
                reading.findings.error(
                    "group",
                    item.place,
                    f"a stroke of {item.video!r} without {column}, which has {named_list(own)}",
                    f"name the {column} beside each of its strokes",
                    video=item.video,
                )
            continue
        if not item.group and own:
            item = replace(item, group=next(iter(own)))
        row = own.get(item.group)
        if row and not row.is_usable:
            continue
        if row and row.region and item.region not in (None, row.region):
            reading.findings.error(
                "region",
                item.place,
                f"{column} {item.group!r} is in {item.region}, but in {row.region} at {row.place}",
                "a player has one region in a video; correct one of them",
                video=item.video,
            )
            continue
        if row and row.region:
            item = replace(item, region=row.region)
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


def _groups(
    reading: Reading, raw: Path, settings: IndexSettings, column: str
) -> Mapping[str, Mapping[str, _Row]]:
    """Rows by video and name."""
    groups: dict[str, dict[str, _Row]] = defaultdict(dict)
    for file in find_files(raw, settings.groups, SUFFIXES, reading.findings):
        for place, cells in read_rows(file, ("video", column), reading.findings):
            video = reading.video_named(cells["video"], place)
            name = tidy(cells[column])
            if video is None:
                continue
            reading.add_recorded(video, cells.get("recorded_fps", ""), place)
            region, is_usable = row_region(cells, place, reading.findings, video)
            own = groups[video]
            if not is_usable:
                own[name] = _Row(None, place, False)
                continue
            earlier = own.setdefault(name, _Row(region, place))
            if earlier.is_usable and earlier.region != region:
                own[name] = _Row(None, place, False)
                reading.findings.error(
                    "region",
                    place,
                    f"{column} {name!r} is in {region or 'no region'}, but in "
                    f"{earlier.region or 'no region'} at {earlier.place}",
                    "a player has one region in a video; keep one of them",
                    video=video,
                )
                continue
            other, row = next(iter(own.items()))
            if other != name and row.is_usable and not (row.region and region):
                del own[name]
                reading.findings.error(
                    "group",
                    place,
                    f"{column} {name!r}, but {other!r} in {row.place}",
                    "a video has one here; where it has several, name them beside the strokes, or "
                    "say here where each is, with columns x,y,width,height",
                    video=video,
                )
    return groups
