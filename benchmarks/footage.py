"""Video to measure with, and the stages that prepare it.

It is the user's own, or a rendered player as a camera would see him.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import repeat
from pathlib import Path
from typing import Literal, Self, TypeVar

import cv2
import ffmpeg
import h5py
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import seconds_of
from twinstroke.decode.frames import decode_videos
from twinstroke.flow.fields import compute_flow
from twinstroke.index.videos import footage_of, video_row
from twinstroke.normalize.motion import describe_motion
from twinstroke.parallel.workers import Workers, available_workers, each_of
from twinstroke.segment.strokes import Geometry, cut_strokes
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.flow import Estimator, FlowSettings
from twinstroke.settings.normalize import MaskSettings, NormalizeSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.settings.window import WindowSettings
from twinstroke.synthesize.player import draw_player, perform
from twinstroke.synthesize.scene import Image, Painter, draw_camera, draw_look
from twinstroke.synthesize.timing import FPS, VideoPlan, plan_videos
from twinstroke.tables import Sample, Video
from twinstroke.video.probe import probe_video

PainterT = TypeVar("PainterT", bound=Painter)

FRAMES = 900
"""Of the excerpt that is measured with."""
SCENE_FRAMES = 300
"""Rendered ones; they are shown again and again until there are enough."""
BITRATE = 48_000_000
"""Of MediaEval 2022: 46.1 GB for 928,000 frames at 120 fps."""
NOISE = 8
"""Strength of FFmpeg's filter `noise`, new in each frame."""
WIDTH = 320
"""Of kept frames."""
NOTHING_MORE = WindowSettings(frames=2, height=16, width=16)
"""Adds nothing to a sample, and fits into every picture."""
STORE = ".store"
"""Beside the outputs, so that they can be thrown away together."""
WINDOW = WindowSettings(frames=100, height=120, width=120)
CONTEXT, MARGIN = 20, 30
BLUR: Literal[3] = 3
"""All four of the preset `paper`."""
_ENCODER = {
    "c:v": "libx264",
    "preset": "superfast",
    "pix_fmt": "yuv420p",
    "g": FPS,
    "sc_threshold": 0,
    "flags": "+cgop",
}


@dataclass(frozen=True)
class Footage:
    """A video to measure with."""

    file: Path
    video: Video
    """Its row in the table of videos, relative to the folder of the file."""
    name: str

    @classmethod
    def of(cls, file: Path, name: str = "A test pattern") -> Self:
        """Look at a file."""
        footage = footage_of(probe_video(file), DecodeSettings(width=WIDTH))
        return cls(file, video_row(file.stem, file, footage, file.parent), name)

    def __str__(self) -> str:
        """What was measured with, in a few words."""
        video, fps = self.video, float(self.video.fps)
        rate = 8 * self.file.stat().st_size * fps / video.frames / 1e6
        return (
            f"{self.name}, {video.width}×{video.height} at {fps:g} fps, {rate:.1f} Mbit/s, "
            f"{video.frames:,} frames"
        )

    @property
    def kept_height(self) -> int:
        """Height of frames that are `WIDTH` wide."""
        return self.video.height * WIDTH // self.video.width

    @property
    def scaling(self) -> str:
        """The filter by which `decode` makes frames `WIDTH` wide."""
        scaler = "area" if self.video.width >= WIDTH else "bicubic"
        flags = f"{scaler}+accurate_rnd+full_chroma_int+bitexact"
        return f"scale={WIDTH}:{self.kept_height}:flags={flags}"

    def spread(self, count: int, length: int) -> list[tuple[int, int]]:
        """Evenly spread ranges of frames, of one length."""
        frames = self.video.frames
        begins = np.linspace(0, max(0, frames - length - 1), count).astype(int).tolist()
        return [(begin, min(begin + length, frames - 1)) for begin in begins]


@dataclass(frozen=True)
class Bench:
    """What each benchmark is given."""

    folder: Path
    """For its files."""
    source: Path | None = None
    """The user's video; without it, a player is rendered."""

    @cached_property
    def footage(self) -> Footage:
        """An excerpt of the video."""
        if self.source:
            file = self.folder / f"footage{self.source.suffix}"
            copied(ffmpeg.input(str(self.source))["V:0"], file, FRAMES)
            return Footage.of(file, f"`{self.source.name}`")
        scene = self.folder / "scene.mp4"
        _encode(_scene(SCENE_FRAMES), scene)
        file = repeated(scene, FRAMES // SCENE_FRAMES, self.folder / "footage.mp4")
        return Footage.of(file, "A rendered player with noise like a camera’s")


# --- videos --------------------------------------------------------------------------------------


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


def painter_of(
    plan: VideoPlan, size: tuple[int, int], rng: np.random.Generator, kind: type[PainterT]
) -> PainterT:
    """Make the painter of a planned video, as `render_dataset` does.

    Args:
        plan: Of the video.
        size: Of its frames, W and H in pixels.
        rng: Source of chance.
        kind: Class of the painter.
    """
    player = draw_player(rng)
    camera = draw_camera(rng, *size, player)
    look = draw_look(rng)
    return kind(perform(plan, player, rng), camera, look, player.girth, size, rng)


def _scene(count: int) -> Iterable[Image]:
    plan = plan_videos(SynthesizeSettings(train_players=1), 1)[0]
    painter = painter_of(plan, (1920, 1080), np.random.default_rng(1), Painter)
    begin = plan.strokes[0].begin
    return map(painter.paint, range(begin, begin + count))


def _encode(frames: Iterable[Image], file: Path) -> None:
    output = (
        ffmpeg.input("pipe:", format="rawvideo", pix_fmt="bgr24", s="1920x1080", framerate=FPS)
        .filter("noise", alls=NOISE, allf="t")
        .output(str(file), **_ENCODER, **{"b:v": BITRATE})
    )
    with subprocess.Popen(command(output), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101
        for frame in frames:
            process.stdin.write(np.ascontiguousarray(frame).data)
        process.stdin.close()
    if process.returncode:
        raise RuntimeError(f"FFmpeg could not encode {file}")


def _run(output: ffmpeg.Stream) -> None:
    subprocess.run(command(output), check=True)


def command(output: ffmpeg.Stream) -> Sequence[str]:
    """How to run FFmpeg, which overwrites files and asks nothing."""
    words: list[str] = output.global_args("-loglevel", "error", "-y", "-nostdin").compile(
        cmd=imageio_ffmpeg.get_ffmpeg_exe()
    )
    return words


# --- stages --------------------------------------------------------------------------------------


def started(workers: Workers) -> float:
    """Start the processes and let each load the stages; give the seconds that it took."""
    items = list(range(available_workers()))
    return seconds_of(lambda: list(workers.outcomes(_nothing, each_of(items))))


def _nothing(item: int) -> None:
    # The stages have been loaded with this module.
    time.sleep(0.3)  # so that each process gets one


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
    footage: Footage,
    ranges: Iterable[tuple[int, int]],
    folder: Path,
    workers: Workers,
    *,
    width: int = WIDTH,
    window: WindowSettings = NOTHING_MORE,
    context: int = 0,
) -> Path:
    """Decode ranges of frames, with one more frame each or what window and context add.

    Returns:
        The file of frames.
    """
    decode_videos(
        [footage.video],
        samples_of(footage.video, ranges),
        DecodeSettings(width=width, frame_step=1, context=context),
        window=window,
        root=footage.file.parent,
        folder=folder,
        store=folder / STORE,
        workers=workers,
    )
    return folder / f"{footage.video.video}.h5"


def with_flow(frames: Path, folder: Path, workers: Workers, *, estimator: Estimator) -> Path:
    """Estimate the flow of a file of frames; give the file of flow."""
    settings = FlowSettings(estimator=estimator, blur=BLUR)
    compute_flow([frames], settings, folder=folder, store=folder / STORE, workers=workers)
    return folder / frames.name


def with_motion(frames: Path, flow: Path, folder: Path, workers: Workers, *, fps: float) -> Path:
    """Describe what moves in a file of frames and one of flow; give the file of masks."""
    describe_motion(
        [flow],
        NormalizeSettings(),
        WINDOW,
        frames_folder=frames.parent,
        fps=fps,
        folder=folder,
        store=folder / STORE,
        workers=workers,
    )
    return folder / flow.name


def stages(
    footage: Footage,
    ranges: Sequence[tuple[int, int]],
    folder: Path,
    workers: Workers,
    estimator: Estimator = "dis",
) -> Mapping[str, Callable[[], object]]:
    """The stages from `decode` to `segment`, by the preset `paper` but for the estimator.

    Args:
        footage: The video.
        ranges: Frames of its samples.
        folder: Where all outputs go, ``strokes.h5`` at the end.
        workers: Processes.
        estimator: Of flow.

    Returns:
        How to carry out each; each needs those before it.
    """
    fps = float(footage.video.fps)
    frames, flow, motion = (folder / part for part in ("frames", "flow", "motion"))
    file = f"{footage.video.video}.h5"
    return {
        "decode": partial(
            decoded, footage, ranges, frames, workers, window=WINDOW, context=CONTEXT
        ),
        "flow": partial(with_flow, frames / file, flow, workers, estimator=estimator),
        "normalize": partial(with_motion, frames / file, flow / file, motion, workers, fps=fps),
        "segment": partial(
            cut_strokes,
            samples_of(footage.video, ranges),
            [footage.video],
            Geometry((WINDOW.frames, WINDOW.height, WINDOW.width), MARGIN, 1, fps),
            preparation=Preparation(
                kept_fps=fps,
                width=WIDTH,
                flow=FlowSettings(estimator=estimator, blur=BLUR),
                mask=MaskSettings(),
                roi=RoiSettings(),
                margin=MARGIN,
            ),
            classes=["stroke"],
            folder=folder,
            target=folder / "strokes.h5",
            store=folder / STORE,
            workers=workers,
        ),
    }


def grey_frames(file: Path) -> NDArray[np.uint8]:
    """The frames of a file that `decode` wrote, in grey, (N, H, W)."""
    with h5py.File(file) as opened:
        rgb = opened["rgb"][:]
    return np.stack([cv2.cvtColor(cv2.merge(list(one)), cv2.COLOR_RGB2GRAY) for one in rgb])
