"""Section ``decode`` of a preset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twinstroke.settings.base import Count, Positive, Section
from twinstroke.settings.limits import Limits


class DecodeSettings(Section):
    """Which frames are kept and how large."""

    width: Annotated[int, Field(ge=16)]
    """Width of a kept frame in pixels; the height follows from the video (H·width//W)."""
    frame_step: Positive = 1
    """Keep every n-th frame of the source video: 4 makes 30 fps of 120 fps."""
    rate: Annotated[float, Field(ge=0.1, le=100_000)] | Literal["video"] = "video"
    """Frames a second that are kept of every video, by its own timestamps: those nearest to the
    times 0, 1/rate, 2/rate … after its first frame. All settings that count frames, and all tables,
    count frames of this rate then. ``video``: every `frame_step`-th frame is kept, at any rate."""
    context: Count = 20
    """Source frames kept on both sides of each sample, for ROI smoothing and mask warm-up."""
    timeout_s: Annotated[float, Field(gt=0)] = Limits.timeout_s
    """Seconds after which a run of FFmpeg that gives nothing is ended."""
    max_pixels: Positive = Limits.max_pixels
    """Largest frame of a video that is decoded, in pixels: 8192×4320 if left out."""

    def kept_fps(self, fps: float | Literal["any"]) -> float:
        """Kept frames a second, of videos of `fps` frames a second."""
        if self.rate != "video":
            return self.rate
        assert fps != "any"  # noqa: S101 - refused with the preset
        return fps / self.frame_step

    @property
    def limits(self) -> Limits:
        """What a run of FFmpeg may take."""
        return Limits(self.timeout_s, self.max_pixels)
