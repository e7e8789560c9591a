"""Video files, read by FFmpeg: within limits of time, memory and disk, whatever is in them.

The wheel that ships FFmpeg has no ffprobe, but FFmpeg's ``framecrc`` muxer is as good for machines:
one line a packet (stream, dts, pts, duration, size, checksum, flags), and a header with the time
base and the dimensions. Copying packets there costs no decoding, so that counting the frames of an
hour of video takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import selectors
import subprocess
import time
from array import array
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.settings.limits import Limits

SAMPLED_FRAMES = 16
"""Decoded to look at: as many as a codec may reorder, and an interlaced stream may hold a
progressive frame here and there."""
_NO_TIMESTAMP = -(2**63)
_KEY = 0x1
_DISCARD = 0x4
"""Flag of packets that an edit list hides: they are decoded but never shown."""
_IVF_FILE, _IVF_FRAME = 32, 12
"""Bytes of IVF's headers; that of a frame begins with its size (4 bytes, the lowest first)."""
_VP8_SHOWN = 0x10
"""Bit of the first byte of a frame of VP8: whether it is shown (RFC 6386, 9.1)."""
_LOG_BYTES = 1_000_000
_STREAM = re.compile(r"^\[info\]   Stream #0:(\d+).*?: Video: (.*)$", re.MULTILINE)
_SIZE = re.compile(r", (\d+)x(\d+)\b")
_TURNS = "Display Matrix: rotation of"
_CHANGE = re.compile(
    r"filter context - w: (\d+) h: (\d+) fmt: (-?\d+) .*"
    r"incoming frame - w: (\d+) h: (\d+) fmt: (-?\d+) .* pts_time: (\S+)"
)
"""What FFmpeg logs of a frame that is unlike those before it."""
_CHUNK_BYTES = 1 << 20


class VideoStream(NamedTuple):
    """One of the video streams of a file, cover pictures left out."""

    number: int
    """Among all of the file's streams."""
    width: int
    """Pixels as stored; 0 if that is not known before decoding."""
    height: int
    is_default: bool
    """Whether the file says that players should take it."""


def video_stream(path: Path, limits: Limits, **options: str | int | None) -> ffmpeg.Stream:
    """The video stream of a file, as an input of ffmpeg-python: the first of `video_streams`.

    One thread: where a damaged video ends must not depend on how far other threads have looked
    ahead, and the stages fill the cores with several videos.

    Args:
        path: The file.
        limits: Which frames are too large.
        options: More options of the input; None for one without a value.

    Raises:
        UserError: FFmpeg hangs while it opens the file.
    """
    # Where the size or the colours change midway, the filters go on: made anew, they would count
    # frames from 0 again. The filter `scale` follows such changes.
    whole = _input(path, limits, reinit_filter=0, **options)
    streams = video_streams(path, limits)
    return whole[str(streams[0].number) if len(streams) > 1 else "V:0"]


def video_streams(path: Path, limits: Limits) -> tuple[VideoStream, ...]:
    """The video streams of a file, the one that is used first; none if it cannot be read.

    Used is what the file has for the default; of several, or if none is, the largest; of equal
    ones the first.

    Args:
        path: The file.
        limits: How long FFmpeg may be silent.

    Raises:
        UserError: FFmpeg hangs while it opens the file.
    """
    if not path.exists():
        return ()
    state = path.stat()
    return _video_streams(path, limits, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1024)
def _video_streams(
    path: Path, limits: Limits, size: int, changed_ns: int
) -> tuple[VideoStream, ...]:
    # It tells of all streams before it copies the first packet.
    output = ffmpeg.output(_input(path, limits), "pipe:", format="null", c="copy", t=0)
    run = Run(path, output, limits, "-loglevel", "level+info")
    next(iter(run), None)
    streams = []
    for number, told in _STREAM.findall(run.log.partition("[info] Output #0")[0]):
        if not re.search(r"\((attached pic|timed thumbnails)\)", told):
            width, height = map(int, next(iter(_SIZE.findall(told)), (0, 0)))
            streams.append(VideoStream(int(number), width, height, "(default)" in told))
    return tuple(sorted(streams, key=lambda s: (not s.is_default, -s.width * s.height)))


def _input(path: Path, limits: Limits, **options: str | int | None) -> ffmpeg.Stream:
    """A file as an input.

    Only plain containers (mp4 is a kind of mov, webm of matroska) in a local file: no playlist that
    names other files, no network.
    """
    return ffmpeg.input(
        f"file:{path.absolute()}",
        protocol_whitelist="file",
        format_whitelist="mov,matroska,avi",
        threads=1,
        max_pixels=limits.max_pixels,
        **options,
    )


class Run:
    """A run of FFmpeg, read as it goes."""

    def __init__(self, source: Path, output: ffmpeg.Stream, limits: Limits, *arguments: str):
        """Prepare a run; iterating over it, which can be done once, carries it out.

        Args:
            source: The video, to be named where something is wrong.
            output: What it makes, on ``pipe:``.
            limits: How long it may be silent.
            arguments: Global arguments; ``-loglevel`` must begin with ``level+``, and be
                ``level+info`` where pixels matter: only then is it seen that they are wrong.
        """
        self.failed = False
        """Whether FFmpeg ended with an error; known at the end of the run."""
        self._status = 0
        self._source = source
        self._limits = limits
        self._log = bytearray()
        self._command = output.global_args(
            "-nostdin", "-hide_banner", "-nostats", *arguments
        ).compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())

    def __iter__(self) -> Iterator[bytes]:
        """Yield the output piece by piece.

        Raises:
            UserError: FFmpeg gave nothing for too long; or frames were turned and changed midway,
                so that they are wrong.
        """
        with subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield from self._pieces(process)
                self._status = process.wait(self._limits.timeout_s)
                self.failed = self._status != 0
                self._check_turned()
            except (TimeoutError, subprocess.TimeoutExpired):
                process.kill()
                raise UserError(
                    f"{self._source}: FFmpeg gave nothing for {self._limits.timeout_s:g} s and was "
                    "ended; copy the video again, re-encode it, or raise decode.timeout_s"
                ) from None
            except BaseException:
                # The reader stopped early: FFmpeg would wait for ever to write the next piece.
                process.kill()
                raise

    def _pieces(self, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
        output = cast(IO[bytes], process.stdout)
        with selectors.DefaultSelector() as selector:
            for stream in (output, process.stderr):
                selector.register(cast(IO[bytes], stream), selectors.EVENT_READ)
            deadline = time.monotonic() + self._limits.timeout_s
            while selector.get_map():
                # Messages are no progress: there may be no end of them.
                ready = selector.select(max(0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    data = os.read(key.fd, _CHUNK_BYTES)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is output:
                        yield data
                        # Only now, because the reader may have taken its time.
                        deadline = time.monotonic() + self._limits.timeout_s
                    else:
                        self._log += data[: _LOG_BYTES - len(self._log)]

    def _check_turned(self) -> None:
        """See that frames which a rotation flag turns are all alike: `transpose` needs that."""
        if _TURNS not in self.log or "-noautorotate" in self._command:
            return
        for *shapes, moment in _CHANGE.findall(self.log):
            before, after = shapes[:3], shapes[3:]
            if before != after:
                raise UserError(
                    f"{self._source}: its frames change from {'×'.join(before[:2])} to "
                    f"{'×'.join(after[:2])} or in their format, first the one at {moment} s, and "
                    "its rotation flag cannot be obeyed any more; cut it there, or re-encode it"
                )

    @property
    def log(self) -> str:
        """The beginning of FFmpeg's messages, complete at the end of the run."""
        return self._log.decode(errors="replace")

    @property
    def cause(self) -> str:
        """The first error of the log ("moov atom not found"): the others are its consequences."""
        found = re.search(r"\[(?:error|fatal)\] (.+)", self.log)
        return found[1].strip().rstrip(".") if found else "no frame decodes"

    def unreadable(
        self,
        what: str = "FFmpeg cannot read the video",
        advice: str = "repair or re-encode it",
    ) -> UserError:
        """The error to raise where the run gave not what is needed.

        Args:
            what: What went wrong, in a few words.
            advice: What to do.
        """
        if self._status < 0:
            return UserError(
                f"{self._source}: FFmpeg was ended by signal {-self._status}: it crashed on this "
                "video, was killed, or memory ran out; run dvc repro again, and re-encode the "
                "video if that does not help"
            )
        if "matches no streams" in self.log:
            return UserError(f"{self._source}: holds no video stream; replace the file")
        if "max pixel count" in self.log:
            return UserError(
                f"{self._source}: its frames are larger than decode.max_pixels "
                f"({self._limits.max_pixels:,}); raise that, or make the video smaller"
            )
        return UserError(f"{self._source}: {what} ({self.cause}); {advice}")


class Packet(NamedTuple):
    """One line of FFmpeg's report: a packet as stored, or a decoded frame."""

    dts: int
    pts: int
    duration: int
    """Ticks, as the other two."""
    data: bytes
    """Size and checksum."""
    flags: int
    stream: int
    """Which one of those that are reported on."""


class Report:
    """A run of FFmpeg that tells packets or frames one by one, as they pass."""

    def __init__(
        self,
        source: Path,
        stream: ffmpeg.Stream | list[ffmpeg.Stream],
        limits: Limits,
        *arguments: str,
        **options: str | int,
    ) -> None:
        """Prepare a run; iterating over the report, which can be done once, carries it out.

        Args:
            source: The video, to be named where something is wrong.
            stream: From :func:`video_stream`, perhaps through filters; a list to report on
                several, or twice on one, each with options of its own (``c:v:1``).
            limits: How long it may be silent.
            arguments: Global arguments.
            options: Of the output.
        """
        self.header: dict[str, str] = {}
        """Of the first stream: ``tb``, ``dimensions`` …, complete once its first packet came."""
        streams = stream if isinstance(stream, list) else [stream]
        output = ffmpeg.output(*streams, "pipe:", format="framecrc", **options)
        self.run = Run(source, output, limits, *arguments)

    def __iter__(self) -> Iterator[Packet]:
        rest = b""
        for piece in self.run:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if not line.startswith(b"#"):
                    yield _packet(line)
                elif header := re.match(r"#(\w+) 0: +(\S+)$", line.decode(errors="replace")):
                    self.header[header[1]] = header[2]


def _packet(line: bytes) -> Packet:
    """Read a line; the flags are left out of that of an ordinary key frame."""
    stream, dts, pts, duration, size, checksum, *rest = line.rstrip().split(b",")
    flags = next((int(cell[3:], 16) for cell in rest if cell.startswith(b" F=")), _KEY)
    return Packet(int(dts), int(pts), int(duration), size + checksum, flags, int(stream))


def decoded(
    source: Path, stream: ffmpeg.Stream, limits: Limits, *arguments: str, **options: str | int
) -> Report:
    """Report on the frames that FFmpeg decodes, with the ticks of the container.

    Args:
        source: The video.
        stream: From :func:`video_stream`, perhaps through filters.
        limits: How long FFmpeg may be silent.
        arguments: Global arguments.
        options: Of the output.
    """
    # Frames are only told of: neither copied nor converted, whatever their pixel format.
    return Report(
        source,
        stream,
        limits,
        *arguments,
        **{"c:v": "wrapped_avframe", "fps_mode": "passthrough", "enc_time_base": "demux"},
        **options,
    )


class Packets(NamedTuple):
    """The N packets that are shown, in the order in which they are stored."""

    dts: NDArray[np.int64]
    """(N,) times of decoding, in ticks."""
    pts: NDArray[np.int64]
    """(N,) times of presentation."""
    durations: NDArray[np.int64]
    keys: NDArray[np.bool_]
    """(N,) whether the container says that a player can enter there."""
    time_base: Fraction
    """Seconds a tick."""
    codec: str
    """FFmpeg's name: ``h264``."""
    content: str
    """SHA-256 over sizes and checksums of the packets."""
    with_units: NDArray[np.int64]
    """(M,) times of presentation of packets that hold the units that were asked for."""


def read_packets(path: Path, limits: Limits, *arguments: str, units: str | None = None) -> Packets:
    """Go through the packets of a video's first stream; nothing is decoded.

    Args:
        path: The video.
        limits: How long FFmpeg may be silent.
        arguments: Global arguments: ``-copyts`` gives the times as stored; without it, time 0 is
            when the first of the file's streams begins.
        units: Types of units (NAL) to look for in H.264 or HEVC: ``5``, ``16-21``.

    Raises:
        UserError: There is nothing to read.
    """
    # All packets are told of, also where few hold such units: FFmpeg must not seem to hang.
    streams, options = [video_stream(path, limits)], {"c": "copy"}
    if units is not None:
        streams *= 2
        # Without the second option, packets would wait for one with such units.
        options |= {"bsf:v:1": f"filter_units=pass_types={units}", "max_interleave_delta": "1"}
    report = Report(path, streams, limits, "-loglevel", "level+error", *arguments, **options)
    # Numbers, not rows: three hours at 120 frames a second are 1.3 million of them.
    columns = array("q"), array("q"), array("q"), array("q"), array("q")
    with_units = array("q")
    content = hashlib.sha256()
    # A crafted index may name the same bytes again and again.
    stored = 0
    for packet in islice(report, path.stat().st_size):
        if packet.stream == 1:
            with_units.append(packet.pts)
            continue
        stored += 1
        if not packet.flags & _DISCARD:
            numbers = packet.dts, packet.pts, packet.duration, packet.flags & _KEY, stored - 1
            for column, value in zip(columns, numbers, strict=True):
                column.append(value)
            content.update(packet.data)
    found = np.frombuffer(with_units, np.int64)
    if report.run.failed and units is not None:
        # At a packet that cannot be cut into units; without that, all may be well.
        return read_packets(path, limits, *arguments)._replace(with_units=found)
    dts, pts, durations, keys, places = (np.frombuffer(column, np.int64) for column in columns)
    if report.run.failed or not len(pts):
        raise report.run.unreadable()
    time_base, codec = Fraction(report.header["tb"]), report.header.get("codec_id", "")
    if codec == "vp8":
        shown = _shown_of_vp8(path, limits, stored)[places]
        dts, pts, durations, keys = (column[shown] for column in (dts, pts, durations, keys))
    return Packets(dts, pts, durations, keys == 1, time_base, codec, content.hexdigest(), found)


def _shown_of_vp8(path: Path, limits: Limits, count: int) -> NDArray[np.bool_]:
    """Tell of each of `count` packets whether its frame is shown: others only refer to it.

    In other codecs such a frame shares its packet with one that is shown.
    """
    output = ffmpeg.output(video_stream(path, limits), "pipe:", format="ivf", c="copy")
    run = Run(path, output, limits, "-loglevel", "level+error")
    shown = bytearray()
    rest, ahead = b"", _IVF_FILE
    for piece in run:
        rest += piece
        while len(rest) > ahead + _IVF_FRAME and len(shown) < count:
            size = int.from_bytes(rest[ahead : ahead + 4], "little")
            shown.append(size > 0 and rest[ahead + _IVF_FRAME] & _VP8_SHOWN > 0)
            ahead += _IVF_FRAME + size
        cut = min(ahead, len(rest))
        rest, ahead = rest[cut:], ahead - cut
    if run.failed or len(shown) != count or not any(shown):
        raise run.unreadable()
    return np.frombuffer(shown, np.bool_)


def frame_ticks(packets: Packets, first: list[int]) -> tuple[NDArray[np.int64], bool]:
    """When frames are shown, ascending, and whether the decoder says the same.

    Args:
        packets: What is stored.
        first: When the first decoded frames (:data:`SAMPLED_FRAMES`) are shown, in ticks.
    """
    stamped = packets.pts != _NO_TIMESTAMP
    # A stream that was cut out of another may begin with frames that depend on lost ones. They are
    # never shown, and may have lost their times too.
    if not stamped.any() or not stamped[SAMPLED_FRAMES:].all():
        return np.sort(packets.dts), False
    ticks = np.sort(packets.pts[stamped])
    begin = max(0, int(np.searchsorted(ticks, first[0], side="right")) - 1)
    if np.array_equal(ticks[begin : begin + len(first)], first):
        return ticks[begin:], True
    return ticks, False
