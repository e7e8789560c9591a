"""The formats in which people keep their annotations, one small module each.

A module says by its name what ``index.format`` calls it, which files it reads, how it recognises
them, and reads them all into a :class:`~twinstroke.annotations.records.Reading`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from twinstroke.annotations.folders import VIDEO_SUFFIXES, find_files, find_videos
from twinstroke.annotations.records import Reading
from twinstroke.errors import UserError
from twinstroke.formats import clips, csv, cvat, elan, label_studio, mediaeval, via
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
    "via": via,
    "label_studio": label_studio,
    "cvat": cvat,
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
        raise NoVideosError(
            [str(error) for error in reading.findings.errors]
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
        and file.name.lower() != "md5sums.txt"
        and not (settings.groups and file == raw / settings.groups)
    ]
    name: str = settings.format
    reason = ""
    if name == "auto":
        name, files, reason = _recognised(raw, settings, files)
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


def _recognised(
    raw: Path, settings: IndexSettings, files: Sequence[Path]
) -> tuple[str, list[Path], str]:
    """Name of the format, the files to read, and why."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        with file.open("rb") as stream:
            content = stream.read(START)
        utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        start = content.decode("utf-16" if utf_16 else "utf-8-sig", errors="replace")
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
    if odd:
        raise UserError(
            f"{odd[0]}: of no format that is known, and so are {len(odd) - 1} other files; mend it "
            f"(a table needs the columns {', '.join(csv.COLUMNS)}), say which it is with "
            "index.format, or if folders name the classes: index.format: clips"
        )
    return "clips", [], "there is no annotation file, so folders name the classes"
