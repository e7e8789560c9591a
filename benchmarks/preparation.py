"""The stages from `decode` to `segment`, as one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from twinstroke.decode.frames import decode_videos
from twinstroke.flow.fields import compute_flow
from twinstroke.normalize.motion import describe_motion
from twinstroke.parallel.workers import Workers
from twinstroke.segment.strokes import Geometry, cut_strokes
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.flow import Estimator, FlowSettings
from twinstroke.settings.normalize import MaskSettings, NormalizeSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.settings.window import WindowSettings
from twinstroke.tables import Sample, Video

WINDOW = WindowSettings(frames=100, height=120, width=120)
MARGIN = 30
"""Both of the preset `paper`."""


def prepared(
    file: Path, video: Video, samples: Sequence[Sample], folder: Path, workers: Workers
) -> Path:
    """Carry the stages out, flow by DIS; give ``strokes.h5``."""
    for _, stage in stages(file, video, samples, folder, workers):
        stage()
    return folder / "strokes.h5"


def stages(
    file: Path,
    video: Video,
    samples: Sequence[Sample],
    folder: Path,
    workers: Workers,
    *,
    estimator: Estimator = "dis",
    window: WindowSettings = WINDOW,
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Names of the stages, and how to carry each out; call one before taking the next.

    Args:
        file: The video.
        video: Its row.
        samples: Its samples.
        folder: Where all outputs go.
        workers: Processes.
        estimator: Of flow.
        window: T, H and W.
    """
    name = f"{video.video}.h5"
    settings = DecodeSettings(width=320, frame_step=1)
    flow_settings = FlowSettings(estimator=estimator, blur=3)
    frames, flow, motion = (folder / part for part in ("frames", "flow", "motion"))
    yield (
        "decode",
        lambda: decode_videos(
            [video],
            samples,
            settings,
            window=window,
            root=file.parent,
            folder=frames,
            workers=workers,
        ),
    )
    yield (
        "flow",
        lambda: compute_flow(
            [frames / name],
            flow_settings,
            folder=flow,
            workers=workers,
        ),
    )
    yield (
        "normalize",
        lambda: describe_motion(
            [flow / name],
            NormalizeSettings(),
            window,
            frames_folder=frames,
            fps=float(video.fps),
            folder=motion,
            workers=workers,
        ),
    )
    geometry = Geometry((window.frames, window.height, window.width), MARGIN, 1, float(video.fps))
    yield (
        "segment",
        lambda: cut_strokes(
            samples,
            [video],
            geometry,
            preparation=Preparation(
                kept_fps=float(video.fps),
                width=settings.width,
                flow=flow_settings,
                mask=MaskSettings(),
                roi=RoiSettings(),
                margin=MARGIN,
            ),
            classes=["stroke"],
            folder=folder,
            target=folder / "strokes.h5",
            workers=workers,
        ),
    )
