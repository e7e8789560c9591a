"""How fast a training step is, how fast it could be at best, and what memory it takes on a GPU."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import twinstroke
from benchmarks.footage import Bench
from benchmarks.measuring import Result, Section, ratio, seconds_of, table
from benchmarks.published import PublishedTwin
from twinstroke.gpu_check import CLASSES, PAPER_CASES
from twinstroke.gpu_check import Case as PaperCase
from twinstroke.models.network import CHANNELS, STREAMS
from twinstroke.settings.experiment import Experiment
from twinstroke.settings.network import Modality
from twinstroke.settings.train import TrainSettings
from twinstroke.train.fit import train_step
from twinstroke.train.gpus import META, Allocated
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.saving import Saving
from twinstroke.train.state import State


class Scale(NamedTuple):
    """What a network is trained on."""

    window: tuple[int, int, int]
    """T, H, W."""
    batch_size: int

    @property
    def size(self) -> str:
        """The window in words."""
        return "×".join(map(str, self.window))


BUILT_IN = Scale((24, 48, 48), 8)
"""Of the built-in data set."""
PAPER = Scale((100, 120, 120), 10)
CPU = torch.device("cpu")


def description(
    modality: Modality,
    window: tuple[int, int, int],
    *,
    attention_blocks: int = 0,
    batch_size: int = BUILT_IN.batch_size,
) -> TrainedModel:
    """A TSTCNN, and how the benchmarks train it.

    Args:
        modality: Its streams.
        window: T, H, W.
        attention_blocks: In each branch.
        batch_size: Of `train`; steps by themselves may take other batches.
    """
    return TrainedModel(
        architecture="tstcnn",
        modality=modality,
        attention_blocks=attention_blocks,
        residual_blocks=0,
        classes=[f"class {number}" for number in range(CLASSES)],
        window=window,
        flow_scale=(5.0, 5.0),
        seed=1,
        optimisation=TrainSettings(
            epochs=2,
            batch_size=batch_size,
            learning_rate=0.001,
            schedule="constant",
            momentum=0.9,
            weight_decay=5e-4,
            gradient_clip=5.0,
            augment=True,
        ),
        torch_version=torch.__version__,
        twinstroke_version=twinstroke.__version__,
    )


Batch = tuple[Mapping[str, Tensor], Tensor]
"""What the network sees, by stream, and classes."""


def random_batch(made: TrainedModel, size: int, device: torch.device) -> Batch:
    """Windows as a network sees them, with channels last in memory, and classes."""
    streams = {
        name: torch.rand(size, *made.window, CHANNELS[name], device=device)
        .mul_(2)
        .sub_(1)
        .permute(0, 4, 1, 2, 3)
        for name in STREAMS[made.modality]
    }
    return streams, torch.randint(CLASSES, (size,), device=device)


class Training:
    """A network that is trained as by `train`, on windows that lie on the device already."""

    def __init__(self, made: TrainedModel, device: torch.device, *, compiled: bool = False) -> None:
        """Build the network; `compiled` lets steps go through `torch.compile`."""
        self.settings = made.optimisation
        self.model = made.build(device).train()
        self._trained: Any = torch.compile(self.model) if compiled else self.model
        self._optimiser = State.initial(self.model, self.settings, steps=1).optimiser
        if device == META:  # torch's fused step needs contents
            self._optimiser.param_groups[0]["fused"] = False

    def step(self, streams: Mapping[str, Tensor], target: Tensor) -> Tensor:
        """Train on a batch; give the summed loss, on the device."""
        loss, _ = train_step(
            self._trained,
            self._optimiser,
            streams,
            target,
            weight=1 / len(target),
            gradient_clip=self.settings.gradient_clip,
            precision="float32",
        )
        return loss


# --- against the network written down plainly ----------------------------------------------------

TARGET = 2.0
KINDS = ("published", "ours", "compiled")


@dataclass(frozen=True)
class Case:
    """A network, its window, and what is timed."""

    scale: Scale
    attention_blocks: int
    compiled: bool
    """Tell what `compile` gains, too."""
    steps: int
    """Timed in a process, after one that does not count."""
    repetitions: int

    def __str__(self) -> str:
        blocks = f", {self.attention_blocks} attention blocks" if self.attention_blocks else ""
        return f"Twin{blocks}, {self.scale.size}, batch {self.scale.batch_size}"


CASES = [
    Case(Scale((24, 56, 56), 8), 0, True, steps=5, repetitions=3),
    Case(Scale((24, 56, 56), 8), 3, False, steps=3, repetitions=2),
    Case(Scale((100, 120, 120), 1), 0, False, steps=2, repetitions=2),
]


class Timed(NamedTuple):
    """What a process says of its steps."""

    first_s: float
    seconds: float
    """Of the median step after the first."""
    logits: list[list[float]]
    """Before the first step."""


def step(_: Bench) -> Section:
    """Train on random windows, each time in a process of its own, in turns."""
    results, rows = [], []
    for case in CASES:
        runs: dict[str, list[Timed]] = {"published": [], "ours": []}
        for _repetition in range(case.repetitions):
            for kind, own in runs.items():
                own.append(_alone(kind, case))
        seconds = {kind: [run.seconds for run in own] for kind, own in runs.items()}
        faster = 1 / ratio(seconds["published"], seconds["ours"])
        theirs, ours = (torch.tensor(own[-1].logits) for own in runs.values())
        compiled = _alone("compiled", case) if case.compiled else None
        results.append(Result(str(case), faster, TARGET, "≥", "times"))
        rows.append(
            [
                str(case),
                *(f"{statistics.median(own):.3f} s" for own in seconds.values()),
                f"{compiled.seconds:.3f} s" if compiled else "",
                f"{faster:.2f}",
                f"{float((theirs - ours).abs().max() / theirs.abs().max()):.0e}",
                f"{compiled.first_s:.0f} s" if compiled else "",
            ]
        )
    return Section(
        "Training step",
        results,
        "A step of SGD with Nesterov momentum, weight decay and a clipped gradient, in float32, on "
        "the CPU, on windows that are in memory: the network of the paper written down in torch's "
        "own layers (`benchmarks/published.py`), with torch's defaults, against ours as `train` "
        "runs it. Each in a process of its own, in turns; the ratio is the median over "
        "neighbouring processes, of each the median step. *Difference* is the largest one between "
        "the logits of the two, with the same weights, as a share of the largest logit. "
        "*Compiled* is ours with `compile: true`, and how long the compilation took.",
        [table(["", *KINDS, "times as fast", "difference", "compilation"], rows)],
        "convolutions take four fifths of our step, and torch computes them at two thirds of the "
        "rate of a large matrix product already (see *Floor*), in the plain network as in ours. "
        "Seven eighths of what their gradient multiplies are zeros, since a pooling passes one "
        "value in eight on; no library makes use of that. With attention blocks, by torch's "
        "profiler, 60% are convolutions, most of 8 to 20 channels, which fill a part of the "
        "blocks that oneDNN computes, and 21% batch normalisation, which goes through memory "
        "twice each way: both are torch's own in either network. What `compile` gains differs "
        "from run to run here, between a loss of 6% and a gain of 25%.",
    )


def _alone(kind: str, case: Case) -> Timed:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(timed, kind, case).result()


def timed(kind: str, case: Case) -> Timed:
    """Time one kind of one case; in a fresh process, since it changes how torch works."""
    if kind != "published":
        make_deterministic(0)
    torch.manual_seed(0)
    made = description("twin", case.scale.window, attention_blocks=case.attention_blocks)
    batch = random_batch(made, case.scale.batch_size, CPU)
    training = Training(made, CPU, compiled=kind == "compiled")
    network: nn.Module = training.model
    run: Callable[[], object] = partial(training.step, *batch)
    if kind == "published":
        network, run = _published(training, case, batch)
    with torch.no_grad():
        logits = network.eval()(batch[0]).tolist()
    network.train()
    first, *seconds = (seconds_of(run) for _ in range(1 + case.steps))
    return Timed(first, statistics.median(seconds), logits)


def _published(
    training: Training, case: Case, batch: Batch
) -> tuple[nn.Module, Callable[[], object]]:
    """The network of the paper with the same weights, and its step on the same windows."""
    settings = training.settings
    network = PublishedTwin(case.scale.window, CLASSES, case.attention_blocks)
    network.load_state_dict(training.model.state_dict())
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    streams = {name: stream.contiguous() for name, stream in batch[0].items()}

    def run() -> None:
        loss = F.cross_entropy(network(streams), batch[1])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
        optimiser.step()

    return network, run


# --- against what the device could do ------------------------------------------------------------

PASSES_OVER_WEIGHTS = 7
"""Read forward and backward; gradient written and read; momentum read and written; and written."""


def floor(_: Bench) -> Section:
    """Count what a step must do, measure what the device can, and time the step."""
    device = make_deterministic(0)
    on_gpu = device.type == "cuda"
    cases = [
        (0, PAPER if on_gpu else BUILT_IN),
        # The largest one, which the paper trains in batches of 5.
        (3, PAPER._replace(batch_size=5 if on_gpu else 1)),
    ]
    flops_per_s, bytes_per_s = _product_rate(device), _copy_rate(device)
    rows = []
    for blocks, scale in cases:
        made = description("twin", scale.window, attention_blocks=blocks)
        flops, kept, weights = needs(made, scale.batch_size)
        moved = 2 * kept + PASSES_OVER_WEIGHTS * weights
        least = max(flops / flops_per_s, moved / bytes_per_s)
        seconds = _step_s(made, scale.batch_size, device)
        rows.append(
            [
                f"Twin, {blocks} attention blocks, {scale.size}, batch {scale.batch_size}",
                f"{flops / 1e9:,.0f}",
                f"{moved / 1e9:.1f}",
                f"{flops / flops_per_s:.2f} s",
                f"{moved / bytes_per_s:.2f} s",
                f"{seconds:.2f} s",
                f"{seconds / least:.1f} ×",
                f"{kept / 2**30:.1f} GiB",
            ]
        )
    head = ["", "GFLOP", "GB", "products", "memory", "step", "above the floor", "kept"]
    return Section(
        "Floor",
        [],
        "What a step cannot do without: the products of convolutions and layers, forward and "
        "backward, as torch counts them (two FLOPs each), at the rate of this device's large "
        f"matrix product in float32, {flops_per_s / 1e9:,.0f} GFLOP/s; and the bytes of features, "
        f"written once and read once, and of weights, {PASSES_OVER_WEIGHTS} times, at the rate of "
        f"a copy, {bytes_per_s / 1e9:.1f} GB/s. The floor is the longer of the two. *Kept*: "
        "features that the forward pass keeps for the gradient. The step is the median of 2 after "
        "one that does not count.",
        [table(head, rows)],
    )


def _step_s(made: TrainedModel, batch_size: int, device: torch.device) -> float:
    training, batch = Training(made, device), random_batch(made, batch_size, device)
    # A number on this side waits for a GPU.
    _, *seconds = (seconds_of(lambda: float(training.step(*batch))) for _ in range(3))
    return statistics.median(seconds)


def needs(made: TrainedModel, batch_size: int) -> tuple[int, int, int]:
    """FLOPs of a step, bytes kept for the gradient, bytes of the weights."""
    training, batch = Training(made, META), random_batch(made, batch_size, META)
    parameters = list(training.model.parameters())
    own = {parameter.untyped_storage()._cdata for parameter in parameters}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        training.step(*batch)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    return counter.get_total_flops(), sum(kept.values()), weights


def _product_rate(device: torch.device) -> float:
    """FLOPs a second of a large matrix product, the best of several."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = torch.rand(2, size, size, device=device)
    return 2 * size**3 / min(seconds_of(lambda: float((a @ b)[0, 0])) for _ in range(6))


def _copy_rate(device: torch.device) -> float:
    """Bytes read or written a second by a large copy, the best of several."""
    source = torch.rand(2**28 if device.type == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)
    best = min(seconds_of(lambda: float(target.copy_(source)[0])) for _ in range(6))
    return 2 * source.numel() * source.element_size() / best


# --- in the memory of a GPU ----------------------------------------------------------------------

LIMIT = 15 * 2**30
"""Of 16 GB, what the CUDA context and the workspaces of cuDNN leave."""


def gpu_memory(_: Bench) -> Section:
    """Take a step of each network of the paper, and note the most memory in use at once."""
    on_gpu = torch.cuda.is_available()
    rows, results = [], []
    for case in PAPER_CASES:
        peak = _peak(case, checkpointing=False, on_gpu=on_gpu)
        results.append(Result(str(case), peak, LIMIT, "≤", "GiB"))
        if case.attention_blocks or case.architecture == "i3d":
            less = _peak(case, checkpointing=True, on_gpu=on_gpu)
            rows.append([str(case), *(f"{own / 2**30:.1f} GiB" for own in (peak, less))])
    how = (
        f"Measured on a {torch.cuda.get_device_name()}: the most that tensors took in two steps."
        if on_gpu
        else "No GPU was at hand, so that tensors are counted, not measured: the step runs on "
        "tensors that have shapes and no contents, along the operators that it takes on CUDA, and "
        "every storage counts from its making to its end. Workspaces of cuDNN and what the "
        "allocator rounds up come on top. On a GPU the same command measures."
    )
    return Section(
        "Memory of a GPU",
        results,
        f"{how} Float32, {PAPER.size}, weights, gradients, momentum and the "
        "batch included; samples in memory of the GPU not, which `train` puts there only where "
        "they take no more than a quarter of what is free.",
        [table(["peak of a step", "features kept", "checkpointing"], rows)],
    )


def _peak(case: PaperCase, *, checkpointing: bool, on_gpu: bool) -> int:
    """Bytes in use at once during the second of two steps."""
    made = description(case.modality, PAPER.window, attention_blocks=case.attention_blocks)
    execution = made.execution.model_copy(update={"checkpointing": checkpointing})
    made = made.model_copy(update={"architecture": case.architecture, "execution": execution})
    device = torch.device("cuda") if on_gpu else META
    counted = Allocated()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    with nullcontext() if on_gpu else counted:
        training = Training(made, device)
        batch = random_batch(made, case.batch_size, device)
        for _ in range(2):
            training.step(*batch)
    return torch.cuda.max_memory_allocated() if on_gpu else counted.peak


# --- what is written -----------------------------------------------------------------------------

EPOCHS = 100
EPOCH_MINUTES = (1, 5)
DISK_RATE = 0.5e9
"""Bytes a second, of a slow disk."""
SHARE = 0.02
"""Of the time, that writing may take."""


def written(_: Bench) -> Section:
    """Count the bytes of all states of a training, by a clock that is told what passes."""
    minutes = Experiment.model_fields["state_minutes"].default
    rows, results = [], []
    for blocks in (0, 3):
        size = state_bytes(description("twin", PAPER.window, attention_blocks=blocks))
        name = f"Twin, {blocks} attention blocks"
        counts = {epoch: states_written(size, epoch, minutes) for epoch in EPOCH_MINUTES}
        taken = max(n * size / DISK_RATE / (EPOCHS * 60 * epoch) for epoch, n in counts.items())
        results.append(Result(f"{name}: time for writing", taken, SHARE, "≤"))
        after = [f"{n * size / 1e9:.0f} GB" for n in counts.values()]
        rows.append([name, f"{size / 1e9:.2f} GB", f"{EPOCHS * size / 1e9:.0f} GB", *after])
    head = ["", "a state", "after each epoch", *(f"epochs of {own} min" for own in EPOCH_MINUTES)]
    return Section(
        "What training writes",
        results,
        f"Bytes of the states of {EPOCHS} epochs at {PAPER.size}, counted: weights, momenta and "
        f"the best weights; `state_minutes: 0` writes them after each epoch, the default of "
        f"{minutes:g} after the epochs that it says. Nothing is trained; epochs last so long, and "
        f"the disk takes {DISK_RATE / 1e9:g} GB/s. The model comes on top, once, a third of a "
        "state.",
        [table(head, rows)],
    )


def state_bytes(made: TrainedModel) -> int:
    """Tensors of a state: the network, its best state, and a momentum for each parameter."""
    with META:
        model = made.build(META)
    everything: int = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    momenta: int = sum(p.numel() * p.element_size() for p in model.parameters())
    return 2 * everything + momenta


def states_written(size: int, epoch_minutes: float, minutes: float) -> int:
    """How many states of so many bytes a training writes in all its epochs."""
    now, number = 0.0, 0
    saving = Saving(minutes, lambda: now)

    def save() -> None:
        nonlocal now, number
        now += size / DISK_RATE
        number += 1

    for _ in range(EPOCHS):
        now += 60 * epoch_minutes
        if saving.due:
            saving.write(save)
    return number
