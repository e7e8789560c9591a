"""Frames that some sample needs, as exact RGB pixels: one HDF5 file a video; see `stored`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from twinstroke.decode.needed import needed_frames
from twinstroke.decode.stored import CHUNK_FRAMES, REVISION
from twinstroke.errors import UserError
from twinstroke.files import prune
from twinstroke.hdf5 import PLANES, fingerprint_of
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, grouped, make_in_parts, take
from twinstroke.parallel.workers import Workers, each_of, ffmpeg_version
from twinstroke.progress import progress_bar
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.window import WindowSettings
from twinstroke.tables import Sample, Video
from twinstroke.timeline import Kept, every, kept_count
from twinstroke.video.clock import Clock, exact_rate
from twinstroke.video.probe import probe_video
from twinstroke.video.seek import Pass, decoded_frames, plan_passes

PART_FRAMES = 64
"""Frames a part, at least: FFmpeg is started for each."""


@dataclass(frozen=True)
class DecodeSummary:
    """What a run of the stage found and did."""

    made: int
    present: int
    """Taken from the store."""
    frames_kept: int
    frames_in_videos: int


@dataclass(frozen=True)
class _Part:
    """Some passes through one video."""

    source: Path
    passes: tuple[Pass, ...]
    size: tuple[int, int]
    """(H, W) of kept frames."""
    shrinks: bool
    settings: DecodeSettings

    @property
    def frames(self) -> int:
        return sum(len(r) for one in self.passes for r in one.kept)

    def __str__(self) -> str:
        first, last = self.passes[0].numbers[0], self.passes[-1].numbers[-1]
        return f"{self.source}: frames {first} to {last}"


@dataclass(frozen=True)
class _Job:
    video: Video
    source: Path
    needed: list[range]
    """Kept frames that samples need."""
    settings: DecodeSettings
    whole: bool

    @property
    def wanted(self) -> list[range]:
        """Kept frames that are stored."""
        step = self.settings.frame_step
        return [range(kept_count(self.video.frames, step))] if self.whole else self.needed

    def __str__(self) -> str:
        return str(self.source)


def decode_videos(
    videos: Sequence[Video],
    samples: Sequence[Sample],
    settings: DecodeSettings,
    *,
    window: WindowSettings,
    whole: Container[str] = (),
    root: Path,
    folder: Path,
    store: Path,
    workers: Workers,
) -> DecodeSummary:
    """Bring `folder` to one finished file for each video that has samples.

    What the store has is linked; other files in the folder are deleted. Killed at any moment, the
    next call goes on and ends with the same bytes.

    Args:
        videos: The table of videos.
        samples: The table of samples.
        settings: Width, frame step, context, and the limits of FFmpeg.
        window: T, H and W, in kept frames and pixels.
        whole: Videos of which all frames are kept.
        root: What the paths of the videos are relative to.
        folder: Where the HDF5 files go.
        store: Where they are kept.
        workers: Processes, over which frames and videos are spread.

    Raises:
        UserError: One line for each video that does not decode to the frames its samples need.
            The other videos are finished first.
        OSError: The files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    problems: list[str] = []
    by_video = defaultdict(list)
    for sample in samples:
        by_video[sample.video].append(sample)
    for video in videos:
        problems += _unfit(video, settings, window)
        if own := by_video[video.video]:
            needed = needed_frames(
                own,
                frames=video.frames,
                window=window.frames,
                frame_step=settings.frame_step,
                context=settings.context,
            )
            job = _Job(video, root / video.path, needed, settings, whole=video.video in whole)
            jobs.append((job, _output(job, folder / f"{video.video}.h5", store / "decode")))
    if problems:
        raise UserError(problems)
    prune(folder, [output.target for _, output in jobs])
    missing = [(job, output) for job, output in jobs if not take(output)]
    outputs, problems = _planned(missing, workers)
    problems += make_in_parts("decode", "frames", outputs, _decoded, workers)
    if problems:
        raise UserError(problems)
    return DecodeSummary(
        made=len(missing),
        present=len(jobs) - len(missing),
        frames_kept=sum(len(r) for job, _ in jobs for r in job.wanted),
        frames_in_videos=sum(job.video.frames for job, _ in jobs),
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


def _output(job: _Job, target: Path, store: Path) -> OutputFile[_Part]:
    """The file of a video, without its parts: how it is entered is looked up only if it must be."""
    video, settings = job.video, job.settings
    parameters: dict[str, Any] = {"width": settings.width, "frame_step": settings.frame_step}
    if settings.rate != "video":
        parameters = {"width": settings.width, "rate": settings.rate}
        if video.slow_motion != 1:
            parameters["slow_motion"] = str(video.slow_motion)
    origin = {
        "revision": REVISION,
        "source": video.sha256,
        **parameters,
        "ffmpeg": ffmpeg_version(),
    }
    for_detection = {"needed": [[r.start, r.stop] for r in job.needed]} if job.whole else {}
    fingerprint = fingerprint_of(
        **origin, kept=[[r.start, r.stop] for r in job.wanted], **for_detection
    )
    size = (_height(video, settings), settings.width)
    return OutputFile(
        target=target,
        store=store,
        fingerprint=fingerprint,
        parameters=parameters,
        datasets={
            "rgb": Dataset((3, *size), np.uint8, (CHUNK_FRAMES, 3, *size), PLANES),
            "frame": Dataset((), np.int64),
        },
        attributes={"frame_step": settings.frame_step, "origin": fingerprint_of(**origin)},
    )


def _planned(
    jobs: Sequence[tuple[_Job, OutputFile[_Part]]], workers: Workers
) -> tuple[list[OutputFile[_Part]], list[str]]:
    """Files to make, and what is wrong with the videos that cannot even be planned."""
    outputs = {job.source: output for job, output in jobs}
    planned: dict[Path, OutputFile[_Part]] = {}
    problems = []
    with progress_bar("decode: plan", len(jobs), "videos") as bar:
        for job, outcome in workers.outcomes(_passes, each_of(job for job, _ in jobs)):
            if isinstance(outcome, UserError):
                problems += outcome.problems
            else:
                planned[job.source] = _in_parts(job, outputs[job.source], *outcome)
            bar.update()
    return [planned[source] for source in outputs if source in planned], problems


def _passes(job: _Job) -> tuple[list[Pass], Kept, Clock | None]:
    """How a video is gone through, its kept frames, and when its frames are shown, if asked."""
    settings, video = job.settings, job.video
    by_time = settings.rate != "video"
    clock = probe_video(job.source, settings.limits).clock if job.whole or by_time else None
    if clock is not None and settings.rate != "video":
        kept = clock.kept(video.slow_motion / exact_rate(settings.rate))
        if len(kept) != video.frames:
            raise UserError(
                f"{job.source}: {len(kept)} frames are to be kept, but {video.frames} when it was "
                "indexed; run dvc repro index again"
            )
    else:
        kept = every(settings.frame_step, video.frames)
    return plan_passes(job.source, job.wanted, kept, settings.limits), kept, clock


def _in_parts(
    job: _Job, output: OutputFile[_Part], passes: Sequence[Pass], kept: Kept, clock: Clock | None
) -> OutputFile[_Part]:
    video, settings = job.video, job.settings
    size = (_height(video, settings), settings.width)
    shrinks = settings.width <= video.width
    parts = [
        _Part(job.source, own, size, shrinks, settings)
        for own in grouped(passes, lambda one: sum(map(len, one.kept)), PART_FRAMES)
    ]
    output = replace(output, items=parts, rows=[part.frames for part in parts])
    if clock is None or not job.whole:
        return output
    columns = {"runs": [[r.start, r.stop] for r in job.needed], "ticks": clock.ticks.tolist()}
    if settings.rate != "video":
        columns["source"] = kept.numbers.tolist()
    return replace(
        output,
        attributes={**output.attributes, "time_base": str(clock.time_base)},
        columns=columns,
    )


def _decoded(part: _Part) -> Iterator[Rows]:
    height, width = part.size
    numbers = chain.from_iterable(r for one in part.passes for r in one.kept)
    yield {"frame": np.fromiter(numbers, np.int64) * part.settings.frame_step}
    for one in part.passes:
        for frames in decoded_frames(
            part.source,
            one,
            width=width,
            height=height,
            shrinks=part.shrinks,
            batch=CHUNK_FRAMES,
            limits=part.settings.limits,
        ):
            yield {"rgb": frames}
