"""What a network says of a whole video, moment by moment: windows, and a file that keeps it.

Windows lie a stride apart. The i-th one has its middle at kept frame i · stride, so that the first
and the last ones reach beyond the video: there the first or last frame is repeated, with zero flow,
as `segment` does.

Layout of the file:

============== ============= ======= ========================================================
dataset        shape         dtype   meaning
============== ============= ======= ========================================================
probabilities  (N, classes)  float64 of the window around kept frame i · stride
centres        (K, 2)        float64 (x, y) in px around which each kept frame moves; NaN before
                                     anything did
============== ============= ======= ========================================================

Attributes: ``fingerprint``, ``parameters`` (JSON: what a person knows it by), ``content`` (SHA-256
of both datasets), ``classes`` (JSON), ``window`` (T), ``stride``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.decode import stored as decode
from twinstroke.detect.recogniser import WINDOWS_AT_ONCE, Recogniser
from twinstroke.detect.shown import Frame, Shown
from twinstroke.detect.timing import Stopwatch
from twinstroke.errors import UNREADABLE, named
from twinstroke.flow import stored as flow
from twinstroke.hdf5 import fingerprint_of, is_finished, new_hdf5
from twinstroke.normalize import stored as normalize
from twinstroke.parallel.parts import CONTENT, PARAMETERS
from twinstroke.parallel.prefetch import chained
from twinstroke.parallel.store import PARTS, alone, link
from twinstroke.progress import progress_bar
from twinstroke.segment import stored as segment
from twinstroke.timeline import Kept

REVISION = 4
"""Raised when the same input gives other numbers than before."""
_REVISIONS = (decode.REVISION, flow.REVISION, normalize.REVISION, segment.REVISION)
_DATASETS = ("probabilities", "centres")
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
    kept: Kept
    """Kept frames of the video."""


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
    source: Shown,
    recogniser: Recogniser,
    *,
    stride: int,
    store: Path,
    target: Path | None = None,
    timing: Stopwatch,
) -> Track:
    """Show all windows of a video to a network; what it said is kept in a file.

    A finished file is taken as it is. Killed at any moment, the next call goes on, and ends with
    the same bits. If another program is at the same, this one waits and takes what that made.

    Args:
        source: The video.
        recogniser: The network.
        stride: Kept frames from window to window, at most T.
        store: Folder in which the file is made and kept, under its fingerprint.
        target: Another name for it.
        timing: Gets the time of each step.

    Raises:
        UserError: The video is gone, or a frame does not decode; what was found before that is
            kept.
        OSError: The file cannot be written.
    """
    fingerprint = fingerprint_of(
        revision=[REVISION, *_REVISIONS],
        **source.made_of(),
        network=recogniser.digest,
        looked_at_by=recogniser.versions,
        stride=stride,
        kept=hashlib.sha256(source.kept.numbers.tobytes()).hexdigest(),
    )
    kept = store / f"{fingerprint}.h5"
    if not _is_kept(kept, fingerprint):
        with alone(kept):
            if not _is_kept(kept, fingerprint):
                folder = kept.with_suffix(PARTS)
                work = _Scoring(source, recogniser, stride, folder, timing)
                work.folder.mkdir(exist_ok=True)
                work.run(fingerprint)
                work.join(kept, fingerprint)
                shutil.rmtree(work.folder)
    if target is not None:
        link(kept, target)
    return _read_track(kept, source.kept)


def _is_kept(kept: Path, fingerprint: str) -> bool:
    """Tell whether a file is finished, and still holds what was written."""
    if not is_finished(kept, fingerprint):
        return False
    try:
        with h5py.File(kept) as file:
            own = [file[name][:] for name in _DATASETS]
            return bool(file.attrs[CONTENT] == _content(own))
    except UNREADABLE:
        return False


def _content(datasets: Sequence[NDArray[np.float64]]) -> str:
    return hashlib.sha256(b"".join(one.tobytes() for one in datasets)).hexdigest()


def _read_track(path: Path, kept: Kept) -> Track:
    with named(path), h5py.File(path) as file:
        return Track(
            file["probabilities"][:],
            json.loads(file.attrs["classes"]),
            int(file.attrs["window"]),
            int(file.attrs["stride"]),
            kept,
        )


class _Scoring:
    """One video on its way."""

    def __init__(
        self, source: Shown, recogniser: Recogniser, stride: int, folder: Path, timing: Stopwatch
    ) -> None:
        self.folder = folder
        self._source = source
        self._recogniser = recogniser
        self._stride = stride
        self._timing = timing
        self._length = recogniser.window[0]
        self._frames = len(source.kept)
        self._windows = -(-self._frames // stride)

    def _start(self, window: int) -> int:
        """Kept frame at which a window begins; may be before the first one."""
        return window * self._stride - self._length // 2

    def _parts(self) -> list[_Part]:
        size = _PART_BATCHES * WINDOWS_AT_ONCE
        parts = []
        for number, first in enumerate(range(0, self._windows, size)):
            windows = range(first, min(first + size, self._windows))
            last = windows.stop == self._windows
            stop = self._frames if last else max(0, self._start(windows.stop))
            parts.append(_Part(number, windows, range(max(0, self._start(first)), stop)))
        return parts

    def run(self, fingerprint: str) -> None:
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
            self._source.prepared,
            self._recogniser.preparation,
            self._recogniser.window[1:],
            self._timing,
            np.concatenate(centres) if centres else None,
        )
        # Frames of the next part are prepared while the network looks at this one.
        frames = chained([prepare], at_once=1, depth=len(parts[0].windows) * self._stride)
        name = self._source.name
        with closing(frames), progress_bar(f"detect: {name}", self._frames, "frames") as bar:
            # What was done before says nothing about how long the rest will take.
            bar.n = bar.initial = left[0].frames.start
            self._timing.share = 1 - left[0].frames.start / self._frames
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
                bar.update(len(part.frames))

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
            held.extend(islice(frames, min(end, self._frames) - first - len(held)))
            last = len(held) - 1
            own = [held[min(max(k - first, 0), last)] for k in range(begin, end)]
            rgb = np.stack([frame.rgb for frame in own])
            motion = np.stack([frame.flow for frame in own])
            outside = [k < 0 or k >= self._frames for k in range(begin, end)]
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
        whole = [np.concatenate([self._read(part, name) for part in parts]) for name in _DATASETS]
        parameters = {"network": self._recogniser.digest[:12], "stride": self._stride}
        with new_hdf5(target, fingerprint) as file:
            for name, values in zip(_DATASETS, whole, strict=True):
                file[name] = values
            file.attrs[CONTENT] = _content(whole)
            file.attrs[PARAMETERS] = json.dumps(parameters)
            file.attrs["classes"] = json.dumps(self._recogniser.description.classes)
            file.attrs["window"] = self._length
            file.attrs["stride"] = self._stride
