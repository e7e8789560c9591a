"""Trimmed clips in folders: ``split/class/clip.mp4``, or ``class/clip.mp4`` without splits.

MediaEval 2022 (classification) and many users of UCF101 keep their data so. Each clip is a video
with one sample, all of it. Folders above these two levels do not matter. Clips directly in the
folder of a split (MediaEval's test clips) are unlabelled and left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from twinstroke.index.annotations import SPLIT_NAMES, Annotation, Reading, checked_label, split_of
from twinstroke.index.folders import find_videos
from twinstroke.settings import IndexSettings


def read(raw: Path, settings: IndexSettings, classes: Sequence[str]) -> Reading:
    """Read all clips; the id of ``train/Serve Forehand Loop/7.mp4`` is its path joined by ``__``.

    Clips of different classes often share their file name, so that alone would not tell them apart.
    """
    reading = Reading()
    find_videos(raw, settings.videos, _clip_id, reading)
    for video, path in reading.videos.items():
        folders = path.relative_to(raw).parts[:-1]
        is_labelled = folders and (folders[-1] in classes or folders[-1].lower() not in SPLIT_NAMES)
        label, problem = checked_label(folders[-1] if is_labelled else None, classes)
        if problem:
            # One line a folder, not one a clip.
            line = f"{path.parent}: {problem}; rename the folder, or add the class to the preset"
            if line not in reading.problems:
                reading.problems.append(line)
        else:
            split = split_of(folders[:-1] if is_labelled else folders)
            reading.annotations.append(Annotation(video, 0, None, label, split, str(path)))
    return reading


def _clip_id(path: PurePath) -> str:
    return "__".join(path.with_suffix("").parts)
