"""Small test videos, made by FFmpeg itself: exact, variable, rotated and broken ones.

Frames are always arrays (N, H, W, 3) uint8 RGB. Lossless videos give them back bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

LOSSLESS = {"c:v": "libx264rgb", "qp": 0, "preset": "ultrafast"}
LOSSY = {"c:v": "libx264", "crf": 20, "pix_fmt": "yuv420p"}


def distinct_frames(count: int, height: int = 18, width: int = 32) -> Frames:
    """Frames that differ from each other and within themselves (up to 256 of them).

    The pixel (n, y, x, c) is (7n + 3y + x + 50c) mod 256, so that the first pixel's red tells n.
    """
    n, y, x, c = np.ogrid[:count, :height, :width, :3]
    return np.asarray((7 * n + 3 * y + x + 50 * c) % 256, np.uint8)


def write_video(
    path: Path, frames: Frames, fps: int | Fraction = 120, *, lossless: bool = True
) -> Path:
    """Write a video of constant frame rate; the suffix chooses the container.

    Lossy video is what cameras give: H.264 with B-frames in yuv420p, even sides only.
    """
    output = _pipe(frames, fps).output(
        str(path), **(LOSSLESS if lossless else LOSSY), movflags="faststart"
    )
    _run(output, frames)
    return path


def write_vfr_video(path: Path, frames: Frames, times_s: Sequence[float]) -> Path:
    """Write lossless frames that are shown at the given times, to 1/90000 s (.mkv: to 1 ms)."""
    ticks = np.round(np.asarray(times_s) * 90_000).astype(int)
    gaps = np.diff(ticks, prepend=0)
    pts = "+".join(f"gte(N,{n})*{gap}" for n, gap in enumerate(gaps))
    output = (
        _pipe(frames, 1)
        .filter("settb", "1/90000")
        .filter("setpts", pts)
        .output(
            str(path),
            **LOSSLESS,
            fps_mode="passthrough",
            enc_time_base="1/90000",
            movflags="faststart",
        )
    )
    _run(output, frames)
    return path


def write_rotated_copy(path: Path, source: Path, degrees: int) -> Path:
    """Copy a video and set its rotation flag (counter-clockwise); no pixel changes."""
    _run(ffmpeg.input(str(source), display_rotation=degrees).output(str(path), c="copy"))
    return path


def write_trimmed_copy(path: Path, source: Path, start_s: float) -> Path:
    """Cut the beginning off without re-encoding: an edit list hides the packets before it."""
    _run(ffmpeg.input(str(source), ss=start_s).output(str(path), c="copy"))
    return path


def write_truncated_copy(path: Path, source: Path, share: float) -> Path:
    """Keep the first part of the bytes, as an interrupted download does.

    The index of the packets stands first (``faststart``), so it still promises all frames.
    """
    content = source.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def write_sound(path: Path) -> Path:
    """Write a file that has sound but no video stream."""
    _run(ffmpeg.input("sine=duration=0.2", f="lavfi").output(str(path)))
    return path


def _pipe(frames: Frames, fps: int | Fraction) -> ffmpeg.Stream:
    _, height, width, _ = frames.shape
    return ffmpeg.input(
        "pipe:", f="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=str(Fraction(fps))
    )


def _run(output: ffmpeg.Stream, frames: Frames | None = None) -> None:
    output.global_args("-v", "error", *(["-nostdin"] if frames is None else [])).run(
        cmd=imageio_ffmpeg.get_ffmpeg_exe(),
        input=None if frames is None else frames.tobytes(),
        overwrite_output=True,
        capture_stderr=True,
    )
