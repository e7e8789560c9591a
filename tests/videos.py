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
LOSSY: dict[str, str | int] = {"c:v": "libx264", "crf": 20, "pix_fmt": "yuv420p"}


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
    terms = [f"gte(N,{n})*{gap}" for n, gap in enumerate(gaps)]
    # FFmpeg refuses a sum of a hundred terms in a row.
    rows = [terms[begin : begin + 50] for begin in range(0, len(terms), 50)]
    pts = "+".join(f"({'+'.join(row)})" for row in rows)
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


def write_rotated_copy(path: Path, source: Path, degrees: int, *, mirror: str = "") -> Path:
    """Copy a video and set its rotation flag (counter-clockwise); no pixel changes.

    `mirror` is ``hflip`` or ``vflip``: as well, and after turning.
    """
    flip: dict[str, None] = {f"display_{mirror}": None} if mirror else {}
    _run(ffmpeg.input(str(source), display_rotation=degrees, **flip).output(str(path), c="copy"))
    return path


def write_trimmed_copy(path: Path, source: Path, start_s: float) -> Path:
    """Cut the beginning off without re-encoding: an edit list hides the packets before it."""
    _run(ffmpeg.input(str(source), ss=start_s).output(str(path), c="copy"))
    return path


def write_copy(path: Path, source: Path, **options: str) -> Path:
    """Put the same packets into another container."""
    _run(ffmpeg.input(str(source)).output(str(path), c="copy", **options))
    return path


def write_late_copy(path: Path, source: Path, delay_s: float) -> Path:
    """Copy a video so that its times do not begin at 0, as a part of a longer recording."""
    _run(ffmpeg.input(str(source), itsoffset=delay_s).output(str(path), c="copy"))
    return path


def write_copy_with_hidden_beginning(path: Path, source: Path, hidden_s: float) -> Path:
    """Copy all packets, and let an edit list hide the beginning, as phones trim."""
    _run(ffmpeg.input(str(source), itsoffset=-hidden_s).output(str(path), c="copy"))
    return path


def write_copy_after_sound(path: Path, source: Path, delay_s: float) -> Path:
    """Copy a video so that it begins `delay_s` after a sound, which also lasts a second longer.

    The sound is the first stream of the file.
    """
    sound = ffmpeg.input(f"sine=duration={delay_s + 1}", f="lavfi")
    video = ffmpeg.input(str(source), itsoffset=delay_s)
    _run(ffmpeg.output(sound, video["v"], str(path), **{"c:v": "copy"}))
    return path


def write_interlaced_video(
    path: Path, frames: Frames, fps: int = 50, *, first: str = "tff"
) -> Path:
    """Write frames as two fields each: H.264 in .mp4 and .mkv, MPEG-4 in .avi.

    The top field is the first one (``tff``), or the bottom field (``bff``).
    """
    x264 = {"c:v": "libx264", "x264opts": f"{first}=1"}
    codec = {"c:v": "mpeg4"} if path.suffix == ".avi" else x264
    output = (
        _pipe(frames, fps)
        .filter("setfield", first)
        .output(str(path), **codec, pix_fmt="yuv420p", flags="+ildct+ilme")
    )
    _run(output, frames)
    return path


def write_refreshed_video(path: Path, frames: Frames) -> Path:
    """Write a video without key frames but the first: a stripe of every frame is renewed."""
    refresh = {"x264-params": "intra-refresh=1:keyint=60:bframes=0"}
    _run(_pipe(frames, 60).output(str(path), **LOSSY, **refresh), frames)
    return path


def write_grouped_video(path: Path, frames: Frames, group: int = 12, codec: str = "h264") -> Path:
    """Write a lossy video at 60 fps with a key frame every `group` frames, in closed groups.

    The codec is ``h264``, ``mpeg4`` or ``mpeg2`` with B-frames, ``hevc`` (open groups), ``vp9``,
    ``wmv`` or ``mjpeg`` (nothing but key frames).
    """
    options: dict[str, dict[str, str | int]] = {
        "h264": {"c:v": "libx264", "x264-params": f"keyint={group}:scenecut=0:bframes=2"},
        "hevc": {"c:v": "libx265", "x265-params": f"keyint={group}:open-gop=1:log-level=error"},
        "mpeg4": {"c:v": "mpeg4", "g": group, "bf": 2, "sc_threshold": 1_000_000_000},
        "mpeg2": {"c:v": "mpeg2video", "g": group, "bf": 2, "sc_threshold": 1_000_000_000},
        "wmv": {"c:v": "wmv2", "g": group},
        "vp9": {"c:v": "libvpx-vp9", "g": group, "deadline": "realtime", "cpu-used": 8},
        "mjpeg": {"c:v": "mjpeg", "strict": "unofficial"},
    }
    _run(_pipe(frames, 60).output(str(path), pix_fmt="yuv420p", **options[codec]), frames)
    return path


def write_joined_video(
    path: Path, frames: Frames, *changes: dict[str, str | int], degrees: int = 0
) -> list[Path]:
    """Write a part of the frames for each of `changes`, and join them as they are.

    Args:
        path: Of the whole.
        frames: Shared out evenly, at 60 fps with a key frame every 12.
        changes: Of each part: ``size`` (``64x48``), ``pix_fmt``, ``color_range`` (``pc``), or any
            other option of the encoder.
        degrees: Of the rotation flag.

    Returns:
        The parts, alone in files of their own.
    """
    parts = []
    for number, (own, change) in enumerate(
        zip(np.split(frames, len(changes)), changes, strict=True)
    ):
        part = path.with_name(f"{path.stem}-{number}{path.suffix}")
        options: dict[str, str | int] = {**LOSSY, "g": 12, "bf": 0, **change}
        size = str(options.pop("size", f"{frames.shape[2]}x{frames.shape[1]}")).split("x")
        tones = str(options.get("color_range", "tv"))
        scaled = _pipe(own, 60).filter("scale", *size, out_range=tones)
        _run(scaled.output(str(part), **options), own)
        parts.append(part)
    order = path.with_suffix(".ffconcat")
    order.write_text("".join(f"file '{part.name}'\n" for part in parts), encoding="utf-8")
    joined = path.with_name(f"{path.stem}-level{path.suffix}") if degrees else path
    _run(ffmpeg.input(str(order), format="concat").output(str(joined), c="copy"))
    if degrees:
        write_rotated_copy(path, joined, degrees)
    return parts


def write_video_with_hidden_frames(path: Path, frames: Frames, codec: str = "libvpx") -> Path:
    """Write frames at 30 fps in VP8 or VP9, with more that are never shown: others refer to them.

    A key frame comes every 12.
    """
    ahead: dict[str, str | int] = {"auto-alt-ref": 1, "lag-in-frames": 16, "arnr-maxframes": 7}
    for number in (1, 2):
        options: dict[str, str | int] = {"c:v": codec, "b:v": "200k", "g": 12, "pix_fmt": "yuv420p"}
        log: dict[str, str | int] = {"pass": number, "passlogfile": f"{path}.log"}
        _run(_pipe(frames, 30).output(str(path), **options, **ahead, **log), frames)
    return path


def write_cut_in_open_group(path: Path, frames: Frames, start_s: float) -> Path:
    """Cut at a key frame that is shown after frames which also depend on the group before it."""
    whole = path.with_name(f"{path.stem}-whole.mp4")
    groups = {"x264-params": "keyint=12:open-gop=1:bframes=3:b-adapt=0"}
    _run(_pipe(frames, 60).output(str(whole), **LOSSY, **groups), frames)
    return write_trimmed_copy(path, whole, start_s)


def write_squeezed_video(path: Path, frames: Frames, aspect: Fraction) -> Path:
    """Write lossy frames at 30 fps with fewer, wider pixels, as DV, HDV and AVCHD have them.

    Args:
        path: Of the video.
        frames: As they are to be seen.
        aspect: How many times as wide as high a pixel of the file is.
    """
    _, height, width, _ = frames.shape
    squeezed = _pipe(frames, 30).filter("scale", int(width / aspect), height)
    output = squeezed.filter("setsar", str(aspect)).output(str(path), **LOSSY)
    _run(output, frames)
    return path


def write_damaged_copy(path: Path, source: Path, packet: int) -> Path:
    """Overwrite most of one packet of a file that holds nothing but one video stream."""
    report, _ = (
        ffmpeg.input(str(source))
        .output("pipe:", format="framecrc", c="copy")
        .global_args("-v", "error", "-nostdin")
        .run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), capture_stdout=True)
    )
    sizes = [int(line.split(b",")[4]) for line in report.splitlines() if line[:1] == b"0"]
    content = bytearray(source.read_bytes())
    begin = content.index(b"mdat") + 4 + sum(sizes[:packet])
    for place in range(begin + 8, begin + sizes[packet]):
        content[place] = content[place] * 7 % 256 ^ 0x5A
    path.write_bytes(content)
    return path


def write_truncated_copy(path: Path, source: Path, share: float) -> Path:
    """Keep the first part of the bytes, as an interrupted download does.

    The index of the packets stands first (``faststart``), so it still promises all frames.
    """
    content = source.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def write_streams(path: Path, *sources: Path, default: int | None = None) -> Path:
    """Put the video streams of several files into one, of which one may be the default."""
    marks = {
        f"disposition:v:{number}": "default" if number == default else "0"
        for number in range(len(sources))
    }
    inputs = [ffmpeg.input(str(source))["v"] for source in sources]
    _run(ffmpeg.output(*inputs, str(path), c="copy", **marks))
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
