"""Trainings side by side, in real processes: never two on one GPU or on one state."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from twinstroke.errors import UserError
from twinstroke.parallel import gpu_locks
from twinstroke.parallel.gpu_locks import alone, locked_devices, locked_gpus, shared_folder

GPUS = ["GPU-a", "GPU-b"]
# Forked: a new interpreter takes seconds to import torch.
_FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_locks, "_ASK_AGAIN_S", 0.01)


def hold(there: Connection, devices: Sequence[str], count: int, folder: Path) -> None:
    """Tell which devices were got, and keep them until told to end."""
    with locked_devices(devices, count, folder) as indices:
        there.send([devices[index] for index in indices])
        there.recv()


@contextmanager
def holder(
    count: int, folder: Path, devices: Sequence[str] = GPUS
) -> Iterator[tuple[BaseProcess, Connection]]:
    here, there = _FORK.Pipe()
    process = _FORK.Process(target=hold, args=(there, devices, count, folder))
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        process.kill()
        process.join()


def test_each_gets_another_gpu_and_the_next_waits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with holder(1, tmp_path) as (_, one):
        assert one.recv() == ["GPU-a"]
        with holder(1, tmp_path, GPUS[::-1]) as (_, two), holder(1, tmp_path) as (_, three):
            assert {two.poll(0.2), three.poll(0.2)} == {True, False}
            first, second = (two, three) if two.poll() else (three, two)
            assert first.recv() == ["GPU-b"]
            assert not second.poll(0.1)
            one.send("end")
            assert second.recv() == ["GPU-a"]
    message = "train: waiting for a free GPU: 2 of 2 are in use by other trainings\n"
    assert capfd.readouterr().err == message, "and it is said once"


def test_a_killed_training_frees_its_gpus(tmp_path: Path) -> None:
    with holder(2, tmp_path) as (process, one):
        assert one.recv() == GPUS
        with holder(2, tmp_path) as (_, two):
            assert not two.poll(0.1)
            os.kill(process.pid or 0, signal.SIGKILL)
            assert two.recv() == GPUS


def test_all_that_are_wanted_or_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with holder(1, tmp_path) as (_, one):
        assert one.recv() == ["GPU-a"]
        with holder(2, tmp_path) as (_, both):
            assert not both.poll(0.1)
            # While it waits, it keeps nobody from the one that is free.
            with holder(1, tmp_path) as (_, other):
                assert other.recv() == ["GPU-b"]
                one.send("end")
                assert not both.poll(0.1)
            assert both.recv() == GPUS
    message = "train: waiting for 2 free GPUs: 1 of 2 is in use by other trainings\n"
    assert capfd.readouterr().err == message


def often(folder: Path, count: int, times: int) -> None:
    """Claim again and again; a second one on a device would find the first one's mark."""
    for _ in range(times):
        with locked_devices(GPUS, count, folder) as indices:
            marks = [folder / f"at-work-{index}" for index in indices]
            for mark in marks:
                mark.touch(exist_ok=False)
            time.sleep(0.001)
            for mark in marks:
                mark.unlink()


def test_many_who_want_one_or_both_neither_meet_nor_block_each_other(tmp_path: Path) -> None:
    counts = itertools.islice(itertools.cycle((2, 2, 1)), 6)
    processes = [_FORK.Process(target=often, args=(tmp_path, n, 10)) for n in counts]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 6


def test_more_than_there_are_is_a_mistake(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"^train: 3 GPUs are asked for, and torch sees 2; ask for"),
        locked_devices(GPUS, 3, tmp_path),
    ):
        pass


def test_on_the_cpu_nothing_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with locked_gpus(0) as indices:
        assert indices == []
    assert not list(tmp_path.iterdir())


def test_the_folder_of_the_locks_is_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = shared_folder()
    assert folder == shared_folder()
    assert (folder.parent, folder.stat().st_mode & 0o777) == (tmp_path, 0o700)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link or another user's"):
        shared_folder()


def keep(there: Connection, states: Sequence[Path]) -> None:
    with alone(states):
        there.send("alone")
        there.recv()


def test_one_training_is_not_trained_twice_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rgb, flow = tmp_path / "work/rgb", tmp_path / "work/flow"
    here, there = _FORK.Pipe()
    process = _FORK.Process(target=keep, args=(there, [rgb, flow]))
    process.start()
    assert here.recv() == "alone"
    other, its = _FORK.Pipe()
    second = _FORK.Process(target=keep, args=(its, [flow]))
    second.start()
    with alone([tmp_path / "work/other"]):
        assert not other.poll(0.2)
    process.kill()
    assert other.recv() == "alone"
    other.send("end")
    second.join(10)
    assert second.exitcode == 0
    assert capfd.readouterr().err == (
        f"train: waiting: another program trains the very same now, with its state in {flow}\n"
    )
