"""What a network says of a whole video, moment by moment: windows, and a file that keeps it.

Windows lie a stride apart. The i-th one has its middle at kept frame i · stride, so that the first
and the last ones reach beyond the video: there the first or last frame is repeated, with zero flow,
as `segment` does.

Layout of ``<video>.h5``:

============== ============= ======= ========================================================
dataset        shape         dtype   meaning
============== ============= ======= ========================================================
probabilities  (N, classes)  float64 of the window around kept frame i · stride
centres        (K, 2)        float64 (x, y) in px around which each kept frame moves; NaN before
                                     anything did
============== ============= ======= ========================================================

Attributes: ``fingerprint``, ``classes`` (JSON), ``window`` (T), ``stride``, ``frame_step``,
``frames`` (of the source).
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import h5py
import numpy as np
import scipy
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from twinstroke.decode import stored as decode
from twinstroke.detect.prepare import Frame, Source, prepared_frames
from twinstroke.detect.recogniser import WINDOWS_AT_ONCE, Recogniser
from twinstroke.detect.timing import Stopwatch
from twinstroke.errors import UserError, named
from twinstroke.flow import stored as flow
from twinstroke.hdf5 import fingerprint_of, is_finished, new_hdf5
from twinstroke.normalize import stored as normalize
from twinstroke.parallel.parts import drop_parts, parts_folder
from twinstroke.parallel.prefetch import chained
from twinstroke.parallel.workers import ffmpeg_version
from twinstroke.progress import progress_bar
from twinstroke.segment import stored as segment
from twinstroke.settings.limits import Limits

REVISION = 2
"""Raised when the same input gives other numbers than before."""
_REVISIONS = (decode.REVISION, flow.REVISION, normalize.REVISION, segment.REVISION)
_PART_BATCHES = 4
"""Batches of windows that are kept together: an interruption costs one part."""


@dataclass(frozen=True)
class Track:
    """Class probabilities along a video."""

    probabilities: NDArray[np.float64]
    """(N, classes)."""
    classes: list[str]
    window: int
    """T, kept frames."""
    stride: int
    """Kept frames from window to window."""
    frame_step: int
    """Source frames from kept frame to kept frame."""
    frames: int
    """Source frames."""


@dataclass(frozen=True)
class _Part:
    """Neighbouring windows, and the frames that come into sight with them."""

    number: int
    windows: range
    frames: range
    """Kept frames from the first one that its windows show to that of the next part's."""

    @property
    def name(self) -> str:
        return f"{self.number}.h5"


def score_windows(
    source: Source,
    content: str,
    recogniser: Recogniser,
    *,
    stride: int,
    target: Path,
    limits: Limits,
    timing: Stopwatch,
) -> Track:
    """Show all windows of a video to a network; what it said is kept in a file.

    A finished file is taken as it is. Killed at any moment, the next call goes on, and ends with
    the same bits.

    Args:
        source: The video.
        content: Digest of what it holds.
        recogniser: The network.
        stride: Kept frames from window to window, at most T.
        target: The file.
        limits: Of the runs of FFmpeg.
        timing: Gets the time of each step.

    Raises:
        UserError: The video is gone, or a frame does not decode; what was found before that is
            kept.
        OSError: The file cannot be written.
    """
    fingerprint = fingerprint_of(
        revision=[REVISION, *_REVISIONS],
        content=content,
        shown=[source.width, source.height, source.rotation],
        network=recogniser.digest,
        # Resized, estimated, smoothed and looked at by these.
        versions=[cv2.__version__, scipy.__version__, recogniser.versions],
        stride=stride,
        frame_step=source.frame_step,
        frames=source.frames,
        ffmpeg=ffmpeg_version(),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        if not is_finished(target, fingerprint):
            work = _Scoring(source, recogniser, stride, parts_folder(target, fingerprint), timing)
            drop_parts(target, but=work.folder)
            work.folder.mkdir(parents=True, exist_ok=True)
            work.run(limits, fingerprint)
            work.join(target, fingerprint)
            drop_parts(target)
        return read_track(target)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """See that no other program makes the same file at the same time."""
    lock = FileLock(target.with_name(f".{target.name}.lock"), blocking=False)
    try:
        with lock:
            yield
            Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        raise UserError(
            f"{target}: another program is at work on it; wait for its end, or name another folder"
        ) from None


def read_track(path: Path) -> Track:
    """Read what :func:`score_windows` kept.

    Raises:
        UserError: The file is damaged or missing.
    """
    with named(path), h5py.File(path) as file:
        return Track(
            file["probabilities"][:],
            json.loads(file.attrs["classes"]),
            int(file.attrs["window"]),
            int(file.attrs["stride"]),
            int(file.attrs["frame_step"]),
            int(file.attrs["frames"]),
        )


class _Scoring:
    """One video on its way."""

    def __init__(
        self, source: Source, recogniser: Recogniser, stride: int, folder: Path, timing: Stopwatch
    ) -> None:
        self.folder = folder
        self._source = source
        self._recogniser = recogniser
        self._stride = stride
        self._timing = timing
        self._length = recogniser.window[0]
        self._windows = -(-source.kept // stride)

    def _start(self, window: int) -> int:
        """Kept frame at which a window begins; may be before the first one."""
        return window * self._stride - self._length // 2

    def _parts(self) -> list[_Part]:
        size = _PART_BATCHES * WINDOWS_AT_ONCE
        parts = []
        for number, first in enumerate(range(0, self._windows, size)):
            windows = range(first, min(first + size, self._windows))
            last = windows.stop == self._windows
            stop = self._source.kept if last else max(0, self._start(windows.stop))
            parts.append(_Part(number, windows, range(max(0, self._start(first)), stop)))
        return parts

    def run(self, limits: Limits, fingerprint: str) -> None:
        """Make the parts that are missing."""
        parts = self._parts()
        done = 0
        while done < len(parts) and is_finished(self.folder / parts[done].name, fingerprint):
            done += 1
        left = parts[done:]
        if not left:
            return
        centres = [self._read(part, "centres") for part in parts[:done]]
        prepare = partial(
            prepared_frames,
            self._source,
            self._recogniser.preparation,
            self._recogniser.window[1:],
            limits=limits,
            timing=self._timing,
            centres=np.concatenate(centres) if centres else None,
        )
        # Frames of the next part are prepared while the network looks at this one.
        frames = chained([prepare], at_once=1, depth=len(parts[0].windows) * self._stride)
        step, name = self._source.frame_step, self._source.path.name
        with closing(frames), progress_bar(f"detect: {name}", self._source.frames, "frames") as bar:
            # What was done before says nothing about how long the rest will take.
            bar.n = bar.initial = left[0].frames.start * step
            self._timing.share = 1 - left[0].frames.start / self._source.kept
            for part, (rgb, motion, own) in zip(left, self._clips(frames, left), strict=True):
                begin = self._start(part.windows[0])
                starts = [self._start(window) - begin for window in part.windows]
                # It has threads, or a GPU, of its own: what passes is what counts.
                with self._timing.on("network", time.perf_counter):
                    found = self._recogniser.probabilities(rgb, motion, starts)
                path = self.folder / part.name
                with new_hdf5(path, fingerprint) as file:
                    file["probabilities"] = found
                    file["centres"] = own
                bar.update(len(part.frames) * step)

    def _clips(
        self, frames: Iterator[Frame], parts: list[_Part]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int16], NDArray[np.float64]]]:
        """What the windows of each part show, and the centres of the frames new in it."""
        held: deque[Frame] = deque()
        first = parts[0].frames.start
        """Number of the first frame that is held."""
        for part in parts:
            begin, end = self._start(part.windows[0]), self._start(part.windows[-1]) + self._length
            end = max(end, part.frames.stop)
            while first < max(0, begin):
                held.popleft()
                first += 1
            held.extend(islice(frames, min(end, self._source.kept) - first - len(held)))
            last = len(held) - 1
            own = [held[min(max(k - first, 0), last)] for k in range(begin, end)]
            rgb = np.stack([frame.rgb for frame in own])
            motion = np.stack([frame.flow for frame in own])
            outside = [k < 0 or k >= self._source.kept for k in range(begin, end)]
            motion[outside] = 0
            centres = [held[k - first].centre for k in part.frames]
            yield rgb, motion, np.array(centres)

    def _read(self, part: _Part, name: str) -> NDArray[np.float64]:
        path = self.folder / part.name
        with named(path), h5py.File(path) as file:
            values: NDArray[np.float64] = file[name][:]
        return values

    def join(self, target: Path, fingerprint: str) -> None:
        """Make one file of all parts."""
        parts = self._parts()
        with new_hdf5(target, fingerprint) as file:
            for name in ("probabilities", "centres"):
                file[name] = np.concatenate([self._read(part, name) for part in parts])
            file.attrs["classes"] = json.dumps(self._recogniser.description.classes)
            file.attrs["window"] = self._length
            file.attrs["stride"] = self._stride
            file.attrs["frame_step"] = self._source.frame_step
            file.attrs["frames"] = self._source.frames
