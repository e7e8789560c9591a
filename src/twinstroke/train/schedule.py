"""The paper's warm restarts as a rule that needs no network: losses in, decisions out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twinstroke.settings.train import Restart, RestartSettings


class WarmRestarts:
    """Learning rate of section IV-C of the paper (ICPR 2020).

    Training starts at the highest rate. When it gets stuck, it returns to its best state and goes
    on with a tenth of the rate; below the lowest rate it begins at the highest one again. It is
    stuck

    - after `patience` epochs at one rate, when the mean training loss of the last `recent` epochs
      is above that of up to `before` epochs before them (reason ``loss``);
    - at once when the validation accuracy is below `drop` of the best one (reason ``accuracy``),
      or when the loss is no finite number (reason ``loss``).

    What the paper leaves open is decided here. Only epochs since the last restart count: losses at
    another rate and from another state say nothing about this one, so the first check compares 25
    epochs with 25, not with 35. The best state is that of the highest validation accuracy. A new
    best does not prolong the patience. Below a best accuracy of `drop_floor` nothing drops: near
    chance, an accuracy falls below 0.7 of the best by chance, and the network would be taken back
    to its lucky first guess for ever.
    """

    def __init__(self, highest_rate: float, settings: RestartSettings) -> None:
        self.highest_rate, self.settings = highest_rate, settings
        self.cuts = 0
        """How often the rate was divided since it was highest."""
        self.best_accuracy = 0.0
        self.losses: list[float] = []
        """Training losses since the last restart."""

    @property
    def rate(self) -> float:
        """Learning rate of the coming epoch."""
        return self.highest_rate / self.settings.factor**self.cuts

    def after_epoch(self, train_loss: float, validation_accuracy: float) -> Restart | None:
        """Take the outcome of an epoch in; set the rate of the next.

        Args:
            train_loss: Mean over the epoch.
            validation_accuracy: After the epoch, from 0 to 1.

        Returns:
            Why to go back to the best state now, or None: go on.
        """
        self.losses.append(train_loss)
        self.best_accuracy = max(self.best_accuracy, validation_accuracy)
        reason = self._reason(validation_accuracy)
        if reason is not None:
            self.losses = []
            self.cuts += 1
            if self.rate < self.settings.lowest_rate * (1 - 1e-9):
                self.cuts = 0
        return reason

    def _reason(self, validation_accuracy: float) -> Restart | None:
        rule = self.settings
        if not math.isfinite(self.losses[-1]):
            return "loss"
        if (
            self.best_accuracy >= rule.drop_floor
            and validation_accuracy < rule.drop * self.best_accuracy
        ):
            return "accuracy"
        recent = self.losses[-rule.recent :]
        before = self.losses[: -rule.recent][-rule.before :]
        if len(self.losses) >= rule.patience and before and np.mean(recent) > np.mean(before):
            return "loss"
        return None

    def state_dict(self) -> dict[str, Any]:
        """All that changes from epoch to epoch, as plain numbers."""
        return {
            "cuts": self.cuts,
            "best_accuracy": self.best_accuracy,
            "losses": list(self.losses),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.cuts = state["cuts"]
        self.best_accuracy = state["best_accuracy"]
        self.losses = list(state["losses"])
