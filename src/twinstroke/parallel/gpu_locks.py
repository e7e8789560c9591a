"""What programs side by side share out: the memory of GPUs, and the states of trainings.

What one has is a locked file. The system unlocks it when the process ends, however it ends.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from twinstroke.errors import UserError

TRAIN = "train"
"""Who has a GPU without another of its kind: two trainings on one are no faster than in turns."""
_ASK_AGAIN_S = 1
_GIB = 2**30


@dataclass(frozen=True)
class Claim:
    """What a program wants of a GPU, or has."""

    who: str
    """Stage or verb."""
    memory: int
    """Bytes."""
    process: int = 0
    """Its number, if it has it."""

    def fits(self, capacity: int, others: Iterable[Claim]) -> bool:
        """Whether a GPU of so many bytes has room for it beside others.

        Alone it always has: what is needed is estimated.
        """
        there = [*others]
        if self.who == TRAIN and any(other.who == TRAIN for other in there):
            return False
        return not there or self.memory + sum(other.memory for other in there) <= capacity

    def __str__(self) -> str:
        return f"{self.who} (process {self.process}) has {self.memory / _GIB:.1f} GiB"


@contextmanager
def claimed_gpus(count: int, claim: Claim) -> Iterator[list[int]]:
    """Keep room on GPUs for this program, among all programs of this user on this machine.

    Takes the first ones that have room, and waits, saying once for whom, while there are too few.

    Args:
        count: How many; 0, for the CPU, claims nothing.
        claim: What is wanted of each.

    Yields:
        Their indices, ascending, for ``torch.device("cuda", index)``.

    Raises:
        UserError: This process sees fewer GPUs, or there is no place for the locks.
    """
    if not count:
        yield []
        return
    seen = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    # An index means another GPU where CUDA_VISIBLE_DEVICES differs; this name is the card's own.
    devices = {str(device.uuid): device.total_memory for device in seen}
    with claimed_devices(devices, count, claim, shared_folder()) as indices:
        yield indices


@contextmanager
def claimed_devices(
    devices: Mapping[str, int], count: int, claim: Claim, folder: Path
) -> Iterator[list[int]]:
    """Do what :func:`claimed_gpus` does, with devices of any names.

    Args:
        devices: Bytes of each, by a name that is the same in all processes and may be a file's.
        count: How many are wanted.
        claim: What is wanted of each.
        folder: Where the locks are, the same for all who share the devices.

    Yields:
        Places in `devices`, ascending.

    Raises:
        UserError: More are wanted than there are.
    """
    if count > len(devices):
        raise UserError(
            f"{claim.who}: {count} GPU{'s are' if count > 1 else ' is'} asked for, and torch sees "
            f"{len(devices)}; ask for fewer, or see what nvidia-smi and CUDA_VISIBLE_DEVICES say"
        )
    told = False
    with ExitStack() as locks:
        while True:
            taken, others = _taken(devices, count, claim, folder, locks)
            if len(taken) == count:
                break
            if not told:
                print(
                    f"{claim.who}: waiting for {f'{count} GPUs' if count > 1 else 'a GPU'} with "
                    f"{claim.memory / _GIB:.1f} GiB free: {', '.join(map(str, others))}",
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
    :func:`claimed_gpus`, so that nobody waits with a GPU in hand. Beside each state stays an empty
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
    """Where all programs of this user on this machine keep their locks.

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


def _taken(
    devices: Mapping[str, int], count: int, claim: Claim, folder: Path, locks: ExitStack
) -> tuple[list[int], list[Claim]]:
    """Take devices with room: as many as are wanted, until `locks` ends; or fewer, let go again.

    The others have no room because of the claims that are returned too.
    """
    taken: list[int] = []
    others: list[Claim] = []
    # One process chooses at a time: otherwise two could each take what the other lacks, for ever.
    with ExitStack() as own, FileLock(folder / "choosing.lock"):
        for index, (device, capacity) in enumerate(devices.items()):
            if len(taken) == count:
                break
            there = _claims(device, folder)
            if not claim.fits(capacity, there):
                others += there
                continue
            # The name says it all, so that it is there with the file.
            words = (device, claim.who, str(claim.memory), str(os.getpid()), uuid.uuid4().hex)
            file = folder / f"{'+'.join(words)}.claim"
            lock = FileLock(file)
            lock.acquire(blocking=False)
            own.callback(lock.release)
            own.callback(file.unlink, missing_ok=True)
            taken.append(index)
        if len(taken) == count:
            locks.enter_context(own.pop_all())
    return taken, others


def _claims(device: str, folder: Path) -> list[Claim]:
    """Claims of processes that are alive; the files of others are deleted."""
    found = []
    for file in sorted(folder.glob(f"{device}+*.claim")):
        lock = FileLock(file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _, who, memory, process, _ = file.stem.rsplit("+", 4)
            found.append(Claim(who, int(memory), int(process)))
        else:
            file.unlink(missing_ok=True)
            lock.release()
    return found
