"""What the video files of a data set hold, and what is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Literal, TypeVar

from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.files import sha256_of
from twinstroke.findings import Finding, Findings, Place
from twinstroke.progress import progress_bar
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.index import IndexSettings
from twinstroke.settings.limits import Limits
from twinstroke.tables import Video
from twinstroke.timeline import Kept, every
from twinstroke.video.checks import check_decoding, rate_findings, video_findings
from twinstroke.video.clock import exact_rate
from twinstroke.video.probe import Probe, probe_video

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Footage:
    """A video, and how the tables count its frames."""

    probe: Probe
    fps: Fraction
    """Frames a second that are counted, of what the video shows."""
    counted: Kept
    """Frames that are counted: all, or with ``decode.rate`` those of that rate."""
    slow_motion: Fraction
    """How many times as long the video lasts as what it shows took."""


def probe_videos(
    paths: Mapping[str, Path],
    wanted: Container[str],
    settings: IndexSettings,
    decode: DecodeSettings,
    recorded: Mapping[str, float],
    workers: int,
    findings: Findings,
) -> tuple[dict[str, Footage], set[str]]:
    """Probe all videos.

    Args:
        paths: Files by id.
        wanted: Those of which samples can be made; what is wrong with the others is a warning.
        settings: Expected frame rate.
        decode: Which frames are kept, and limits of the runs of FFmpeg.
        recorded: Frames a second at which videos were recorded that are stored at fewer, by id.
        workers: Videos that are read at the same time.
        findings: Gets what is wrong.

    Returns:
        What was found, and the ids of those that can be read but not be used.
    """

    def probe(path: Path) -> Probe | UserError:
        try:
            return probe_video(path, decode.limits)
        except UserError as error:
            return error

    probes, unfit = {}, set()
    outcomes = _parallel("probe", probe, [*paths.values()], workers)
    for (video, path), outcome in zip(paths.items(), outcomes, strict=True):
        own = Findings()
        if isinstance(outcome, UserError):
            for problem in outcome.problems:
                found, _, advice = problem.removeprefix(f"{path}: ").rpartition("; ")
                own.error("video", Place(str(path)), found, advice, video=video)
        else:
            seen = footage_of(outcome, decode, recorded.get(video, settings.recorded_fps))
            probes[video] = seen
            by_time = None if decode.rate == "video" else seen.counted
            rates = decode, settings.fps, seen.slow_motion
            own.extend(rate_findings(path, video, outcome, *rates))
            own.extend(video_findings(path, video, outcome, by_time))
            if own.errors:
                unfit.add(video)
        findings.extend(own.all if video in wanted else own.as_warnings)
    return probes, unfit


def footage_of(
    probe: Probe, decode: DecodeSettings, recorded: float | Literal["stored"] = "stored"
) -> Footage:
    """How the tables count the frames of a video.

    Args:
        probe: What it holds.
        decode: Which frames are kept.
        recorded: Frames a second at which it was recorded.
    """
    fps, slow_motion = probe.fps, Fraction(1)
    if recorded != "stored":
        fps = exact_rate(recorded)
        slow_motion = fps / probe.usual_fps
    if decode.rate == "video":
        return Footage(probe, fps, every(1, probe.frames), slow_motion)
    fps = exact_rate(decode.rate)
    return Footage(probe, fps, probe.clock.kept(slow_motion / fps), slow_motion)


def frames_to_try(
    strokes: Iterable[Stroke], window: int, context: int
) -> dict[str, tuple[int, int, int]]:
    """Three counted frames of each video by which to see whether it decodes.

    They are the first, one in the middle, and the last of those that later stages need.

    Args:
        strokes: Strokes of any number of videos.
        window: Length of the network's window: a shorter stroke is seen in one.
        context: Frames on both sides of that.
    """
    ranges = defaultdict(list)
    for stroke in strokes:
        around = context + max(0, window - (stroke.end - stroke.begin) + 1) // 2
        ranges[stroke.video].append((max(0, stroke.begin - around), stroke.end - 1 + around))
    return {
        video: (min(own)[0], sum(own[len(own) // 2]) // 2, max(last for _, last in own))
        for video, own in ranges.items()
    }


def undecodable(
    videos: Sequence[str],
    needed: Mapping[str, tuple[int, int, int]] | None,
    paths: Mapping[str, Path],
    footage: Mapping[str, Footage],
    workers: int,
    findings: Findings,
    limits: Limits,
) -> set[str]:
    """Find the videos of which a needed frame does not decode; an error each.

    Args:
        videos: Ids.
        needed: Frames to look at; None: all.
        paths: Files by id.
        footage: What they hold.
        workers: Videos that are read at the same time.
        findings: Gets the errors.
        limits: Of the runs of FFmpeg.
    """

    def check(video: str) -> list[Finding]:
        probe, counted = footage[video].probe, footage[video].counted
        last = len(counted) - 1
        frames = None if needed is None else [counted.frame(min(n, last)) for n in needed[video]]
        return check_decoding(paths[video], video, probe, frames, limits)

    broken = set()
    for video, outcome in zip(videos, _parallel("decode", check, videos, workers), strict=True):
        findings.extend(outcome)
        if outcome:
            broken.add(video)
    return broken


def _parallel(
    what: str, function: Callable[[A], B], items: Sequence[A], workers: int
) -> Iterator[B]:
    """Apply a function that waits for FFmpeg to items, in order, and show the progress."""
    with progress_bar(f"index: {what}", len(items), "videos") as bar, ThreadPool(workers) as pool:
        for outcome in pool.imap(function, items):
            yield outcome
            bar.update()


def equal_contents(
    footage: Mapping[str, Footage], paths: Mapping[str, Path], findings: Findings
) -> list[frozenset[str]]:
    """Videos that hold the same pictures, whatever their names and containers; warn of them."""
    contents = defaultdict(list)
    for video, own in footage.items():
        contents[own.probe.content].append(video)
    same = [videos for videos in contents.values() if len(videos) > 1]
    for first, *others in same:
        findings.warning(
            "content",
            Place(str(paths[first])),
            f"has the same content as {', '.join(str(paths[video]) for video in others)}",
            "keep one of them, or see that they are in one split",
            video=first,
        )
    return [frozenset(videos) for videos in same]


def video_row(video: str, path: Path, footage: Footage, root: Path) -> Video:
    """The row of the table of videos."""
    probe = footage.probe
    return Video(
        video=video,
        path=path.absolute().relative_to(root.absolute()).as_posix(),
        sha256=sha256_of(path),
        frames=len(footage.counted),
        fps=footage.fps,
        width=probe.width,
        height=probe.height,
        variable_frame_rate=probe.variable_frame_rate,
        slow_motion=footage.slow_motion,
    )
