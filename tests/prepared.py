"""A video of which `decode` keeps every frame, and what the stages make of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

from tests.project import FRAMES, moving, scratch
from tests.rows import sample
from tests.trainings import description, random_weights
from tests.videos import Frames, write_grouped_video, write_video
from twinstroke.decode.frames import decode_videos
from twinstroke.flow.fields import compute_flow
from twinstroke.normalize.motion import describe_motion
from twinstroke.parallel.workers import Workers
from twinstroke.segment.strokes import Geometry, cut_strokes
from twinstroke.segment.untrimmed import cut_untrimmed
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.normalize import MaskSettings, NormalizeSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.settings.window import WindowSettings
from twinstroke.tables import Video
from twinstroke.train.model_file import save_model

__all__ = ["FRAMES", "PREPARATION", "STROKES", "WINDOW", "network", "prepared", "prepared_data"]

STROKES = ((0, 6), (10, 70), (120, 180), (225, 285), (FRAMES - 5, FRAMES))
"""Reaching over both ends of the video, and inside it."""
PREPARATION = Preparation(
    kept_fps=60,
    width=96,
    flow=FlowSettings(estimator="farneback", blur=3),
    mask=MaskSettings(),
    roi=RoiSettings(),
    margin=10,
)
WINDOW = WindowSettings(frames=16, height=32, width=32)
CLASSES = ["Negative", "Serve"]


def network(path: Path, **changes: object) -> Path:
    """Random weights, which always find some strokes and some gaps in this video."""
    window = (WINDOW.frames, WINDOW.height, WINDOW.width)
    values = {"classes": CLASSES, "window": window, "preparation": PREPARATION, **changes}
    made = description(**values)
    save_model(path, made, random_weights(made))
    return path


@cache
def prepared_data() -> Path:
    """What the stages from `decode` to `segment` make of a video of which every frame is kept."""
    return prepared(moving(0))


def prepared(
    frames: Frames,
    strokes: Sequence[tuple[int, int]] = STROKES,
    *,
    context: int = FRAMES,
    whole: bool = True,
    made: Preparation = PREPARATION,
    exact: bool = False,
) -> Path:
    """What they make of any video of 160×90, in a folder of its own.

    Args:
        frames: (FRAMES, 90, 160, 3).
        strokes: Its samples.
        context: Frames that are kept around them.
        whole: All frames are kept, too, for detection.
        made: How.
        exact: Equal frames are still equal when they are decoded.
    """
    folder = scratch()
    if exact:
        write_video(folder / "v.mp4", frames, 60)
    else:
        write_grouped_video(folder / "v.mp4", frames, group=12)
    videos = [
        Video(
            video="v",
            path="v.mp4",
            sha256="",
            frames=len(frames),
            fps=Fraction(60),
            width=160,
            height=90,
            variable_frame_rate=False,
        )
    ]
    samples = [sample(begin, end) for begin, end in strokes]
    with Workers(count=0) as workers:
        decode_videos(
            videos,
            samples,
            DecodeSettings(width=made.width, frame_step=1, context=context),
            window=WINDOW,
            whole={"v"} if whole else set(),
            root=folder,
            folder=folder / "frames",
            store=folder / "store",
            workers=workers,
        )
        compute_flow(
            [folder / "frames" / "v.h5"],
            made.flow,
            folder=folder / "flow",
            store=folder / "store",
            workers=workers,
        )
        describe_motion(
            [folder / "flow" / "v.h5"],
            NormalizeSettings(mask=made.mask, roi=made.roi),
            WINDOW,
            frames_folder=folder / "frames",
            fps=made.kept_fps,
            folder=folder / "motion",
            store=folder / "store",
            workers=workers,
        )
        cut_strokes(
            samples,
            videos,
            Geometry((WINDOW.frames, WINDOW.height, WINDOW.width), made.margin, 1, made.kept_fps),
            preparation=made,
            classes=CLASSES,
            folder=folder,
            target=folder / "strokes.h5",
            store=folder / "store",
            workers=workers,
        )
        cut_untrimmed(
            ["v"] if whole else [],
            made,
            (WINDOW.height, WINDOW.width),
            frame_step=1,
            folder=folder,
            target=folder / "untrimmed",
            store=folder / "store",
            workers=workers,
        )
    return folder
