"""A whole video as a network sees it, a few frames at a time.

The steps are those of `decode`, `flow`, `normalize` and `segment`, by the same functions, with the
whole video as one run of frames: what comes out equals what ``strokes.h5`` holds of a video that
`decode` kept as a whole for its samples, and what ``untrimmed/<video>.h5`` holds of it. From
``strokes.h5`` there are two exceptions. Where samples need parts only, the background is learnt
anew in each. And where nothing moves for more than 64 frames from the beginning of the video on,
the region of interest of these frames is the middle, not where something moves at last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import scipy
from dask.system import cpu_count
from numpy.typing import NDArray

from twinstroke.detect.shown import Frame
from twinstroke.detect.timing import Stopwatch
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.stored import dequantised, quantised
from twinstroke.normalize.mask import foreground, masked
from twinstroke.normalize.roi import TRACK_FRAMES, roi_centre, smoothing_kernel, track_block
from twinstroke.parallel.prefetch import chained
from twinstroke.parallel.workers import ffmpeg_version
from twinstroke.regions import Box, PlayerRegion
from twinstroke.segment.crop import window_around
from twinstroke.settings.limits import DEFAULT_LIMITS, Limits
from twinstroke.settings.preparation import Preparation
from twinstroke.timeline import Kept, every
from twinstroke.video.seek import decoded_frames, plan_passes

_BATCH_FRAMES = 16
"""Frames that FFmpeg hands over at once."""
_MOST_RUNS = 4
"""Runs of FFmpeg at the same time: each holds some frames ready."""


@dataclass(frozen=True)
class Source:
    """A video, and which of its frames are kept."""

    path: Path
    kept: Kept
    width: int
    """Pixels, as displayed."""
    height: int
    rotation: int = 0
    """Degrees by which frames were turned to be displayed."""
    content: str = ""
    """Digest of what the video holds."""
    limits: Limits = DEFAULT_LIMITS
    """Of the runs of FFmpeg."""
    place: PlayerRegion | None = None
    """Where the player is; None: anywhere in the picture."""

    @property
    def name(self) -> str:
        """Of the file."""
        return self.path.name

    @property
    def counted(self) -> Kept:
        """All frames: the video belongs to no data set."""
        return every(1, self.kept.frames)

    def made_of(self) -> Mapping[str, Any]:
        """All that decides the frames, beside the preparation and the window."""
        return {
            "content": self.content,
            "shown": [self.width, self.height, self.rotation],
            # Resized, estimated and smoothed by these.
            "made_by": [ffmpeg_version(), cv2.__version__, scipy.__version__],
            **({"region": list(self.place.region)} if self.place else {}),
        }

    def prepared(
        self,
        preparation: Preparation,
        window: tuple[int, int],
        timing: Stopwatch,
        centres: NDArray[np.float64] | None,
    ) -> Generator[Frame, None, None]:
        """Decode and prepare the kept frames, in order: see :func:`prepared_frames`."""
        return prepared_frames(self, preparation, window, timing=timing, centres=centres)


def prepared_frames(
    source: Source,
    preparation: Preparation,
    window: tuple[int, int],
    *,
    timing: Stopwatch,
    centres: NDArray[np.float64] | None = None,
) -> Generator[Frame, None, None]:
    """Prepare the kept frames of a video, in order; a few frames are held at a time.

    Flow is estimated on all cores. Before anything moves, the region of interest is where it will
    be if that is soon, else in the middle of the frame.

    Args:
        source: The video.
        preparation: As the network was trained.
        window: H and W of the network's window.
        timing: Gets the time of each step.
        centres: (n, 2), of the first n frames, which are not given again. The background is still
            learnt from them.

    Yields:
        Frames n, n + 1 … of the video, with the same bits whatever n is.

    Raises:
        UserError: The video is gone, or a frame does not decode.
    """
    work = _Preparing(source, preparation, window, timing, centres)
    with ExitStack() as stack:
        stack.enter_context(_single_threaded_opencv())
        pool = stack.enter_context(ThreadPoolExecutor(cpu_count()))
        frames = work.decoded()
        stack.enter_context(closing(frames))
        yield from work.run(frames, pool)


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    """Several pairs of frames are worked on at once; OpenCV's own threads would only compete."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _each(waiting: deque[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Give what lies first, whenever that is asked for."""
    while True:
        yield waiting.popleft()


class _Moved(NamedTuple):
    """What is known of a frame once its successor is there."""

    rgb: NDArray[np.uint8]
    flow: NDArray[np.int16]


class _Preparing:
    """One run through a video."""

    def __init__(
        self,
        source: Source,
        preparation: Preparation,
        window: tuple[int, int],
        timing: Stopwatch,
        centres: NDArray[np.float64] | None,
    ) -> None:
        self._source = source
        self._preparation = preparation
        self._window = window
        self._timing = timing
        self._height = source.height * preparation.width // source.width
        size = self._height, preparation.width
        self._box = source.place.box(size) if source.place else Box(0, 0, *size)
        self._motions = len(source.kept) - 1
        self._centres = np.full((self._motions, 2), np.nan)
        self._begin = 0 if centres is None else len(centres)
        if centres is not None:
            known = centres[: self._motions]
            self._centres[: len(known)] = known
        # Frames from which on flow is needed: smoothing begins at the same frames always.
        self._first = min(self._begin, self._motions - 1) // TRACK_FRAMES * TRACK_FRAMES
        self._kernel = smoothing_kernel(preparation.roi, preparation.kept_fps)
        self._moved: deque[_Moved] = deque()
        self._done = self._first
        """Frames before this one were given."""
        self._known = self._first
        """Frames before this one have a centre."""

    @property
    def _learns(self) -> bool:
        """Whether the mask of a frame depends on all that came before it."""
        return self._preparation.mask.method != "none"

    def decoded(self) -> Generator[NDArray[np.uint8], None, None]:
        """Batches (n, 3, H, W), from the first frame on that is needed."""
        source, width, limits = self._source, self._preparation.width, self._source.limits
        wanted = range(0 if self._learns else self._first, len(source.kept))
        passes = plan_passes(source.path, [wanted], source.kept, limits)
        runs = (
            partial(
                decoded_frames,
                source.path,
                one,
                width=width,
                height=self._height,
                shrinks=width <= source.width,
                batch=_BATCH_FRAMES,
                limits=limits,
            )
            for one in passes
        )
        return chained(runs, at_once=min(_MOST_RUNS, cpu_count()), depth=4)

    def run(
        self, batches: Iterator[NDArray[np.uint8]], pool: ThreadPoolExecutor
    ) -> Iterator[Frame]:
        """Take frames as they are decoded, and give them prepared."""
        waiting: deque[NDArray[np.uint8]] = deque()
        masks = foreground(_each(waiting), self._preparation.mask)
        jobs: deque[Future[tuple[_Moved, NDArray[np.float64]]]] = deque()
        number = 0 if self._learns else self._first
        last: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]] | None = None
        for batch in batches:
            for planes in batch:
                picture = np.ascontiguousarray(planes.transpose(1, 2, 0))
                mask = np.zeros(picture.shape[:2], np.bool_)
                with self._timing.on("masks"):
                    waiting.append(picture[self._box.inside])
                    mask[self._box.inside] = next(masks)
                if number >= self._first:
                    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
                    if last is not None:
                        jobs.append(pool.submit(self._motion, *last, grey))
                    last = picture, grey, mask
                number += 1
                while len(jobs) > 2 * _BATCH_FRAMES:
                    self._take(jobs.popleft())
                    yield from self._ready()
        while jobs:
            self._take(jobs.popleft())
            yield from self._ready()
        assert last is not None  # noqa: S101 - two frames at least
        yield self._cut(last[0], np.zeros((*last[0].shape[:2], 2), np.int16), -1, self._smooth[-1])

    def _motion(
        self,
        picture: NDArray[np.uint8],
        grey: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        following: NDArray[np.uint8],
    ) -> tuple[_Moved, NDArray[np.float64]]:
        with self._timing.on("flow"):
            stored = quantised(estimate_flow(grey, following, self._preparation.flow))
        with self._timing.on("regions of interest"):
            field = masked(dequantised(stored), mask)[self._box.inside]
            centre = roi_centre(field, self._window, self._preparation.roi.max_weight)
        return _Moved(picture, stored * mask[..., None]), centre

    def _take(self, job: Future[tuple[_Moved, NDArray[np.float64]]]) -> None:
        moved, centre = job.result()
        self._moved.append(moved)
        if np.isnan(centre[0]) and self._known:
            centre = self._centres[self._known - 1]
        self._centres[self._known] = centre
        self._known += 1

    def _ready(self) -> Iterator[Frame]:
        """Give the frames of each block of which the track of its regions can be smoothed."""
        around = len(self._kernel) // 2
        while self._done < self._motions:
            begin, end = self._done, min(self._done + TRACK_FRAMES, self._motions)
            if self._known < min(end + around, self._motions):
                return
            track = track_block(self._centres, begin, self._box.size, self._kernel)
            self._smooth = track + self._box.corner
            for number, centre in zip(range(begin, end), self._smooth, strict=True):
                moved = self._moved.popleft()
                if number >= self._begin:
                    yield self._cut(moved.rgb, moved.flow, number, centre)
            self._done = end

    def _cut(
        self,
        rgb: NDArray[np.uint8],
        flow: NDArray[np.int16],
        number: int,
        centre: NDArray[np.float32],
    ) -> Frame:
        with self._timing.on("cutting out"):
            window, margin = self._window, self._preparation.margin
            return Frame(
                window_around(rgb, centre, window, margin, self._box),
                window_around(flow, centre, window, margin, self._box),
                self._centres[number],
            )
