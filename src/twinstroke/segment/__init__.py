"""Strokes as tensors, cut around the region of interest: ``strokes.h5``.

A sample's clip is its stroke, or one window centred on a shorter stroke (`timeline.clip_range`).
Clips differ in length, so they stand one after another along the first axis:

============= ==================== ======= ==================================================
dataset       shape                dtype   meaning
============= ==================== ======= ==================================================
rgb           (F, H+2m, W+2m, 3)   uint8   crop of the kept frame, black outside the picture
flow          (F, H+2m, W+2m, 2)   int16   masked (u, v) to the next frame, units of 1/32 px
roi           (F, 2)               float32 centre of the crop in the kept frame, (x, y) in px
frame         (F,)                 int64   source frame
samples/...   (S,)                         columns of the table of samples
samples/offset, samples/length             where each clip lies along the first axis
============= ==================== ======= ==================================================

m is the margin for augmentation. The flow is at most 1/64 px off what the estimator gave. Where a
clip reaches beyond the video, its first or last frame is repeated, with zero flow; the flow of a
video's last frame is zero too. Attributes hold the provenance: ``classes``, ``window``, ``margin``,
``flow_unit_px``, ``fps``, ``frame_step``, ``estimator``, ``opencv``, ``twinstroke``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

import twinstroke
from twinstroke.errors import UserError
from twinstroke.files import COMPRESSION, fingerprint_of, new_hdf5
from twinstroke.flow import FLOW_UNIT_PX
from twinstroke.progress import progress_bar
from twinstroke.segment.crop import crop_around
from twinstroke.tables import Sample, Video
from twinstroke.timeline import clip_range, kept_count
from twinstroke.workers import ordered_map

__all__ = ["Geometry", "SegmentSummary", "crop_around", "cut_strokes"]

REVISION = 1
"""Raised when the same input gives other contents than before."""
CHUNK_FRAMES = 8
"""Frames a chunk: reading a random window touches little beside it."""


@dataclass(frozen=True)
class Geometry:
    """Sizes that hold for every clip."""

    window: tuple[int, int, int]
    """T, H, W of the network's input, in kept frames and pixels."""
    margin: int
    """Pixels kept on each side of the crop."""
    frame_step: int
    fps: float
    """Kept frames a second."""

    @property
    def crop(self) -> tuple[int, int]:
        """(H, W) of what is stored."""
        return self.window[1] + 2 * self.margin, self.window[2] + 2 * self.margin


@dataclass(frozen=True)
class SegmentSummary:
    """What was written."""

    samples: int
    frames: int


@dataclass(frozen=True)
class _Job:
    sample: Sample
    clip: range
    last: int
    frames: Path
    flow: Path
    motion: Path
    geometry: Geometry


@dataclass(frozen=True)
class _Clip:
    rgb: NDArray[np.uint8]
    flow: NDArray[np.int16]
    roi: NDArray[np.float32]
    frame: NDArray[np.int64]


def cut_strokes(
    samples: Sequence[Sample],
    videos: Sequence[Video],
    geometry: Geometry,
    *,
    classes: Sequence[str],
    folder: Path,
    target: Path,
    workers: int,
) -> SegmentSummary:
    """Cut every sample out of its video and write them all to `target`.

    Args:
        samples: The table of samples, in the order in which they are stored.
        videos: The table of videos.
        geometry: Window, margin and rate.
        classes: Names in the order of ``class_index``.
        folder: Holds the folders ``frames``, ``flow`` and ``motion``.
        target: ``strokes.h5``.
        workers: Number of processes.

    Raises:
        UserError: A worker process died.
    """
    counts = {video.video: kept_count(video.frames, geometry.frame_step) for video in videos}
    jobs = [_job(sample, counts[sample.video], geometry, folder) for sample in samples]
    lengths = np.array([len(job.clip) for job in jobs])
    total = int(lengths.sum())
    with new_hdf5(target, _fingerprint(jobs, geometry, classes)) as file:
        rgb, flow = (
            file.create_dataset(
                name,
                (total, *geometry.crop, channels),
                dtype,
                chunks=(CHUNK_FRAMES, *geometry.crop, channels),
                maxshape=(None, *geometry.crop, channels),
                **COMPRESSION,
            )
            for name, channels, dtype in (("rgb", 3, np.uint8), ("flow", 2, np.int16))
        )
        roi = np.empty((total, 2), np.float32)
        frame = np.empty(total, np.int64)
        offset = 0
        with progress_bar("segment", len(jobs), "samples") as bar:
            for clip in ordered_map(_cut, jobs, workers):
                if isinstance(clip, UserError):
                    raise clip
                here = slice(offset, offset + len(clip.frame))
                rgb[here], flow[here] = clip.rgb, clip.flow
                roi[here], frame[here] = clip.roi, clip.frame
                offset = here.stop
                bar.update()
        file["roi"], file["frame"] = roi, frame
        _write_samples(file, samples, lengths)
        _write_provenance(file, jobs, geometry, classes)
    return SegmentSummary(len(jobs), total)


def _job(sample: Sample, kept: int, geometry: Geometry, folder: Path) -> _Job:
    clip = clip_range(sample.begin, sample.end, geometry.frame_step, geometry.window[0])
    name = f"{sample.video}.h5"
    frames, flow, motion = (folder / part / name for part in ("frames", "flow", "motion"))
    return _Job(sample, clip, kept - 1, frames, flow, motion, geometry)


def _cut(job: _Job) -> _Clip:
    inside = np.clip(np.arange(job.clip.start, job.clip.stop), 0, job.last)
    frame = inside * job.geometry.frame_step
    # Distinct frames, read as one slice: the clip has no gap.
    wanted, place = np.unique(frame, return_inverse=True)
    with h5py.File(job.frames) as file:
        at = int(np.searchsorted(file["frame"][:], wanted[0]))
        pictures = file["rgb"][at : at + len(wanted)]
    with h5py.File(job.flow) as file, h5py.File(job.motion) as motion:
        known = file["frame"][:]
        at = int(np.searchsorted(known, wanted[0]))
        # The last frame of a video has no flow.
        pairs = int(np.isin(wanted, known).sum())
        field = np.zeros((*pictures.shape[:3], 2), np.int16)
        packed = motion["mask"][at : at + pairs]
        mask = np.unpackbits(packed, axis=-1, count=pictures.shape[2])
        field[:pairs] = file["flow"][at : at + pairs] * mask[..., None]
        # Without flow the region stays where it was.
        centres = motion["roi"][:]
        roi = centres[np.clip(np.arange(at, at + len(wanted)), 0, len(centres) - 1)]
    rgb = np.stack(
        [crop_around(p, c, job.geometry.crop) for p, c in zip(pictures, roi, strict=True)]
    )
    flow = np.stack([crop_around(f, c, job.geometry.crop) for f, c in zip(field, roi, strict=True)])
    flow = flow[place]
    flow[np.arange(job.clip.start, job.clip.stop) != inside] = 0
    return _Clip(rgb[place], flow, roi[place].astype(np.float32), frame)


def _fingerprint(jobs: Sequence[_Job], geometry: Geometry, classes: Sequence[str]) -> str:
    sources = {}
    for path in sorted({path for job in jobs for path in (job.frames, job.flow, job.motion)}):
        with h5py.File(path) as file:
            sources[f"{path.parent.name}/{path.name}"] = file.attrs["fingerprint"]
    return fingerprint_of(
        revision=REVISION,
        sources=sources,
        samples=[job.sample.model_dump() for job in jobs],
        geometry=vars(geometry),
        classes=list(classes),
    )


def _write_samples(file: h5py.File, samples: Sequence[Sample], lengths: NDArray[np.int64]) -> None:
    table = file.create_group("samples")
    for name in Sample.model_fields:
        column = [getattr(sample, name) for sample in samples]
        is_text = isinstance(column[0], str)
        table.create_dataset(name, data=column, dtype=h5py.string_dtype() if is_text else None)
    table["length"] = lengths
    table["offset"] = np.cumsum(lengths) - lengths


def _write_provenance(
    file: h5py.File, jobs: Sequence[_Job], geometry: Geometry, classes: Sequence[str]
) -> None:
    with h5py.File(jobs[0].flow) as flow:
        file.attrs["estimator"] = flow.attrs["estimator"]
        file.attrs["opencv"] = flow.attrs["opencv"]
    file.attrs["classes"] = json.dumps(list(classes), ensure_ascii=False)
    file.attrs["window"] = geometry.window
    file.attrs["margin"] = geometry.margin
    file.attrs["frame_step"] = geometry.frame_step
    file.attrs["fps"] = geometry.fps
    file.attrs["flow_unit_px"] = FLOW_UNIT_PX
    file.attrs["twinstroke"] = twinstroke.__version__
