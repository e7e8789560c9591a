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
from twinstroke.settings import DecodeSettings, WindowSettings
from twinstroke.tables import Sample, Video
from twinstroke.timeline import kept_count
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


def decode_videos(
    videos: Sequence[Video],
    samples: Sequence[Sample],
    settings: DecodeSettings,
    *,
    window: WindowSettings,
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
        window: T, H and W, in kept frames and pixels.
        root: What the paths of the videos are relative to.
        folder: Where the HDF5 files go.
        workers: Number of processes.

    Raises:
        UserError: One line for each video that does not decode to the frames its samples need.
            The other videos are finished first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    problems: list[str] = []
    for video in videos:
        problems += _unfit(video, settings, window)
        own = [sample for sample in samples if sample.video == video.video]
        if own:
            kept = needed_frames(
                own,
                frames=video.frames,
                window=window.frames,
                frame_step=settings.frame_step,
                context=settings.context,
            )
            jobs.append(_job(video, kept, settings, root, folder))
    if problems:
        raise UserError(problems)
    removed = prune(folder, [job.target for job in jobs])
    pending = [job for job in jobs if not is_finished(job.target, job.fingerprint)]
    with progress_bar("decode", sum(_frames(job) for job in pending), "frames") as bar:
        for job, outcome in zip(pending, ordered_map(_decode, pending, workers), strict=True):
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


def _height(video: Video, settings: DecodeSettings) -> int:
    return video.height * settings.width // video.width


def _unfit(video: Video, settings: DecodeSettings, window: WindowSettings) -> list[str]:
    problems = []
    if kept_count(video.frames, settings.frame_step) < 2:
        problems.append(
            f"{video.path}: {video.frames} frames, of which every {settings.frame_step}. is kept, "
            "are too few for flow, which leads from one to the next; take the video out"
        )
    if (height := _height(video, settings)) < window.height:
        problems.append(
            f"{video.path}: its kept frames are {height} pixels high, less than window.height: "
            f"{window.height}; enlarge decode.width or make the window lower"
        )
    return problems


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
    return _Job(video, root / video.path, target, kept, settings, fingerprint)


def _frames(job: _Job) -> int:
    return sum(len(r) for r in job.kept)


def _decode(job: _Job) -> None:
    video, settings = job.video, job.settings
    width = settings.width
    height = _height(video, settings)
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
