"""What real trainings do step by step, against the same retold without torch's optimisers."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from tests.trainings import SETTINGS, description, run
from twinstroke.settings.train import Schedule
from twinstroke.train import fit
from twinstroke.train.history import Epoch
from twinstroke.train.windows import StrokeWindows, Window

Arrays = list[NDArray[np.float64]]
"""One for each parameter of a network, in its order."""


@dataclass(frozen=True)
class Step:
    """A step of a real training."""

    rate: float
    classes: list[int]
    """Of the windows that the network saw."""
    before: Arrays
    """Weights."""
    gradients: Arrays
    """Clipped, as the optimiser saw them."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Gets every step that is trained from now on."""
    seen: list[Step] = []
    step = fit.train_step

    def watched(
        network: Any,
        optimiser: torch.optim.Optimizer,
        streams: Mapping[str, Tensor],
        target: Tensor,
        **settings: Any,
    ) -> tuple[Tensor, Tensor]:
        (group,) = optimiser.param_groups
        rate = group["lr"]
        before = as_float64(group["params"])
        outcome = step(network, optimiser, streams, target, **settings)
        gradients = as_float64([parameter.grad for parameter in group["params"]])
        seen.append(Step(rate, target.tolist(), before, gradients))
        return outcome

    monkeypatch.setattr(fit, "train_step", watched)
    return seen


def as_float64(tensors: Sequence[Tensor]) -> Arrays:
    return [tensor.detach().cpu().double().numpy().copy() for tensor in tensors]


# --- weights --------------------------------------------------------------------------------------


def descended(steps: Sequence[Step], momentum: float, weight_decay: float) -> Arrays:
    """Weights after these steps of SGD with Nesterov momentum and weight decay, in NumPy."""
    weights = [array.copy() for array in steps[0].before]
    velocities = [np.zeros_like(array) for array in weights]
    for step in steps:
        for weight, velocity, gradient in zip(weights, velocities, step.gradients, strict=True):
            slope = gradient + weight_decay * weight
            velocity *= momentum
            velocity += slope
            weight -= step.rate * (slope + momentum * velocity)
    return weights


def furthest(found: Arrays, wanted: Arrays) -> float:
    """Largest distance of two weights."""
    return max(float(np.abs(a - b).max()) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("schedule", "momentum", "weight_decay"),
    [("constant", 0.9, 5e-3), ("one_cycle", 0.9, 0.1), ("one_cycle", 0.5, 0.1)],
)
def test_weights_descend_with_the_momentum_and_the_decay_of_the_settings(
    strokes: Path,
    tmp_path: Path,
    steps: list[Step],
    schedule: Schedule,
    momentum: float,
    weight_decay: float,
) -> None:
    """The weights that are kept are those that NumPy finds from the same gradients, in float64."""
    changes = {"schedule": schedule, "momentum": momentum, "weight_decay": weight_decay}
    settings = SETTINGS.model_copy(update={**changes, "learning_rate": 0.01})
    run(strokes, tmp_path, settings)
    rows = [Epoch(**row) for row in history_of(tmp_path)]
    best = max(rows, key=lambda row: (row.validation_accuracy, -row.validation_loss))
    a_whole_epoch = len(steps) // settings.epochs
    told = steps[: best.epoch * a_whole_epoch]
    kept = load_file(tmp_path / "model.safetensors")
    names = [name for name, _ in description().build(torch.device("cpu")).named_parameters()]
    found = as_float64([kept[name] for name in names])

    distance = furthest(found, descended(told, momentum, weight_decay))
    assert distance < 2e-6, "more than the rounding of float32"
    # What this could not tell from the truth, it would not test.
    for other in ((momentum, 0.0), (momentum, 2 * weight_decay), (0.7, weight_decay)):
        assert furthest(found, descended(told, *other)) > 5 * distance


def history_of(folder: Path) -> list[dict[str, Any]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("clip", [0.05, 0.5])
def test_gradients_keep_their_direction_and_are_as_long_as_the_settings_allow(
    strokes: Path, tmp_path: Path, steps: list[Step], clip: float
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 1, "learning_rate": 1e-6})

    def trained(gradient_clip: float) -> list[NDArray[np.float64]]:
        steps.clear()
        changed = settings.model_copy(update={"gradient_clip": gradient_clip})
        run(strokes, tmp_path / str(gradient_clip), changed, modality="flow")
        return [np.concatenate([array.ravel() for array in step.gradients]) for step in steps]

    for free, clipped in zip(trained(0), trained(clip), strict=True):
        length = float(np.linalg.norm(free))
        assert length > clip, "nothing to clip"
        # The rate is so small that both are at nearly the same weights.
        assert np.linalg.norm(clipped - free * clip / length) < 1e-3 * clip


# --- rates ----------------------------------------------------------------------------------------


def one_cycle(step: int, steps: int, highest: float) -> float:
    """The rate of a step, counted from 0.

    Half a cosine goes up from a 25th of the highest rate during the first 30 % of the steps, and
    another one goes down to a 250 000th, which the last step has.
    """
    peak, last = 0.3 * steps - 1, steps - 1
    if step <= peak:
        low, way = highest / 25, step / peak
    else:
        low, way = highest / 25 / 10_000, (last - step) / (last - peak)
    return low + (highest - low) * (1 - math.cos(math.pi * way)) / 2


@pytest.mark.parametrize(("epochs", "batch_size"), [(4, 4), (5, 2)])
def test_one_cycle_spans_the_training(
    strokes: Path, tmp_path: Path, steps: list[Step], epochs: int, batch_size: int
) -> None:
    """Every step has the rate of the closed form, and the last step the lowest of all."""
    settings = SETTINGS.model_copy(update={"epochs": epochs, "batch_size": batch_size})
    run(strokes, tmp_path, settings)
    highest = settings.learning_rate
    # Nine samples: the last batch of one joins the one before it.
    count = epochs * {4: 2, 2: 4}[batch_size]
    wanted = [one_cycle(step, count, highest) for step in range(count)]
    assert [step.rate for step in steps] == pytest.approx(wanted)
    assert steps[0].rate == pytest.approx(highest / 25)
    assert max(step.rate for step in steps) > 0.9 * highest
    assert steps[-1].rate == pytest.approx(highest / 250_000)
    # A row has the rate of the step that would follow. None follows the last row.
    written = [float(row["learning_rate"]) for row in history_of(tmp_path)]
    assert len(written) == epochs
    assert written[:-1] == pytest.approx(wanted[count // epochs :: count // epochs])


# --- losses ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a network said of some windows."""

    trains: bool
    logits: NDArray[np.float64]
    target: NDArray[np.int64]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        exponentials = np.exp(self.logits)
        shares: NDArray[np.float64] = exponentials / exponentials.sum(1, keepdims=True)
        return shares


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """Gets everything of which a loss is taken from now on."""
    seen: list[Answer] = []
    cross_entropy = functional.cross_entropy

    def watched(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        said = logits.detach().double().numpy()
        seen.append(Answer(logits.requires_grad, said, target.numpy()))
        return cross_entropy(logits, target, **options)

    monkeypatch.setattr(functional, "cross_entropy", watched)
    return seen


def test_gradients_are_those_of_the_mean_loss(
    strokes: Path, tmp_path: Path, steps: list[Step], answers: list[Answer]
) -> None:
    """Of the last bias it is the mean of the probabilities, less 1 for the truth."""
    settings = SETTINGS.model_copy(update={"epochs": 1, "gradient_clip": 0.0})
    run(strokes, tmp_path, settings, modality="flow")
    trained = [answer for answer in answers if answer.trains]
    assert [len(answer.target) for answer in trained] == [4, 5]
    for step, answer in zip(steps, trained, strict=True):
        slopes = answer.probabilities - np.eye(3)[answer.target]
        np.testing.assert_allclose(step.gradients[-1], slopes.mean(0), atol=1e-6)


def test_the_history_tells_losses_and_accuracies(
    strokes: Path, tmp_path: Path, answers: list[Answer]
) -> None:
    """Means over all windows, from what the network said of them, by NumPy in float64."""
    settings = SETTINGS.model_copy(update={"epochs": 2})
    run(strokes, tmp_path, settings, modality="flow")
    rows = [Epoch(**row) for row in history_of(tmp_path)]
    # Two batches, and the validation.
    for row, own in zip(rows, (answers[:3], answers[3:]), strict=True):
        assert [answer.trains for answer in own] == [True, True, False]
        for name, parts, count in (("train", own[:2], 9), ("validation", own[2:], 3)):
            logits = np.concatenate([answer.logits for answer in parts])
            target = np.concatenate([answer.target for answer in parts])
            assert len(target) == count
            of_truth = logits[np.arange(count), target]
            loss = np.log(np.exp(logits).sum(1)) - of_truth
            assert getattr(row, f"{name}_loss") == pytest.approx(loss.mean(), rel=1e-5)
            right = of_truth == logits.max(1)
            assert getattr(row, f"{name}_accuracy") == pytest.approx(right.mean())


# --- chance ---------------------------------------------------------------------------------------


def test_dropout_is_another_at_every_step_and_repeats(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two masks that have nothing to do with each other agree in half of their places."""
    masks: list[Tensor] = []
    drop = nn.Dropout.forward

    def watched(layer: nn.Dropout, features: Tensor) -> Tensor:
        if not layer.training:
            return drop(layer, features)
        mask = drop(layer, torch.ones_like(features))
        masks.append(mask)
        return features * mask

    monkeypatch.setattr(nn.Dropout, "forward", watched)
    settings = SETTINGS.model_copy(update={"epochs": 2, "learning_rate": 0.002})

    def trained(name: str, **changes: Any) -> list[Tensor]:
        masks.clear()
        changes = {"architecture": "i3d", "modality": "flow", **changes}
        run(strokes, tmp_path / name, settings, samples=8, **changes)
        assert len(masks) == 2 * 2, "two batches of four an epoch"
        return [*masks]

    first, again = trained("first"), trained("again")
    assert all(map(torch.equal, first, again))
    different = [*first, *trained("other seed", seed=4)]
    for mask in different:
        assert set(mask.unique().tolist()) == {0.0, 2.0}
    for one, other in itertools.combinations(different, 2):
        assert one.shape == other.shape == (4, 1024, 1, 1, 1)
        # Six standard deviations of 4096 throws of a coin.
        assert float((one == other).double().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("augment", [False, True])
def test_the_order_is_another_in_every_epoch_and_repeats(
    strokes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[Step],
    augment: bool,
) -> None:
    """Every epoch shows every sample once, in an order of its own."""
    shown: list[int] = []
    show = StrokeWindows.__getitem__

    def watched(windows: StrokeWindows, key: int | tuple[int, int]) -> Window:
        if len(windows) == 9:  # those of the training, not of the validation
            shown.append(key[1] if isinstance(key, tuple) else key)
        return show(windows, key)

    monkeypatch.setattr(StrokeWindows, "__getitem__", watched)
    settings = SETTINGS.model_copy(update={"augment": augment})

    def trained(name: str, **changes: Any) -> list[list[int]]:
        shown.clear()
        steps.clear()
        run(strokes, tmp_path / name, settings, modality="flow", **changes)
        classes = [target for step in steps for target in step.classes]
        assert classes == [sample % 3 for sample in shown], "of what the network saw"
        return [shown[begin : begin + 9] for begin in range(0, len(shown), 9)]

    first, again = trained("first"), trained("again")
    assert again == first
    orders = [*first, *trained("other seed", seed=4)]
    assert len(orders) == 2 * settings.epochs
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert len(set(map(tuple, orders))) == len(orders)
    # Neither are the same samples always together.
    assert len({frozenset(order[:4]) for order in orders}) > settings.epochs


def test_every_seed_begins_with_other_weights(
    strokes: Path, tmp_path: Path, steps: list[Step]
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 1})

    def first(name: str, seed: int) -> Arrays:
        steps.clear()
        run(strokes, tmp_path / name, settings, modality="flow", seed=seed)
        return steps[0].before

    one, again, other = first("one", 3), first("again", 3), first("other", 4)
    assert all(map(np.array_equal, one, again))
    # Biases begin at zero.
    drawn = [(a, b) for a, b in zip(one, other, strict=True) if a.any()]
    assert len(drawn) == 3 + 1 + 1, "convolutions, features, classes"
    for a, b in drawn:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.15
