"""Dense optical flow between neighbouring kept frames: one HDF5 file a video.

**Convention.** ``flow[i]`` is the motion *from* kept frame ``i`` *to* the next one: the pixel seen
at (x, y) in the first is found at (x + u, y + v) in the second, in pixels, x to the right and y
down. N frames in a row have N - 1 flows, none crosses a gap between kept frames.

Layout of ``flow/<video>.h5``:

======== ============== ======= =============================================================
dataset  shape          dtype   meaning
======== ============== ======= =============================================================
flow     (M, H, W, 2)   int16   (u, v) in units of 1/32 px
frame    (M,)           int64   source frame from which each motion leads, ascending
======== ============== ======= =============================================================

Storing 1/32 px units rounds by at most 1/64 px, within ±1023 px. Attributes: ``fingerprint``,
``content`` (SHA-256 of the fields and frame numbers), ``unit_px``, ``estimator``, ``opencv``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.files import COMPRESSION, fingerprint_of, is_finished, new_hdf5, prune
from twinstroke.flow.estimators import estimate_flow
from twinstroke.progress import progress_bar
from twinstroke.settings import FlowSettings
from twinstroke.workers import ordered_map

__all__ = ["FLOW_UNIT_PX", "FlowSummary", "compute_flow", "dequantised", "estimate_flow", "pairs"]

REVISION = 1
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
FLOW_UNIT_PX = 1 / 32
"""Flow is stored as whole multiples of this, so it is off by at most 1/64 px."""
CHUNK_PAIRS = 8
"""Pairs a chunk of the file, and a task of a worker: one long video fills all cores."""


@dataclass(frozen=True)
class FlowSummary:
    """What a run of the stage found and did."""

    made: int
    present: int
    removed: int
    pairs: int


@dataclass(frozen=True)
class _Task:
    """Some neighbouring pairs of one video: those that start at ``first[j]``."""

    source: Path
    first: tuple[int, ...]
    settings: FlowSettings


@dataclass(frozen=True)
class _Job:
    source: Path
    target: Path
    frame: NDArray[np.int64]
    first: NDArray[np.intp]
    size: tuple[int, int]
    fingerprint: str


def compute_flow(
    sources: Sequence[Path], settings: FlowSettings, *, folder: Path, workers: int
) -> FlowSummary:
    """Bring `folder` to one finished file for each file of frames.

    Finished files are left alone; files without frames are deleted. Killed at any moment, the next
    call goes on and ends with the same bytes.

    Args:
        sources: Files that `decode` wrote.
        settings: Estimator and blur.
        folder: Where the HDF5 files go, under the names of their sources.
        workers: Number of processes, over which frames and videos are spread.

    Raises:
        UserError: A worker process died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [_job(source, settings, folder) for source in sources]
    removed = prune(folder, [job.target for job in jobs])
    pending = [job for job in jobs if not is_finished(job.target, job.fingerprint)]
    tasks = (task for job in pending for task in _tasks(job, settings))
    fields = ordered_map(_estimate, tasks, workers)
    with progress_bar("flow", sum(len(job.first) for job in pending), "pairs") as bar:
        for job in pending:
            with new_hdf5(job.target, job.fingerprint) as file:
                for count in _written(file, job, fields, settings):
                    bar.update(count)
    return FlowSummary(
        made=len(pending),
        present=len(jobs) - len(pending),
        removed=len(removed),
        pairs=sum(len(job.first) for job in jobs),
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


def quantised(flow: NDArray[np.float32]) -> NDArray[np.int16]:
    """Whole multiples of 1/32 px nearest to a flow in pixels; beyond ±1023 px it saturates."""
    limits = np.iinfo(np.int16)
    units: NDArray[np.float32] = np.clip(np.rint(flow / FLOW_UNIT_PX), limits.min, limits.max)
    return units.astype(np.int16)


def _job(source: Path, settings: FlowSettings, folder: Path) -> _Job:
    with h5py.File(source) as file:
        frame = file["frame"][:]
        fingerprint = fingerprint_of(
            revision=REVISION,
            content=file.attrs["content"],
            settings=settings.model_dump(),
            opencv=cv2.__version__,
        )
        first = pairs(frame, int(file.attrs["frame_step"]))
        return _Job(source, folder / source.name, frame, first, file["rgb"].shape[1:3], fingerprint)


def _tasks(job: _Job, settings: FlowSettings) -> Iterator[_Task]:
    for start in range(0, len(job.first), CHUNK_PAIRS):
        yield _Task(job.source, tuple(job.first[start : start + CHUNK_PAIRS].tolist()), settings)


def _estimate(task: _Task) -> NDArray[np.int16]:
    with h5py.File(task.source) as file:
        # One contiguous read; a gap inside it costs a few frames that are not used.
        begin = task.first[0]
        frames = file["rgb"][begin : task.first[-1] + 2]
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return np.stack(
        [
            quantised(estimate_flow(grey[i - begin], grey[i - begin + 1], task.settings))
            for i in task.first
        ]
    )


def _written(
    file: h5py.File,
    job: _Job,
    fields: Iterator[NDArray[np.int16] | UserError],
    settings: FlowSettings,
) -> Iterator[int]:
    frame = job.frame[job.first]
    flow = file.create_dataset(
        "flow",
        (len(frame), *job.size, 2),
        np.int16,
        chunks=(CHUNK_PAIRS, *job.size, 2),
        maxshape=(None, *job.size, 2),
        **COMPRESSION,
    )
    file["frame"] = frame
    content = hashlib.sha256(frame.astype("<i8").tobytes())
    done = 0
    while done < len(frame):
        part = next(fields)
        if isinstance(part, UserError):
            raise part
        flow[done : done + len(part)] = part
        content.update(part.astype("<i2").tobytes())
        done += len(part)
        yield len(part)
    file.attrs["content"] = content.hexdigest()
    file.attrs["unit_px"] = FLOW_UNIT_PX
    file.attrs["estimator"] = settings.estimator
    file.attrs["opencv"] = cv2.__version__
