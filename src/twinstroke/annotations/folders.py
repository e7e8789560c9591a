"""Files below the raw folder, which is not trusted: nothing outside it is ever opened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from twinstroke.annotations.containers import REWRAPPED, VIDEO_SUFFIXES, unread
from twinstroke.annotations.records import Reading
from twinstroke.findings import Findings, Place

ODD = re.compile(r"[\\\x00-\x1f\ud800-\udfff]")
"""Separators of other systems, control characters, and bytes that are no UTF-8."""
UNREAD_SUFFIXES = (
    ".ods",
    ".odt",
    ".doc",
    ".docx",
    ".textgrid",
    ".vtt",
    ".xls",
    ".zip",
)
"""Of files in which people keep annotations that nothing here reads."""
LARGEST_FILE = 2**28
"""Bytes of a file that is read at once; years of annotations are smaller."""


def find_files(raw: Path, folder: str, suffixes: Iterable[str], findings: Findings) -> list[Path]:
    """Files below ``raw/folder`` with one of the suffixes (in lower or upper case), sorted.

    Hidden files and folders are passed over, and links to folders are not followed. `raw` itself
    may be a link; what leaves its target is an error.

    Args:
        raw: Folder of the raw data.
        folder: Where to look, relative to `raw`; or one file.
        suffixes: With their dots, in lower case.
        findings: Gets an error for each link that leaves the raw folder, each name that cannot be
            used in file names, and for a missing folder.
    """
    start = raw / folder
    if not start.exists():
        findings.error(
            "folder",
            Place(str(start)),
            "no such file or folder",
            "put the data there, or change the preset",
        )
        return []
    home = raw.resolve()
    if _leaves(start, home, findings):
        return []
    if not start.is_dir():
        if not start.is_file():
            findings.error("file", Place(str(start)), "is no ordinary file", "remove it")
            return []
        return [start] if start.suffix.lower() in suffixes else []
    found = []
    pending = [start]
    while pending:
        for path in pending.pop().iterdir():
            # Excel keeps ~$strokes.xlsx beside a table that is open.
            if path.name.startswith((".", "~$")):
                continue
            is_wanted = path.suffix.lower() in suffixes
            is_folder = path.is_dir()
            if path.is_symlink() and (is_wanted or is_folder):
                if _leaves(path, home, findings):
                    continue
                is_folder = False
            if is_folder:
                pending.append(path)
            elif is_wanted and re.search(ODD, str(path.relative_to(raw))):
                findings.error(
                    "name",
                    Place(str(path)),
                    "holds odd characters, in its own name or that of a folder",
                    "rename it",
                )
            elif is_wanted and path.is_file():
                found.append(path)
            elif is_wanted and not path.is_dir():
                findings.error("file", Place(str(path)), "is no ordinary file", "remove it")
    return sorted(found)


def find_videos(raw: Path, folder: str, reading: Reading) -> None:
    """Fill in the videos below ``raw/folder``.

    The id of a video is its name without suffix. Where several share it, as clips of different
    classes often do, the folders come before, joined by ``__``.

    Args:
        raw: Folder of the raw data.
        folder: Folder of the videos, relative to `raw`.
        reading: Gets the videos, an error for every two that share an id all the same, and a
            warning if there are others that are not read.
    """
    present = find_files(raw, folder, (*VIDEO_SUFFIXES, *REWRAPPED), reading.findings)
    paths = [path for path in present if path.suffix.lower() in VIDEO_SUFFIXES]
    copied = {path.with_suffix("") for path in paths}
    others = [path for path in present if path not in set(paths)]
    others = [path for path in others if path.with_suffix("") not in copied]
    if others:
        found, advice = unread(others[0])
        more = f", nor {len(others) - 1} more" if others[1:] else ""
        reading.findings.warning("container", Place(str(others[0])), found + more, advice)
    for path in others:
        reading.add_unread(path, PurePosixPath(path.relative_to(raw / folder).as_posix()))
    stems = Counter(path.stem for path in paths)
    for path in paths:
        relative = PurePosixPath(path.relative_to(raw / folder).as_posix())
        full = "__".join(relative.with_suffix("").parts)
        video = full if stems[path.stem] > 1 else path.stem
        if video in reading.videos:
            reading.findings.error(
                "name",
                Place(str(path)),
                f"shares its name with {reading.videos[video]}",
                "rename one of them, since annotations know videos by their name without suffix",
            )
        else:
            reading.add_video(video, path, relative)


def is_too_large(file: Path, findings: Findings) -> bool:
    """Tell whether an annotation file is larger than any real one, and note it."""
    if file.stat().st_size <= LARGEST_FILE:
        return False
    findings.error(
        "size",
        Place(str(file)),
        f"is larger than {LARGEST_FILE // 2**20} MiB",
        "see that it holds annotations, and split it",
    )
    return True


def _leaves(path: Path, home: Path, findings: Findings) -> bool:
    if path.resolve().is_relative_to(home):
        return False
    findings.error(
        "folder",
        Place(str(path)),
        f"links to {path.resolve()}, outside {home}",
        "copy the data into that folder, or make the folder itself a link",
    )
    return True
