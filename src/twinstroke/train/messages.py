"""What training says to people. It decides no result: another word here trains nothing again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from twinstroke.errors import UserError
from twinstroke.tables import NEGATIVE
from twinstroke.train.history import Epoch, TrainingSummary
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


def full_gpu() -> UserError:
    """The memory of a GPU is full."""
    return UserError(
        "train: the GPU's memory is full; with checkpointing: true training goes on after the "
        "last finished epoch; with precision: bfloat16 or a smaller batch_size it begins anew"
    )


def ended_process(number: int, count: int, by: str) -> UserError:
    """One of several processes was killed."""
    return UserError(
        f"train: process {number} of {count} was ended by {by}, and the others with it; the "
        "same command goes on after the last finished epoch (if memory ran out, with "
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
