"""Frames that some sample needs, as exact RGB pixels: one HDF5 file a video; see `stored`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

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
from twinstroke.timeline import kept_count
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
        step = self.settings.frame_step
        first, last = self.passes[0].kept[0][0], self.passes[-1].kept[-1][-1]
        return f"{self.source}: frames {first * step} to {last * step}"


@dataclass(frozen=True)
class _Job:
    video: Video
    source: Path
    kept: list[range]
    settings: DecodeSettings
    output: OutputFile[_Part]
    """Without its parts: how a video is entered is looked up only where it must be."""

    @property
    def frames(self) -> int:
        return sum(len(r) for r in self.kept)

    def __str__(self) -> str:
        return str(self.source)


def decode_videos(
    videos: Sequence[Video],
    samples: Sequence[Sample],
    settings: DecodeSettings,
    *,
    window: WindowSettings,
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
            kept = needed_frames(
                own,
                frames=video.frames,
                window=window.frames,
                frame_step=settings.frame_step,
                context=settings.context,
            )
            target = folder / f"{video.video}.h5"
            jobs.append(_job(video, kept, settings, root / video.path, target, store / "decode"))
    if problems:
        raise UserError(problems)
    prune(folder, [job.output.target for job in jobs])
    missing = [job for job in jobs if not take(job.output)]
    outputs, problems = _planned(missing, workers)
    problems += make_in_parts("decode", "frames", outputs, _decoded, workers)
    if problems:
        raise UserError(problems)
    return DecodeSummary(
        made=len(missing),
        present=len(jobs) - len(missing),
        frames_kept=sum(job.frames for job in jobs),
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
    video: Video,
    kept: list[range],
    settings: DecodeSettings,
    source: Path,
    target: Path,
    store: Path,
) -> _Job:
    parameters = {"width": settings.width, "frame_step": settings.frame_step}
    fingerprint = fingerprint_of(
        revision=REVISION,
        source=video.sha256,
        kept=[[r.start, r.stop] for r in kept],
        **parameters,
        ffmpeg=ffmpeg_version(),
    )
    size = (_height(video, settings), settings.width)
    output: OutputFile[_Part] = OutputFile(
        target=target,
        store=store,
        fingerprint=fingerprint,
        parameters=parameters,
        datasets={
            "rgb": Dataset((3, *size), np.uint8, (CHUNK_FRAMES, 3, *size), PLANES),
            "frame": Dataset((), np.int64),
        },
        attributes={"frame_step": settings.frame_step},
    )
    return _Job(video, source, kept, settings, output)


def _planned(jobs: Sequence[_Job], workers: Workers) -> tuple[list[OutputFile[_Part]], list[str]]:
    """Files to make, and what is wrong with the videos that cannot even be planned."""
    outputs: dict[Path, OutputFile[_Part]] = {}
    problems = []
    with progress_bar("decode: plan", len(jobs), "videos") as bar:
        for job, outcome in workers.outcomes(_passes, each_of(jobs)):
            if isinstance(outcome, UserError):
                problems += outcome.problems
            else:
                outputs[job.output.target] = _in_parts(job, outcome)
            bar.update()
    in_order = (job.output.target for job in jobs)
    return [outputs[target] for target in in_order if target in outputs], problems


def _passes(job: _Job) -> list[Pass]:
    return plan_passes(
        job.source,
        job.kept,
        frames=job.video.frames,
        frame_step=job.settings.frame_step,
        limits=job.settings.limits,
    )


def _in_parts(job: _Job, passes: Sequence[Pass]) -> OutputFile[_Part]:
    video, settings = job.video, job.settings
    size = (_height(video, settings), settings.width)
    shrinks = settings.width <= video.width
    parts = [
        _Part(job.source, own, size, shrinks, settings)
        for own in grouped(passes, lambda one: sum(map(len, one.kept)), PART_FRAMES)
    ]
    return replace(job.output, items=parts, rows=[part.frames for part in parts])


def _decoded(part: _Part) -> Iterator[Rows]:
    height, width = part.size
    numbers = chain.from_iterable(r for one in part.passes for r in one.kept)
    yield {"frame": np.fromiter(numbers, np.int64) * part.settings.frame_step}
    for one in part.passes:
        for frames in decoded_frames(
            part.source,
            one,
            frame_step=part.settings.frame_step,
            width=width,
            height=height,
            shrinks=part.shrinks,
            batch=CHUNK_FRAMES,
            limits=part.settings.limits,
        ):
            yield {"rgb": frames}
