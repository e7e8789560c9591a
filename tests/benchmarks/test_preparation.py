"""Work is clocked, and time is charged to the phase that takes it; no time is asserted."""

from __future__ import annotations

import ast
import cProfile
import pstats
import time
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import twinstroke
from benchmarks import preparation
from benchmarks.footage import Bench, pattern
from twinstroke.flow.stored import quantised
from twinstroke.parallel.workers import each_of


def test_clocked_workers_give_the_results_and_note_the_time() -> None:
    with preparation.ClockedWorkers(count=0) as workers:
        assert list(workers.outcomes(_double, each_of([1, 2]))) == [(1, 2), (2, 4)]
        assert workers.busy_s > 0
    assert preparation.utilisation(busy_s=6.0, wall_s=4.0, cores=2) == 0.75


def _double(number: int) -> int:
    return 2 * number


def test_time_in_a_library_counts_for_the_phase_that_calls_it() -> None:
    # Of this thread alone: other programs may be at work.
    profile = cProfile.Profile(time.thread_time)
    flow = np.ones((400, 500, 2), np.float32)

    def work() -> None:
        for _ in range(5):
            quantised(flow)

    profile.runcall(work)
    shares = preparation.shares(pstats.Stats(profile))
    assert sum(shares.values()) == pytest.approx(1)
    # Nearly all of it is NumPy's rounding.
    assert shares["quantise"] > 0.9


def test_small_phases_join_everything_else() -> None:
    shares = {"a": 0.3, "b": 0.6, "c": 0.004, preparation.ELSE: 0.096}
    assert preparation.in_words(shares) == "b 60%, a 30%, everything else 10%"


def test_built_in_functions_are_told_by_their_name() -> None:
    assert preparation.phase_of(("~", 0, "<built-in function cvtColor>")) == "grey"
    assert (
        preparation.phase_of(("/x/twinstroke/flow/estimators.py", 3, "estimate_flow")) == "estimate"
    )
    assert preparation.phase_of(("/x/numpy/core.py", 3, "clip")) is None


@pytest.mark.parametrize(("file", "name"), preparation.PHASES)
def test_phases_name_functions_that_are_there(file: str, name: str) -> None:
    if file == "~":
        assert callable(getattr(cv2, name))
        return
    package = {"twinstroke": twinstroke, "h5py": h5py}[file.split("/")[0]]
    tree = ast.parse((Path(package.__path__[0]).parent / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_all_stages_are_carried_out_and_profiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "PHASE_CLIPS", 1)
    monkeypatch.setattr(preparation, "PHASE_FRAMES", 8)
    video = pattern(tmp_path / "v.mp4", (320, 180), 30)
    (told,) = preparation.phases(Bench(tmp_path, video)).tables
    rows = dict(line.strip("| ").split(" | ") for line in told.splitlines()[2:])
    assert list(rows) == ["decode", "flow, dis", "normalize", "segment", "flow, farneback"]
    for stage, phase in {
        "decode": "wait for FFmpeg",
        "flow, dis": "estimate",
        "normalize": "foreground",
        "segment": "compress",
    }.items():
        assert phase in rows[stage]
