"""Figures against hand-computed ones, and predictions that can be recomputed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.test_train import description, strokes
from twinstroke.evaluate import class_recalls, evaluate, plot_confusion, plot_history, split_metrics
from twinstroke.train import Epoch, InputFormat, StrokeWindows, save_model
from twinstroke.train.windows import collate

__all__ = ["strokes"]


def test_published_interval() -> None:
    # Twin with attention in Table III: 103 of 118, Wilson 95 % interval 80.1 to 92.1 %.
    actual = np.zeros(118, int)
    predicted = np.array([0] * 103 + [1] * 15)
    found = split_metrics(actual, predicted)
    assert found["accuracy"] == pytest.approx(103 / 118)
    assert found["accuracy_low"] == pytest.approx(0.801, abs=5e-4)
    assert found["accuracy_high"] == pytest.approx(0.921, abs=5e-4)


def test_recall_counts_and_absent_classes() -> None:
    # A: 2 of 3 right; B: 0 of 1, taken for C, which does not occur; D: 2 of 2.
    actual = np.array([0, 0, 0, 1, 3, 3])
    predicted = np.array([0, 0, 3, 2, 3, 3])
    found = split_metrics(actual, predicted)
    assert found["n"] == 6
    assert found["accuracy"] == pytest.approx(4 / 6)
    rows = class_recalls("test", actual, predicted, ["A", "B", "C", "D"])
    assert [(row.split, row.label, row.n) for row in rows] == [
        ("test", "A", 3),
        ("test", "B", 1),
        ("test", "D", 2),
    ]
    assert [row.recall for row in rows] == pytest.approx([2 / 3, 0, 1], abs=1e-4)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 0 + 1) / 3)


def test_predictions_are_the_networks_on_centred_windows(strokes: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = description(attention_blocks=1, best_epochs={"twin": 3})
    model = made.build(torch.device("cpu"))
    save_model(tmp_path / "model.safetensors", made, model.state_dict())
    names = {"train": [f"s{i}" for i in range(10)], "test": ["s11", "s10"]}
    found = evaluate(strokes, names, tmp_path / "model.safetensors")

    assert [p.sample for p in found.predictions] == names["train"] + names["test"]
    model.eval()
    for prediction in found.predictions:
        windows = StrokeWindows(strokes, [prediction.sample])
        batch = collate([windows[0]])
        with torch.no_grad():
            format_ = InputFormat(made.window, 1 / 32, made.flow_scale)
            logits = model(format_.streams(batch, torch.device("cpu"), ("rgb", "flow")))
        probability = torch.softmax(logits[0], 0)
        assert made.classes[int(probability.argmax())] == prediction.predicted
        assert prediction.probability == pytest.approx(float(probability.max()), abs=1e-3)
        assert made.classes[windows.targets[0]] == prediction.actual
    right = [p.actual == p.predicted for p in found.predictions if p.split == "test"]
    assert found.metrics["test"]["accuracy"] == np.mean(right)
    assert found.metrics["parameters"]["without_fully_connected"] == 360_790 + 2 * 29_520
    again = evaluate(strokes, names, tmp_path / "model.safetensors")
    assert again == found


def test_pictures_are_repeatable(tmp_path: Path) -> None:
    rows = [
        Epoch(
            network="rgb" if n < 3 else "flow",
            epoch=n,
            learning_rate=0.1,
            train_loss=3 / n,
            train_accuracy=n / 9,
            validation_loss=3 / n,
            validation_accuracy=n / 10,
            restart="loss" if n == 2 else "",
        )
        for n in range(1, 5)
    ]
    for name in ("a", "b"):
        plot_confusion(["A", "B", "B"], ["A", "A", "B"], ["A", "B"], "t", tmp_path / f"{name}c.png")
        plot_history(rows, tmp_path / f"{name}h.png")
    for kind in "ch":
        picture = (tmp_path / f"a{kind}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert picture == (tmp_path / f"b{kind}.png").read_bytes()
