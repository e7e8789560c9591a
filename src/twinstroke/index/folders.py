"""Files below the raw folder, which is not trusted: nothing outside it is ever opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath

from twinstroke.index.annotations import Reading

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")


def find_files(raw: Path, folder: str, suffixes: Iterable[str], problems: list[str]) -> list[Path]:
    """Files below ``raw/folder`` with one of the suffixes (in lower or upper case), sorted.

    Hidden files and folders are passed over, and links to folders are not followed. `raw` itself
    may be a link; what leaves its target is a problem.

    Args:
        raw: Folder of the raw data.
        folder: Where to look, relative to `raw`.
        suffixes: With their dots, in lower case.
        problems: Gets one line for each link that leaves the raw folder, each name that cannot
            be used in file names, and for a missing folder.
    """
    start = raw / folder
    if not start.is_dir():
        problems.append(f"{start}: no such folder; put the data there, or change the preset")
        return []
    home = raw.resolve()
    if not start.resolve().is_relative_to(home):
        problems.append(_leaves(start, home))
        return []
    found = []
    pending = [start]
    while pending:
        for path in pending.pop().iterdir():
            if path.name.startswith("."):
                continue
            is_wanted = path.suffix.lower() in suffixes
            is_folder = path.is_dir()
            if path.is_symlink() and (is_wanted or is_folder):
                if not path.resolve().is_relative_to(home):
                    problems.append(_leaves(path, home))
                    continue
                is_folder = False
            if is_folder:
                pending.append(path)
            elif is_wanted and re.search(r"[\\\x00-\x1f\ud800-\udfff]", path.name):
                problems.append(f"{str(path)!r}: the name holds odd characters; rename the file")
            elif is_wanted and not path.is_dir():
                found.append(path)
    return sorted(found)


def find_videos(
    raw: Path, folder: str, identify: Callable[[PurePath], str], reading: Reading
) -> None:
    """Fill in the videos below ``raw/folder``.

    Args:
        raw: Folder of the raw data.
        folder: Folder of the videos, relative to `raw`.
        identify: Gives the id of a video from its path relative to ``raw/folder``.
        reading: Gets the videos, and a problem for every two that share an id.
    """
    for path in find_files(raw, folder, VIDEO_SUFFIXES, reading.problems):
        video = identify(path.relative_to(raw / folder))
        if video in reading.videos:
            reading.problems.append(
                f"{path}: shares its name with {reading.videos[video]}; rename one of them, since "
                "annotations know videos by their name without folder and suffix"
            )
        else:
            reading.videos[video] = path


def _leaves(path: Path, home: Path) -> str:
    return (
        f"{path}: links to {path.resolve()}, outside {home}; copy the data into that folder, or "
        "make the folder itself a link"
    )
