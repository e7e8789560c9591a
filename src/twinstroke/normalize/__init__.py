"""Foreground, region of interest and the scale of the flow.

`describe_motion` writes one HDF5 file a video, ``motion/<video>.h5``, aligned with the flow file:

======== =================== ======= =========================================================
dataset  shape               dtype   meaning
======== =================== ======= =========================================================
mask     (M, H, ceil(W/8))   uint8   foreground, dilated, one bit a pixel (``numpy.packbits``)
roi      (M, 2)              float32 smoothed centre of the region of interest, (x, y) in px
peak     (M, 2)              float32 per-frame maximum of masked abs(u) and abs(v), in px
frame    (M,)                int64   source frame, as in the flow file
======== =================== ======= =========================================================

They are apart from the flow, so that other rules for masks or ROI never recompute it.
`flow_statistics` turns the peaks of the training split into the scale that normalises flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.files import COMPRESSION, fingerprint_of, is_finished, new_hdf5, prune
from twinstroke.flow import CHUNK_PAIRS, dequantised, pairs
from twinstroke.normalize.mask import foreground, masked
from twinstroke.normalize.roi import roi_centre, roi_track, smoothing_kernel
from twinstroke.normalize.statistics import FlowStatistics, flow_statistics, training_peaks
from twinstroke.progress import progress_bar
from twinstroke.settings import NormalizeSettings, WindowSettings
from twinstroke.workers import ordered_map

__all__ = [
    "FlowStatistics",
    "MotionSummary",
    "describe_motion",
    "flow_statistics",
    "foreground",
    "masked",
    "roi_centre",
    "roi_track",
    "smoothing_kernel",
    "training_peaks",
]

REVISION = 1
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
BLOCK_PAIRS = 4 * CHUNK_PAIRS
"""Pairs that are read and written at once."""


@dataclass(frozen=True)
class MotionSummary:
    """What a run found and did."""

    made: int
    present: int
    removed: int


@dataclass(frozen=True)
class _Job:
    frames: Path
    flow: Path
    target: Path
    settings: NormalizeSettings
    window: WindowSettings
    fps: float
    fingerprint: str


def describe_motion(
    flows: Sequence[Path],
    settings: NormalizeSettings,
    window: WindowSettings,
    *,
    frames_folder: Path,
    fps: float,
    folder: Path,
    workers: int,
) -> MotionSummary:
    """Bring `folder` to one finished file for each flow file.

    Args:
        flows: Files that `flow` wrote.
        settings: Rules for masks and ROI.
        window: H and W of the crop, within which the ROI centre is kept.
        frames_folder: Where the file of frames of the same name lies.
        fps: Kept frames a second.
        folder: Where the HDF5 files go.
        workers: Number of processes.

    Raises:
        UserError: A worker process died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for flow in flows:
        frames = frames_folder / flow.name
        with h5py.File(flow) as flow_file, h5py.File(frames) as frames_file:
            fingerprint = fingerprint_of(
                revision=REVISION,
                flow=flow_file.attrs["content"],
                frames=frames_file.attrs["content"],
                mask=settings.mask.model_dump(),
                roi=settings.roi.model_dump(),
                crop=[window.height, window.width],
                fps=fps,
                opencv=cv2.__version__,
            )
        jobs.append(_Job(frames, flow, folder / flow.name, settings, window, fps, fingerprint))
    removed = prune(folder, [job.target for job in jobs])
    pending = [job for job in jobs if not is_finished(job.target, job.fingerprint)]
    with progress_bar("normalize", len(pending), "videos") as bar:
        for outcome in ordered_map(_describe, pending, workers):
            if isinstance(outcome, UserError):
                raise outcome
            bar.update()
    return MotionSummary(len(pending), len(jobs) - len(pending), len(removed))


def _describe(job: _Job) -> None:
    with h5py.File(job.frames) as frames_file, h5py.File(job.flow) as flow_file:
        rgb, flow = frames_file["rgb"], flow_file["flow"]
        step = int(frames_file.attrs["frame_step"])
        first = pairs(frames_file["frame"][:], step)
        count, height, width = flow.shape[:3]
        crop = (job.window.height, job.window.width)
        centres = np.full((count, 2), np.nan)
        peaks = np.zeros((count, 2), np.float32)
        with new_hdf5(job.target, job.fingerprint) as file:
            packed = (height, -(-width // 8))
            masks = file.create_dataset(
                "mask",
                (count, *packed),
                np.uint8,
                chunks=(CHUNK_PAIRS, *packed),
                maxshape=(None, *packed),
                **COMPRESSION,
            )
            # Each run of frames without a gap is a scene of its own to the background model.
            for run in np.split(np.arange(count), np.flatnonzero(np.diff(first) > 1) + 1):
                mask_of_next = foreground(_pictures(rgb, first[run]), job.settings.mask)
                for start in range(run[0], run[-1] + 1, BLOCK_PAIRS):
                    block = slice(start, min(start + BLOCK_PAIRS, run[-1] + 1))
                    mask = np.stack(list(islice(mask_of_next, block.stop - block.start)))
                    field = masked(dequantised(flow[block]), mask)
                    masks[block] = np.packbits(mask, axis=-1)
                    for axis in range(2):
                        peaks[block, axis] = np.abs(field[..., axis]).max((1, 2))
                    centres[block] = [
                        roi_centre(own, crop, job.settings.roi.max_weight) for own in field
                    ]
                centres[run] = roi_track(
                    centres[run], (height, width), smoothing_kernel(job.settings.roi, job.fps)
                )
            file["roi"] = centres.astype(np.float32)
            file["peak"] = peaks
            file["frame"] = flow_file["frame"][:]


def _pictures(rgb: h5py.Dataset, numbers: NDArray[np.intp]) -> Iterator[NDArray[np.uint8]]:
    """Pictures of one run, in order, read in blocks."""
    for start in range(numbers[0], numbers[-1] + 1, BLOCK_PAIRS):
        yield from rgb[start : min(start + BLOCK_PAIRS, numbers[-1] + 1)]
