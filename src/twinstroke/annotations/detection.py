"""What `detect` finds: a stroke, when, which, and how sure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twinstroke.regions import Region
from twinstroke.tables import VideoId


class Detection(BaseModel):
    """One stroke that was found in a video: a row of ``<video>.csv``.

    Frames are those of the source video, counted from 0; ``end`` is exclusive. Seconds are those of
    a player's clock (`video.clock`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: VideoId
    begin: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    label: str
    """The class, never ``Negative``; ``Stroke`` where the network only tells strokes from none."""
    begin_s: float
    end_s: float
    probability: Annotated[float, Field(ge=0, le=1)]
    """Of the class, mean over the segment."""
    stroke_probability: Annotated[float, Field(ge=0, le=1)]
    """Of any stroke rather than ``Negative``, mean over the segment."""
    player: str = ""
    """Whose stroke it is; empty where no region tells players apart."""
    region: Region | None = None
    """Where this player was looked for; None: in the whole picture."""

    @property
    def title(self) -> str:
        """The class, after the player if there is one."""
        return f"{self.player}: {self.label}" if self.player else self.label

    @model_validator(mode="after")
    def _has_frames(self) -> Detection:
        if self.end <= self.begin:
            raise ValueError(f"a detection from {self.begin} to {self.end} has no frame")
        return self
