"""What a video file holds, asked of FFmpeg.

Its packets are counted, which costs no decoding; a few decoded frames show that the stream decodes
at all, how large it is, and whether it is rotated or interlaced. How many frames an MP4 promises
stands in a box of its header (ISO/IEC 14496-12, 8.7.3), which FFmpeg does not print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.settings.limits import DEFAULT_LIMITS, Limits
from twinstroke.video.clock import Clock
from twinstroke.video.ffmpeg import (
    SAMPLED_FRAMES,
    Report,
    VideoStream,
    decoded,
    frame_ticks,
    read_packets,
    video_stream,
    video_streams,
)

_LARGEST_TICK = 2**60
"""A time beyond it is a mistake, and kept out of all arithmetic."""
_MOST_BOXES = 10_000
_PIXEL_ASPECTS = Fraction(1, 8), Fraction(8)
"""How many times as wide as high a pixel may be; those of cameras are 1/2 to 2."""


@dataclass(frozen=True)
class Probe:
    """A video stream."""

    frames: int
    """Frames that decoding gives, as far as the container tells."""
    fps: Fraction
    """Average frame rate in frames a second."""
    usual_fps: Fraction
    """The same, but for frames that were dropped or delayed: what a camera meant."""
    width: int
    """Pixels, as displayed: square, and the rotation flag is applied."""
    height: int
    variable_frame_rate: bool
    clock: Clock
    """When each frame is shown. Time 0 is when the first of the file's streams begins: if that is
    the sound, the first frame comes later."""
    timed: bool
    """Whether decoded frames bear the times of the clock. AVI only knows when packets are decoded,
    and bad copies pass that off as the times of the frames: the clock is then a few frames off."""
    content: str
    """SHA-256 over sizes and checksums of the packets: equal for a copy in another container."""
    rotation: int
    """Degrees, 0 to 359, by which the rotation flag turns the picture clockwise."""
    mirrored: bool
    """Whether the flag also mirrors it, so that left and right change places."""
    interlaced: bool
    """Whether a frame is made of two fields, each of its own moment."""
    hdr: bool
    """Whether its brightness is stored for screens of a high dynamic range (HLG, PQ)."""
    pixel_aspect: Fraction
    """How many times as wide as high a stored pixel is displayed, before it is turned."""
    streams: Sequence[VideoStream]
    """The video streams of the file; this one is the first."""
    claimed_frames: int | None
    """Frames that the header counts, where it counts exactly (MP4 and QuickTime). None also if an
    edit list hides frames and none of them is missing, and for one of several streams."""


def probe_video(path: Path, limits: Limits = DEFAULT_LIMITS) -> Probe:
    """Go through the packets of a video's first stream and decode a few of its frames.

    Args:
        path: The video.
        limits: Of the runs of FFmpeg.

    Raises:
        UserError: The file is missing or empty, holds no video, or does not decode.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such video; add the file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the video file is empty; copy it again")
    streams = video_streams(path, limits)
    sample = _sample(path, limits)
    packets = read_packets(path, limits)
    ticks, timed = frame_ticks(packets, sample.times)
    if not len(ticks) or ticks[0] < -_LARGEST_TICK or ticks[-1] > _LARGEST_TICK:
        raise _timeless(path)
    gaps = np.diff(ticks)
    last = int(packets.durations[packets.pts.argmax()]) if timed else 0
    if not 0 < last < _LARGEST_TICK:
        last = int(np.median(gaps)) if len(gaps) else int(packets.durations[0])
    span = int(gaps.sum()) if len(gaps) else last
    if span <= 0:
        raise _timeless(path)
    usual = _usual(gaps)
    return Probe(
        frames=len(ticks),
        fps=Fraction(max(1, len(gaps)), span) / packets.time_base,
        usual_fps=Fraction(len(usual) or 1, int(usual.sum()) or span) / packets.time_base,
        width=sample.width,
        height=sample.height,
        variable_frame_rate=len(usual) < len(gaps),
        clock=Clock(np.append(ticks, ticks[-1] + last), packets.time_base),
        timed=timed,
        content=packets.content,
        rotation=sample.rotation,
        mirrored=sample.mirrored,
        interlaced=sample.interlaced,
        hdr=sample.hdr,
        pixel_aspect=sample.pixel_aspect,
        streams=streams,
        # The header does not number streams as FFmpeg does.
        claimed_frames=_claimed_frames(path, len(packets.pts), limits)
        if len(streams) < 2
        else None,
    )


def is_variable(gaps: NDArray[np.int64]) -> bool:
    """Tell whether the time between frames varies by more than rounding and jitter.

    Whole ticks make 33 and 34 ms of 1/30 s, and cameras jitter by a few per cent; a dropped or
    delayed frame is beyond both.

    Args:
        gaps: (N − 1,) time between neighbouring frames, in ticks of the time base.
    """
    return len(_usual(gaps)) < len(gaps)


def _usual(gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times between frames that are the median one, but for rounding and jitter."""
    if not len(gaps):
        return gaps
    usual = float(np.median(gaps))
    near: NDArray[np.bool_] = np.abs(gaps - usual) <= max(1.0, 0.1 * usual)
    return gaps[near]


class _Sample(NamedTuple):
    """What the first decoded frames tell."""

    times: list[int]
    """When they are shown, in ticks."""
    width: int
    height: int
    rotation: int
    mirrored: bool
    interlaced: bool
    hdr: bool
    pixel_aspect: Fraction


def _sample(path: Path, limits: Limits) -> _Sample:
    # Turned frames no longer tell by how much they were turned.
    stream = video_stream(path, limits, noautorotate=None).filter("showinfo", checksum=0)
    few = {"frames:v": SAMPLED_FRAMES}
    report = decoded(path, stream, limits, "-loglevel", "level+info", **few)
    frames = list(report)
    if not frames:
        raise report.run.unreadable()
    log = report.run.log
    turned = re.search(r"displaymatrix: rotation of (-?[\d.]+) degrees", log)
    rotation = round(-float(turned[1])) % 360 if turned else 0
    width, height = map(int, report.header["dimensions"].split("x"))
    numerator, denominator = map(int, report.header.get("sar", "1/1").split("/"))
    # 0: not known.
    aspect = Fraction(numerator, denominator) if numerator and denominator else Fraction(1)
    if not _PIXEL_ASPECTS[0] <= aspect <= _PIXEL_ASPECTS[1]:
        raise UserError(
            f"{path}: its pixels claim to be {float(aspect):.4g} times as wide as high; "
            "put that right in a copy: ffmpeg -i … -c copy -aspect 16:9 …"
        )
    width = max(1, round(width * aspect))
    if abs(rotation % 180 - 90) <= 1:
        width, height = height, width
    mirrored = turned is not None and _is_mirrored(path, limits)
    interlaced = re.search(r"\bpts_time:.* i:[TB] ", log) is not None
    hdr = re.search(r"\bcolor_trc:(arib-std-b67|smpte2084)\b", log) is not None
    times = [frame.pts for frame in frames]
    return _Sample(times, width, height, rotation, mirrored, interlaced, hdr, aspect)


def _is_mirrored(path: Path, limits: Limits) -> bool:
    """Tell whether the filters by which FFmpeg obeys a rotation flag mirror the picture.

    The angle does not tell: FFmpeg gives that of a mirror as if it were a turn.
    """
    report = decoded(
        path, video_stream(path, limits), limits, "-loglevel", "level+debug", **{"frames:v": 1}
    )
    for _ in report:
        pass
    log = report.run.log
    flips = {kind for kind in ("hflip", "vflip") if f"Filter '{kind}' formats" in log}
    # A transposition with a flip is a turn by 90° that also mirrors.
    flips |= {"transpose"} & set(re.findall(r"(transpose) @ .*'dir' to value 'c?clock_flip'", log))
    return len(flips) % 2 == 1


def _claimed_frames(path: Path, shown: int, limits: Limits) -> int | None:
    claimed = _samples_in_header(path)
    if claimed is not None and claimed > shown:
        # What an edit list hides is not missing.
        everything = Report(path, video_stream(path, limits, ignore_editlist=1), limits, c="copy")
        if sum(1 for _ in islice(everything, claimed)) == claimed:
            return None
    return claimed


def _samples_in_header(path: Path) -> int | None:
    """Number of frames in the header of an MP4 or QuickTime file; None if it has no such number."""
    with path.open("rb") as file:
        whole = [(0, path.stat().st_size)]
        for track in _inside(file, whole, b"moov", b"trak"):
            media = _inside(file, [track], b"mdia")
            # Both boxes begin with eight other bytes.
            kinds = [_bytes(file, begin + 8, 4) for begin, _ in _inside(file, media, b"hdlr")]
            if kinds == [b"vide"]:
                tables = _inside(file, media, b"minf", b"stbl")
                sizes = _inside(file, tables, b"stsz") + _inside(file, tables, b"stz2")
                # A fragmented file counts in its fragments.
                return int.from_bytes(_bytes(file, sizes[0][0] + 8, 4)) or None if sizes else None
    return None


def _inside(file: IO[bytes], places: list[tuple[int, int]], *kinds: bytes) -> list[tuple[int, int]]:
    """Beginning and end of what boxes hold: those of the first kind, in them the second …."""
    for kind in kinds:
        places = [
            (begin, end)
            for place in places
            for found, begin, end in islice(_boxes(file, *place), _MOST_BOXES)
            if found == kind
        ]
    return places


def _boxes(file: IO[bytes], begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while begin + 8 <= end:
        header, size = 8, int.from_bytes(_bytes(file, begin, 4))
        kind = _bytes(file, begin + 4, 4)
        if size == 0:
            size = end - begin
        elif size == 1:
            header, size = 16, int.from_bytes(_bytes(file, begin + 8, 8))
        if size < header:
            return
        yield kind, begin + header, min(begin + size, end)
        begin += size


def _bytes(file: IO[bytes], begin: int, count: int) -> bytes:
    file.seek(begin)
    return file.read(count)


def _timeless(path: Path) -> UserError:
    return UserError(f"{path}: no frame of the video has a usable time; repair or re-encode it")
