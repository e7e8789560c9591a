"""How films are encoded: H.264 in MP4 that browsers play, the same bytes for the same frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from twinstroke.files import FULL

REMOVE_SEI = "filter_units=remove_types=6"
"""x264 writes its version and settings into the stream as an SEI unit (type 6)."""

BROWSER_MP4: Mapping[str, str | int] = {
    "format": "mp4",
    "vcodec": "libx264",
    "pix_fmt": "yuv420p",
    "preset": "medium",
    "crf": 23,
    # With several, the bytes would depend on how many there are.
    "threads": 1,
    "flags": "+bitexact",
    "fflags": "+bitexact",
    # A browser can begin before it has the end.
    "movflags": "+faststart",
    "map_metadata": -1,
    "bsf:v": REMOVE_SEI,
}
"""Options of FFmpeg's output, for frames whose sides are even."""


def write_frames(output: ffmpeg.Stream, frames: Iterable[NDArray[np.uint8]], file: Path) -> None:
    """Send frames to a run of FFmpeg, which writes a file of them.

    Args:
        output: What FFmpeg makes of its standard input.
        frames: As its input expects them.
        file: Which it writes; for messages.

    Raises:
        OSError: The disk is full.
        RuntimeError: FFmpeg failed otherwise; the message is its own.
    """
    process = output.overwrite_output().run_async(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdin=True, pipe_stderr=True
    )
    # Leaving the block closes the pipe and waits, so FFmpeg does not outlive an error in `frames`.
    with process:
        with suppress(BrokenPipeError):  # FFmpeg has stopped, and says why below
            for frame in frames:
                process.stdin.write(frame.data)
        _, message = process.communicate()
    if process.returncode:
        said = message.decode(errors="replace")
        for number in FULL:
            if os.strerror(number) in said:
                raise OSError(number, os.strerror(number), str(file))
        raise RuntimeError(f"ffmpeg could not encode {file}: {said}")
