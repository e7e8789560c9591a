"""What trainings side by side must not share: a GPU, and the state of one training.

What one has is a locked file. The system unlocks it when the process ends, however it ends.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from twinstroke.errors import UserError

_ASK_AGAIN_S = 1


@contextmanager
def locked_gpus(count: int) -> Iterator[list[int]]:
    """Keep GPUs for this training alone, among all trainings of this user on this machine.

    Takes the first ones that are free, and waits, saying so once, while there are too few.

    Args:
        count: How many; 0, for training on the CPU, locks nothing.

    Yields:
        Their indices, ascending, for ``torch.device("cuda", index)``.

    Raises:
        UserError: This process sees fewer GPUs, or there is no place for the locks.
    """
    if not count:
        yield []
        return
    # An index means another GPU where CUDA_VISIBLE_DEVICES differs; this name is the card's own.
    seen = range(torch.cuda.device_count())
    devices = [str(torch.cuda.get_device_properties(index).uuid) for index in seen]
    with locked_devices(devices, count, shared_folder()) as indices:
        yield indices


@contextmanager
def locked_devices(devices: Sequence[str], count: int, folder: Path) -> Iterator[list[int]]:
    """Do what :func:`locked_gpus` does, with devices of any names.

    Args:
        devices: A name each that is the same in all processes, and may be that of a file.
        count: How many are wanted.
        folder: Where the locks are, the same for all who share the devices.

    Yields:
        Places in `devices`, ascending.

    Raises:
        UserError: More are wanted than there are.
    """
    if count > len(devices):
        raise UserError(
            f"train: {count} GPU{'s are' if count > 1 else ' is'} asked for, and torch sees "
            f"{len(devices)}; ask for fewer, or see what nvidia-smi and CUDA_VISIBLE_DEVICES say"
        )
    told = False
    with ExitStack() as locks:
        while len(taken := _taken(devices, count, folder, locks)) < count:
            if not told:
                used, all_ = len(devices) - len(taken), len(devices)
                print(
                    f"train: waiting for {f'{count} free GPUs' if count > 1 else 'a free GPU'}: "
                    f"{used} of {all_} {'are' if used > 1 else 'is'} in use by other trainings",
                    file=sys.stderr,
                    flush=True,
                )
                told = True
            time.sleep(_ASK_AGAIN_S)
        yield taken


@contextmanager
def alone(states: Iterable[Path]) -> Iterator[None]:
    """Keep the states of unfinished trainings for this process alone.

    Waits, saying so once for each, while another program trains the very same. Enter it before
    :func:`locked_gpus`, so that nobody waits with a GPU in hand. Beside each state stays an empty
    file with its name and ``.lock``.

    Args:
        states: Files or folders; they need not exist.
    """
    with ExitStack() as locks:
        # In the same order everywhere: two that want two of them never wait for each other.
        for state in sorted(set(states)):
            lock = _lock_of(state)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                print(
                    f"train: waiting: another program trains the very same now, with its state in "
                    f"{state}",
                    file=sys.stderr,
                    flush=True,
                )
                lock.acquire(poll_interval=_ASK_AGAIN_S)
            locks.callback(lock.release)
        yield


@contextmanager
def alone_now(state: Path) -> Iterator[bool]:
    """Keep a state for this process alone if no other has it; tell whether that is so."""
    lock = _lock_of(state)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _lock_of(state: Path) -> FileLock:
    return FileLock(state.with_name(f"{state.name}.lock"))


def shared_folder() -> Path:
    """Where all trainings of this user on this machine keep their locks.

    Raises:
        UserError: Something else has its name.
    """
    folder = Path(tempfile.gettempdir(), f"twinstroke-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    # Where everybody may write, anybody may have made it first.
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid():
        raise UserError(
            f"{folder}: is a link or another user's, and locks of GPUs should be there; have it "
            "removed, or set TMPDIR to a folder of your own"
        )
    return folder


def _taken(devices: Sequence[str], count: int, folder: Path, locks: ExitStack) -> list[int]:
    """Take free devices: as many as are wanted, until `locks` ends, or fewer, and let them go."""
    taken: list[int] = []
    # One process chooses at a time: otherwise two could each take what the other lacks, for ever.
    with ExitStack() as own, FileLock(folder / "choosing.lock"):
        for index, device in enumerate(devices):
            if len(taken) == count:
                break
            lock = FileLock(folder / f"{device}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            own.callback(lock.release)
            taken.append(index)
        if len(taken) == count:
            locks.enter_context(own.pop_all())
    return taken
