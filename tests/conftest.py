"""What all tests share: threads, time, programs, folders, and the order of tests."""

import os

# One thread a test process: the tensors are tiny, and several programs run at once. Before torch is
# imported, and inherited by the programs that tests start. MKL has a variable of its own, which
# Dask sets to 1 in whatever process starts its workers: said here, it is the same in every test.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import twinstroke  # noqa: F401 -- sets what torch reads as it starts; see tests/quick.py
from tests import once, quick
from tests.stored import strokes_file

# On a busy machine any example may take long: time is no finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

LONG = (
    "stages/test_pipeline.py",
    "train/test_processes.py",
    "train/test_train.py",
    "stages/test_kills.py",
    "stages/test_faults.py",
    "train/test_execution.py",
    "formats/test_mediaeval_packages.py",
)
"""The files that take longest. Begun last, one of them would go on alone."""


SERVER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """Let programs start quickly where many tests run: with xdist, before its workers begin."""
    if config.getoption("numprocesses", None) and quick.FOLDER not in os.environ:
        os.environ[quick.FOLDER] = tempfile.mkdtemp(prefix="quick-")
        config.stash[SERVER] = quick.start(Path(os.environ[quick.FOLDER]))


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVER in config.stash:
        config.stash[SERVER].kill()
        config.stash[SERVER].wait()
        shutil.rmtree(os.environ[quick.FOLDER])


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let what programs leave in the system's folder for temporary files go with that of pytest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
        patch.setattr(tempfile, "tempdir", None)
        yield


AT_START = quick.read_at_start()


@pytest.fixture(autouse=True)
def _as_at_the_start() -> Iterator[None]:
    """Take back what a test, or a library that it used, has set for programs and for threads.

    The number of threads decides bits, and programs in another environment do not start quickly.
    """
    yield
    for name in quick.read_at_start().keys() - AT_START.keys():
        del os.environ[name]
    os.environ.update(AT_START)
    torch = sys.modules.get("torch")
    if torch and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order within a file stays."""

    def rank(item: pytest.Item) -> int:
        name = item.nodeid.partition("::")[0].removeprefix("tests/")
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Processes of one run have folders side by side."""
    own = tmp_path_factory.getbasetemp()
    once.share(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
def strokes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve samples of three classes, as `tests/stored.py` tells; not to be changed."""
    return strokes_file(tmp_path_factory.mktemp("strokes") / "strokes.h5")
