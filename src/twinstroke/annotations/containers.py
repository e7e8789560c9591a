"""Which video files are read, by their suffixes, and how others become such."""

from __future__ import annotations

import shlex
from pathlib import Path

VIDEO_SUFFIXES = (".3g2", ".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""Of videos whose frames are found exactly, in lower case."""
REWRAPPED = {
    **dict.fromkeys(
        (".m2ts", ".mod", ".mts", ".mpeg", ".mpg", ".mxf", ".tod", ".ts", ".vob"), "mp4"
    ),
    **dict.fromkeys((".asf", ".dv", ".flv", ".wmv"), "mkv"),
}
"""Suffixes of other videos, and that of a container which takes their frames as they are. Most of
them have no index, and times that may begin again or are left out."""


def unread(path: Path) -> tuple[str, str]:
    """What to say of a video with one of the suffixes in `REWRAPPED`: what it is, what to do."""
    known = ", ".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
    copy = path.with_suffix(f".{REWRAPPED[path.suffix.lower()]}")
    # Some times are left out in MPEG program streams.
    command = ["ffmpeg", "-fflags", "+genpts", "-i", str(path), "-c", "copy", str(copy)]
    return (
        f"is no video that is read: {path.suffix[1:]} has no exact index, as {known} have",
        f"copy it without loss: {shlex.join(command)}",
    )
