"""Frames that some sample needs, as exact RGB pixels: one HDF5 file a video.

Layout of ``frames/<video>.h5``:

======== ================= ======= ==========================================================
dataset  shape             dtype   meaning
======== ================= ======= ==========================================================
rgb      (N, H, W, 3)      uint8   kept frames, resized to the preset's width, H·width//W high
frame    (N,)              int64   number of each in the source video, ascending
======== ================= ======= ==========================================================

Attributes: ``fingerprint``, ``content`` (SHA-256 of the pixels and frame numbers), ``frame_step``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from twinstroke.decode.ffmpeg import decoded_frames
from twinstroke.decode.needed import needed_frames
from twinstroke.errors import UserError
from twinstroke.files import COMPRESSION, fingerprint_of, is_finished, new_hdf5, prune
from twinstroke.progress import progress_bar
from twinstroke.settings import DecodeSettings
from twinstroke.tables import Sample, Video
from twinstroke.workers import ordered_map

__all__ = ["DecodeSummary", "decode_videos", "decoded_frames", "needed_frames"]

REVISION = 1
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
CHUNK_FRAMES = 8
"""Frames a chunk: a window reads few chunks, and a chunk of 320×180 is 1.4 MB."""


@dataclass(frozen=True)
class DecodeSummary:
    """What a run of the stage found and did."""

    made: int
    present: int
    removed: int
    frames_kept: int
    frames_in_videos: int


@dataclass(frozen=True)
class _Job:
    video: Video
    source: Path
    target: Path
    kept: list[range]
    settings: DecodeSettings
    fingerprint: str
    threads: int


def decode_videos(
    videos: Sequence[Video],
    samples: Sequence[Sample],
    settings: DecodeSettings,
    *,
    window: int,
    root: Path,
    folder: Path,
    workers: int,
) -> DecodeSummary:
    """Bring `folder` to one finished file for each video that has samples.

    Videos that are finished already are left alone, files of other videos are deleted.

    Args:
        videos: The table of videos.
        samples: The table of samples.
        settings: Width, frame step and context.
        window: T, in kept frames.
        root: What the paths of the videos are relative to.
        folder: Where the HDF5 files go.
        workers: Number of processes.

    Raises:
        UserError: One line for each video that does not decode to the frames its samples need.
            The other videos are finished first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for video in videos:
        own = [sample for sample in samples if sample.video == video.video]
        if own:
            kept = needed_frames(
                own,
                frames=video.frames,
                window=window,
                frame_step=settings.frame_step,
                context=settings.context,
            )
            jobs.append(_job(video, kept, settings, root, folder))
    removed = prune(folder, [job.target for job in jobs])
    pending = [job for job in jobs if not is_finished(job.target, job.fingerprint)]
    # Few videos: let FFmpeg use the cores that no other process fills.
    threads = max(1, workers // max(1, len(pending)))
    problems: list[str] = []
    with progress_bar("decode", sum(_frames(job) for job in pending), "frames") as bar:
        work = [_Job(**{**vars(job), "threads": threads}) for job in pending]
        for job, outcome in zip(pending, ordered_map(_decode, work, workers), strict=True):
            if isinstance(outcome, UserError):
                problems += outcome.problems
            bar.update(_frames(job))
    if problems:
        raise UserError(problems)
    return DecodeSummary(
        made=len(pending),
        present=len(jobs) - len(pending),
        removed=len(removed),
        frames_kept=sum(_frames(job) for job in jobs),
        frames_in_videos=sum(job.video.frames for job in jobs),
    )


def _job(
    video: Video, kept: list[range], settings: DecodeSettings, root: Path, folder: Path
) -> _Job:
    fingerprint = fingerprint_of(
        revision=REVISION,
        source=video.sha256,
        kept=[[r.start, r.stop] for r in kept],
        width=settings.width,
        frame_step=settings.frame_step,
        ffmpeg=imageio_ffmpeg.__version__,
    )
    target = folder / f"{video.video}.h5"
    return _Job(video, root / video.path, target, kept, settings, fingerprint, 1)


def _frames(job: _Job) -> int:
    return sum(len(r) for r in job.kept)


def _decode(job: _Job) -> None:
    video, settings = job.video, job.settings
    width = settings.width
    height = video.height * width // video.width
    numbers = np.concatenate([np.arange(r.start, r.stop) for r in job.kept]) * settings.frame_step
    content = hashlib.sha256(numbers.astype("<i8").tobytes())
    with new_hdf5(job.target, job.fingerprint) as file:
        rgb = file.create_dataset(
            "rgb",
            (len(numbers), height, width, 3),
            np.uint8,
            chunks=(CHUNK_FRAMES, height, width, 3),
            maxshape=(None, height, width, 3),
            **COMPRESSION,
        )
        file["frame"] = numbers
        file.attrs["frame_step"] = settings.frame_step
        done = 0
        for frames in decoded_frames(
            job.source,
            job.kept,
            frame_step=settings.frame_step,
            width=width,
            height=height,
            shrinks=width <= video.width,
            threads=job.threads,
            batch=CHUNK_FRAMES,
        ):
            rgb[done : done + len(frames)] = frames
            content.update(frames.tobytes())
            done += len(frames)
        if done < len(numbers):
            raise UserError(
                f"{job.source}: frame {numbers[done]} of {video.frames} does not decode, but a "
                "sample needs it; repair or re-encode the video, or take its annotations out"
            )
        file.attrs["content"] = content.hexdigest()
