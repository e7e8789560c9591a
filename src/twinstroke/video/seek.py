"""Which parts of a video to decode, each in a run of FFmpeg of its own, and their exact frames.

Frame *i* is the *i*-th frame that decoding from the beginning gives. It can be had without that
where its place follows from its time, and where decoding may begin a little before it without any
trace of what came earlier: at an *entry*. Whatever cannot be shown to be so is decoded from the
beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.settings.limits import Limits
from twinstroke.timeline import Kept, merged
from twinstroke.video.entry import Entry, FrameRun, enter
from twinstroke.video.ffmpeg import (
    SAMPLED_FRAMES,
    Packets,
    Report,
    decoded,
    frame_ticks,
    read_packets,
    video_stream,
)

_PASS_FRAMES = range(100, 400)
"""Kept frames from which on a pass ends at the next entry: a quarter of what is left, within these
bounds. So processes share a video, seldom start FFmpeg, and finish together."""
_START_FRAMES = 30
"""Frames that decode in the time that FFmpeg takes to start (1080p: 0.1 s)."""
_MOST_RANGES = 2000
"""Of a pass: they are told to FFmpeg in one argument, and Linux takes none over 128 KiB."""
_NAL_TYPES = {"h264": "5", "hevc": "16-21"}
"""Units of the stream at which nothing earlier is needed: pictures for instantaneous refresh
(H.264 also calls others key frames, which may need older ones), for random access in HEVC."""


@dataclass(frozen=True)
class Pass:
    """One run of FFmpeg over a part of a video."""

    kept: tuple[range, ...]
    """Sorted, disjoint ranges of kept frames."""
    entry: Entry | None
    """Where to begin; None: at the beginning."""
    numbers: NDArray[np.int64] = field(compare=False)
    """Source frame of each of them, in order."""


def plan_passes(source: Path, wanted: Sequence[range], kept: Kept, limits: Limits) -> list[Pass]:
    """Share the wanted frames of a video out among runs of FFmpeg.

    No two of them decode the same group of pictures, and gaps that are worth it are skipped.

    Args:
        source: A local video file.
        wanted: Sorted, disjoint ranges of kept frames.
        kept: Which frames are kept.
        limits: Of each run.

    Returns:
        Passes, whose frames are in order all the wanted ones.

    Raises:
        UserError: The video is gone, or cannot be read.
    """
    if not wanted:
        return []
    _check_present(source)
    entries = _entries(source, kept.frames, limits)
    passes = [_entered(part, entries) for part in _parts(wanted, kept.numbers, entries.frames)]
    last = passes[-1][0]
    if last is not None and not _lands(source, last, entries, limits):
        passes = [(None, list(wanted))]
    return [short for entry, own in passes for short in _short(entry, own, kept.numbers)]


def decoded_frames(
    source: Path,
    one: Pass,
    *,
    width: int,
    height: int,
    shrinks: bool,
    batch: int,
    limits: Limits,
) -> Iterator[NDArray[np.uint8]]:
    """Decode the frames of a pass and yield all of them in order, resized.

    Args:
        source: The video.
        one: From :func:`plan_passes`.
        width: Width of the result in pixels.
        height: Height of the result in pixels.
        shrinks: Average over areas, as suits smaller results; otherwise interpolate.
        batch: Frames in one array.
        limits: Of each run of FFmpeg.

    Yields:
        uint8 arrays (n, 3, H, W), RGB, n ≤ `batch`.

    Raises:
        UserError: The video is gone, or a wanted frame does not decode.
    """
    _check_present(source)
    numbers, times = np.unique(one.numbers, return_counts=True)
    pieces = [numbers[own.start : own.stop] for own in _even(numbers)]
    wanted = [range(own[0], own[-1] + 1, max(1, int(np.diff(own[:2]).sum()))) for own in pieces]
    given = 0
    # Where an entry is none after all, there is still the beginning.
    for entry in dict.fromkeys((one.entry, None)):
        run = FrameRun(
            source,
            wanted,
            entry,
            width=width,
            height=height,
            shrinks=shrinks,
            batch=batch,
            limits=limits,
        )
        for frames in run:
            often = np.repeat(frames, times[given : given + len(frames)], axis=0)
            for begin in range(0, len(often), batch):
                yield often[begin : begin + batch]
            given += len(frames)
        if given == len(numbers):
            return
        if run.entered:
            break
    raise run.ffmpeg.unreadable(
        f"frame {numbers[given]} does not decode, but is needed",
        "repair or re-encode the video, or leave it out",
    )


def _check_present(source: Path) -> None:
    if not source.exists():
        raise UserError(f"{source}: the video is gone; bring it back, or run dvc repro index again")


class _Entries(NamedTuple):
    """Where M runs can begin, in order."""

    frames: NDArray[np.int64]
    """(M,) numbers of source frames."""
    places: NDArray[np.int64]
    """(M,) where they are stored: numbers of packets."""
    ticks: NDArray[np.int64]
    """(N,) when each frame of the video is shown."""
    packets: Packets


def _entries(source: Path, frames: int, limits: Limits) -> _Entries:
    """Entries of a video; none if its frames cannot be told by their times."""
    codec, first = _beginning(source, limits)
    units = _NAL_TYPES.get(codec)
    packets = read_packets(source, limits, "-copyts", units=units)
    ticks, timed = frame_ticks(packets, first)
    if not timed or len(ticks) != frames or (np.diff(ticks) <= 0).any():
        nowhere = np.empty(0, np.int64)
        return _Entries(nowhere, nowhere, ticks, packets)
    latest = np.maximum.accumulate(packets.pts)
    usable = packets.keys & (packets.pts > ticks[0])
    # Everything that is shown later is stored later.
    usable[1:] &= packets.pts[1:] > latest[:-1]
    if units is not None:
        usable &= np.isin(packets.pts, packets.with_units)
    places = np.flatnonzero(usable)
    return _Entries(np.searchsorted(ticks, packets.pts[places]), places, ticks, packets)


def _beginning(source: Path, limits: Limits) -> tuple[str, list[int]]:
    """Codec of a video, and when its first decoded frames are shown, in ticks."""
    stream = video_stream(source, limits)
    options: dict[str, str | int] = {
        "c:v:0": "copy",
        "c:v:1": "wrapped_avframe",
        "frames:v:1": SAMPLED_FRAMES,
        "fps_mode": "passthrough",
        "enc_time_base": "demux",
    }
    report = Report(
        source,
        [stream, stream],
        limits,
        *("-loglevel", "level+error", "-copyts"),
        **options,
    )
    # No need to copy the rest.
    first = list(islice((frame.pts for frame in report if frame.stream == 1), SAMPLED_FRAMES))
    if not first:
        raise report.run.unreadable()
    return report.header["codec_id"], first


def _seek(packets: Packets, place: int) -> str:
    """Time in seconds from which any player goes back to the key frame that is stored there.

    Not its own: FFmpeg goes back some frames more where frames are reordered. But well before the
    next key frame, because some indices hold times of decoding.
    """
    begin = int(packets.pts[place])
    following = place + 1 + np.flatnonzero(packets.keys[place + 1 :])[:1]
    if len(following):
        end = int(min(packets.dts[following[0]], packets.pts[following[0]]))
    else:
        end = int(packets.pts[place:].max())
    return f"{float((begin + max(0, end - begin) * 3 // 4) * packets.time_base):.6f}"


def _parts(
    wanted: Sequence[range], numbers: NDArray[np.int64], entries: NDArray[np.int64]
) -> Iterator[tuple[int, list[range]]]:
    """Cut the wanted frames into parts: entry (-1: the beginning), and ranges of kept frames."""
    for entry, stretch in _stretches(wanted, numbers, entries):
        part: list[range] = []
        count, left = 0, sum(len(piece) for _, piece in stretch)
        for group, pieces in groupby(stretch, key=itemgetter(0)):
            least = min(max(_PASS_FRAMES.start, (count + left) // 4), _PASS_FRAMES.stop)
            if count >= least and left > _START_FRAMES:
                yield entry, part
                entry, part, count = group, [], 0
            own = [piece for _, piece in pieces]
            part += own
            count += sum(map(len, own))
            left -= sum(map(len, own))
        yield entry, part


def _stretches(
    wanted: Sequence[range], numbers: NDArray[np.int64], entries: NDArray[np.int64]
) -> Iterator[tuple[int, list[tuple[int, range]]]]:
    """Skip the gaps that are worth it: an entry, and what to decode from there, by its group."""
    entry, done = -1, 0
    stretch: list[tuple[int, range]] = []
    for r in wanted:
        for group, piece in _by_group(r, numbers, entries):
            if group > entry and entries[group] - done > _START_FRAMES:
                if stretch:
                    yield entry, stretch
                entry, stretch = group, []
            stretch.append((group, piece))
            done = int(numbers[piece[-1]]) + 1
    yield entry, stretch


def _by_group(
    wanted: range, numbers: NDArray[np.int64], entries: NDArray[np.int64]
) -> Iterator[tuple[int, range]]:
    """Cut a range of kept frames at entries: the last entry before each piece, and the piece."""
    group = int(np.searchsorted(entries, numbers[wanted.start], side="right")) - 1
    begin = wanted.start
    while begin < wanted.stop:
        inside = group + 1 < len(entries)
        after = int(np.searchsorted(numbers, entries[group + 1])) if inside else wanted.stop
        stop = min(wanted.stop, after)
        if stop > begin:
            yield group, range(begin, stop)
            begin = stop
        group += 1


def _entered(part: tuple[int, list[range]], entries: _Entries) -> tuple[Entry | None, list[range]]:
    number, pieces = part
    if number < 0:
        return None, pieces
    frame = int(entries.frames[number])
    seek_s = _seek(entries.packets, int(entries.places[number]))
    return Entry(frame, int(entries.ticks[frame]), seek_s), pieces


def _short(
    entry: Entry | None, wanted: Sequence[range], numbers: NDArray[np.int64]
) -> Iterator[Pass]:
    """Passes with no more ranges than FFmpeg can be told; all of them begin at the same entry."""
    pieces = [
        range(r.start + own.start, r.start + own.stop)
        for r in merged(wanted)
        for own in _even(numbers[r.start : r.stop])
    ]
    for begin in range(0, len(pieces), _MOST_RANGES):
        kept = tuple(merged(pieces[begin : begin + _MOST_RANGES]))
        yield Pass(kept, entry, np.concatenate([numbers[r.start : r.stop] for r in kept]))


def _even(numbers: NDArray[np.int64]) -> Iterator[range]:
    """Cut places of ascending numbers into ranges whose numbers are equally far apart."""
    begin = 0
    for end in (np.flatnonzero(np.diff(numbers, n=2)) + 2).tolist():
        # The gap between two ranges is in none of them.
        if end - begin > 1:
            yield range(begin, end)
            begin = end
    if begin < len(numbers):
        yield range(begin, len(numbers))


def _lands(source: Path, entry: Entry, entries: _Entries, limits: Limits) -> bool:
    """Tell whether seeking works: a file without index would be decoded from its beginning."""
    before = entries.frames[entries.frames < entry.frame]
    earliest = entries.ticks[before[-1] if len(before) else 0]
    # The first frame, the entry, and what comes in its place.
    choice = f"if(eq(pts,{entry.pts}),key,not(n)+gt(pts,{entry.pts}))"
    report = decoded(
        source,
        enter(source, entry, limits).filter("select", choice),
        limits,
        *("-loglevel", "level+error", "-xerror"),
        **{"frames:v": 2},
    )
    for frame in report:
        if not earliest <= frame.pts <= entry.pts:
            return False
        if frame.pts == entry.pts:
            return True
    return False
