"""All that changes while a network is trained, and how it survives an interruption."""

from __future__ import annotations

import math
import os
import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from twinstroke.files import replacing
from twinstroke.models import Network
from twinstroke.settings.train import TrainSettings
from twinstroke.train.history import Epoch, Timing
from twinstroke.train.messages import no_finite_loss, put_aside, say
from twinstroke.train.schedule import WarmRestarts

UNREADABLE = (EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile)
"""What torch raises for damaged files."""


@dataclass
class State:
    """Everything that changes from epoch to epoch."""

    model: Network
    optimiser: torch.optim.Optimizer
    schedule: LRScheduler | WarmRestarts
    history: list[Epoch] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the best epoch, on the CPU."""

    @classmethod
    def initial(cls, model: Network, settings: TrainSettings, steps: int) -> State:
        """Before the first of so many steps."""
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=True,
            # One pass over weights, gradients and momenta, where torch's plain one makes five.
            fused=True,
        )
        schedule: LRScheduler | WarmRestarts
        if settings.schedule == "one_cycle":
            schedule = OneCycleLR(optimiser, settings.learning_rate, steps, cycle_momentum=False)
        elif settings.schedule == "restarts":
            schedule = WarmRestarts(settings.learning_rate, settings.restarts)
        else:
            schedule = ConstantLR(optimiser, factor=1.0)
        return cls(model, optimiser, schedule)

    @property
    def best_epoch(self) -> Epoch:
        """Highest validation accuracy, then lowest validation loss."""
        return max(
            (row for row in self.history if row.finite),
            key=lambda row: (row.validation_accuracy, -row.validation_loss),
        )

    def take_in(self, row: Epoch) -> None:
        """Note an epoch, keep its weights if they are the best, return to the best if it is time.

        Raises:
            UserError: A loss is no finite number, and nothing can be returned to.
        """
        self.history.append(row)
        if row.finite and self.best_epoch is row:
            self.best = {
                name: tensor.detach().to("cpu", copy=True)
                for name, tensor in self.model.state_dict().items()
            }
        if not isinstance(self.schedule, WarmRestarts) or not self.best:
            if not row.finite:
                raise no_finite_loss(row)
            return
        loss = row.train_loss if row.finite else math.nan
        reason = self.schedule.after_epoch(loss, row.validation_accuracy)
        if reason:
            row.restart = reason
            self.model.load_state_dict(self.best)
            # The momentum belongs to the way that led away from there.
            self.optimiser.state.clear()
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate

    def save(self, path: Path) -> None:
        """Write all of it, whole or not at all.

        Raises:
            OSError: It cannot be written, for instance because the disk is full.
        """
        content = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": [row.model_dump() for row in self.history],
            "timings": [row.model_dump() for row in self.timings],
            "best": self.best,
        }
        with replacing(path) as partial, partial.open("wb") as stream:
            try:
                torch.save(content, stream)
            except RuntimeError as error:
                # torch ends its archive all the same, and complains of that instead.
                raise error.__context__ or error from None
            # The name must not be there before the contents, whatever happens to the machine.
            stream.flush()
            os.fsync(stream.fileno())

    def resume(self, path: Path) -> None:
        """Take over what an interrupted run saved; `path` was found :func:`readable`."""
        saved = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.schedule.load_state_dict(saved["schedule"])
        self.history = [Epoch(**row) for row in saved["history"]]
        self.timings = [Timing(**row) for row in saved["timings"]]
        self.best = saved["best"]


def readable(path: Path) -> bool:
    """Whether there is a state to go on from; a damaged one is put aside."""
    if not path.exists():
        return False
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        # Costs time, not results.
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        say(put_aside(error, aside))
        return False
    return True


def saved_epochs(path: Path) -> int:
    """Epochs after which a saved state goes on; 0 if there is none that can be read."""
    try:
        # Mapped: the weights are not read.
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (FileNotFoundError, *UNREADABLE):
        return 0
    return len(saved["history"])
