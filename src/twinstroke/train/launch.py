"""Training in this process, or in several that torch's elastic launcher starts and watches."""

from __future__ import annotations

import copy
import functools
import logging
import os
import shutil
import signal
import sys
import threading
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from tqdm import tqdm

from twinstroke.errors import UserError, advised
from twinstroke.parallel.gpu_locks import TRAIN, Claim, alone, claimed_gpus
from twinstroke.train.feed import GB
from twinstroke.train.finished import take
from twinstroke.train.fit import Outputs, fit, windows_of
from twinstroke.train.gpus import memory_of_training
from twinstroke.train.history import TrainingSummary
from twinstroke.train.machine import kinds_of_machine, this_machine
from twinstroke.train.messages import (
    ended_process,
    no_compiler,
    no_room,
    other_processes,
    too_few_gpus,
)
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.ranks import Ranks
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.unfinished import Identity, Places, begin, forget_older

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""What torch's launcher takes over, to end the processes that it started."""


def train(
    strokes: Path,
    samples: Mapping[str, Sequence[str]],
    description: TrainedModel,
    outputs: Outputs,
    *,
    memory_gb: float = 4.0,
    loader_workers: int = 0,
    state_minutes: float = 0.0,
) -> TrainingSummary | None:
    """Train a network, or the streams that are fused late, and write the best state.

    Every so many minutes everything that is needed to go on is kept below `outputs.work`, in a
    folder named by a fingerprint of data and settings. The same call after an interruption goes on
    from there and ends with the same bits. What is trained is kept as well, and whoever asks for
    the same on the same kind of machine gets it as it is (`unfinished`, `finished`).

    With ``description.execution.processes`` above 1, so many processes share each batch: those that
    ``torchrun`` started, this one being among them, or else so many on this machine, one a GPU
    where there are any. Trainings side by side never share a GPU, nor a state: they wait. (Under
    ``torchrun`` whoever starts it says which GPUs are whose.)

    Args:
        strokes: ``strokes.h5``.
        samples: Names of the samples of ``train`` and ``validation``.
        description: Which network, how it is trained, and the scale of its flow.
        outputs: Where to write; of several processes the first one does.
        memory_gb: Samples that take no more are held in the memory of each process, in GB; results
            do not depend on it.
        loader_workers: Processes that read windows where they are not held in memory; results do
            not depend on it.
        state_minutes: How often the state is written, see `saving`; 0: after each epoch.

    Returns:
        What was done; None in all but the first process that ``torchrun`` started.

    Raises:
        UserError: A loss is no finite number, there are fewer GPUs than processes, a process was
            killed, disk or memory is full, or another kind of machine began the same training.
    """
    part = functools.partial(
        fit,
        strokes,
        samples,
        description,
        outputs,
        memory_gb=memory_gb,
        loader_workers=loader_workers,
        state_minutes=state_minutes,
    )
    seed, processes = description.seed, description.execution.processes
    identity = functools.partial(Identity.of, strokes, samples, description, outputs.work)
    if description.execution.compile and not shutil.which(os.environ.get("CXX", "g++")):
        raise no_compiler()
    if dist.is_torchelastic_launched():
        started = int(os.environ["WORLD_SIZE"])
        if started != processes:
            raise other_processes(started, processes)
        summary = _as_rank(part, seed, functools.partial(_begun_here, identity, outputs))
        return summary if os.environ["RANK"] == "0" else None
    own = identity()
    threads = max(1, torch.get_num_threads() // processes)
    # Whoever waits for the same training must not do so with a GPU in hand.
    with alone(own.states()):
        forget_older(outputs.work, own.states())
        for machine in kinds_of_machine(threads):
            if done := _taken(own.places(machine), outputs):
                return done
        count, memory = 0, 0
        if torch.cuda.is_available():
            windows = windows_of(strokes, samples, description)
            held = min(sum(own.nbytes for own in windows), round(memory_gb * GB))
            count, memory = processes, memory_of_training(description, held)
        with claimed_gpus(count, Claim(TRAIN, memory)) as gpus:
            machine = this_machine(gpus[0] if gpus else None, threads)
            places = own.places(machine)
            begin(places, machine)
            if processes > 1:
                return _in_processes(processes, part, seed, places, gpus, threads)
            if gpus:
                torch.cuda.set_device(gpus[0])
            device = make_deterministic(seed)
            return _explaining(part, places=places, device=device, ranks=Ranks())


def _taken(places: Places, outputs: Outputs) -> TrainingSummary | None:
    """Hand over what is trained already, if it is, and let go of what an end in between left."""
    done = take(places.finished, outputs.model, outputs.tables)
    if done:
        for folder in places.states:
            shutil.rmtree(folder, ignore_errors=True)
    return done


def _begun_here(identity: Callable[[], Identity], outputs: Outputs) -> Places | TrainingSummary:
    """Under ``torchrun``: what is trained already, or else where this training is kept."""
    gpu = torch.cuda.current_device() if torch.cuda.is_available() else None
    machine = this_machine(gpu, torch.get_num_threads())
    places = identity().places(machine)
    if done := _taken(places, outputs):
        return done
    begin(places, machine)
    return places


def _as_rank(
    part: functools.partial[TrainingSummary],
    seed: int,
    found: Callable[[], Places | TrainingSummary],
    gpus: Sequence[int] = (),
    threads: int | None = None,
) -> TrainingSummary:
    """Train as one of several processes.

    Args:
        part: What to do.
        seed: Of the training.
        found: Where the training is kept, or that it is done; the first process is asked.
        gpus: Of the processes on this machine; those that torch counts from 0, if left out.
        threads: Of this process on a CPU; as the environment says, if left out.
    """
    # Ctrl-C, or the end of the process that started this one, ends it at once wherever it is.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Weights of 1³ have one order in memory that goes by several names.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # Only one process shows a bar, and the lock for several would be left behind by a killed one.
    tqdm.set_lock(threading.RLock())
    ranks = Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    if threads:
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise too_few_gpus(torch.cuda.device_count())
        torch.cuda.set_device(gpus[local] if gpus else local)
    device = make_deterministic(seed)
    # The first process reads all of strokes.h5 for its fingerprint, and the others wait for it.
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        places = ranks.from_first(found)
        if isinstance(places, TrainingSummary):
            summary = places
        else:
            summary = _explaining(part, places=places, device=device, ranks=ranks)
    except OSError as error:
        raise UserError(f"train: {advised(error)}") from None
    # Not after an error: it would wait for processes that wait for this one.
    dist.destroy_process_group()
    return summary


def _explaining(
    part: functools.partial[TrainingSummary],
    *,
    places: Places,
    device: torch.device,
    ranks: Ranks,
) -> TrainingSummary:
    try:
        return part(places=places, device=device, ranks=ranks)
    except (MemoryError, OSError, RuntimeError, SafetensorError) as error:
        told = no_room(error, places.saved_epochs)
        if told is None:
            raise
        raise told from None


def _in_processes(
    count: int,
    part: functools.partial[TrainingSummary],
    seed: int,
    places: Places,
    gpus: Sequence[int],
    threads: int,
) -> TrainingSummary:
    """Start processes on this machine and wait for them; if one ends badly, end them all."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        # Training goes on where it was by itself, but only when somebody asks.
        max_restarts=0,
    )
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        # They tell in many lines what is told below in one.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        summaries: dict[int, TrainingSummary] = elastic_launch(config, _as_rank)(
            part, seed, functools.partial(copy.copy, places), gpus, threads
        )
    except ChildFailedError as error:
        print(file=sys.stderr)  # ends the line of a bar that nobody closed
        raise _explained(error.failures, count) from None
    except SignalException:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return summaries[0]


def _explained(failures: Mapping[int, ProcessFailure], count: int) -> BaseException:
    """What went wrong first: who lost the others fails too, and may be quicker to say so."""
    if any(failure.exitcode == -signal.SIGINT for failure in failures.values()):
        return KeyboardInterrupt()
    for rank, failure in sorted(failures.items()):
        if failure.exitcode < 0 and not (-failure.exitcode == signal.SIGTERM and len(failures) > 1):
            return ended_process(rank + 1, count, failure.signal_name())
    mark = f"{UserError.__name__}: "
    for _, failure in sorted(failures.items()):
        # Of an exception there is more than its text.
        told: Any = failure.message
        message = told["message"] if isinstance(told, dict) else ""
        if message.startswith(mark):
            return UserError(message.removeprefix(mark).splitlines())
    first: Any = min(failures.values(), key=lambda failure: failure.timestamp).message
    return RuntimeError(first["extraInfo"]["py_callstack"] if isinstance(first, dict) else first)
