"""All keys of ``params.yaml``: what an experiment varies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twinstroke.settings.base import Positive, Seed
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.settings.network import POOLINGS, Architecture, Modality, Targets
from twinstroke.settings.preset import PRESET_NAME
from twinstroke.settings.train import BatchSize, Schedule

FromPreset = Literal["preset"]


class Experiment(ExecutionSettings):
    """``params.yaml``: what an experiment varies. ``preset`` as a value: as the preset says."""

    preset: Annotated[str, Field(pattern=PRESET_NAME)]
    seed: Seed
    architecture: Architecture
    """``tstcnn``: the paper's network; ``i3d``: Inflated Inception-v1, what it is compared with."""
    modality: Modality
    """``twin`` joins both streams: TSTCNN in its last layer, I3D by adding the logits of two
    networks that were trained separately."""
    attention_blocks: Annotated[int, Field(ge=0, le=POOLINGS)]
    """3D attention blocks: after the first k poolings of every branch."""
    residual_blocks: Annotated[int, Field(ge=0, le=POOLINGS)]
    """Residual blocks in the same places, for the ablation."""
    targets: Targets
    """``classes``, or ``strokes``: two classes, Negative and Stroke, which is all that finding
    strokes needs."""
    epochs: Positive | FromPreset
    batch_size: BatchSize | FromPreset
    learning_rate: Annotated[float, Field(gt=0)] | FromPreset
    schedule: Schedule | FromPreset
    momentum: Annotated[float, Field(gt=0, lt=1)] | FromPreset
    weight_decay: Annotated[float, Field(ge=0)] | FromPreset
    gradient_clip: Annotated[float, Field(ge=0)] | FromPreset
    augment: bool | FromPreset
    scheduler: Annotated[str, Field(min_length=1)] = "local"
    """Where frames, flow and strokes are made: ``local`` processes, or the address of a Dask
    scheduler."""
    state_minutes: Annotated[float, Field(ge=0)] = 10.0
    """Minutes from one saved state of a training to the next; 0: after each epoch."""
