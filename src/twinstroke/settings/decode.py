"""Section ``decode`` of a preset."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twinstroke.settings.base import Count, Positive, Section
from twinstroke.settings.limits import Limits


class DecodeSettings(Section):
    """Which frames are kept and how large."""

    width: Annotated[int, Field(ge=16)]
    """Width of a kept frame in pixels; the height follows from the video (H·width//W)."""
    frame_step: Positive
    """Keep every n-th frame of the source video: 4 makes 30 fps of 120 fps."""
    context: Count = 20
    """Source frames kept on both sides of each sample, for ROI smoothing and mask warm-up."""
    timeout_s: Annotated[float, Field(gt=0)] = Limits.timeout_s
    """Seconds after which a run of FFmpeg that gives nothing is ended."""
    max_pixels: Positive = Limits.max_pixels
    """Largest frame of a video that is decoded, in pixels: 8192×4320 if left out."""

    @property
    def limits(self) -> Limits:
        """What a run of FFmpeg may take."""
        return Limits(self.timeout_s, self.max_pixels)
