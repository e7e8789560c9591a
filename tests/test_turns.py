"""A stage that DVC starts waits for the end of the one that an earlier DVC has left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clone import ROOT

STAGE = """
import sys
from twinstroke.errors import exits_cleanly

@exits_cleanly
def main():
    print("begins", flush=True)
    sys.stdin.readline()
    print("ends", flush=True)

main()
"""
WAITS = "evaluate: waiting for the end of a stages/evaluate.py that is still at work"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of two stages that go on when they are told to."""
    (tmp_path / "stages").mkdir()
    for stage in ("evaluate", "report"):
        (tmp_path / "stages" / f"{stage}.py").write_text(STAGE)
    return tmp_path


def start(folder: Path, stage: str = "evaluate", *, by_dvc: bool = True) -> subprocess.Popen[str]:
    by = {"DVC_STAGE": stage} if by_dvc else {}
    return subprocess.Popen(
        [sys.executable, f"stages/{stage}.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **by},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a stage prints."""
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize("killed", [False, True])
def test_the_second_waits_for_the_end_of_the_first_however_it_ends(
    folder: Path, killed: bool
) -> None:
    first = start(folder)
    assert line(first) == "begins"
    second = start(folder)
    assert line(second).startswith(WAITS)
    if killed:
        first.kill()
        first.communicate()
    else:
        assert first.communicate("\n")[0] == "ends\n"
    assert second.communicate("\n")[0] == "begins\nends\n"


def test_others_do_not_wait(folder: Path) -> None:
    """Other stages, and what no DVC starts: several processes of one training, for instance."""
    first = start(folder)
    assert line(first) == "begins"
    for other in (start(folder, "report"), start(folder, by_dvc=False)):
        assert other.communicate("\n")[0] == "begins\nends\n"
    assert first.communicate("\n")[0] == "ends\n"


def test_where_it_may_not_write_it_is_one_line(folder: Path) -> None:
    (folder / "work").touch()
    printed, _ = start(folder).communicate("\n")
    assert printed.startswith("error: ") and printed.count("\n") == 1 and "'work" in printed
