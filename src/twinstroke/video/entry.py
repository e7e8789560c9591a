"""Exact frames out of one run of FFmpeg.

A frame is known by its place in the order in which the decoder gives frames. FFmpeg would by
default repeat or drop frames to reach a constant rate; ``-fps_mode passthrough`` hands on exactly
what the decoder gives, also for variable frame rates, and the ``select`` filter counts those same
frames. Where decoding begins in the middle, counting begins with a frame that is known by its time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from twinstroke.settings.limits import Limits
from twinstroke.video.ffmpeg import Run, video_stream

_SIGN_OF_LIFE = 250
"""Of frames that are passed over, one in so many comes out and is dropped here: FFmpeg must not
seem to hang while it goes through an hour of video."""
_PLANES = [2, 0, 1]
"""FFmpeg's planar RGB is stored as G, B, R."""


@dataclass(frozen=True)
class Entry:
    """Where a run enters a video."""

    frame: int
    """Source frame from which on everything decodes."""
    pts: int
    """When it is shown, in ticks as stored."""
    seek_s: str
    """A time in seconds from which players go back to this frame."""


def enter(source: Path, entry: Entry | None, limits: Limits) -> ffmpeg.Stream:
    """The stream from an entry on, perhaps from earlier on; None: from the beginning."""
    if entry is None:
        return video_stream(source, limits)
    # Times as stored, and no frame left out because it is shown before the time sought.
    return video_stream(
        source, limits, seek_timestamp=1, ss=entry.seek_s, noaccurate_seek=None, copyts=None
    )


class FrameRun:
    """A run of FFmpeg that gives the wanted frames of a video in order, resized."""

    def __init__(
        self,
        source: Path,
        wanted: Sequence[range],
        entry: Entry | None,
        *,
        width: int,
        height: int,
        shrinks: bool,
        batch: int,
        limits: Limits,
    ) -> None:
        """Prepare a run; iterating over it, which can be done once, carries it out.

        Args:
            source: A local video file; its rotation flag is obeyed.
            wanted: Ranges of source frames, sorted by where they begin.
            entry: Where to begin; None: at the beginning.
            width: Width of the result in pixels.
            height: Height of the result in pixels.
            shrinks: Average over areas, as suits smaller results; otherwise interpolate.
            batch: Frames in one array.
            limits: Of the run.
        """
        self.entered = False
        """Whether FFmpeg came through the entry."""
        self._shape = (3, height, width)
        self._batch = batch
        begin = entry.frame if entry else 0
        numbers = np.unique(np.concatenate([np.arange(r.start, r.stop, r.step) for r in wanted]))
        signs = np.arange(begin, numbers[-1] + 1, _SIGN_OF_LIFE)
        self._is_wanted = np.isin(np.union1d(numbers, signs), numbers)
        scaler = "area" if shrinks else "bicubic"
        stream = enter(source, entry, limits)
        if entry is not None:
            # What the decoder itself does not hold for a key frame is no entry, whatever the
            # container says.
            stream = stream.filter("select", f"gt(pts,{entry.pts})+eq(pts,{entry.pts})*key")
        output = (
            stream.filter("select", _selection(wanted, entry))
            # Without these flags the last bit depends on the processor's instruction set.
            .filter("scale", width, height, flags=f"{scaler}+accurate_rnd+full_chroma_int+bitexact")
            .output(
                "pipe:",
                format="rawvideo",
                pix_fmt="gbrp",
                fps_mode="passthrough",
                **{"frames:v": len(self._is_wanted)},
            )
        )
        # End at the first broken frame: a silently dropped one would shift all that follow.
        self.ffmpeg = Run(source, output, limits, "-loglevel", "level+info", "-xerror")

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield uint8 arrays (n, 3, H, W), RGB, n ≤ `batch`; too few if FFmpeg gives too few."""
        frame_bytes = math.prod(self._shape)
        buffer = bytearray()
        seen = 0
        for piece in self.ffmpeg:
            buffer += piece
            if len(buffer) >= frame_bytes * self._batch:
                whole = len(buffer) // frame_bytes
                full, buffer = buffer, buffer[whole * frame_bytes :]
                yield from self._frames(full, seen)
                seen += whole
        yield from self._frames(buffer, seen)

    def _frames(self, data: bytearray, seen: int) -> Iterator[NDArray[np.uint8]]:
        """Of the whole frames in `data`, the first of which is number `seen`, the wanted ones."""
        whole = len(data) // math.prod(self._shape)
        frames = np.frombuffer(data, np.uint8, whole * math.prod(self._shape))
        frames = frames.reshape(whole, *self._shape)
        self.entered |= len(frames) > 0
        (chosen,) = np.nonzero(self._is_wanted[seen : seen + len(frames)])
        for begin in range(0, len(chosen), self._batch):
            yield frames[chosen[begin : begin + self._batch, None], _PLANES]


def _selection(wanted: Sequence[range], entry: Entry | None) -> str:
    begin = entry.frame if entry else 0
    ranges = [
        f"between(n,{r.start - begin},{r[-1] - begin})"
        + (f"*not(mod(n-{r.start - begin},{r.step}))" if r.step > 1 else "")
        for r in wanted
    ]
    some = f"not(mod(n,{_SIGN_OF_LIFE}))+{_any_of(ranges)}"
    # Nothing comes out if the first frame is another than the one to enter at.
    return f"eq(start_pts,{entry.pts})*({some})" if entry else some


def _any_of(conditions: Sequence[str]) -> str:
    """Join conditions in pairs of pairs: FFmpeg refuses a sum of a hundred terms in a row."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return f"({_any_of(conditions[:half])}+{_any_of(conditions[half:])})"
