"""What all tests share: threads, time, and their order."""

import os

# One thread a test process: the tensors are tiny, and several programs run at once. Before torch is
# imported, and inherited by the programs that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

from pathlib import Path

import pytest
from hypothesis import settings

from tests import once
from tests.stored import strokes_file

# On a busy machine any example may take long: time is no finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

LONG = (
    "stages/test_pipeline.py",
    "train/test_processes.py",
    "train/test_train.py",
    "stages/test_faults.py",
    "train/test_execution.py",
    "formats/test_mediaeval_packages.py",
)
"""The files that take longest. Begun last, one of them would go on alone."""


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
