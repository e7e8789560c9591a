"""A video that the stage `decode` decodes, alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from tests.videos import Frames
from twinstroke.decode.frames import decode_videos
from twinstroke.decode.stored import pictures
from twinstroke.files import sha256_of
from twinstroke.parallel.workers import Workers
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.window import WindowSettings
from twinstroke.tables import Sample, Video


def video_row(path: Path, frames: int, width: int = 32, height: int = 18) -> Video:
    return Video(
        video=path.stem,
        path=path.name,
        sha256=sha256_of(path),
        frames=frames,
        fps=Fraction(120),
        width=width,
        height=height,
        variable_frame_rate=False,
    )


def decode_one(
    path: Path,
    count: int,
    samples: list[Sample],
    *,
    step: int = 1,
    rate: float | Literal["video"] = "video",
    context: int = 0,
    window: int = 8,
    width: int = 32,
    height: int = 18,
    kept_width: int | None = None,
    read: bool = True,
) -> tuple[Frames, np.ndarray]:
    """Decode what samples need.

    Returns:
        The kept frames, uint8 RGB (T, H, W, 3), and their numbers (T,): of the source, or of the
        frames of the rate.
    """
    decode_videos(
        [video_row(path, count, width, height)],
        samples,
        DecodeSettings(width=kept_width or width, frame_step=step, rate=rate, context=context),
        window=WindowSettings(frames=window, height=8, width=8),
        root=path.parent,
        folder=path.parent / "frames",
        store=path.parent / "store",
        workers=Workers(count=0),
    )
    with h5py.File(path.parent / "frames" / f"{path.stem}.h5") as file:
        return pictures(file, slice(None if read else 0)), file["frame"][:]
