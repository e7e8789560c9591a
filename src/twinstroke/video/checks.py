"""What is wrong or odd about one video, apart from its annotations."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from twinstroke.errors import UserError
from twinstroke.findings import Finding, Findings, Place
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.limits import DEFAULT_LIMITS, Limits
from twinstroke.timeline import Kept
from twinstroke.video.clock import exact_rate
from twinstroke.video.ffmpeg import decoded, video_stream
from twinstroke.video.probe import Probe

_LEADS_S = (Fraction(1, 2), Fraction(5))
"""How long before a frame to enter the video. The frames just before a key frame may depend on it
and on the one before; a video that is refreshed bit by bit takes seconds to be whole."""

_MOST_REPEATED = 0.1
"""Share of kept frames: phones drop a few of a hundred, and 25 of 30 are too few."""


def rate_findings(
    path: Path,
    video_id: str,
    probe: Probe,
    decode: DecodeSettings,
    expected_fps: float | Literal["any"],
    slow_motion: Fraction = Fraction(1),
) -> list[Finding]:
    """Check the frame rate of a video.

    Args:
        path: The video.
        video_id: Its id.
        probe: What it holds.
        decode: Which frames are kept.
        expected_fps: Frames a second that it should have, within 1 %.
        slow_motion: How many times as long it lasts as what it shows took.

    Returns:
        At most one finding.
    """
    findings = Findings()
    place = Place(str(path))
    mean, usual = (slow_motion * fps for fps in (probe.fps, probe.usual_fps))
    has = f"has {float(mean):.6g} frames a second" + ("" if slow_motion == 1 else " as recorded")

    def slow(rate: float) -> str:
        return too_slow(probe.clock.kept(slow_motion / exact_rate(rate)))

    def fitting(*rates: float) -> str:
        """Advice with the first of some rates for which the video is not too slow."""
        low = (*rates, *(float(int(fps)) for fps in (usual, mean, mean / 2)))
        possible = next((rate for rate in low if rate and not slow(rate)), None)
        return "" if possible is None else f"{possible:g}"

    if decode.rate != "video" and (repeats := slow(decode.rate)):
        lower = fitting()
        findings.error(
            "fps",
            place,
            f"{has}, too few for decode.rate: {decode.rate:g} ({repeats})",
            (f"set decode.rate to {lower}, or " if lower else "") + "leave the video out",
            video=video_id,
        )
    elif expected_fps != "any" and all(
        abs(fps - expected_fps) > 0.01 * expected_fps for fps in (mean, usual)
    ):
        rate = fitting(decode.kept_fps(expected_fps))
        findings.error(
            "fps",
            place,
            f"{has}, but index.fps is {expected_fps:g}",
            "set index.fps if that is right"
            + (f", or keep one rate of all (index.fps: any, decode.rate: {rate})" if rate else "")
            + ", or convert the video",
            video=video_id,
        )
    return findings.all


def too_slow(kept: Kept) -> str:
    """Tell why a video has too few frames for the times at which some are kept; empty if not."""
    if kept.repeated <= _MOST_REPEATED:
        return ""
    return f"{kept.repeated:.0%} of the kept frames would repeat the one before"


def video_findings(
    path: Path, video_id: str, probe: Probe, kept: Kept | None = None
) -> list[Finding]:
    """Check what the probe of a video tells, but for its frame rate.

    Args:
        path: The video.
        video_id: Its id.
        probe: What it holds.
        kept: Which frames are kept by time, if so.
    """
    findings = Findings()
    place = Place(str(path))
    if probe.claimed_frames is not None and probe.frames < probe.claimed_frames:
        findings.warning(
            "frames",
            place,
            f"holds {probe.frames} frames, but its header promises {probe.claimed_frames}",
            "it may have been cut off: copy the file again",
            video=video_id,
        )
    if len(probe.streams) > 1:
        used, other = probe.streams[:2]
        why = "it is the default" if used.is_default > other.is_default else "none is larger"
        findings.warning(
            "streams",
            place,
            f"holds {len(probe.streams)} video streams; stream {used.number} "
            f"({used.width}×{used.height}) is used, since {why}",
            "if another is meant, copy it out first: "
            f"ffmpeg -i {path.name} -map 0:{other.number} -c copy other{path.suffix}",
            video=video_id,
        )
    if probe.mirrored:
        findings.warning(
            "mirrored",
            place,
            "its rotation flag mirrors it: left and right change places, and forehands look like "
            f"backhands of the other hand; that is obeyed, and its frames are "
            f"{probe.width}×{probe.height}",
            "see that players hold the racket in the right hand; if not, remove the flag: "
            f"ffmpeg -display_rotation 0 -i {path.name} -c copy other{path.suffix}",
            video=video_id,
        )
    elif probe.rotation:
        findings.warning(
            "rotation",
            place,
            f"its rotation flag turns it by {probe.rotation}° clockwise; that is obeyed, and its "
            f"frames are {probe.width}×{probe.height}",
            "see that the players stand upright; if not, remove the flag",
            video=video_id,
        )
    if probe.pixel_aspect != 1:
        findings.warning(
            "pixels",
            place,
            f"its pixels are {float(probe.pixel_aspect):.4g} times as wide as high; that is "
            f"obeyed, and its frames are {probe.width}×{probe.height}",
            "see that the players look natural; if not, copy it with FFmpeg's option -aspect",
            video=video_id,
        )
    if probe.interlaced:
        findings.warning(
            "interlaced",
            place,
            "each frame is woven from two moments, and optical flow sees the comb between them",
            "deinterlace it first; FFmpeg's filter bwdif=mode=send_frame keeps the frame numbers",
            video=video_id,
        )
    if probe.variable_frame_rate:
        gaps = np.diff(probe.clock.ticks[:-1]) * float(probe.clock.time_base) * 1000
        findings.warning(
            "vfr",
            place,
            f"variable frame rate: {gaps.min():.3g} to {gaps.max():.3g} ms from frame to frame",
            "frames are counted as they come, and seconds are looked up by their timestamps"
            if kept is None
            else f"frames are kept by their timestamps; {kept.repeated:.1%} of them repeat the one "
            "before",
            video=video_id,
        )
    return findings.all


def check_decoding(
    path: Path,
    video_id: str,
    probe: Probe,
    frames: Sequence[int] | None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Finding]:
    """Decode frames of a video, as later stages will.

    Args:
        path: The video.
        video_id: Its id.
        probe: What it holds.
        frames: Numbers of frames to look at; those that the video does not have are passed over.
            None decodes it from beginning to end.
        limits: Of the runs of FFmpeg.

    Returns:
        At most one finding.
    """
    advice = "copy the video again, repair or re-encode it, or take its annotations out"
    try:
        problem = _problem(path, probe, frames, limits)
    except UserError as error:
        problem, _, advice = error.problems[0].removeprefix(f"{path}: ").rpartition("; ")
    findings = Findings()
    if problem:
        findings.error("decode", Place(str(path)), problem, advice, video=video_id)
    return findings.all


def _problem(path: Path, probe: Probe, frames: Sequence[int] | None, limits: Limits) -> str:
    if frames is None:
        return _linear_problem(path, probe, probe.frames, limits)
    inside = sorted({frame for frame in frames if 0 <= frame < probe.frames})
    failing = [frame for frame in inside if not _decodes(path, probe, frame, limits)]
    # Entering in the middle may fail where decoding from the beginning does not.
    return _linear_problem(path, probe, failing[-1] + 1, limits) if failing else ""


def _decodes(path: Path, probe: Probe, frame: int, limits: Limits) -> bool:
    """Tell whether a frame decodes, by entering the video a little before it."""
    clock = probe.clock
    for lead in _LEADS_S:
        enter = clock.time_of(frame) - lead
        seek = {"ss": f"{float(enter):.6f}"} if enter > 0 else {}
        stream = video_stream(path, limits, **seek)
        stream = stream.filter("select", f"gte(pts,{clock.ticks[frame]})")
        # Count time as if there had been no entering.
        report = decoded(
            path,
            stream,
            limits,
            *("-loglevel", "level+error", "-xerror", "-copyts", "-start_at_zero"),
            **{"frames:v": 1},
        )
        # Once the frame is there, what FFmpeg met while it read ahead does not count.
        times = [found.pts for found in report]
        if times and (times[0] == clock.ticks[frame] or not probe.timed):
            return True
        if not seek:
            break
    return False


def _linear_problem(path: Path, probe: Probe, count: int, limits: Limits) -> str:
    """Decode the first `count` frames and say what is wrong with them; nothing if all is well."""
    stream = video_stream(path, limits)
    if not probe.timed:
        # Stamps that go back in time would end the run.
        stream = stream.filter("setpts", "N")
    # A decoder that gives more frames than the video has is as bad as one that gives fewer.
    most = count + 1 if count == probe.frames else count
    arguments = ("-loglevel", "level+info", "-xerror")
    report = decoded(path, stream, limits, *arguments, **{"frames:v": most})
    clock = probe.clock
    done = 0
    for found in report:
        if probe.timed and done < probe.frames and found.pts != clock.ticks[done]:
            return (
                f"frame {done} of {probe.frames} is missing: what decodes in its place is shown "
                f"at {float(found.pts * clock.time_base):.6g} s, not at "
                f"{float(clock.time_of(done)):.6g} s"
            )
        done += 1
    if done > probe.frames:
        return f"more than its {probe.frames} frames decode"
    if done == count:
        return ""
    if report.run.failed:
        return f"frame {done} of {probe.frames} does not decode ({report.run.cause})"
    return f"only {done} of {probe.frames} frames decode"
