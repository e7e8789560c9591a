"""How a video becomes what a network sees: drawn from several sections of a preset."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twinstroke.settings.base import Count, Section
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.normalize import MaskSettings, RoiSettings
from twinstroke.settings.preset import Preset


class Preparation(Section):
    """How frames of a video become what a network sees, but for window and scale of the flow.

    It goes with the network, so that other videos are prepared as those of its training.
    """

    kept_fps: Annotated[float, Field(gt=0)]
    """Kept frames a second."""
    width: Annotated[int, Field(ge=16)]
    """Of kept frames, in pixels; the height follows from the video."""
    flow: FlowSettings
    mask: MaskSettings
    roi: RoiSettings
    margin: Count
    """Pixels around the window, which decide how the place of the crop is rounded."""


def preparation_of(settings: Preset) -> Preparation:
    """How frames of a data set become what a network sees."""
    return Preparation(
        kept_fps=settings.decode.kept_fps(settings.index.fps),
        width=settings.decode.width,
        flow=settings.flow,
        mask=settings.normalize.mask,
        roi=settings.normalize.roi,
        margin=settings.segment.margin,
    )
