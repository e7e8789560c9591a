"""What training says to people. It decides no result: another word here trains nothing again."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from twinstroke.errors import UserError
from twinstroke.files import FULL
from twinstroke.tables import NEGATIVE
from twinstroke.train.history import Epoch, TrainingSummary
from twinstroke.train.machine import THREADS, Machine, differences
from twinstroke.train.naming import Described, network_name

COMPILED = "compile is on, so that bits are not promised to repeat"
IMITATED = (
    "without a GPU, bfloat16 is imitated: products are rounded to it and computed in float32, "
    "which shows its effect on accuracy but saves no time"
)


def say(text: str) -> None:
    """Tell what is special about a training, on standard error."""
    print(f"train: {text}", file=sys.stderr)


def summary(network: Described, done: TrainingSummary) -> str:
    """What was trained, and how good it became."""
    resumed = f" (resumed after {done.resumed_at})" if done.resumed_at else ""
    best = "; ".join(
        f"best{f' ({name})' if len(done.best) > 1 else ''}: epoch {row.epoch}, validation accuracy "
        f"{row.validation_accuracy:.1%}"
        for name, row in done.best.items()
    )
    return (
        f"{network_name(network)}, {done.epochs} epochs{resumed}; {best}; peak memory "
        f"{done.peak_memory_gib:.1f} GiB"
    )


def progress(row: Epoch) -> str:
    """How far a training is, after an epoch."""
    return (
        f"{row.network}, epoch {row.epoch}: loss {row.train_loss:.2f}, "
        f"validation {row.validation_accuracy:.0%}"
    )


def put_aside(error: Exception, aside: Path) -> str:
    """The state of an interrupted training is damaged."""
    return (
        f"the state of an interrupted run cannot be read ({_reason(error)}) and is put aside as "
        f"{aside}; training begins anew"
    )


def no_negative() -> UserError:
    """A network is to tell strokes from none, but no sample is none."""
    return UserError(
        f"params.yaml: targets: strokes tells strokes from {NEGATIVE}, which is none of the "
        "classes; mine negatives (index.negatives of the preset), or set it to classes"
    )


def unknown_sample(strokes: Path, sample: str) -> UserError:
    """A sample is to be used that was not cut."""
    return UserError(
        f"{strokes}: sample {sample!r} is used but not in the file; run dvc repro balance"
    )


def other_classes(strokes: Path, own: Sequence[str], network: Sequence[str]) -> UserError:
    """The samples have other classes than the network."""
    return UserError(
        f"{strokes}: its classes ({', '.join(own)[:200]}) are not those of the "
        f"network ({', '.join(network)[:200]}); run dvc repro"
    )


def no_finite_loss(row: Epoch) -> UserError:
    """A loss is no number any more."""
    return UserError(
        f"train: {row.network}, epoch {row.epoch}: the training loss became "
        f"{row.train_loss:.4g} and the validation loss {row.validation_loss:.4g}, at a "
        f"learning rate of {row.learning_rate:.2g}; lower learning_rate or set "
        "gradient_clip, e.g. to 5"
    )


def no_compiler() -> UserError:
    """torch.compile has nothing to compile with."""
    return UserError("train: compile: true wants a C++ compiler; install g++, or set it to false")


def other_processes(started: int, processes: int) -> UserError:
    """``torchrun`` started more or fewer processes than the settings say."""
    return UserError(
        f"train: torchrun started {started} processes, but `processes` is {processes}; set "
        "it in params.yaml to the number that torchrun starts"
    )


def too_few_gpus(count: int) -> UserError:
    """``torchrun`` started more processes on a machine than it has GPUs."""
    return UserError(
        f"train: torchrun started more processes here than there are GPUs, {count}; start one for "
        "each (--nproc-per-node)"
    )


def no_room(error: Exception, saved_epochs: int) -> UserError | None:
    """The disk, or the memory of GPU or machine, is full; None, if the error is another.

    Args:
        error: What a library raised. Each has its own way to say so.
        saved_epochs: After how many epochs the training would go on.
    """
    text = str(error)
    goes_on = (
        f"goes on after epoch {saved_epochs}, which is saved"
        if saved_epochs
        else "begins anew, for no epoch is saved yet"
    )
    if isinstance(error, OSError) and error.errno in FULL:
        return UserError(f"train: {_reason(error)}; make room on that disk, and training {goes_on}")
    if isinstance(error, torch.OutOfMemoryError) or "_STATUS_ALLOC_FAILED" in text:
        return UserError(
            f"train: the GPU's memory is full; with checkpointing: true training {goes_on}; with "
            "precision: bfloat16 or a smaller batch_size it begins anew"
        )
    of_the_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    # The last one stands for a process that reads windows, ended by the system.
    signs = ("can't allocate memory", "Cannot allocate memory", "DataLoader worker")
    if isinstance(error, MemoryError) or of_the_system or any(sign in text for sign in signs):
        return UserError(
            f"train: the memory of this machine is full ({_reason(error)}); end other programs, or "
            "set checkpointing: true, or feed.memory_gb and feed.loader_workers of the preset "
            f"lower, and training {goes_on}"
        )
    return None


def taken(folder: Path) -> str:
    """The very same was trained before."""
    return (
        f"the very same was trained before, and is taken as it is out of {folder} (to train it "
        "again, delete that folder)"
    )


def damaged_training(folder: Path) -> str:
    """A training that was kept is not what it was."""
    return f"{folder}: what an earlier training left is damaged and deleted; training begins anew"


def abandoned(folder: Path) -> str:
    """A state is deleted since many others were written after it."""
    return f"{folder}: the state of an interrupted training is deleted, for newer ones are many"


def other_machine(folder: Path, epochs: int, then: Machine, now: Machine) -> UserError:
    """An interrupted training would go on where other bits come out."""
    go_on = "go on with it where it began"
    if set(then) == set(now) and all(then[key] == now[key] for key in then if key != THREADS):
        go_on = f"to go on with it, set OMP_NUM_THREADS={then[THREADS]}"
    return UserError(
        f"train: the very same training was interrupted after epoch {epochs}, but on another kind "
        f"of machine, whose bits are others ({differences(then, now)}); {go_on}; or, to begin "
        f"anew, delete {folder}"
    )


def ended_process(number: int, count: int, by: str) -> UserError:
    """One of several processes was killed."""
    return UserError(
        f"train: process {number} of {count} was ended by {by}, and the others with it; the "
        "same command goes on after the last saved epoch (if memory ran out, with "
        "checkpointing: true)"
    )


def no_model(path: Path) -> UserError:
    """There is no trained network."""
    return UserError(f"{path}: not found; run dvc repro train")


def not_our_model(path: Path, error: Exception) -> UserError:
    """A file is damaged, or none that training writes."""
    return UserError(f"{path}: not a model of twinstroke ({_reason(error)}); train it again")


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]
