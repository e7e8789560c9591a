"""The training loop: SGD with Nesterov momentum, the best state kept, resumed after a kill."""

from __future__ import annotations

import csv
import pickle
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from twinstroke.files import fingerprint_of, replacing, sha256_of
from twinstroke.models import TSTCNN
from twinstroke.progress import progress_bar
from twinstroke.settings import TrainSettings
from twinstroke.train.model_file import TrainedModel, save_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows, WindowBatch, collate, streams_of


class Epoch(BaseModel):
    """One row of ``history.csv``."""

    epoch: int
    learning_rate: float
    """At the end of the epoch."""
    train_loss: float
    train_accuracy: float
    """Of the augmented windows, in training mode, while the weights changed."""
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class TrainingSummary:
    """What a run of the stage did."""

    epochs: int
    resumed_at: int
    """Epochs that an interrupted run had already finished."""
    best_epoch: int
    best_validation_accuracy: float


@dataclass
class _State:
    """Everything that changes from epoch to epoch."""

    model: TSTCNN
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    history: list[Epoch]
    best: dict[str, Tensor]

    @property
    def best_epoch(self) -> Epoch:
        return max(self.history, key=lambda e: (e.validation_accuracy, -e.validation_loss))


def train(
    strokes: Path,
    samples: Mapping[str, Sequence[str]],
    description: TrainedModel,
    settings: TrainSettings,
    *,
    loader_workers: int,
    work: Path,
    model_file: Path,
    history_file: Path,
) -> TrainingSummary:
    """Train a network and write its best state and its history.

    After each epoch everything that is needed to go on is kept below `work`, in a folder named by
    a fingerprint of data and settings. The same call after an interruption goes on from there and
    ends with the same bits.

    Args:
        strokes: ``strokes.h5``.
        samples: Names of the samples of ``train`` and ``validation``.
        description: Which network, and the scale of its flow.
        settings: Optimisation.
        loader_workers: Processes that read windows; results do not depend on it.
        work: Folder for the states of unfinished runs.
        model_file: Gets the best state.
        history_file: Gets one row an epoch.
    """
    device = make_deterministic(description.seed)
    state_folder = work / fingerprint_of(
        code=_code(),
        strokes=sha256_of(strokes),
        samples={split: list(names) for split, names in samples.items()},
        model=description.model_dump(mode="json"),
        settings=settings.model_dump(),
        device=device.type,
    )
    training = StrokeWindows(strokes, samples["train"], seed=description.seed)
    validation = StrokeWindows(strokes, samples["validation"])
    order = _Order(len(training), settings, description.seed)
    loader = DataLoader(
        training,
        batch_sampler=order,
        num_workers=loader_workers,
        collate_fn=collate,
        multiprocessing_context="spawn" if loader_workers else None,
        persistent_workers=loader_workers > 0,
    )
    steps = len(order)
    state = _initial_state(description, settings, settings.epochs * steps, device)
    resumed_at = _resume(state, state_folder / "state.pt", device)
    with progress_bar("train", settings.epochs * steps, "batches") as bar:
        bar.update(resumed_at * steps)
        for epoch in range(resumed_at, settings.epochs):
            order.epoch = epoch
            loss, accuracy = _train_epoch(state, loader, description, settings, device, bar)
            row = Epoch(
                epoch=epoch + 1,
                learning_rate=float(state.schedule.get_last_lr()[0]),
                train_loss=loss,
                train_accuracy=accuracy,
                **_validate(state.model, validation, description, settings.batch_size, device),
            )
            state.history.append(row)
            if state.best_epoch is row:
                state.best = {k: v.detach().clone() for k, v in state.model.state_dict().items()}
            _save_state(state, state_folder / "state.pt")
            bar.set_postfix_str(
                f"epoch {row.epoch}: loss {loss:.2f}, validation {row.validation_accuracy:.0%}"
            )
    best = state.best_epoch
    save_model(model_file, description.model_copy(update={"best_epoch": best.epoch}), state.best)
    _write_history(history_file, state.history)
    shutil.rmtree(state_folder)
    return TrainingSummary(settings.epochs, resumed_at, best.epoch, best.validation_accuracy)


def predict(
    model: TSTCNN,
    windows: StrokeWindows,
    description: TrainedModel,
    *,
    batch_size: int,
    device: torch.device,
) -> Tensor:
    """Logits (N, classes) of the centred windows, in evaluation mode, on the CPU."""
    model.eval()
    loader = DataLoader(windows, batch_size, collate_fn=collate)
    names = list(model.streams)
    with torch.inference_mode():
        parts = [
            model(streams_of(batch, description.flow_scale, device, names)).cpu()
            for batch in loader
        ]
    return torch.cat(parts)


def _initial_state(
    description: TrainedModel, settings: TrainSettings, steps: int, device: torch.device
) -> _State:
    model = description.build(device)
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    schedule: torch.optim.lr_scheduler.LRScheduler
    if settings.schedule == "one_cycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.learning_rate, steps, cycle_momentum=False
        )
    else:
        schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    return _State(model, optimiser, schedule, [], {})


def batches(samples: int, batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Order and batches of one epoch, which depend on seed and epoch alone.

    A last batch of one sample joins the one before it: batch normalisation needs two values, and
    the deepest maps of an attention block may hold one value a sample.
    """
    order = np.random.default_rng([seed, epoch]).permutation(samples).tolist()
    parts = [order[start : start + batch_size] for start in range(0, samples, batch_size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        alone = parts.pop()
        parts[-1] += alone
    return parts


class _Order(Sampler[list[Any]]):
    """Batches of the epoch that is set, as keys of :class:`StrokeWindows`."""

    def __init__(self, samples: int, settings: TrainSettings, seed: int) -> None:
        self.samples, self.settings, self.seed = samples, settings, seed
        self.epoch = 0

    def __iter__(self) -> Iterator[list[Any]]:
        for batch in self._batches():
            yield [(self.epoch, i) for i in batch] if self.settings.augment else batch

    def __len__(self) -> int:
        return len(self._batches())

    def _batches(self) -> list[list[int]]:
        return batches(self.samples, self.settings.batch_size, seed=self.seed, epoch=self.epoch)


def _train_epoch(
    state: _State,
    loader: DataLoader[Any],
    description: TrainedModel,
    settings: TrainSettings,
    device: torch.device,
    bar: tqdm[Never],
) -> tuple[float, float]:
    model = state.model.train()
    names = list(model.streams)
    loss_sum, right, seen = 0.0, 0, 0
    batch: WindowBatch
    for batch in loader:
        target = batch["target"].to(device)
        logits = model(streams_of(batch, description.flow_scale, device, names))
        loss = nn.functional.cross_entropy(logits, target)
        state.optimiser.zero_grad()
        loss.backward()
        if settings.gradient_clip:
            nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        state.optimiser.step()
        state.schedule.step()
        loss_sum += loss.item() * len(target)
        right += int((logits.argmax(1) == target).sum())
        seen += len(target)
        bar.update()
    return loss_sum / seen, right / seen


def _validate(
    model: TSTCNN,
    windows: StrokeWindows,
    description: TrainedModel,
    batch_size: int,
    device: torch.device,
) -> dict[str, float]:
    logits = predict(model, windows, description, batch_size=batch_size, device=device)
    target = torch.tensor(windows.targets)
    return {
        "validation_loss": float(nn.functional.cross_entropy(logits, target)),
        "validation_accuracy": float((logits.argmax(1) == target).float().mean()),
    }


def _code() -> list[str]:
    """Digests of the code that trains: a state of other code is not resumed."""
    package = Path(__file__).parent
    files = [*package.glob("*.py"), *(package.parent / "models").glob("*.py")]
    return [sha256_of(file) for file in sorted(files)]


def _save_state(state: _State, path: Path) -> None:
    with replacing(path) as partial:
        torch.save(
            {
                "model": state.model.state_dict(),
                "optimiser": state.optimiser.state_dict(),
                "schedule": state.schedule.state_dict(),
                "history": [row.model_dump() for row in state.history],
                "best": state.best,
            },
            partial,
        )


def _resume(state: _State, path: Path, device: torch.device) -> int:
    """Take over the state of an interrupted run; return how many epochs it had finished."""
    try:
        saved = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        return 0
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile):
        # A damaged state costs time, not results.
        return 0
    state.model.load_state_dict(saved["model"])
    state.optimiser.load_state_dict(saved["optimiser"])
    state.schedule.load_state_dict(saved["schedule"])
    state.history = [Epoch(**row) for row in saved["history"]]
    state.best = saved["best"]
    return len(state.history)


def _write_history(path: Path, history: Sequence[Epoch]) -> None:
    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, list(Epoch.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.model_dump() for row in history)
