"""Dense optical flow between neighbouring kept frames: one HDF5 file a video.

**Convention.** ``flow[i]`` is the motion *from* kept frame ``i`` *to* the next one: the pixel seen
at (x, y) in the first is found at (x + u, y + v) in the second, in pixels, x to the right and y
down. N frames in a row have N - 1 flows, none crosses a gap between kept frames.

Layout of ``flow/<video>.h5``:

======== ============== ======= =============================================================
dataset  shape          dtype   meaning
======== ============== ======= =============================================================
flow     (M, 2, H, W)   int16   u and v in units of 1/32 px
frame    (M,)           int64   source frame from which each motion leads, ascending
======== ============== ======= =============================================================

Storing 1/32 px units rounds by at most 1/64 px, within ±1023 px. Attributes: ``fingerprint``,
``content`` (SHA-256 of what is stored), ``unit_px``, ``estimator``, ``opencv``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.decode.frames import CHUNK_FRAMES
from twinstroke.errors import UserError
from twinstroke.files import FIELDS, fingerprint_of, is_finished, named, opened, prune
from twinstroke.flow.estimators import estimate_flow
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, make_in_parts
from twinstroke.parallel.workers import Workers
from twinstroke.settings.flow import FlowSettings

REVISION = 2
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
FLOW_UNIT_PX = 1 / 32
"""Flow is stored as whole multiples of this, so it is off by at most 1/64 px."""
PART_FRAMES = 4 * CHUNK_FRAMES
"""Frames of which one part holds the motions: 20 s of work with DeepFlow, 0.6 s with DIS."""


@dataclass(frozen=True)
class FlowSummary:
    """What a run of the stage found and did."""

    made: int
    present: int
    removed: int
    pairs: int


@dataclass(frozen=True)
class _Part:
    """Some neighbouring pairs of one video: those that start at the kept frames ``first``."""

    source: Path
    first: tuple[int, ...]
    frame: NDArray[np.int64]
    """Source frames from which they lead."""
    settings: FlowSettings

    def __str__(self) -> str:
        return f"{self.source}: flow of the frames {self.frame[0]} to {self.frame[-1]}"


def compute_flow(
    sources: Sequence[Path], settings: FlowSettings, *, folder: Path, workers: Workers
) -> FlowSummary:
    """Bring `folder` to one finished file for each file of frames.

    Finished files are left alone; files without frames are deleted. Killed at any moment, the next
    call goes on and ends with the same bytes.

    Args:
        sources: Files that `decode` wrote.
        settings: Estimator and blur.
        folder: Where the HDF5 files go, under the names of their sources.
        workers: Processes, over which frames and videos are spread.

    Raises:
        UserError: A file of frames is damaged, or a process died twice on the same frames. The
            other videos are finished first.
        OSError: The files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outputs = [_output(source, settings, folder) for source in sources]
    pending = [own for own in outputs if not is_finished(own.target, own.fingerprint)]
    removed = prune(folder, [own.target for own in outputs] + [own.folder for own in pending])
    problems = make_in_parts("flow", "pairs", pending, _estimated, workers)
    if problems:
        raise UserError(problems)
    return FlowSummary(
        made=len(pending),
        present=len(outputs) - len(pending),
        removed=len(removed),
        pairs=sum(own.bounds[-1] for own in outputs),
    )


def pairs(frame: NDArray[np.int64], frame_step: int) -> NDArray[np.intp]:
    """Positions i for which kept frames i and i + 1 follow each other without a gap.

    Args:
        frame: Source frame numbers, ascending, shape (N,).
        frame_step: Distance of neighbouring kept frames in the source.
    """
    return np.flatnonzero(np.diff(frame) == frame_step)


def dequantised(stored: NDArray[np.int16]) -> NDArray[np.float32]:
    """Flow in pixels from the stored integers."""
    return stored.astype(np.float32) * np.float32(FLOW_UNIT_PX)


def fields(file: h5py.File, rows: slice) -> NDArray[np.int16]:
    """Some of the fields of a file that `compute_flow` made, (n, H, W, 2), in units of 1/32 px."""
    with named(file.filename):
        return np.ascontiguousarray(file["flow"][rows].transpose(0, 2, 3, 1))


def quantised(flow: NDArray[np.float32]) -> NDArray[np.int16]:
    """Whole multiples of 1/32 px nearest to a flow in pixels; beyond ±1023 px it saturates."""
    limits = np.iinfo(np.int16)
    units: NDArray[np.float32] = np.rint(flow * np.float32(1 / FLOW_UNIT_PX))
    np.clip(units, limits.min, limits.max, out=units)
    return units.astype(np.int16)


def _output(source: Path, settings: FlowSettings, folder: Path) -> OutputFile[_Part]:
    with opened(source) as file:
        frame = file["frame"][:]
        fingerprint = fingerprint_of(
            revision=REVISION,
            content=file.attrs["content"],
            settings=settings.model_dump(),
            opencv=cv2.__version__,
        )
        first = pairs(frame, int(file.attrs["frame_step"]))
        size = file["rgb"].shape[2:]
    # Parts begin with a chunk of the frames, so that few chunks are read twice.
    cuts = np.flatnonzero(np.diff(first // PART_FRAMES)) + 1
    parts = [
        _Part(source, tuple(own.tolist()), frame[own], settings) for own in np.split(first, cuts)
    ]
    return OutputFile(
        target=folder / source.name,
        fingerprint=fingerprint,
        datasets={
            "flow": Dataset((2, *size), np.int16, (1, 1, *size), FIELDS),
            "frame": Dataset((), np.int64),
        },
        items=parts,
        rows=[len(part.first) for part in parts],
        attributes={
            "unit_px": FLOW_UNIT_PX,
            "estimator": settings.estimator,
            "opencv": cv2.__version__,
        },
    )


def _estimated(part: _Part) -> Iterator[Rows]:
    yield {"frame": part.frame}
    with named(part.source), h5py.File(part.source) as file:
        # Contiguous reads; a gap inside costs a few frames that are not used.
        begin, end = part.first[0], part.first[-1] + 2
        grey = [
            cv2.cvtColor(cv2.merge(list(frame)), cv2.COLOR_RGB2GRAY)
            for chunk in range(begin, end, CHUNK_FRAMES)
            for frame in file["rgb"][chunk : min(chunk + CHUNK_FRAMES, end)]
        ]
    for i in part.first:
        flow = quantised(estimate_flow(grey[i - begin], grey[i - begin + 1], part.settings))
        yield {"flow": np.stack(cv2.split(flow))[None]}
