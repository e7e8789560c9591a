"""Work that is spread over processes, and what happens when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.clone import ROOT
from tests.processes import all_ended
from tests.work import Number
from twinstroke.errors import UserError
from twinstroke.parallel.workers import (
    ADDRESS_VARIABLE,
    Workers,
    chosen_workers,
    each_of,
    environment,
)


def _double(number: Number) -> int:
    if number == 3:
        raise UserError("three is bad")
    return 2 * number


def _dies(number: Number) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return 2 * number


def _dies_once(item: tuple[Path, int]) -> int:
    mark, number = item
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _full(number: Number) -> None:
    if number == 2:
        raise OSError(28, "No space left on device", "a.h5")


def run(
    function: Callable[[Number], int], numbers: Iterable[int], workers: Workers
) -> dict[int, int | str]:
    with workers:
        found = list(workers.outcomes(function, each_of(map(Number, numbers))))
    return {int(n): str(o) if isinstance(o, UserError) else o for n, o in found}


@pytest.mark.parametrize("count", [0, 2])
def test_bad_input_costs_only_itself(count: int) -> None:
    found = run(_double, range(6), Workers(count=count))
    assert found == {0: 0, 1: 2, 2: 4, 3: "three is bad", 4: 8, 5: 10}


def test_an_item_on_which_processes_die_is_tried_again_and_then_reported() -> None:
    found = run(_dies, range(20), Workers(count=2))
    assert str(found.pop(3)).startswith("number 3: the process that worked on it died, and so did")
    assert found == {n: 2 * n for n in range(20) if n != 3}


def test_an_item_on_which_a_process_died_once_is_done_by_another(tmp_path: Path) -> None:
    with Workers(count=2) as workers:
        items = [(tmp_path / "mark", n) for n in range(6)]
        found = {n: o for (_, n), o in workers.outcomes(_dies_once, each_of(items))}
    assert (tmp_path / "mark").exists(), "no process died"
    assert found == {n: n for n in range(6)}


@pytest.mark.parametrize("count", [0, 1])
def test_a_full_disk_ends_the_work(count: int) -> None:
    with Workers(count=count) as workers, pytest.raises(OSError, match="No space left"):
        list(workers.outcomes(_full, each_of(map(Number, range(5)))))


@pytest.mark.parametrize("count", [0, 2])
def test_a_result_can_make_the_next_item(count: int) -> None:
    todo = [Number(10)]

    def take() -> Number | None:
        return todo.pop() if todo else None

    with Workers(count=count) as workers:
        done = []
        for item, outcome in workers.outcomes(_double, take):
            done.append((int(item), outcome))
            if item > 8:
                todo.append(Number(item - 1))
    assert done == [(10, 20), (9, 18), (8, 16)]


def test_without_work_nothing_is_started() -> None:
    with Workers("tcp://127.0.0.1:9", count=2) as workers:
        assert list(workers.outcomes(_double, each_of([]))) == []


def test_only_a_bounded_number_of_items_is_taken_ahead() -> None:
    taken = 0

    def take() -> Number | None:
        nonlocal taken
        taken += 1
        return Number(taken + 10) if taken <= 40 else None

    with Workers(count=2) as workers:
        for done, _ in enumerate(workers.outcomes(_double, take)):
            assert taken <= done + 2 * 3 + 1


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_a_scheduler_that_is_not_there_is_one_line(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    with chosen_workers("local") as workers, pytest.raises(UserError, match="no Dask scheduler"):
        list(workers.outcomes(_double, each_of([Number(1)])))


def test_the_environment_names_what_decides_the_bits() -> None:
    assert {"numpy", "opencv-contrib-python-headless", "hdf5plugin", "FFmpeg"} <= set(environment())


_ENDLESS = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.work import note_and_sleep
from twinstroke.parallel.workers import Workers, each_of
if __name__ == "__main__":
    with Workers(count=2) as workers:
        list(workers.outcomes(note_and_sleep, each_of([Path({folder!r})] * 100)))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    program = tmp_path / "endless.py"
    program.write_text(_ENDLESS.format(tests=str(ROOT), folder=str(tmp_path)))
    parent = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(pids := [int(p.stem) for p in tmp_path.glob("*.pid")]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert parent.poll() is None, "it was over before it could be killed"
    parent.send_signal(how)
    parent.wait(timeout=30)
    assert all_ended(pids)
