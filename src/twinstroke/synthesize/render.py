"""From plans to files: one H.264 video and one annotation a player."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import ffmpeg
import numpy as np

from twinstroke.errors import UserError
from twinstroke.files import replacing
from twinstroke.parallel.workers import Workers, each_of
from twinstroke.progress import progress_bar
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.synthesize.player import draw_player, perform
from twinstroke.synthesize.scene import Image, Painter, draw_camera, draw_look
from twinstroke.synthesize.timing import FPS, VideoPlan, plan_videos
from twinstroke.video.encode import REMOVE_SEI, write_frames


def render_dataset(
    settings: SynthesizeSettings, *, seed: int, folder: Path, workers: Workers
) -> list[str]:
    """Render the built-in data set: short matches of players who do not exist.

    Writes ``videos/<id>.mp4`` (H.264, yuv420p, 120 fps) and
    ``annotations/{train,validation,test}/<id>.xml`` (schema of MediaEval 2020). The same seed and
    settings give the same bytes, whatever the number of workers.

    Args:
        settings: Players of each split, strokes of each player, size of the picture.
        seed: Seed of everything drawn.
        folder: Where to write; existing files of the same name are replaced.
        workers: Processes, over which the videos are spread.

    Returns:
        Names of the videos, without suffix, in the order train, validation, test.

    Raises:
        UserError: A process died twice on the same video, for instance because memory ran out.
    """
    plans = plan_videos(settings, seed)
    render = partial(_render_player, settings=settings, seed=seed, folder=folder)
    with progress_bar("synthesize", sum(plan.frames for plan in plans), "frames") as bar:
        for plan, outcome in workers.outcomes(render, each_of(plans)):
            if isinstance(outcome, UserError):
                raise outcome
            bar.update(plan.frames)
    return [plan.video for plan in plans]


def _render_player(plan: VideoPlan, settings: SynthesizeSettings, seed: int, folder: Path) -> None:
    rng = np.random.default_rng([seed, 3, plan.number])
    player = draw_player(rng)
    camera = draw_camera(rng, settings.width, settings.height, player)
    look = draw_look(rng)
    size = (settings.width, settings.height)
    painter = Painter(perform(plan, player, rng), camera, look, player.girth, size, rng)
    with replacing(folder / "videos" / f"{plan.video}.mp4") as file:
        encode(map(painter.paint, range(plan.frames)), size, file)
    with replacing(folder / "annotations" / plan.split / f"{plan.video}.xml") as file:
        file.write_bytes(annotation_xml(plan))


def annotation_xml(plan: VideoPlan) -> bytes:
    """Write a plan's strokes as MediaEval 2020 does: ``video`` > ``action begin end move``."""
    root = ET.Element("video")
    for stroke in plan.strokes:
        ET.SubElement(
            root, "action", begin=str(stroke.begin), end=str(stroke.end), move=stroke.label
        )
    ET.indent(root, "  ")
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def encode(frames: Iterable[Image], size: tuple[int, int], file: Path) -> None:
    """Encode frames as H.264 at 120 fps, reproducibly: one thread, no time, no version.

    Args:
        frames: (H, W, 3) uint8 each, in blue, green, red.
        size: W, H.
        file: MP4 file to write.

    Raises:
        RuntimeError: FFmpeg failed; the message is its own.
    """
    output = (
        ffmpeg.input(
            "pipe:", format="rawvideo", pix_fmt="bgr24", s=f"{size[0]}x{size[1]}", framerate=FPS
        )
        .output(
            str(file),
            format="mp4",
            vcodec="libx264",
            pix_fmt="yuv420p",
            preset="superfast",
            crf=26,
            threads=1,
            flags="+bitexact",
            fflags="+bitexact",
            map_metadata=-1,
            **{"bsf:v": REMOVE_SEI},
        )
        .global_args("-loglevel", "error")
    )
    write_frames(output, frames, file)
