"""Training in this process, or in several that torch's elastic launcher starts and watches."""

from __future__ import annotations

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
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from tqdm import tqdm

from twinstroke.errors import UserError, advised
from twinstroke.parallel.gpu_locks import alone, locked_gpus
from twinstroke.train.fit import Outputs, fit
from twinstroke.train.history import TrainingSummary
from twinstroke.train.messages import (
    ended_process,
    full_gpu,
    no_compiler,
    other_processes,
    too_few_gpus,
)
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.ranks import Ranks
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.unfinished import state_folders

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
) -> TrainingSummary | None:
    """Train a network, or the streams that are fused late, and write the best state.

    After each epoch everything that is needed to go on is kept below `outputs.work`, in a folder
    named by a fingerprint of data and settings. The same call after an interruption goes on from
    there and ends with the same bits.

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

    Returns:
        What was done; None in all but the first process that ``torchrun`` started.

    Raises:
        UserError: A loss is no finite number, there are fewer GPUs than processes, or a process was
            killed.
    """
    part = functools.partial(
        fit,
        strokes,
        samples,
        description,
        outputs,
        memory_gb=memory_gb,
        loader_workers=loader_workers,
    )
    seed, processes = description.seed, description.execution.processes
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    folders = functools.partial(
        state_folders, strokes, samples, description, outputs.work, device_type
    )
    if description.execution.compile and not shutil.which(os.environ.get("CXX", "g++")):
        raise no_compiler()
    if dist.is_torchelastic_launched():
        started = int(os.environ["WORLD_SIZE"])
        if started != processes:
            raise other_processes(started, processes)
        summary = _as_rank(part, seed, folders)
        return summary if os.environ["RANK"] == "0" else None
    own = folders()
    # Whoever waits for the same training must not do so with a GPU in hand.
    with alone(own), locked_gpus(processes if device_type == "cuda" else 0) as gpus:
        if processes == 1:
            if gpus:
                torch.cuda.set_device(gpus[0])
            device = make_deterministic(seed)
            return _explaining(part, folders=own, device=device, ranks=Ranks())
        return _in_processes(processes, part, seed, own, gpus)


def _as_rank(
    part: functools.partial[TrainingSummary],
    seed: int,
    folders: Callable[[], list[Path]],
    gpus: Sequence[int] = (),
    threads: int | None = None,
) -> TrainingSummary:
    """Train as one of several processes.

    Args:
        part: What to do.
        seed: Of the training.
        folders: Where states are kept; the first process is asked.
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
        summary = _explaining(part, folders=ranks.from_first(folders), device=device, ranks=ranks)
    except OSError as error:
        raise UserError(f"train: {advised(error)}") from None
    # Not after an error: it would wait for processes that wait for this one.
    dist.destroy_process_group()
    return summary


def _explaining(
    part: functools.partial[TrainingSummary],
    *,
    folders: list[Path],
    device: torch.device,
    ranks: Ranks,
) -> TrainingSummary:
    try:
        return part(folders=folders, device=device, ranks=ranks)
    except torch.OutOfMemoryError:
        raise full_gpu() from None


def _in_processes(
    count: int,
    part: functools.partial[TrainingSummary],
    seed: int,
    folders: list[Path],
    gpus: Sequence[int],
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
    threads = max(1, torch.get_num_threads() // count)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        summaries: dict[int, TrainingSummary] = elastic_launch(config, _as_rank)(
            part, seed, functools.partial(list, folders), gpus, threads
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
