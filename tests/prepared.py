"""A video of which `decode` keeps every frame, and what the stages make of it."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

from tests.decode.test_decode import sample
from tests.project import FRAMES, moving, scratch
from tests.videos import write_grouped_video
from twinstroke.decode.frames import decode_videos
from twinstroke.flow.fields import compute_flow
from twinstroke.normalize.motion import describe_motion
from twinstroke.parallel.workers import Workers
from twinstroke.segment.strokes import Geometry, cut_strokes
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.normalize import MaskSettings, NormalizeSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.settings.window import WindowSettings
from twinstroke.tables import Video

__all__ = ["FRAMES", "PREPARATION", "STROKES", "WINDOW", "prepared_data"]

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


@cache
def prepared_data() -> Path:
    """What the stages from `decode` to `segment` make of a video of which every frame is kept."""
    folder = scratch()
    write_grouped_video(folder / "v.mp4", moving(0), group=12)
    videos = [
        Video(
            video="v",
            path="v.mp4",
            sha256="",
            frames=FRAMES,
            fps=Fraction(60),
            width=160,
            height=90,
            variable_frame_rate=False,
        )
    ]
    samples = [sample(begin, end) for begin, end in STROKES]
    made = PREPARATION
    with Workers(count=0) as workers:
        decode_videos(
            videos,
            samples,
            DecodeSettings(width=made.width, frame_step=1, context=FRAMES),
            window=WINDOW,
            root=folder,
            folder=folder / "frames",
            store=folder / "store",
            workers=workers,
        )
        frames, flow, motion = (folder / part / "v.h5" for part in ("frames", "flow", "motion"))
        compute_flow(
            [frames], made.flow, folder=flow.parent, store=folder / "store", workers=workers
        )
        describe_motion(
            [flow],
            NormalizeSettings(mask=made.mask, roi=made.roi),
            WINDOW,
            frames_folder=frames.parent,
            fps=made.kept_fps,
            folder=motion.parent,
            store=folder / "store",
            workers=workers,
        )
        cut_strokes(
            samples,
            videos,
            Geometry((WINDOW.frames, WINDOW.height, WINDOW.width), made.margin, 1, made.kept_fps),
            preparation=made,
            classes=["Negative", "Serve"],
            folder=folder,
            target=folder / "strokes.h5",
            store=folder / "store",
            workers=workers,
        )
    return folder
