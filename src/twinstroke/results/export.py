"""Write the strokes of an index for people and other programs.

Formats are those that `index` reads back unchanged: ``csv`` (one table), ``mediaeval`` (an XML for
each video and split), ``elan`` (an .eaf for each video and split, which opens its video),
``sportscode`` (an XML for each video and split) and ``activitynet`` (a JSON for each split). They
go to ``data/<preset>/export/<format>``; files of an earlier export that are no longer needed are
deleted. Strokes without a class are written as ``Unknown``. Mined negatives are left out: `index`
mines them again. ``mediaeval`` and ``activitynet`` have no place for the player, and none has one
for votes of annotators.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

from twinstroke.annotations.classes import UNKNOWN
from twinstroke.annotations.strokes import Stroke
from twinstroke.formats import activitynet, csv, elan, mediaeval, sportscode
from twinstroke.regions import COLUMNS, WHOLE, PlayerRegion, Regions
from twinstroke.settings.choices import ExportFormat
from twinstroke.settings.index import PLAYER
from twinstroke.settings.load import Settings
from twinstroke.tables import Sample, Unlabelled, Video, read_table
from twinstroke.timeline import Kept
from twinstroke.video.clock import Clock, exact_rate
from twinstroke.video.probe import probe_video

Row = TypeVar("Row", Sample, Unlabelled)


def export_index(
    form: ExportFormat,
    samples: Sequence[Sample],
    unlabelled: Sequence[Unlabelled],
    videos: Mapping[str, Path],
    clocks: Mapping[str, Clock],
    group: str,
    target: Path,
    regions: Regions = WHOLE,
) -> list[Path]:
    """Write the annotated samples, and the strokes without a class, in one of the formats.

    Args:
        form: Which of them.
        samples: The table of samples.
        unlabelled: Strokes that are no samples.
        videos: Their files, by id.
        clocks: When their frames begin, by id; ``csv`` and ``mediaeval`` do without.
        group: What the group is: a column of ``csv``, a group of labels of ``sportscode``; ``elan``
            knows players only.
        target: Folder of the files.
        regions: Where the players are; only ``csv`` has a place for it.

    Returns:
        The files.
    """
    strokes: list[Stroke] = []

    def add(row: Sample | Unlabelled, label: str) -> None:
        known = regions.of(row.video, row.group)
        strokes.append(
            Stroke(
                row.video,
                row.begin,
                row.end,
                label,
                row.split or None,
                annotator=elan.AUTHOR,
                group=row.group,
                region=known.region if known else None,
            )
        )

    for sample in samples:
        if sample.origin == "annotated":
            add(sample, sample.label)
    for mark in unlabelled:
        add(mark, UNKNOWN)
    strokes.sort(key=lambda s: (s.video, s.begin, s.end, s.label or "", s.split or "", s.group))
    if form == "csv":
        path = target / "strokes.csv"
        csv.write(path, strokes, videos, group)
        return [path]
    files: dict[tuple[str, str], list[Stroke]] = defaultdict(list)
    for video, group_of_video in groupby(strokes, key=lambda stroke: stroke.video):
        own = list(group_of_video)
        known = [stroke.split for stroke in own if stroke.split]
        for place, stroke in enumerate(own):
            # One of no split joins the file of the next that has one, or of the last.
            following = (other.split for other in own[place:] if other.split)
            files[video, next(following, known[-1] if known else "")].append(stroke)
    paths: list[Path] = []
    if form == "activitynet":
        for split in dict.fromkeys(split for _, split in files):
            together = [s for (_, other), own in files.items() if other == split for s in own]
            paths.append(target / split / f"{activitynet.NAME}.json")
            activitynet.write(paths[-1], together, clocks, together[-1].split)
        return paths
    for (video, split), own in files.items():
        path = target / split / f"{video}.{'eaf' if form == 'elan' else 'xml'}"
        if form == "mediaeval":
            mediaeval.write(path, own)
        elif form == "sportscode":
            sportscode.write(path, own, clocks[video], group)
        else:
            if not _keeps(form, group):
                own = [replace(stroke, group="") for stroke in own]
            elan.write(path, os.path.relpath(videos[video], path.parent), own, clocks[video])
        paths.append(path)
    return paths


def _keeps(form: ExportFormat, group: str) -> bool:
    """Tell whether a format has a place for the group."""
    return form in ("csv", "sportscode") or (form == "elan" and group.lower() == PLAYER)


def _in_the_file(row: Row, kept: Kept) -> Row:
    """A row of a table that counts the frames of ``decode.rate``, in frames of the video's file."""
    frames = {"begin": kept.frame(row.begin), "end": kept.frame(row.end)}
    return row.model_copy(update=frames)


class Exported(NamedTuple):
    """What was written."""

    files: int
    folder: Path
    lost: str
    """Columns that the format has no place for; empty if nothing is lost."""


def export_preset(settings: Settings, form: ExportFormat) -> Exported:
    """Export the index of a preset to ``data/<preset>/export/<format>``.

    Raises:
        UserError: The stage `index` has not run, or a table or a video cannot be read.
    """
    folder = Path("data", settings.name)
    rows = read_table(folder / "videos.csv", Video)
    videos = {row.video: Path(row.path) for row in rows}
    samples = read_table(folder / "samples.csv", Sample)
    unlabelled = read_table(folder / "unlabelled.csv", Unlabelled)
    clocks = {}
    rate = settings.decode.rate
    if form in ("elan", "sportscode", "activitynet") or rate != "video":
        clocks = {video: probe_video(path).clock for video, path in videos.items()}
    if rate != "video":
        kept = {
            row.video: clocks[row.video].kept(row.slow_motion / exact_rate(rate)) for row in rows
        }
        samples = [_in_the_file(row, kept[row.video]) for row in samples]
        unlabelled = [_in_the_file(row, kept[row.video]) for row in unlabelled]
    target = folder / "export" / form
    group = settings.index.split.group
    placed = read_table(folder / "regions.csv", PlayerRegion)
    written = export_index(
        form, samples, unlabelled, videos, clocks, group, target, Regions(placed)
    )
    for path in target.rglob("*.*"):
        # Of an earlier export: read again, they would bring old strokes back.
        if path.is_file() and path not in written:
            path.unlink()
    lost = []
    if not _keeps(form, group) and any(sample.group for sample in samples):
        lost.append(group)
    if placed and form != "csv":
        lost.append(",".join(COLUMNS))
    return Exported(len(written), target, " and ".join(lost))
