"""Section ``synthesize`` of a preset."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twinstroke.settings.base import Count, Positive, Section


class SynthesizeSettings(Section):
    """The rendered data set; without players nothing is rendered, ``data/raw/<preset>`` is read."""

    train_players: Count = 0
    """Players (= videos) of the training split."""
    validation_players: Count = 0
    """Players of the validation split."""
    test_players: Count = 0
    """Players of the test split."""
    strokes_per_player: Positive = 10
    """Strokes in one video."""
    width: Annotated[int, Field(ge=32, multiple_of=2)] = 320
    """Width of the rendered video in pixels; H.264 wants an even number."""
    height: Annotated[int, Field(ge=18, multiple_of=2)] = 180
    """Height of the rendered video in pixels."""

    @property
    def players(self) -> int:
        """Number of videos to render."""
        return self.train_players + self.validation_players + self.test_players
