"""The stages on a Dask cluster of other processes, and what a user sees of its faults."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pytest
from distributed import Client, Future
from distributed.comm.core import CommClosedError

from tests.clone import ROOT
from tests.project import errors_of, finished, indexed, wait_for
from tests.work import Number
from twinstroke.errors import UserError
from twinstroke.parallel.workers import ADDRESS_VARIABLE, Workers, each_of

SMALL = ("--host", "127.0.0.1", "--no-dashboard")


class Cluster:
    """A scheduler and its workers, each a process, started somewhere else than the project."""

    def __init__(self, folder: Path, *path: Path) -> None:
        """Start the scheduler, which imports what lies on `path` before what is installed."""
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(path, "scheduler", "--port", "0")
        self.address = self._said(self.scheduler, "Scheduler at:").split()[-1]

    def worker(self, *path: Path, threads: int = 1) -> subprocess.Popen[bytes]:
        """Start a worker and wait until the scheduler knows it."""
        options = ("--nthreads", str(threads), "--no-nanny", "--memory-limit", "0")
        process = self._start(path, "worker", self.address, *options)
        self._said(process, "Registered to:")
        return process

    def address_of(self, worker: subprocess.Popen[bytes]) -> str:
        return self._said(worker, "Start worker at:").split()[-1]

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def _log(self, process: subprocess.Popen[bytes]) -> Path:
        return self.folder / f"{self.processes.index(process)}.log"

    def _start(self, path: Sequence[Path], kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *SMALL, *arguments],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT, ROOT / "src"))),
                },
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def _said(self, process: subprocess.Popen[bytes], beginning: str) -> str:
        deadline = time.monotonic() + 60
        while True:
            for line in self._log(process).read_text().splitlines():
                if beginning in line:
                    return line
            assert process.poll() is None, self._log(process).read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path) as cluster:
        yield cluster


@contextmanager
def running(tmp_path: Path, *path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    cluster = Cluster(folder, *path)
    try:
        yield cluster
    finally:
        cluster.end()


def double(number: Number) -> int:
    time.sleep(0.05)
    return 2 * number


def refusal(cluster: Cluster) -> str:
    """What a user is told when work is given to a cluster."""
    with Workers(cluster.address) as workers, pytest.raises(UserError) as error:
        list(workers.outcomes(double, each_of(map(Number, range(50)))))
    assert len(error.value.problems) == 1
    return str(error.value)


def test_a_cluster_makes_the_same_bytes_though_a_worker_dies(
    cluster: Cluster, tmp_path: Path
) -> None:
    project = indexed().copy(tmp_path / "project")
    there = {ADDRESS_VARIABLE: cluster.address}
    lost, _ = cluster.worker(), cluster.worker()
    project.run("decode", **there)
    process = project.start("flow", **there)
    wait_for(project.parts, process)
    # It keeps its items and does nothing, until it dies.
    lost.send_signal(signal.SIGSTOP)
    with Client(cluster.address, set_as_default=False) as client:
        wait_for(lambda: client.processing([own := cluster.address_of(lost)])[own], process)
    before = {path: path.stat().st_mtime_ns for path in project.data.glob("flow/*.h5")}
    lost.kill()
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for stage in ("normalize", "segment"):
        project.run(stage, **there)
    assert project.made() == finished().made()


def test_a_worker_with_threads_is_refused(cluster: Cluster) -> None:
    cluster.worker(threads=2)
    assert "has several threads" in refusal(cluster)
    assert refusal(cluster).endswith("start more workers instead, with --nthreads 1")


def test_a_worker_with_other_code_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    other = shutil.copytree(ROOT / "src", tmp_path / "other")
    with (other / "twinstroke" / "flow" / "estimators.py").open("a") as code:
        code.write("\n# changed\n")
    cluster.worker(other)
    assert "has twinstroke (its code)" in refusal(cluster)
    assert "install the same there" in refusal(cluster)


def without_the_package(folder: Path) -> Path:
    (folder / "bare" / "twinstroke").mkdir(parents=True)
    (folder / "bare" / "twinstroke" / "__init__.py").touch()
    return folder / "bare"


def test_a_worker_without_the_package_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    cluster.worker(without_the_package(tmp_path))
    assert "runs in an environment without" in refusal(cluster)


def test_a_scheduler_without_the_package_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, without_the_package(tmp_path)) as cluster:
        cluster.worker()
        assert "runs in an environment without" in refusal(cluster)


def test_a_worker_that_does_not_see_the_project_is_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.worker()
    folder = tmp_path / "local disk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    # This process is still in it, but nobody finds it by its name.
    folder.rename(tmp_path / "gone")
    monkeypatch.setattr(Path, "cwd", lambda: folder)
    assert f"does not see {folder}; put the project on a file system" in refusal(cluster)


def test_a_scheduler_that_goes_away_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    project = indexed().copy(tmp_path / "project")
    worker = cluster.worker()
    process = project.start("decode", **{ADDRESS_VARIABLE: cluster.address})
    wait_for(project.parts, process)
    worker.send_signal(signal.SIGSTOP)
    cluster.scheduler.kill()
    printed, _ = process.communicate(timeout=60)
    (line,) = errors_of(process, printed)
    assert line.startswith(f"the Dask scheduler {cluster.address} went away; what is finished")


def test_a_scheduler_that_goes_away_while_it_hands_over_a_result_is_one_line(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(future: Future[int]) -> None:
        cluster.scheduler.kill()
        raise CommClosedError(f"{future}: connection reset by peer")

    monkeypatch.setattr(Future, "result", breaks)
    cluster.worker()
    told = refusal(cluster)
    assert told.startswith(f"the Dask scheduler {cluster.address} went away; what is finished")


def test_work_waits_for_the_first_worker(cluster: Cluster, tmp_path: Path) -> None:
    project = indexed().copy(tmp_path / "project")
    process = project.start("decode", **{ADDRESS_VARIABLE: cluster.address})
    line = cast("IO[str]", process.stdout).readline()
    while "waiting" not in line:
        assert process.poll() is None
        line = cast("IO[str]", process.stdout).readline()
    assert f"waiting for workers of {cluster.address}" in line
    cluster.worker()
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    frames = {n: b for n, b in finished().made().items() if n.startswith("frames")}
    assert project.made() == frames
