"""What is to be trained, from the settings and the samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import h5py

import twinstroke
from twinstroke.settings.load import Settings
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import NEGATIVE, STROKE_OR_NOT
from twinstroke.train.messages import no_negative
from twinstroke.train.model_file import TrainedModel


def describe(settings: Settings, strokes: Path, flow_scale: tuple[float, float]) -> TrainedModel:
    """The network that the settings ask for.

    Args:
        settings: Of the run.
        strokes: ``strokes.h5``, which knows classes, window, and how its frames were prepared.
        flow_scale: Divisors of (u, v), in pixels a kept frame.

    Raises:
        UserError: It is to tell strokes from none, and no sample is none.
    """
    with h5py.File(strokes) as file:
        return TrainedModel(
            architecture=settings.architecture,
            modality=settings.modality,
            attention_blocks=settings.attention_blocks,
            residual_blocks=settings.residual_blocks,
            classes=_classes(json.loads(file.attrs["classes"]), settings),
            window=tuple(file.attrs["window"].tolist()),
            flow_scale=flow_scale,
            preparation=Preparation.model_validate_json(file.attrs["preparation"]),
            seed=settings.seed,
            optimisation=settings.optimisation,
            execution=settings.execution,
            torch_version=version("torch"),
            twinstroke_version=twinstroke.__version__,
        )


def _classes(known: Sequence[str], settings: Settings) -> list[str]:
    if settings.targets == "classes":
        return [*known]
    if NEGATIVE not in known:
        raise no_negative()
    return [*STROKE_OR_NOT]
