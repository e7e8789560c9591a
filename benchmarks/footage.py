"""Video to measure with: the user's own, or a rendered player as a camera would see him.

The environment variable ``VIDEO`` names the user's own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path

import cv2
import ffmpeg
import h5py
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from twinstroke.decode.frames import decode_videos
from twinstroke.errors import UserError
from twinstroke.index.videos import video_row
from twinstroke.parallel.workers import Workers
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.settings.window import WindowSettings
from twinstroke.synthesize.player import draw_player, perform
from twinstroke.synthesize.scene import Image, Painter, draw_camera, draw_look
from twinstroke.synthesize.timing import FPS, plan_videos
from twinstroke.tables import Sample, Video
from twinstroke.video.probe import probe_video

VARIABLE = "VIDEO"
FRAMES = 900
"""Of the excerpt that is measured with."""
SCENE_FRAMES = 300
"""Rendered ones; they are shown again and again until there are enough."""
BITRATE = 48_000_000
"""Of MediaEval 2022: 46.1 GB for 928,000 frames at 120 fps."""
NOISE = 8
"""Strength of FFmpeg's filter `noise`, new in each frame."""
WIDTH = 320
SMALL = WindowSettings(frames=2, height=16, width=16)
"""Adds nothing to a sample, and fits into every picture."""


def footage(folder: Path) -> Path:
    """An excerpt of the user's video, else a rendered one; made once a folder."""
    name = os.environ.get(VARIABLE)
    if name:
        source = Path(name)
        if not source.is_file():
            raise UserError(f"{VARIABLE}={name}: no such file; name a video, or leave {VARIABLE}")
        file = folder / f"footage{source.suffix}"
        if not file.exists():
            copied(ffmpeg.input(str(source))["V:0"], file, FRAMES)
        return file
    file = folder / "footage.mp4"
    if not file.exists():
        scene = folder / "scene.mp4"
        _encode(_scene(SCENE_FRAMES), scene)
        repeated(scene, FRAMES // SCENE_FRAMES, file)
    return file


def described(video: Video, file: Path) -> str:
    """What was measured with, in a few words."""
    name = os.environ.get(VARIABLE)
    rate = 8 * file.stat().st_size * float(video.fps) / video.frames / 1e6
    return (
        f"{f'`{Path(name).name}`' if name else 'A rendered player with noise like a camera’s'}, "
        f"{video.width}×{video.height} at {float(video.fps):g} fps, {rate:.1f} Mbit/s, "
        f"{video.frames:,} frames"
    )


def row_of(file: Path) -> Video:
    """The row of the table of videos, relative to the folder of the file."""
    return video_row(file.stem, file, probe_video(file), file.parent)


def samples_of(video: Video, ranges: Iterable[tuple[int, int]]) -> list[Sample]:
    """A sample for each range ``[begin, end)`` of frames."""
    return [
        Sample(
            sample=f"{video.video}:{begin}-{end}",
            video=video.video,
            begin=begin,
            end=end,
            label="stroke",
            class_index=0,
            split="train",
            origin="annotated",
        )
        for begin, end in ranges
    ]


def decoded(
    file: Path,
    video: Video,
    ranges: Iterable[tuple[int, int]],
    folder: Path,
    workers: Workers,
    width: int = WIDTH,
) -> Path:
    """Decode ranges of frames of a video; each keeps one frame more. Gives the file of frames."""
    decode_videos(
        [video],
        samples_of(video, ranges),
        DecodeSettings(width=width, frame_step=1, context=0),
        window=SMALL,
        root=file.parent,
        folder=folder,
        workers=workers,
    )
    return folder / f"{video.video}.h5"


def spread(video: Video, count: int, length: int) -> list[tuple[int, int]]:
    """Evenly spread ranges of frames, of one length."""
    begins = np.linspace(0, max(0, video.frames - length - 1), count).astype(int).tolist()
    return [(begin, min(begin + length, video.frames - 1)) for begin in begins]


def repeated(piece: Path, times: int, file: Path) -> Path:
    """Join copies of a video, packet by packet."""
    listed = file.with_suffix(".txt")
    listed.write_text("".join(repeat(f"file '{piece.absolute()}'\n", times)))
    copied(ffmpeg.input(str(listed), format="concat", safe=0)["V:0"], file)
    return file


def copied(stream: ffmpeg.Stream, file: Path, frames: int | None = None) -> None:
    """Copy packets, all or the first ones, into a file."""
    limit = {} if frames is None else {"frames:v": frames}
    _run(stream.output(str(file), c="copy", **limit))


def resized(source: Path, size: tuple[int, int], file: Path, frames: int = FRAMES) -> Path:
    """Encode the first frames of a video anew, in another size."""
    stream = ffmpeg.input(str(source))["V:0"].filter("scale", *size)
    _run(stream.output(str(file), **{**_ENCODER, "frames:v": frames}))
    return file


def pattern(file: Path, size: tuple[int, int], frames: int, fps: int = FPS) -> Path:
    """Encode FFmpeg's test pattern, with key frames every second."""
    source = ffmpeg.input(f"testsrc2=size={size[0]}x{size[1]}:rate={fps}", f="lavfi")
    options = {**_ENCODER, "g": fps, "frames:v": frames, "crf": 35}
    _run(source.output(str(file), **options))
    return file


_ENCODER = {
    "c:v": "libx264",
    "preset": "superfast",
    "pix_fmt": "yuv420p",
    "g": FPS,
    "sc_threshold": 0,
    "flags": "+cgop",
}


def _scene(count: int) -> Iterable[Image]:
    plan = plan_videos(SynthesizeSettings(train_players=1), 1)[0]
    rng = np.random.default_rng(1)
    player = draw_player(rng)
    size = 1920, 1080
    camera = draw_camera(rng, *size, player)
    look = draw_look(rng)
    painter = Painter(perform(plan, player, rng), camera, look, player.girth, size, rng)
    begin = plan.strokes[0].begin
    return map(painter.paint, range(begin, begin + count))


def _encode(frames: Iterable[Image], file: Path) -> None:
    output = (
        ffmpeg.input("pipe:", format="rawvideo", pix_fmt="bgr24", s="1920x1080", framerate=FPS)
        .filter("noise", alls=NOISE, allf="t")
        .output(str(file), **_ENCODER, **{"b:v": BITRATE})
    )
    with subprocess.Popen(_command(output), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101
        for frame in frames:
            process.stdin.write(np.ascontiguousarray(frame).data)
        process.stdin.close()
    if process.returncode:
        raise RuntimeError(f"FFmpeg could not encode {file}")


def _run(output: ffmpeg.Stream) -> None:
    subprocess.run(_command(output.global_args("-nostdin")), check=True)


def _command(output: ffmpeg.Stream) -> Sequence[str]:
    command: list[str] = output.global_args("-loglevel", "error", "-y").compile(
        cmd=imageio_ffmpeg.get_ffmpeg_exe()
    )
    return command


def grey_frames(file: Path) -> NDArray[np.uint8]:
    """The frames of a file that `decode` wrote, in grey, (N, H, W)."""
    with h5py.File(file) as opened:
        rgb = opened["rgb"][:]
    return np.stack([cv2.cvtColor(cv2.merge(list(one)), cv2.COLOR_RGB2GRAY) for one in rgb])
