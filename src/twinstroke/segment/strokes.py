"""Strokes as tensors, cut around the region of interest: ``strokes.h5``; see `stored`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import twinstroke
from twinstroke.decode.stored import pictures
from twinstroke.errors import UserError, named
from twinstroke.flow.stored import FLOW_UNIT_PX, fields
from twinstroke.hdf5 import COMPRESSION, fingerprint_of, opened
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, grouped, make_in_parts, take
from twinstroke.parallel.workers import Workers
from twinstroke.regions import WHOLE, PlayerRegion, Regions, place_file
from twinstroke.segment.crop import crop_around
from twinstroke.segment.stored import REVISION
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import Sample, Video
from twinstroke.timeline import clip_range, kept_count

CHUNK_FRAMES = 8
"""Frames a chunk: reading a random window touches little beside it."""
BLOCK_FRAMES = 32
"""Frames that are read at once."""
PART_FRAMES = 256
"""Frames a part, at least; a clip is never divided."""


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
    place: PlayerRegion | None
    """Where the player is; None: anywhere."""
    geometry: Geometry


@dataclass(frozen=True)
class _Part:
    """Some samples."""

    jobs: tuple[_Job, ...]

    def __str__(self) -> str:
        return f"samples {self.jobs[0].sample.sample} to {self.jobs[-1].sample.sample}"


def cut_strokes(
    samples: Sequence[Sample],
    videos: Sequence[Video],
    geometry: Geometry,
    *,
    preparation: Preparation,
    classes: Sequence[str],
    folder: Path,
    target: Path,
    store: Path,
    workers: Workers,
    regions: Regions = WHOLE,
) -> SegmentSummary:
    """Cut every sample out of its video and write them all to `target`.

    Killed at any moment, the next call goes on and ends with the same bytes.

    Args:
        samples: The table of samples, in the order in which they are stored.
        videos: The table of videos.
        geometry: Window, margin and rate.
        preparation: How the frames were made, to be kept with them.
        classes: Names in the order of ``class_index``.
        folder: Holds the folders ``frames``, ``flow`` and ``motion``.
        target: ``strokes.h5``.
        store: Where it is kept.
        workers: Processes, over which samples are spread.
        regions: Where the players are.

    Raises:
        UserError: A file is damaged, or a process died twice on the same samples.
        OSError: The files cannot be written.
    """
    counts = {video.video: kept_count(video.frames, geometry.frame_step) for video in videos}
    jobs = [
        _job(
            sample,
            counts[sample.video],
            regions.of(sample.video, sample.group),
            geometry,
            folder,
        )
        for sample in samples
    ]
    groups = grouped(jobs, lambda job: len(job.clip), PART_FRAMES)
    parts = [_Part(own) for own in groups]
    output = OutputFile(
        target=target,
        store=store / "segment",
        fingerprint=_fingerprint(jobs, geometry, preparation, classes),
        parameters={"window": geometry.window, **preparation.model_dump()},
        datasets={
            "rgb": _crops(geometry, 3, np.uint8),
            "flow": _crops(geometry, 2, np.int16),
            "roi": Dataset((2,), np.float32),
            "frame": Dataset((), np.int64),
        },
        items=parts,
        rows=[sum(len(job.clip) for job in part.jobs) for part in parts],
        attributes=_provenance(jobs, geometry, preparation, classes),
        columns=_columns(jobs),
    )
    if not take(output):
        problems = make_in_parts("segment", "frames", [output], _cut, workers)
        if problems:
            raise UserError(problems)
    return SegmentSummary(len(jobs), output.bounds[-1])


def _job(
    sample: Sample, kept: int, place: PlayerRegion | None, geometry: Geometry, folder: Path
) -> _Job:
    clip = clip_range(sample.begin, sample.end, geometry.frame_step, geometry.window[0])
    name = f"{sample.video}.h5"
    frames, flow = (folder / part / name for part in ("frames", "flow"))
    motion = place_file(folder / "motion", sample.video, place)
    return _Job(sample, clip, kept - 1, frames, flow, motion, place, geometry)


def _crops(geometry: Geometry, channels: int, dtype: type[np.integer]) -> Dataset:
    shape = (*geometry.crop, channels)
    return Dataset(shape, dtype, (CHUNK_FRAMES, *shape), COMPRESSION)


def _cut(part: _Part) -> Iterator[Rows]:
    for paths, jobs in groupby(part.jobs, attrgetter("frames", "flow", "motion")):
        with ExitStack() as stack:
            frames, flow, motion = (stack.enter_context(opened(path)) for path in paths)
            with named(motion.filename):
                described = motion["frame"][:]
            source = _Source(frames, flow, motion, frames["frame"][:], flow["frame"][:], described)
            for job in jobs:
                for begin in range(job.clip.start, job.clip.stop, BLOCK_FRAMES):
                    block = range(begin, min(begin + BLOCK_FRAMES, job.clip.stop))
                    yield _block(job, block, source)


@dataclass(frozen=True)
class _Source:
    """What is known of one video."""

    frames: h5py.File
    flow: h5py.File
    motion: h5py.File
    kept: NDArray[np.int64]
    """Source frames of which there is a picture …"""
    known: NDArray[np.int64]
    """… from which a flow leads …"""
    described: NDArray[np.int64]
    """… and of which it is known what moves."""


def _block(job: _Job, block: range, source: _Source) -> Rows:
    inside = np.clip(block, 0, job.last)
    # Distinct frames, read as one slice: the clip has no gap.
    wanted, place = np.unique(inside * job.geometry.frame_step, return_inverse=True)
    at = int(np.searchsorted(source.kept, wanted[0]))
    rgb = pictures(source.frames, slice(at, at + len(wanted)))
    at = int(np.searchsorted(source.known, wanted[0]))
    # The last frame of a video has no flow.
    count = int(np.isin(wanted, source.known[at : at + len(wanted)]).sum())
    field = np.zeros((*rgb.shape[:3], 2), np.int16)
    field[:count] = fields(source.flow, slice(at, at + count))
    at = int(np.searchsorted(source.described, wanted[0]))
    with named(source.motion.filename):
        packed = source.motion["mask"][at : at + count]
    field[:count] *= np.unpackbits(packed, axis=-1, count=rgb.shape[2])[..., None]
    # Without flow the region stays where it was.
    rows = np.clip(np.arange(at, at + len(wanted)), 0, len(source.described) - 1)
    roi = source.motion["roi"][rows[0] : rows[-1] + 1][rows - rows[0]]
    crop = job.geometry.crop
    box = job.place.box(rgb.shape[1:3]) if job.place else None
    rgb = np.stack([crop_around(p, c, crop, box) for p, c in zip(rgb, roi, strict=True)])[place]
    field = np.stack([crop_around(f, c, crop, box) for f, c in zip(field, roi, strict=True)])[place]
    field[np.asarray(block) != inside] = 0
    return {
        "rgb": rgb,
        "flow": field,
        "roi": roi[place],
        "frame": inside * job.geometry.frame_step,
    }


def _fingerprint(
    jobs: Sequence[_Job], geometry: Geometry, preparation: Preparation, classes: Sequence[str]
) -> str:
    sources, folder = {}, jobs[0].frames.parent.parent
    # Whether more frames are kept than samples need is no matter of theirs.
    for digest, part in (("origin", "frames"), ("origin", "flow"), ("content", "motion")):
        for path in sorted({getattr(job, part) for job in jobs}):
            with opened(path) as file:
                sources[path.relative_to(folder).as_posix()] = file.attrs[digest]
    placed = {job.sample.sample: list(job.place.region) for job in jobs if job.place}
    return fingerprint_of(
        **({"regions": placed} if placed else {}),
        revision=REVISION,
        sources=sources,
        samples=[job.sample.model_dump() for job in jobs],
        geometry=vars(geometry),
        preparation=preparation.model_dump(),
        classes=list(classes),
    )


def _columns(jobs: Sequence[_Job]) -> dict[str, list[str | int | float]]:
    columns = {
        f"samples/{name}": [getattr(job.sample, name) for job in jobs]
        for name in Sample.model_fields
    }
    lengths = [len(job.clip) for job in jobs]
    return {
        **columns,
        "samples/length": lengths,
        "samples/offset": [0, *accumulate(lengths)][:-1],
    }


def _provenance(
    jobs: Sequence[_Job], geometry: Geometry, preparation: Preparation, classes: Sequence[str]
) -> dict[str, Any]:
    with opened(jobs[0].flow) as flow:
        estimator, opencv = flow.attrs["estimator"], flow.attrs["opencv"]
    return {
        "estimator": estimator,
        "opencv": opencv,
        "classes": json.dumps(list(classes), ensure_ascii=False),
        "window": geometry.window,
        "preparation": preparation.model_dump_json(),
        "margin": geometry.margin,
        "frame_step": geometry.frame_step,
        "fps": geometry.fps,
        "flow_unit_px": FLOW_UNIT_PX,
        "twinstroke": twinstroke.__version__,
    }
