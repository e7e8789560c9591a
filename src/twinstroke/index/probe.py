"""What a video file holds, asked of FFmpeg.

The wheel that ships FFmpeg has no ffprobe, but FFmpeg's ``framecrc`` muxer is as good for machines:
one line a packet (stream, dts, pts, duration, size, checksum, flags), and a header with the time
base and the dimensions. Copying packets there costs no decoding, so that counting the frames of an
hour of video takes a second; one decoded frame shows that the stream decodes at all and how large
it is once its rotation flag is obeyed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError

_NO_TIMESTAMP = -(2**63)
_DISCARD = 0x4
"""Flag of packets that an edit list hides: they are decoded but never shown."""


@dataclass(frozen=True)
class Probe:
    """A video stream."""

    frames: int
    """Frames that decoding gives, as far as the container tells."""
    fps: Fraction
    """Average frame rate in frames a second."""
    width: int
    """Pixels, as displayed: the rotation flag is applied."""
    height: int
    variable_frame_rate: bool


def probe_video(path: Path) -> Probe:
    """Count the frames of a video's first stream and decode the first of them.

    Raises:
        UserError: The file is missing or empty, holds no video, or does not decode.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such video; add the file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the video file is empty; copy it again")
    copied = _framecrc(path, c="copy")
    decoded = _framecrc(path, **{"frames:v": 1})
    rows = [line.split(",") for line in copied.splitlines() if line[:1].isdigit()]
    shown = [row for row in rows if not _flags(row) & _DISCARD]
    ticks = _timestamps(shown)
    if len(shown) == 1:
        gaps, span = 1, int(shown[0][3])
    else:
        gaps, span = len(shown) - 1, int(np.ptp(ticks)) if shown else 0
    if not span or not re.search(r"^0,", decoded, re.MULTILINE):
        raise UserError(
            f"{path}: the video holds no frame that decodes and has a time; repair or re-encode it"
        )
    width, _, height = _header(decoded, "dimensions").partition("x")
    return Probe(
        frames=len(shown),
        fps=Fraction(gaps, span) / Fraction(_header(copied, "tb")),
        width=int(width),
        height=int(height),
        variable_frame_rate=is_variable(np.diff(ticks)),
    )


def video_stream(path: Path) -> ffmpeg.Stream:
    """First video stream of a file that is no cover picture, as an input of ffmpeg-python.

    Only plain containers (mp4 is a kind of mov, webm of matroska) in a local file: no playlist that
    names other files, no network. One thread: where a damaged video ends must not depend on how far
    other threads have looked ahead, and the stages fill the cores with several videos.
    """
    return ffmpeg.input(
        f"file:{path.absolute()}",
        protocol_whitelist="file",
        format_whitelist="mov,matroska,avi",
        threads=1,
    )["V:0"]


def is_variable(gaps: NDArray[np.int64]) -> bool:
    """Tell whether the time between frames varies by more than rounding and jitter.

    Whole ticks make 33 and 34 ms of 1/30 s, and cameras jitter by a few per cent; a dropped or
    delayed frame is beyond both.

    Args:
        gaps: (N − 1,) time between neighbouring frames, in ticks of the time base.
    """
    if not len(gaps):
        return False
    usual = float(np.median(gaps))
    return bool(np.abs(gaps - usual).max() > max(1.0, 0.1 * usual))


def _framecrc(path: Path, **options: str | int) -> str:
    """Run FFmpeg on the first video stream that is no cover picture, and give its report."""
    stream = (
        video_stream(path)
        .output("pipe:", format="framecrc", **options)
        .global_args("-nostdin", "-v", "error")
    )
    try:
        report, _ = ffmpeg.run(
            stream, cmd=imageio_ffmpeg.get_ffmpeg_exe(), capture_stdout=True, capture_stderr=True
        )
    except ffmpeg.Error as error:
        message = error.stderr.decode(errors="replace")
        if "matches no streams" in message:
            raise UserError(f"{path}: holds no video stream; replace the file") from None
        # The first line names the cause ("moov atom not found"), the following its consequences.
        first = re.sub(r"^\[.*?\] ", "", message.strip().partition("\n")[0])
        raise UserError(
            f"{path}: FFmpeg cannot read the video ({first}); repair or re-encode it"
        ) from None
    return bytes(report).decode()


def _header(report: str, key: str) -> str:
    """Value of the first stream's line in the header, which FFmpeg writes before any packet."""
    header: dict[str, str] = dict(re.findall(r"^#(\w+) 0: (\S+)$", report, re.MULTILINE))
    return header[key]


def _flags(row: list[str]) -> int:
    """Flags of a packet; FFmpeg leaves them out of the line of an ordinary key frame."""
    return next((int(cell.split("=")[1], 16) for cell in row if cell.strip().startswith("F=")), 0)


def _timestamps(rows: list[list[str]]) -> NDArray[np.int64]:
    """Presentation times in ascending order, in ticks; AVI may have decoding times only."""
    pts = np.array([int(row[2]) for row in rows], np.int64)
    if (pts == _NO_TIMESTAMP).any():
        pts = np.array([int(row[1]) for row in rows], np.int64)
    return np.sort(pts)
