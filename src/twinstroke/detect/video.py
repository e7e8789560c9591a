"""A video file, opened to be shown to a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from twinstroke.annotations.containers import REWRAPPED, VIDEO_SUFFIXES, unread
from twinstroke.detect.found import Seen
from twinstroke.detect.prepare import Source
from twinstroke.errors import UserError
from twinstroke.regions import PlayerRegion, Region, beyond
from twinstroke.settings.limits import Limits
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import VideoId
from twinstroke.video.checks import too_slow, video_findings
from twinstroke.video.clock import exact_rate
from twinstroke.video.probe import Probe, probe_video

_LONGEST_NAME = 200
"""Bytes: systems take names of 255, and hidden folders have longer ones than the video."""


@dataclass(frozen=True, kw_only=True)
class Opened(Seen):
    """A video file that can be shown to a network."""

    source: Source
    path: Path
    probe: Probe
    warnings: Sequence[str]
    """What is odd about it, a line each."""


def open_video(
    path: Path, preparation: Preparation, window: tuple[int, int, int], limits: Limits
) -> Opened:
    """Probe a video, and see whether it can be prepared as a network wants it.

    Any size and shape will do that leaves room for the window, and any frame rate that is not
    below the network's: the frames nearest to the times of that are kept.

    Args:
        path: The video.
        preparation: What the network wants.
        window: T, H, W.
        limits: Of the runs of FFmpeg.

    Raises:
        UserError: It is missing, no video, too short, too low, or too slow.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name the videos in it")
    try:
        video = TypeAdapter(VideoId).validate_python(path.stem)
    except ValidationError:
        raise UserError(
            f"{path}: its name cannot name files; rename it, without a dot in front"
        ) from None
    if len(os.fsencode(video)) > _LONGEST_NAME:
        raise UserError(f"{path}: its name is too long for files named after it; shorten it")
    if path.suffix.lower() in REWRAPPED:
        found, advice = unread(path)
        raise UserError(f"{path}: {found}; {advice}")
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        known = ", ".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
        raise UserError(f"{path}: is no video by its name; name one of {known}")
    probe = probe_video(path, limits)
    kept = probe.clock.kept(1 / exact_rate(preparation.kept_fps))
    if slow := too_slow(kept):
        raise UserError(
            f"{path}: has {float(probe.fps):.6g} frames a second, but the network sees "
            f"{preparation.kept_fps:g} a second ({slow}); train one that sees fewer (decode.rate), "
            "or film at a higher rate"
        )
    source = Source(
        path,
        kept,
        probe.width,
        probe.height,
        probe.rotation,
        probe.content,
        limits,
    )
    if len(kept) < 2:
        raise UserError(
            f"{path}: too short for flow, which leads from one kept frame to the next: of its "
            f"{probe.frames} frames, {len(kept)} is kept; take it out"
        )
    height = probe.height * preparation.width // probe.width
    if height < window[1]:
        raise UserError(
            f"{path}: {probe.width}×{probe.height} pixels become {preparation.width}×{height}, "
            f"lower than the network's window ({window[1]}); cut the sides off a copy, with "
            "FFmpeg's filter crop"
        )
    findings = video_findings(path, video, probe, kept)
    warnings = [str(finding) for finding in findings]
    if probe.height > probe.width:
        warnings.append(
            f"{path}: stands upright ({probe.width}×{probe.height}), and its width becomes "
            f"{preparation.width} pixels; see that players are as large in it as in training"
        )
    return Opened(
        video=video, clock=probe.clock, source=source, path=path, probe=probe, warnings=warnings
    )


def looking_at(
    seen: Opened, player: str, region: Region, width: int, window: tuple[int, int, int]
) -> Opened:
    """The same video, but only one of its players; with warnings about the region alone.

    Args:
        seen: The video.
        player: Name of the player.
        region: Where the player is.
        width: Of kept frames.
        window: T, H, W.

    Raises:
        UserError: The region reaches beyond the picture.
    """
    picture = seen.source.width, seen.source.height
    if problem := beyond(region, picture):
        raise UserError(
            f"{seen.path}: {problem}; write x,y,width,height in pixels of the shown picture, from "
            "its upper left corner"
        )
    place = PlayerRegion(
        video=seen.video,
        group=player,
        **region._asdict(),
        picture_width=picture[0],
        picture_height=picture[1],
    )
    high, wide = place.box((picture[1] * width // picture[0], width)).size
    warnings = []
    if high < window[1] or wide < window[2]:
        warnings.append(
            f"{seen.path}: the region {region} becomes {wide}×{high} pixels, smaller than the "
            f"network's window ({window[2]}×{window[1]}): black fills the rest; make it larger"
        )
    source = replace(seen.source, place=place)
    return replace(seen, source=source, player=player, region=region, warnings=warnings)
