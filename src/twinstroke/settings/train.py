"""Section ``train`` of a preset, and the keys of ``params.yaml`` that go over it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from twinstroke.settings.base import Fraction01, Positive, Section

Schedule = Literal["constant", "one_cycle", "restarts"]
Restart = Literal["loss", "accuracy"]
"""Why the schedule ``restarts`` goes back to the best state."""
BatchSize = Annotated[int, Field(ge=2)]
"""Batch normalisation needs two values."""
PAPER_EPOCHS = 1500
"""To convergence without attention; the lengths of the restart rule are meant for these."""


class AugmentationSettings(Section):
    """Ranges of the views of training windows; the published code's, if left out.

    One draw a window and epoch holds for all its frames and both streams. Where the window begins
    is drawn too, from N(slack / 2, slack / 6), which has no range to set.
    """

    rotation_deg: Annotated[float, Field(ge=0, le=45)] = 10.0
    """Largest angle about the region of interest, to either side, in degrees."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Largest change of size: 0.1 draws factors from 0.9 to 1.1."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest shift, as a part of the window's height and width."""
    flip: Fraction01 = 0.5
    """Probability that left and right change places."""

    def margin(self, height: int, width: int) -> int:
        """Pixels around a window of (height, width) that a view of it can show, on each side."""
        needed = 0.0
        for along, across in ((width, height), (height, width)):
            # A corner reaches furthest when the diagonal lies along the axis.
            angle = min(math.radians(self.rotation_deg), math.atan2(across, along))
            half = (along * math.cos(angle) + across * math.sin(angle)) / 2 / (1 - self.zoom)
            needed = max(needed, half + self.shift * along - along / 2)
        return math.ceil(needed - 1e-9)


class RestartSettings(Section):
    """Warm restarts, section IV-C of the paper; see `train.schedule.WarmRestarts`.

    Lengths are in epochs out of the 1,500 of the paper, and shrink or grow with the preset's own
    number of epochs.
    """

    patience: Positive = 50
    """Epochs at one rate before the loss is looked at."""
    recent: Positive = 25
    """Last epochs, whose mean training loss is compared …"""
    before: Positive = 35
    """… with that of so many epochs before them."""
    factor: Annotated[float, Field(gt=1)] = 10.0
    """The rate is divided by it at each restart …"""
    lowest_rate: Annotated[float, Field(gt=0)] = 1e-5
    """… down to this one, after which it is the highest again."""
    drop: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """Restart at once below this part of the best validation accuracy …"""
    drop_floor: Fraction01 = 0.25
    """… once the best is at least this: near chance, accuracies jump by themselves."""

    def scaled(self, epochs: int) -> RestartSettings:
        """The rule for a preset of `epochs` epochs: at least 4, 2 and 2, to have means at all."""
        lengths = {
            name: max(least, round(getattr(self, name) * epochs / PAPER_EPOCHS))
            for name, least in (("patience", 4), ("recent", 2), ("before", 2))
        }
        return self.model_copy(update=lengths)


class TrainSettings(Section):
    """Optimisation."""

    epochs: Positive
    batch_size: BatchSize
    learning_rate: Annotated[float, Field(gt=0)]
    """Constant rate, the peak of the one-cycle schedule, or the highest rate of the restarts."""
    schedule: Schedule
    momentum: Annotated[float, Field(gt=0, lt=1)]
    """Nesterov momentum."""
    weight_decay: Annotated[float, Field(ge=0)]
    gradient_clip: Annotated[float, Field(ge=0)]
    """Largest norm of the gradient; 0 does not clip."""
    augment: bool
    """Draw the views of training windows, or always show their middle."""
    augmentation: AugmentationSettings = AugmentationSettings()
    restarts: RestartSettings = RestartSettings()
    """Schedule ``restarts``."""


class PresetTrainSettings(TrainSettings):
    """Optimisation as a preset gives it, and what no experiment varies."""

    batch_size_twin_attention: BatchSize
    """Batch size for Twin with attention blocks: it needs more memory than the others."""


def optimisation(preset: PresetTrainSettings, experiment: Mapping[str, Any]) -> TrainSettings:
    """The settings of a training: what the experiment chose over what the preset says.

    Args:
        preset: Section ``train``.
        experiment: Values of ``params.yaml`` by name, of which ``preset`` leaves the choice to it.
    """
    values = {name: getattr(preset, name) for name in TrainSettings.model_fields}
    # By the preset's own epochs: a shorter experiment is a part of the same training.
    values["restarts"] = preset.restarts.scaled(preset.epochs)
    if experiment["modality"] == "twin" and experiment["attention_blocks"]:
        values["batch_size"] = preset.batch_size_twin_attention
    chosen = {name: experiment[name] for name in values.keys() & experiment.keys()}
    return TrainSettings(**values | {n: v for n, v in chosen.items() if v != "preset"})
