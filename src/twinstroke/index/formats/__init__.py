"""The formats in which people keep their annotations, one small module each.

A module says by its name what ``index.format`` calls it, which files it reads, how it recognises
them, and reads them all into a :class:`~twinstroke.index.annotations.Reading`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from twinstroke.errors import UserError
from twinstroke.index.annotations import Reading
from twinstroke.index.folders import find_files, find_videos
from twinstroke.index.formats import clips, csv, cvat, elan, label_studio, mediaeval, via
from twinstroke.settings import IndexSettings


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
        UserError: The format cannot be recognised.
    """
    name: str = settings.format
    reason = ""
    if name == "auto":
        name, reason = _recognised(raw, settings, reading)
    form = FORMATS[name]
    find_videos(raw, settings.videos, reading)
    files = _files(raw, settings, form.SUFFIXES, reading) if form.SUFFIXES else []
    files = [file for file in files if file not in damaged]
    if form.SUFFIXES and not files:
        raise UserError(
            f"{raw / settings.annotations}: no annotation file ({', '.join(form.SUFFIXES)}) of "
            f"format {name}; put the annotations there, or change index.annotations or index.format"
        )
    form.read(files, raw, settings, reading)
    return f"{name} ({reason})" if reason else name


def _recognised(raw: Path, settings: IndexSettings, reading: Reading) -> tuple[str, str]:
    suffixes = {suffix for form in FORMATS.values() for suffix in form.SUFFIXES}
    found: dict[str, list[Path]] = defaultdict(list)
    for file in _files(raw, settings, sorted(suffixes), reading):
        with file.open("rb") as stream:
            content = stream.read(START)
        utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        start = content.decode("utf-16" if utf_16 else "utf-8-sig", errors="replace")
        for name, form in FORMATS.items():
            if file.suffix.lower() in form.SUFFIXES and form.recognises(start):
                found[name].append(file)
    if len(found) > 1:
        seen = "; ".join(f"{name}: {files[0]} …" for name, files in sorted(found.items()))
        raise UserError(
            f"{raw / settings.annotations}: holds annotations of several formats ({seen}); say "
            "which counts with index.format, or narrow index.annotations"
        )
    for name, files in found.items():
        return name, f"recognised by {len(files)} of its files, such as {files[0]}"
    return "clips", "no annotation file was recognised, so folders name the classes"


def _files(
    raw: Path, settings: IndexSettings, suffixes: Sequence[str], reading: Reading
) -> list[Path]:
    files = find_files(raw, settings.annotations, suffixes, reading.findings)
    # The table of groups is none of annotations.
    return [file for file in files if not settings.groups or file != raw / settings.groups]
