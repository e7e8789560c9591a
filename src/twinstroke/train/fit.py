"""The training loop: SGD with Nesterov momentum, the best state kept, resumed after a kill."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from twinstroke.models import Network
from twinstroke.progress import progress_bar
from twinstroke.settings.execution import ExecutionSettings, Precision
from twinstroke.settings.train import TrainSettings
from twinstroke.train.feed import GB, Feed, Keys
from twinstroke.train.finished import hand_over, keeping, note
from twinstroke.train.history import Epoch, Timing, TrainingSummary, write_history, write_timing
from twinstroke.train.messages import COMPILED, IMITATED, progress, say
from twinstroke.train.model_file import TrainedModel, save_model
from twinstroke.train.precision import forward_pass, imitated, whole_step
from twinstroke.train.ranks import Ranks
from twinstroke.train.reproducible import draws_of
from twinstroke.train.saving import Saving
from twinstroke.train.state import State, readable
from twinstroke.train.unfinished import STATE, Places
from twinstroke.train.windows import StrokeWindows


@dataclass(frozen=True)
class Outputs:
    """What a training writes, and where."""

    work: Path
    """Folder in which trainings are kept, unfinished and finished."""
    model: Path
    """Gets the best state."""
    history: Path
    """Gets one row an epoch."""
    timing: Path
    """Gets what an epoch took, as JSON; see :func:`twinstroke.train.history.write_timing`."""

    @property
    def tables(self) -> tuple[Path, Path]:
        """All but the model."""
        return self.history, self.timing


@dataclass(frozen=True)
class _Data:
    """What does not change from epoch to epoch."""

    description: TrainedModel
    training: Feed
    validation: Feed
    device: torch.device
    ranks: Ranks

    @property
    def settings(self) -> TrainSettings:
        return self.description.optimisation

    @property
    def execution(self) -> ExecutionSettings:
        return self.description.execution


def fit(
    strokes: Path,
    samples: Mapping[str, Sequence[str]],
    description: TrainedModel,
    outputs: Outputs,
    *,
    places: Places,
    memory_gb: float,
    loader_workers: int,
    state_minutes: float,
    device: torch.device,
    ranks: Ranks,
) -> TrainingSummary:
    """Train a network, or the streams that are fused late, in this process; see :func:`train`.

    Args:
        strokes: ``strokes.h5``.
        samples: Names of the samples of ``train`` and ``validation``.
        description: Which network, how it is trained, and the scale of its flow.
        outputs: Where to write; the first of several processes does.
        places: Where the training is kept; see `unfinished`.
        memory_gb: What samples may take in memory, in GB.
        loader_workers: Processes that read windows where they are not held in memory.
        state_minutes: How often the state is written; 0: after each epoch.
        device: Of this process.
        ranks: This process among those that train together.

    Raises:
        UserError: A loss is no finite number.
    """
    settings = description.optimisation
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    training, validation = windows_of(strokes, samples, description)
    networks = description.networks()
    if ranks.first:
        _say_what_is_special(description.execution, device)
    feed = Feed(training, device, memory_gb=memory_gb, loader_workers=loader_workers)
    left = memory_gb - training.nbytes / GB if training.held else memory_gb
    validation_feed = Feed(validation, device, memory_gb=left, loader_workers=loader_workers)
    states: dict[str, State] = {}
    saving = Saving(state_minutes)
    resumed_at = 0
    with progress_bar("train", 0, "batches", shown=ranks.first) as bar:
        for number, (part, folder) in enumerate(zip(networks, places.states, strict=True), start=1):
            data = _Data(part, feed, validation_feed, device, ranks)
            keeper = _Keeper(folder / STATE, saving, last=number == len(networks))
            states[part.modality], found = _train_network(data, keeper, bar, of=len(networks))
            resumed_at += found
            states[part.modality].model.cpu()  # a second network has the device for itself
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
    done = TrainingSummary(settings.epochs * len(networks), resumed_at, best, 0.0)
    if ranks.first:
        with keeping(places.finished) as kept:
            save_model(kept / outputs.model.name, made, weights)
            write_history(kept / outputs.history.name, history)
            peak = write_timing(
                kept / outputs.timing.name,
                [state.timings for state in states.values()],
                samples=len(training),
                device=device,
                processes=ranks.size,
            )
            done = dataclasses.replace(done, peak_memory_gib=peak)
            note(kept, done)
        hand_over(places.finished, outputs.model, outputs.tables)
        for folder in places.states:
            shutil.rmtree(folder)
    return done


@dataclass(frozen=True)
class _Keeper:
    """Keeps the state of one network."""

    file: Path
    saving: Saving
    last: bool
    """Whether no other network is trained after it."""

    def after(self, state: State, epochs: int) -> None:
        """Write the state after one of so many epochs, if it is time."""
        through = len(state.history) == epochs
        # A network that is through waits for the next one; the last is written down at once.
        if not self.last if through else self.saving.due:
            self.saving.write(lambda: state.save(self.file))


def windows_of(
    strokes: Path, samples: Mapping[str, Sequence[str]], description: TrainedModel
) -> tuple[StrokeWindows, StrokeWindows]:
    """Windows to train on, and those to validate with; arguments as of :func:`fit`."""
    training = StrokeWindows(
        strokes,
        samples["train"],
        classes=description.classes,
        seed=description.seed,
        augmentation=description.optimisation.augmentation,
        middle_only=not description.optimisation.augment,
    )
    validation = StrokeWindows(
        strokes, samples["validation"], classes=description.classes, middle_only=True
    )
    return training, validation


def _say_what_is_special(execution: ExecutionSettings, device: torch.device) -> None:
    if not execution.repeats:
        say(COMPILED)
    if imitated(execution.precision, device):
        say(IMITATED)


def _train_network(data: _Data, keeper: _Keeper, bar: tqdm[Never], *, of: int) -> tuple[State, int]:
    settings, description, ranks = data.settings, data.description, data.ranks
    steps = len(_batches(data, epoch=0))
    bar.total = of * settings.epochs * steps
    # Two streams that are fused late begin as each would alone.
    torch.manual_seed(description.seed)
    model = description.build(data.device)
    ranks.normalising_together(model)
    state = State.initial(model, settings, settings.epochs * steps)
    if ranks.from_first(lambda: readable(keeper.file)):
        state.resume(keeper.file)
    resumed_at = len(state.history)
    bar.update(resumed_at * steps)
    network = ranks.shared(model, data.device)
    compiled: Callable[[Any], Tensor] = network
    if data.execution.compile:
        compiled = torch.compile(network)
    for epoch in range(resumed_at, settings.epochs):
        begun = time.perf_counter()
        timing = Timing(seconds=0, training_seconds=0, waiting_seconds=0)
        loss, accuracy = _train_epoch(state, data, network, compiled, bar, epoch, timing)
        validation_loss, validation_accuracy = _validate(model, data, timing)
        row = Epoch(
            network=description.modality,
            epoch=epoch + 1,
            learning_rate=state.optimiser.param_groups[0]["lr"],
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
        )
        state.take_in(row)
        timing.seconds = time.perf_counter() - begun
        state.timings.append(timing)
        if ranks.first:
            keeper.after(state, settings.epochs)
        bar.set_postfix_str(progress(row))
    return state, resumed_at


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


def _batches(data: _Data, epoch: int) -> Sequence[Keys]:
    """The batches of all processes, as keys of :class:`StrokeWindows`."""
    parts = batches(
        len(data.training.windows),
        data.settings.batch_size,
        seed=data.description.seed,
        epoch=epoch,
    )
    if data.settings.augment:
        return [[(epoch, i) for i in part] for part in parts]
    return parts


def _train_epoch(
    state: State,
    data: _Data,
    network: nn.Module,
    compiled: Callable[[Any], Tensor],
    bar: tqdm[Never],
    epoch: int,
    timing: Timing,
) -> tuple[float, float]:
    """Loss and accuracy; `timing` gets what it took.

    Nothing here waits for a GPU: it is told one step after the other, and asked at the end.
    """
    model, settings, ranks = state.model, data.settings, data.ranks
    model.train()
    network.train()
    groups = _batches(data, epoch)
    totals = torch.zeros(2, dtype=torch.float64, device=data.device)
    begun = time.perf_counter()
    shown = _Shown(data.training, [ranks.own(group) for group in groups], model, data, timing)
    with draws_of(data.description.seed, epoch, ranks.rank):
        for group in groups:
            target, streams = shown.next()
            # A program is compiled for one size of batch; the last one may have another.
            chosen = compiled if len(group) == settings.batch_size else network
            summed, right = train_step(
                chosen,
                state.optimiser,
                streams,
                target,
                # Gradients are averaged over the processes, and the loss over all their windows.
                weight=ranks.size / len(group),
                gradient_clip=settings.gradient_clip,
                precision=data.execution.precision,
            )
            if isinstance(state.schedule, LRScheduler):
                state.schedule.step()
            totals[0] += summed
            totals[1] += right
            bar.update()
            del target, streams  # before the next ones are made
    loss, right = (ranks.total(totals) / sum(map(len, groups))).tolist()
    timing.training_seconds = time.perf_counter() - begun
    return loss, right


class _Shown:
    """Batches as the network sees them; the time that goes into them is counted."""

    def __init__(
        self, feed: Feed, groups: Sequence[Keys], model: Network, data: _Data, timing: Timing
    ) -> None:
        self._format = feed.windows.input_format(data.description.flow_scale)
        self._names = list(model.streams)
        self._timing = timing
        self._batches = feed.batches(groups)

    def next(self) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Classes and streams of the next batch."""
        asked = time.perf_counter()
        batch = next(self._batches)
        streams = self._format.streams(batch, self._names)
        self._timing.waiting_seconds += time.perf_counter() - asked
        return batch["target"], streams


def train_step(
    network: Callable[[Any], Tensor],
    optimiser: torch.optim.Optimizer,
    streams: Mapping[str, Tensor],
    target: Tensor,
    *,
    weight: float,
    gradient_clip: float,
    precision: Precision,
) -> tuple[Tensor, Tensor]:
    """One step on windows that lie on the device already.

    Args:
        network: In training mode.
        optimiser: Of its parameters.
        streams: What the network sees.
        target: int64 (N,), classes.
        weight: Of each window in the loss whose gradient is taken; 1/N is a mean.
        gradient_clip: Largest norm of the gradient; 0 does not clip.
        precision: Of convolutions and matrix products.

    Returns:
        Sum of the windows' cross-entropies, and how many were right, both on the device.
    """
    with whole_step(precision, target.device):
        with forward_pass(precision, target.device):
            logits = network(streams).float()
        summed = F.cross_entropy(logits, target, reduction="sum")
        optimiser.zero_grad()
        # As a method of the tensor it would not be seen by what imitates a precision.
        torch.autograd.backward(summed * weight)
    if gradient_clip:
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, gradient_clip)
    optimiser.step()
    return summed.detach(), (logits.argmax(1) == target).sum()


def _validate(model: Network, data: _Data, timing: Timing) -> tuple[float, float]:
    logits = _predict(model, data, timing)
    target = torch.tensor(data.validation.windows.targets)
    loss = float(F.cross_entropy(logits, target))
    return loss, float((logits.argmax(1) == target).double().mean())


def _predict(model: Network, data: _Data, timing: Timing) -> Tensor:
    """Logits (N, classes) of the centred windows, in evaluation mode and float32, on the CPU."""
    feed, ranks, size = data.validation, data.ranks, data.settings.batch_size
    model.eval()
    keys = ranks.own(range(len(feed.windows)))
    begins = range(0, len(keys), size)
    logits = torch.zeros(len(feed.windows), len(data.description.classes), device=feed.device)
    own = logits[ranks.rank :: ranks.size]
    groups = [keys[begin : begin + size] for begin in begins]
    shown = _Shown(feed, groups, model, data, timing)
    with torch.inference_mode():
        for begin in begins:
            own[begin : begin + size] = model(shown.next()[1])
    return ranks.total(logits).cpu()
