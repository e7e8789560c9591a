"""Which epoch is kept, against a plain search through the history."""

from __future__ import annotations

from typing import cast

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import ConstantLR

from twinstroke.models import Network
from twinstroke.train.history import Epoch
from twinstroke.train.state import State

OUTCOMES = st.lists(
    st.tuples(st.sampled_from([0.25, 0.5, 0.75]), st.sampled_from([0.5, 1.0, 2.0])),
    min_size=1,
    max_size=8,
)
"""Accuracies and losses of the validation, among which many are equal."""


def kept_after(outcomes: list[tuple[float, float]]) -> tuple[int, int]:
    """The epoch whose weights are kept, and the one that is said to be the best."""
    model = nn.Linear(1, 1, bias=False)
    optimiser = torch.optim.SGD(model.parameters())
    state = State(cast(Network, model), optimiser, ConstantLR(optimiser))
    for epoch, (accuracy, loss) in enumerate(outcomes, start=1):
        nn.init.constant_(model.weight, epoch)
        row = Epoch(
            network="twin",
            epoch=epoch,
            learning_rate=0.01,
            train_loss=1.0,
            train_accuracy=0.5,
            validation_loss=loss,
            validation_accuracy=accuracy,
        )
        state.take_in(row)
    return int(state.best["weight"]), state.best_epoch.epoch


@given(OUTCOMES)
def test_the_most_accurate_epoch_is_kept_then_the_one_of_least_loss_then_the_first(
    outcomes: list[tuple[float, float]],
) -> None:
    accuracy = max(own for own, _ in outcomes)
    loss = min(other for own, other in outcomes if own == accuracy)
    best = outcomes.index((accuracy, loss)) + 1
    assert kept_after(outcomes) == (best, best)


def test_accuracy_counts_before_loss() -> None:
    assert kept_after([(0.5, 0.1), (0.75, 2.0), (0.75, 1.0), (0.25, 0.01)]) == (3, 3)
