"""Programs side by side, in real processes: no more on a GPU than it holds, no state in two."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from twinstroke.errors import UserError
from twinstroke.parallel import gpu_locks
from twinstroke.parallel.gpu_locks import (
    TRAIN,
    Claim,
    alone,
    claimed_devices,
    claimed_gpus,
    shared_folder,
)

GIB = 2**30
GPUS = {"GPU-a": 16 * GIB, "GPU-b": 16 * GIB}
BACKWARDS = dict(reversed(GPUS.items()))
TRAINING = Claim(TRAIN, 9 * GIB)
# Forked: a new interpreter takes seconds to import torch.
_FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_locks, "_ASK_AGAIN_S", 0.01)


def hold(
    there: Connection, devices: Mapping[str, int], count: int, claim: Claim, folder: Path
) -> None:
    """Tell which devices were got, and keep them until told to end."""
    with claimed_devices(devices, count, claim, folder) as indices:
        there.send([[*devices][index] for index in indices])
        there.recv()


@contextmanager
def holder(
    count: int, folder: Path, claim: Claim = TRAINING, devices: Mapping[str, int] = GPUS
) -> Iterator[tuple[BaseProcess, Connection]]:
    here, there = _FORK.Pipe()
    process = _FORK.Process(target=hold, args=(there, devices, count, claim, folder))
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
    with holder(1, tmp_path) as (first_process, one):
        assert one.recv() == ["GPU-a"]
        with (
            holder(1, tmp_path, devices=BACKWARDS) as (its, two),
            holder(1, tmp_path) as (others, three),
        ):
            assert {two.poll(0.2), three.poll(0.2)} == {True, False}
            first, second = (two, three) if two.poll() else (three, two)
            holds = its if first is two else others
            assert first.recv() == ["GPU-b"]
            assert not second.poll(0.1)
            one.send("end")
            assert second.recv() == ["GPU-a"]
    who = [f"train (process {process.pid}) has 9.0 GiB" for process in (first_process, holds)]
    said = capfd.readouterr().err
    assert said.startswith("train: waiting for a GPU with 9.0 GiB free: ")
    assert sorted(said.strip().partition("free: ")[2].split(", ")) == sorted(who), "said once"


def test_a_killed_training_frees_its_gpus(tmp_path: Path) -> None:
    with holder(2, tmp_path) as (process, one):
        assert one.recv() == [*GPUS]
        with holder(2, tmp_path) as (_, two):
            assert not two.poll(0.1)
            os.kill(process.pid or 0, signal.SIGKILL)
            assert two.recv() == [*GPUS]
    with holder(2, tmp_path) as (_, third):
        third.recv()
        assert len(list(tmp_path.glob("*.claim"))) == 2, "those of the dead are gone"


def test_all_that_are_wanted_or_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with holder(1, tmp_path) as (process, one):
        assert one.recv() == ["GPU-a"]
        with holder(2, tmp_path) as (_, both):
            assert not both.poll(0.1)
            # While it waits, it keeps nobody from the one that is free.
            with holder(1, tmp_path) as (_, other):
                assert other.recv() == ["GPU-b"]
                one.send("end")
                assert not both.poll(0.1)
            assert both.recv() == [*GPUS]
    assert capfd.readouterr().err == (
        f"train: waiting for 2 GPUs with 9.0 GiB free: train (process {process.pid}) has 9.0 GiB\n"
    )


def test_an_evaluation_finds_room_beside_a_training_or_waits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one_gpu = {"GPU-a": 16 * GIB}
    use = Claim("evaluate", 5 * GIB)
    with (
        holder(1, tmp_path, TRAINING, one_gpu) as (trains, training),
        holder(1, tmp_path, use, one_gpu) as (uses, first),
    ):
        assert training.recv() == first.recv() == ["GPU-a"]
        with holder(1, tmp_path, Claim("detect", 5 * GIB), one_gpu) as (_, second):
            assert not second.poll(0.2), "9 + 5 + 5 GiB are more than 16"
            with holder(1, tmp_path, Claim("attend", 2 * GIB), one_gpu) as (_, small):
                assert small.recv() == ["GPU-a"]
            training.send("end")
            assert second.recv() == ["GPU-a"]
    said = capfd.readouterr().err
    assert said.startswith("detect: waiting for a GPU with 5.0 GiB free: ")
    assert f"train (process {trains.pid}) has 9.0 GiB" in said
    assert f"evaluate (process {uses.pid}) has 5.0 GiB" in said


def test_who_needs_more_than_there_is_has_the_gpu_alone(tmp_path: Path) -> None:
    """What is needed is estimated: it may do, and nobody waits for ever."""
    large, small = Claim("detect", 99 * GIB), Claim("evaluate", GIB)
    one_gpu = {"GPU-a": 16 * GIB}
    with holder(1, tmp_path, small, one_gpu) as (_, first):
        first.recv()
        with holder(1, tmp_path, large, one_gpu) as (_, second):
            assert not second.poll(0.1)
            first.send("end")
            assert second.recv() == ["GPU-a"]
            with holder(1, tmp_path, small, one_gpu) as (_, third):
                assert not third.poll(0.1)


def often(folder: Path, count: int, times: int) -> None:
    """Claim again and again; a second one on a device would find the first one's mark."""
    for _ in range(times):
        with claimed_devices(GPUS, count, TRAINING, folder) as indices:
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
        claimed_devices(GPUS, 3, TRAINING, tmp_path),
    ):
        pass


def test_on_the_cpu_nothing_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with claimed_gpus(0, TRAINING) as indices:
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
