"""Trimmed clips in folders: ``split/class/clip.mp4``, or ``class/clip.mp4`` without splits.

UCF101 and many sets after it are kept so. Each clip is a video with one sample, all of it. Folders
above these two levels do not matter. Clips directly in the folder of a split are unlabelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from twinstroke.annotations.records import SPLIT_NAMES, Annotation, Reading, split_of
from twinstroke.findings import Place
from twinstroke.settings.index import IndexSettings

SUFFIXES: tuple[str, ...] = ()


def recognises(start: str) -> bool:
    """No annotation file is of this format: it has none."""
    return False


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read all clips."""
    add_clips(reading.videos, raw, reading)


def add_clips(videos: Iterable[str], raw: Path, reading: Reading) -> None:
    """Add one annotation for each video, of the class that its folder names.

    Args:
        videos: Their ids.
        raw: Folder of the raw data.
        reading: Gets the annotations, and an error for each folder that names no class.
    """
    refused: set[Path] = set()
    for video in videos:
        path = reading.videos[video]
        folders = path.relative_to(raw).parts[:-1]
        name = class_folder(path, raw, reading)
        label, problem = reading.classes.checked(name)
        if problem and path.parent not in refused:
            # One finding a folder, not one a clip.
            refused.add(path.parent)
            reading.findings.error("label", Place(str(path.parent)), *problem)
        split = split_of(folders if name is None else folders[:-1])
        reading.annotated.add(video)
        reading.annotations.append(Annotation(video, 0, None, label, split, Place(str(path))))


def class_folder(path: Path, raw: Path, reading: Reading) -> str | None:
    """Name of the folder of a clip; None if the clip lies in that of a split, or in none."""
    folders = path.relative_to(raw).parts[:-1]
    if not folders:
        return None
    is_split = folders[-1].lower() in SPLIT_NAMES and folders[-1] not in reading.classes.names
    return None if is_split else folders[-1]
