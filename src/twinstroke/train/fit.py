"""The training loop: SGD with Nesterov momentum, the best state kept, resumed after a kill."""

from __future__ import annotations

import csv
import json
import math
import pickle
import shutil
import statistics
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Never

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from twinstroke.errors import UserError
from twinstroke.files import fingerprint_of, replacing, sha256_of
from twinstroke.models import Network
from twinstroke.progress import progress_bar
from twinstroke.settings import TrainSettings
from twinstroke.train.model_file import TrainedModel, save_model
from twinstroke.train.reproducible import draws_of, make_deterministic
from twinstroke.train.schedule import Restart, WarmRestarts
from twinstroke.train.windows import InputFormat, StrokeWindows, WindowBatch, collate


class Epoch(BaseModel):
    """One row of ``history.csv``."""

    network: str
    """Modality of the network that was trained: two streams that are fused late have both."""
    epoch: int
    """From 1; in the file counted on from network to network."""
    learning_rate: float
    """At the end of the epoch."""
    train_loss: float
    train_accuracy: float
    """Of the augmented windows, in training mode, while the weights changed."""
    validation_loss: float
    validation_accuracy: float
    restart: Restart | Literal[""] = ""
    """Why training went back to its best state after this epoch, if it did."""

    @property
    def finite(self) -> bool:
        """Both losses are numbers: the weights may be used."""
        return math.isfinite(self.train_loss) and math.isfinite(self.validation_loss)


@dataclass(frozen=True)
class TrainingSummary:
    """What a run of the stage did."""

    epochs: int
    """Of all networks."""
    resumed_at: int
    """Epochs that an interrupted run had already finished."""
    best: dict[str, Epoch]
    """The epoch whose weights were kept, for each network, counted from its own first."""


@dataclass(frozen=True)
class _Data:
    """What does not change from epoch to epoch."""

    description: TrainedModel
    settings: TrainSettings
    training: StrokeWindows
    validation: StrokeWindows
    device: torch.device

    @property
    def input_format(self) -> InputFormat:
        return InputFormat(
            self.training.window, self.training.flow_unit_px, self.description.flow_scale
        )


@dataclass
class _State:
    """Everything that changes from epoch to epoch."""

    model: Network
    optimiser: torch.optim.Optimizer
    schedule: LRScheduler | WarmRestarts
    history: list[Epoch] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Each epoch's, validation included."""
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> Epoch:
        return max(
            (row for row in self.history if row.finite),
            key=lambda row: (row.validation_accuracy, -row.validation_loss),
        )


def train(
    strokes: Path,
    samples: Mapping[str, Sequence[str]],
    description: TrainedModel,
    *,
    loader_workers: int,
    work: Path,
    model_file: Path,
    history_file: Path,
    timing_file: Path,
) -> TrainingSummary:
    """Train a network, or the streams that are fused late, and write the best state.

    After each epoch everything that is needed to go on is kept below `work`, in a folder named by
    a fingerprint of data and settings. The same call after an interruption goes on from there and
    ends with the same bits.

    Args:
        strokes: ``strokes.h5``.
        samples: Names of the samples of ``train`` and ``validation``.
        description: Which network, how it is trained, and the scale of its flow.
        loader_workers: Processes that read windows; results do not depend on it.
        work: Folder for the states of unfinished runs.
        model_file: Gets the best state.
        history_file: Gets one row an epoch.
        timing_file: Gets the median of the seconds an epoch took, and the device, as JSON.

    Raises:
        UserError: A loss is no finite number.
    """
    device = make_deterministic(description.seed)
    settings = description.optimisation
    training = StrokeWindows(
        strokes, samples["train"], seed=description.seed, augmentation=settings.augmentation
    )
    validation = StrokeWindows(strokes, samples["validation"])
    networks = description.networks()
    common = {
        "code": _code(),
        "strokes": sha256_of(strokes),
        "samples": {split: list(names) for split, names in samples.items()},
        "device": device.type,
    }
    folders = [
        work / fingerprint_of(model=part.model_dump(mode="json"), **common) for part in networks
    ]
    states: dict[str, _State] = {}
    resumed_at = 0
    with progress_bar("train", 0, "batches") as bar:
        for part, folder in zip(networks, folders, strict=True):
            data = _Data(part, settings, training, validation, device)
            states[part.modality], done = _train_network(
                data, folder / "state.pt", loader_workers, bar, of=len(networks)
            )
            resumed_at += done
    best = {name: state.best_epoch.model_copy() for name, state in states.items()}
    history = [row for state in states.values() for row in state.history]
    for number, row in enumerate(history, start=1):
        # From network to network, so that curves do not run back.
        row.epoch = number
    weights = {
        name if len(states) == 1 else f"networks.{modality}.{name}": tensor
        for modality, state in states.items()
        for name, tensor in state.best.items()
    }
    made = description.model_copy(
        update={"best_epochs": {name: row.epoch for name, row in best.items()}}
    )
    save_model(model_file, made, weights)
    _write_history(history_file, history)
    _write_timing(timing_file, [state.seconds for state in states.values()], device)
    for folder in folders:
        shutil.rmtree(folder)
    return TrainingSummary(settings.epochs * len(networks), resumed_at, best)


def predict(
    model: Network, windows: StrokeWindows, description: TrainedModel, *, device: torch.device
) -> Tensor:
    """Logits (N, classes) of the centred windows, in evaluation mode, on the CPU."""
    model.eval()
    format_ = InputFormat(windows.window, windows.flow_unit_px, description.flow_scale)
    loader = DataLoader(windows, description.optimisation.batch_size, collate_fn=collate)
    names = list(model.streams)
    with torch.inference_mode():
        parts = [model(format_.streams(batch, device, names)).cpu() for batch in loader]
    return torch.cat(parts)


def _train_network(
    data: _Data, state_file: Path, loader_workers: int, bar: tqdm[Never], *, of: int
) -> tuple[_State, int]:
    settings, description = data.settings, data.description
    order = _Order(len(data.training), settings, description.seed)
    loader = DataLoader(
        data.training,
        batch_sampler=order,
        num_workers=loader_workers,
        collate_fn=collate,
        multiprocessing_context="spawn" if loader_workers else None,
        persistent_workers=loader_workers > 0,
        # It draws a seed for its workers, more or less often with their number. From a generator
        # of its own that changes nothing else.
        generator=torch.Generator(),
    )
    bar.total = of * settings.epochs * len(order)
    state = _initial_state(data, settings.epochs * len(order))
    resumed_at = _resume(state, state_file)
    bar.update(resumed_at * len(order))
    for epoch in range(resumed_at, settings.epochs):
        order.epoch = epoch
        begun = time.perf_counter()
        loss, accuracy = _train_epoch(state, data, loader, bar, epoch)
        validation_loss, validation_accuracy = _validate(state.model, data)
        row = Epoch(
            network=description.modality,
            epoch=epoch + 1,
            learning_rate=state.optimiser.param_groups[0]["lr"],
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
        )
        _take_in(state, row)
        state.seconds.append(time.perf_counter() - begun)
        _save_state(state, state_file)
        bar.set_postfix_str(
            f"{row.network}, epoch {row.epoch}: loss {loss:.2f}, "
            f"validation {row.validation_accuracy:.0%}"
        )
    return state, resumed_at


def _initial_state(data: _Data, steps: int) -> _State:
    settings = data.settings
    # Two streams that are fused late begin as each would alone.
    torch.manual_seed(data.description.seed)
    model = data.description.build(data.device)
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    schedule: LRScheduler | WarmRestarts
    if settings.schedule == "one_cycle":
        schedule = OneCycleLR(optimiser, settings.learning_rate, steps, cycle_momentum=False)
    elif settings.schedule == "restarts":
        schedule = WarmRestarts(settings.learning_rate, settings.restarts)
    else:
        schedule = ConstantLR(optimiser, factor=1.0)
    return _State(model, optimiser, schedule)


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
    state: _State, data: _Data, loader: DataLoader[Any], bar: tqdm[Never], epoch: int
) -> tuple[float, float]:
    model = state.model.train()
    names = list(model.streams)
    loss_sum, right, seen = 0.0, 0, 0
    batch: WindowBatch
    with draws_of(data.description.seed, epoch):
        for batch in loader:
            target = batch["target"].to(data.device)
            logits = model(data.input_format.streams(batch, data.device, names))
            loss = nn.functional.cross_entropy(logits, target)
            state.optimiser.zero_grad()
            loss.backward()
            if data.settings.gradient_clip:
                nn.utils.clip_grad_norm_(model.parameters(), data.settings.gradient_clip)
            state.optimiser.step()
            if isinstance(state.schedule, LRScheduler):
                state.schedule.step()
            loss_sum += loss.item() * len(target)
            right += int((logits.argmax(1) == target).sum())
            seen += len(target)
            bar.update()
    return loss_sum / seen, right / seen


def _validate(model: Network, data: _Data) -> tuple[float, float]:
    logits = predict(model, data.validation, data.description, device=data.device)
    target = torch.tensor(data.validation.targets)
    loss = float(nn.functional.cross_entropy(logits, target))
    return loss, float((logits.argmax(1) == target).double().mean())


def _take_in(state: _State, row: Epoch) -> None:
    """Note an epoch, keep its weights if they are the best, go back to the best if it is time."""
    state.history.append(row)
    if row.finite and state.best_epoch is row:
        state.best = {
            name: tensor.detach().to("cpu", copy=True)
            for name, tensor in state.model.state_dict().items()
        }
    if not isinstance(state.schedule, WarmRestarts) or not state.best:
        if not row.finite:
            raise UserError(
                f"train: {row.network}, epoch {row.epoch}: the training loss became "
                f"{row.train_loss:.4g} and the validation loss {row.validation_loss:.4g}, at a "
                f"learning rate of {row.learning_rate:.2g}; lower learning_rate or set "
                "gradient_clip, e.g. to 5"
            )
        return
    loss = row.train_loss if row.finite else math.nan
    reason = state.schedule.after_epoch(loss, row.validation_accuracy)
    if reason:
        row.restart = reason
        state.model.load_state_dict(state.best)
        # The momentum belongs to the way that led away from there.
        state.optimiser.state.clear()
    for group in state.optimiser.param_groups:
        group["lr"] = state.schedule.rate


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
                "seconds": state.seconds,
                "best": state.best,
            },
            partial,
        )


def _resume(state: _State, path: Path) -> int:
    """Take over the state of an interrupted run; return how many epochs it had finished."""
    if not path.exists():
        return 0
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        # Costs time, not results.
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        reason = str(error).splitlines()[0]
        print(
            f"train: the state of an interrupted run cannot be read ({reason}) and is put aside as "
            f"{aside}; training begins anew",
            file=sys.stderr,
        )
        return 0
    state.model.load_state_dict(saved["model"])
    state.optimiser.load_state_dict(saved["optimiser"])
    state.schedule.load_state_dict(saved["schedule"])
    state.history = [Epoch(**row) for row in saved["history"]]
    state.seconds = saved["seconds"]
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


def _write_timing(path: Path, seconds: Sequence[list[float]], device: torch.device) -> None:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    threads = torch.get_num_threads()
    timing = {
        "seconds_per_epoch": round(sum(map(statistics.median, seconds)), 2),
        "device": f"{name}, {threads} thread{'s' if threads > 1 else ''}",
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(timing, indent=2) + "\n", encoding="utf-8")
