"""The formats in which people keep their annotations, one small module each.

A module says by its name what ``index.format`` calls it, which files it reads, how it recognises
them, and reads them all into a :class:`~twinstroke.annotations.records.Reading`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from twinstroke.annotations import excel
from twinstroke.annotations.containers import VIDEO_SUFFIXES
from twinstroke.annotations.folders import UNREAD_SUFFIXES, find_files, find_videos
from twinstroke.annotations.records import Reading
from twinstroke.annotations.rows import start_of
from twinstroke.errors import UserError
from twinstroke.formats import (
    activitynet,
    boris,
    clips,
    csv,
    cvat,
    elan,
    elan_text,
    label_studio,
    mediaeval,
    sportscode,
    srt,
    via,
)
from twinstroke.settings.index import IndexSettings


class Format(Protocol):
    """What each module of this package provides."""

    @property
    def SUFFIXES(self) -> tuple[str, ...]:  # noqa: N802 (a constant of the module)
        """Suffixes of its annotation files, in lower case."""

    def recognises(self, start: str) -> bool:
        """Tell from the first 64 KiB of a file whether it is of this format."""

    def read(
        self, files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading
    ) -> None:
        """Read annotation files, sorted, all below `raw`, about the videos of `reading`."""


FORMATS: Mapping[str, Format] = {
    "mediaeval": mediaeval,
    "csv": csv,
    "clips": clips,
    "elan": elan,
    "elan_text": elan_text,
    "via": via,
    "label_studio": label_studio,
    "cvat": cvat,
    "sportscode": sportscode,
    "boris": boris,
    "activitynet": activitynet,
    "srt": srt,
}


class NoVideosError(UserError):
    """There is nothing to read: no videos, or none of those that the annotations are about."""


START = 2**16
"""Bytes of a file that are enough to recognise it."""


def read_annotations(
    raw: Path, settings: IndexSettings, reading: Reading, damaged: Container[Path] = ()
) -> str:
    """Read all videos and annotations below the raw folder.

    Args:
        raw: Folder of the raw data.
        settings: Format and folders.
        reading: Is filled.
        damaged: Files that are not what their sender sent, and are not read.

    Returns:
        The format, and how it was recognised if the settings leave that open; for people.

    Raises:
        NoVideosError: There is no video, or none that is needed.
        UserError: The format cannot be recognised.
    """
    videos = raw / settings.videos
    find_videos(raw, settings.videos, reading)
    if not reading.videos:
        # If there are some that cannot be read, that is what is wrong.
        findings = reading.findings
        unread = findings.errors or [item for item in findings.all if item.check == "container"]
        raise NoVideosError(
            [str(finding) for finding in unread]
            or f"{videos}: no video ({', '.join(VIDEO_SUFFIXES)}) there; put the videos there, or "
            "change index.videos"
        )
    suffixes = sorted({suffix for form in FORMATS.values() for suffix in form.SUFFIXES})
    if settings.format != "auto":
        suffixes = list(FORMATS[settings.format].SUFFIXES)
    present = find_files(raw, settings.annotations, suffixes, reading.findings) if suffixes else []
    # The table of groups is none of annotations, and neither are lists of checksums.
    files = [
        file
        for file in present
        if file not in damaged
        and not _is_of_another(file, settings)
        and file.name.lower() != "md5sums.txt"
        and not (settings.groups and file == raw / settings.groups)
    ]
    name: str = settings.format
    reason = ""
    if name == "auto":
        name, files, reason = _recognised(raw, settings, files, reading, damaged)
    form = FORMATS[name]
    if form.SUFFIXES and not files:
        raise UserError(
            f"{raw / settings.annotations}: no annotation file ({', '.join(form.SUFFIXES)}) of "
            f"format {name}; put the annotations there, or change index.annotations or index.format"
        )
    form.read(files, raw, settings, reading)
    unknown = [str(error) for error in reading.findings.errors if error.check == "video"]
    if unknown and not reading.annotated:
        # One line, rather than one for each of them.
        raise NoVideosError(f"{videos}: none of the annotated videos is there; {unknown[0]}")
    return f"{name} ({reason})" if reason else name


def _is_of_another(file: Path, settings: IndexSettings) -> bool:
    """Tell whether the preset means the other of ``a.xml`` and ``a.sportscode.xml``.

    `twinstroke detect` puts both into one folder.
    """
    if settings.format == sportscode.NAME:
        return file.with_suffix(f".{sportscode.NAME}.xml").exists()
    return settings.format != "auto" and file.name.endswith(f".{sportscode.NAME}.xml")


def _recognised(
    raw: Path,
    settings: IndexSettings,
    files: Sequence[Path],
    reading: Reading,
    damaged: Container[Path],
) -> tuple[str, list[Path], str]:
    """Name of the format, the files to read, and why."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        start = start_of(file, START, settings.sheet)
        for name, form in FORMATS.items():
            if file.suffix.lower() in form.SUFFIXES and form.recognises(start):
                found[name].append(file)
    if len(found) > 1:
        seen = "; ".join(f"{name}: {own[0]} …" for name, own in sorted(found.items()))
        raise UserError(
            f"{raw / settings.annotations}: holds annotations of several formats ({seen}); say "
            "which counts with index.format, or narrow index.annotations"
        )
    for name, own in found.items():
        # A damaged file may not be recognised, but has the suffix of the others.
        alike = {file.suffix.lower() for file in own}
        reason = f"recognised by {len(own)} of its files, such as {own[0]}"
        return name, [file for file in files if file.suffix.lower() in alike], reason
    # Notes may lie about; but a table or an export that nobody recognises is no set of clips.
    odd = [file for file in files if file.suffix.lower() != ".txt"]
    if odd and all(file.suffix.lower() in excel.SUFFIXES for file in odd):
        # Tables are all that a workbook can be: reading says what is wrong with these.
        return "csv", odd, f"{len(odd)} workbooks"
    if odd:
        raise UserError(
            f"{odd[0]}: of no format that is known, and so are {len(odd) - 1} other files; mend it "
            f"(a table needs the columns {', '.join(csv.COLUMNS)}), say which it is with "
            "index.format, or if folders name the classes: index.format: clips"
        )
    folders = {clips.class_folder(path, raw, reading) for path in reading.videos.values()} - {None}
    _refuse_doubt(raw, settings, len(folders), reading, damaged)
    return "clips", [], f"there is no annotation file, so {len(folders)} folders name the classes"


def _refuse_doubt(
    raw: Path, settings: IndexSettings, folders: int, reading: Reading, damaged: Container[Path]
) -> None:
    """Stop where folders of videos need not be classes.

    That is so where there are fewer than two of them, or where a file lies about in which people
    keep annotations: one of a suffix that is not read, or a text of the name of a video.
    """
    start = raw / settings.annotations
    unread = [start] if start.is_file() and start not in damaged else []
    if start.is_dir():
        stems = {path.stem for path in reading.videos.values()}
        doubtful = (*UNREAD_SUFFIXES, ".txt")
        unread = [
            file
            for file in find_files(raw, settings.annotations, doubtful, reading.findings)
            if file.suffix.lower() != ".txt" or file.stem in stems
        ]
    if not unread and folders > 1:
        return
    suffixes = sorted({suffix for form in FORMATS.values() for suffix in form.SUFFIXES})
    advice = (
        f"save annotations as a table (.csv) with the columns {', '.join(csv.COLUMNS)}, or as "
        f"another format of docs/formats.md ({', '.join(suffixes)})"
    )
    if folders > 1:
        advice += f", or if the {folders} folders of videos name the classes: index.format: clips"
    if unread:
        more = len(unread) - 1
        others = f", and so {'is 1 other file' if more == 1 else f'are {more} other files'}"
        raise UserError(
            f"{unread[0]}: annotations that are not read{others if more else ''}; {advice}"
        )
    raise UserError(
        f"{start}: "
        + ("no annotation file" if start.exists() else "no such file or folder")
        + f", and no two folders of videos that name classes; {advice}"
    )
