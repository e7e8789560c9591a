"""What is to be trained, and what training says to people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from tests.clone import ROOT
from tests.prepared import PREPARATION
from twinstroke.errors import UserError
from twinstroke.settings.load import Settings, load_settings
from twinstroke.train.description import describe
from twinstroke.train.history import Epoch, TrainingSummary
from twinstroke.train.messages import summary
from twinstroke.train.naming import network_name


def settings(**changes: Any) -> Settings:
    return load_settings(ROOT).model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "Twin TSTCNN"),
        ({"modality": "rgb", "attention_blocks": 3}, "RGB TSTCNN with 3 attention blocks"),
        ({"residual_blocks": 1}, "Twin TSTCNN with 1 residual block"),
        ({"modality": "flow", "architecture": "i3d"}, "Flow I3D"),
        ({"architecture": "i3d"}, "RGB + Flow I3D"),
    ],
)
def test_names_of_networks(changes: dict[str, Any], name: str) -> None:
    assert network_name(settings(**changes)) == name


def test_the_summary_of_two_networks_that_were_interrupted() -> None:
    row = Epoch(
        network="rgb",
        epoch=3,
        learning_rate=0.1,
        train_loss=1,
        train_accuracy=0.5,
        validation_loss=1,
        validation_accuracy=0.375,
    )
    other = row.model_copy(update={"epoch": 4, "validation_accuracy": 0.5})
    done = TrainingSummary(8, 2, {"rgb": row, "flow": other}, 1.25)
    assert summary(settings(architecture="i3d"), done) == (
        "RGB + Flow I3D, 8 epochs (resumed after 2); best (rgb): epoch 3, validation accuracy "
        "37.5%; best (flow): epoch 4, validation accuracy 50.0%; peak memory 1.2 GiB"
    )


def strokes_of(folder: Path, *classes: str) -> Path:
    path = folder / "strokes.h5"
    with h5py.File(path, "w") as file:
        file.attrs["classes"] = json.dumps(classes)
        file.attrs["window"] = (24, 40, 56)
        file.attrs["preparation"] = PREPARATION.model_dump_json()
    return path


def test_the_network_that_the_settings_ask_for(tmp_path: Path) -> None:
    strokes = strokes_of(tmp_path, "Negative", "Left", "Right")
    asked = settings(seed=5, attention_blocks=2)
    made = describe(asked, strokes, (3.0, 2.0))
    assert (made.modality, made.attention_blocks, made.seed) == ("twin", 2, 5)
    assert (made.window, made.flow_scale) == ((24, 40, 56), (3.0, 2.0))
    assert (made.classes, made.preparation) == (["Negative", "Left", "Right"], PREPARATION)
    assert made.optimisation == asked.optimisation
    where = describe(settings(targets="strokes"), strokes, (3.0, 2.0))
    assert where.classes == ["Negative", "Stroke"]


def test_strokes_cannot_be_told_from_nothing(tmp_path: Path) -> None:
    strokes = strokes_of(tmp_path, "Left", "Right")
    with pytest.raises(UserError, match="targets: strokes tells strokes from Negative"):
        describe(settings(targets="strokes"), strokes, (3.0, 2.0))
