"""What a video file holds, asked of FFmpeg.

The wheel that ships FFmpeg has no ffprobe, but FFmpeg's ``framecrc`` muxer is as good for machines:
one line a packet (stream, dts, pts, duration, size, checksum, flags), and a header with the time
base and the dimensions. Copying packets there costs no decoding, so that counting the frames of an
hour of video takes seconds; a few decoded frames show that the stream decodes at all, how large it
is, and whether it is rotated or interlaced. How many frames an MP4 promises stands in a box of its
header (ISO/IEC 14496-12, 8.7.3), which FFmpeg does not print.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.index.clock import Clock

_NO_TIMESTAMP = -(2**63)
_LARGEST_TICK = 2**60
"""A time beyond it is a mistake, and kept out of all arithmetic."""
_DISCARD = 0x4
"""Flag of packets that an edit list hides: they are decoded but never shown."""
_SAMPLED_FRAMES = 16
"""Decoded to look at: as many as a codec may reorder, and an interlaced stream may hold a
progressive frame here and there."""
_LOG_BYTES = 1_000_000
_MOST_BOXES = 10_000


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
    interlaced: bool
    """Whether a frame is made of two fields, each of its own moment."""
    claimed_frames: int | None
    """Frames that the header counts, where it counts exactly (MP4 and QuickTime). None also if an
    edit list hides frames and none of them is missing."""


class Packet(NamedTuple):
    """One line of FFmpeg's report: a packet as stored, or a decoded frame."""

    dts: int
    pts: int
    duration: int
    """Ticks, as the other two."""
    data: bytes
    """Size and checksum."""
    flags: int


class Report:
    """A run of FFmpeg that tells packets or frames one by one, as they pass."""

    def __init__(self, stream: ffmpeg.Stream, *arguments: str, **options: str | int) -> None:
        """Prepare a run; iterating over the report, which can be done once, carries it out.

        Args:
            stream: From :func:`video_stream`, perhaps through filters.
            arguments: Global arguments.
            options: Of the output.
        """
        self.header: dict[str, str] = {}
        """``tb``, ``dimensions`` …, complete once the first packet came."""
        self.failed = False
        """Whether FFmpeg ended with an error."""
        self.log = ""
        """The beginning of its messages, known at the end of the run."""
        self._command = (
            stream.output("pipe:", format="framecrc", **options)
            .global_args("-nostdin", "-hide_banner", "-nostats", *arguments)
            .compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
        )

    def __iter__(self) -> Iterator[Packet]:
        with (
            tempfile.TemporaryFile() as messages,
            subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=messages) as process,
        ):
            try:
                for line in cast(IO[bytes], process.stdout):
                    if line.startswith(b"0,"):
                        yield _packet(line)
                    elif header := re.match(r"#(\w+) 0: +(\S+)$", line.decode(errors="replace")):
                        self.header[header[1]] = header[2]
            except BaseException:
                # The reader stopped early: FFmpeg would wait for ever to write the next line.
                process.kill()
                raise
            self.failed = process.wait() != 0
            messages.seek(0)
            self.log = messages.read(_LOG_BYTES).decode(errors="replace")

    @property
    def cause(self) -> str:
        """The first error of the log ("moov atom not found"): the others are its consequences."""
        found = re.search(r"\[(?:error|fatal)\] (.+)", self.log)
        return found[1].strip().rstrip(".") if found else "no frame decodes"


def probe_video(path: Path) -> Probe:
    """Go through the packets of a video's first stream and decode a few of its frames.

    Raises:
        UserError: The file is missing or empty, holds no video, or does not decode.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such video; add the file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the video file is empty; copy it again")
    sample = _sample(path)
    packets = _packets(path)
    ticks, timed = _ticks(packets, sample.times)
    if not len(ticks) or ticks[0] < -_LARGEST_TICK or ticks[-1] > _LARGEST_TICK:
        raise _timeless(path)
    gaps = np.diff(ticks)
    last = int(packets.durations[packets.pts.argmax()]) if timed else 0
    if not 0 < last < _LARGEST_TICK:
        last = int(np.median(gaps)) if len(gaps) else int(packets.durations[0])
    span = int(gaps.sum()) if len(gaps) else last
    if span <= 0:
        raise _timeless(path)
    return Probe(
        frames=len(ticks),
        fps=Fraction(max(1, len(gaps)), span) / packets.time_base,
        width=sample.width,
        height=sample.height,
        variable_frame_rate=is_variable(gaps),
        clock=Clock(np.append(ticks, ticks[-1] + last), packets.time_base),
        timed=timed,
        content=packets.content,
        rotation=sample.rotation,
        interlaced=sample.interlaced,
        claimed_frames=_claimed_frames(path, len(packets.pts)),
    )


def video_stream(path: Path, **options: str | int | None) -> ffmpeg.Stream:
    """First video stream of a file that is no cover picture, as an input of ffmpeg-python.

    Only plain containers (mp4 is a kind of mov, webm of matroska) in a local file: no playlist that
    names other files, no network. One thread: where a damaged video ends must not depend on how far
    other threads have looked ahead, and the stages fill the cores with several videos.

    Args:
        path: The file.
        options: More options of the input; None for one without a value.
    """
    return ffmpeg.input(
        f"file:{path.absolute()}",
        protocol_whitelist="file",
        format_whitelist="mov,matroska,avi",
        threads=1,
        **options,
    )["V:0"]


def decoded(stream: ffmpeg.Stream, *arguments: str, **options: str | int) -> Report:
    """Report on the frames that FFmpeg decodes, with the ticks of the container.

    Args:
        stream: From :func:`video_stream`, perhaps through filters.
        arguments: Global arguments.
        options: Of the output.
    """
    # Frames are only told of: neither copied nor converted, whatever their pixel format.
    return Report(
        stream,
        *arguments,
        **{"c:v": "wrapped_avframe", "fps_mode": "passthrough", "enc_time_base": "demux"},
        **options,
    )


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


class _Packets(NamedTuple):
    """The N packets that are shown, in the order in which they are stored."""

    dts: NDArray[np.int64]
    """(N,) times of decoding, in ticks."""
    pts: NDArray[np.int64]
    """(N,) times of presentation."""
    durations: NDArray[np.int64]
    time_base: Fraction
    content: str


def _packets(path: Path) -> _Packets:
    report = Report(video_stream(path), "-loglevel", "level+error", c="copy")
    # Numbers, not rows: three hours at 120 frames a second are 1.3 million of them.
    columns = array("q"), array("q"), array("q")
    content = hashlib.sha256()
    # A crafted index may name the same bytes again and again.
    for packet in islice(report, path.stat().st_size):
        if not packet.flags & _DISCARD:
            for column, value in zip(columns, packet[:3], strict=True):
                column.append(value)
            content.update(packet.data)
    dts, pts, durations = (np.frombuffer(column, np.int64) for column in columns)
    if report.failed or not len(pts):
        raise _unreadable(path, report)
    time_base = Fraction(report.header["tb"])
    return _Packets(dts, pts, durations, time_base, content.hexdigest())


def _ticks(packets: _Packets, decoded: list[int]) -> tuple[NDArray[np.int64], bool]:
    """When frames are shown, ascending, and whether the decoder says the same.

    Args:
        packets: What is stored.
        decoded: When the first decoded frames are shown.
    """
    stamped = packets.pts != _NO_TIMESTAMP
    # A stream that was cut out of another may begin with frames that depend on lost ones. They are
    # never shown, and may have lost their times too.
    if not stamped.any() or not stamped[_SAMPLED_FRAMES:].all():
        return np.sort(packets.dts), False
    ticks = np.sort(packets.pts[stamped])
    first = max(0, int(np.searchsorted(ticks, decoded[0], side="right")) - 1)
    if np.array_equal(ticks[first : first + len(decoded)], decoded):
        return ticks[first:], True
    return ticks, False


class _Sample(NamedTuple):
    """What the first decoded frames tell."""

    times: list[int]
    """When they are shown, in ticks."""
    width: int
    height: int
    rotation: int
    interlaced: bool


def _sample(path: Path) -> _Sample:
    # Turned frames no longer tell by how much they were turned.
    stream = video_stream(path, noautorotate=None).filter("showinfo", checksum=0)
    report = decoded(stream, "-loglevel", "level+info", **{"frames:v": _SAMPLED_FRAMES})
    frames = list(report)
    if not frames:
        raise _unreadable(path, report)
    turned = re.search(r"displaymatrix: rotation of (-?[\d.]+) degrees", report.log)
    rotation = round(-float(turned[1])) % 360 if turned else 0
    width, height = map(int, report.header["dimensions"].split("x"))
    if abs(rotation % 180 - 90) <= 1:
        width, height = height, width
    interlaced = re.search(r"\bpts_time:.* i:[TB] ", report.log) is not None
    return _Sample([frame.pts for frame in frames], width, height, rotation, interlaced)


def _packet(line: bytes) -> Packet:
    """Read a line; the flags are left out of that of an ordinary key frame."""
    _, dts, pts, duration, size, checksum, *rest = line.rstrip().split(b",")
    flags = next((int(cell[3:], 16) for cell in rest if cell.startswith(b" F=")), 0)
    return Packet(int(dts), int(pts), int(duration), size + checksum, flags)


def _claimed_frames(path: Path, shown: int) -> int | None:
    claimed = _samples_in_header(path)
    if claimed is not None and claimed > shown:
        # What an edit list hides is not missing.
        everything = Report(video_stream(path, ignore_editlist=1), c="copy")
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


def _unreadable(path: Path, report: Report) -> UserError:
    if "matches no streams" in report.log:
        return UserError(f"{path}: holds no video stream; replace the file")
    return UserError(
        f"{path}: FFmpeg cannot read the video ({report.cause}); repair or re-encode it"
    )


def _timeless(path: Path) -> UserError:
    return UserError(f"{path}: no frame of the video has a usable time; repair or re-encode it")
