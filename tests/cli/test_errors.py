"""What a user can mend is one line, in every verb; and how a verb ends that is stopped."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import quick
from tests.clone import ROOT
from tests.command import NAMES, twinstroke
from tests.videos import distinct_frames, write_video

OF_THE_PROJECT = {
    "check": (),
    "inspect": (),
    "export": ("csv",),
    "export-model": (),
    "attend": ("v:1-2",),
    "compare": (),
    "grid": ("table2",),
    "bench": (),
    "store": (),
}
"""Verbs that need the project's folder, and what else they need."""
MISSING = {
    "detect": ("gone.mp4", "--model", "gone.onnx"),
    "view": ("gone.mp4",),
    "score": ("gone", "--truth", "gone.csv"),
    "submit": (
        *("detection", "--model", "gone.onnx", "--templates", "gone"),
        *("--videos", "gone", "--team", "us"),
    ),
    "check-submission": ("gone", "--classification", "gone"),
}
"""The others but `gpu-check`, with files that are not there."""


def test_all_verbs_are_tried() -> None:
    assert {*OF_THE_PROJECT, *MISSING, "gpu-check"} == set(NAMES)


@pytest.mark.parametrize("verb", OF_THE_PROJECT)
def test_elsewhere_a_verb_of_the_project_says_so(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert twinstroke(verb, *OF_THE_PROJECT[verb]) == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    folder = "the folder of a clone of the project" if verb == "bench" else "the project's folder"
    assert line.endswith(f"; run from {folder}")
    assert printed.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", MISSING)
def test_a_missing_file_is_one_line(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert twinstroke(verb, *MISSING[verb]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "gone" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("detct", "v.mp4"), "No such command 'detct'. Did you mean 'detect'?"),
        (("detect", "v.mp4"), "Missing option '--model'"),
        (("detect", "--model", "m.onnx"), "Missing argument 'VIDEO...'"),
        (("detect", "v.mp4", "--model", "m", "--runs", "x"), "'x' is not one of 'stroke', 'class'"),
        (("detect", "v.mp4", "--model", "m", "--gap-s", "x"), "'x' is not a valid float"),
        (("export", "pdf"), "'pdf' is not one of 'csv', 'mediaeval', 'elan'"),
        (("submit", "x"), "'x' is not one of 'classification', 'detection'"),
        (("check-submission", "x", "--edition", "2019"), "'2019' is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_usage(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert twinstroke(*arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("Usage: twinstroke ")
    assert message in printed


def test_a_name_that_is_no_text_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """Tables and pages could not hold it."""
    assert twinstroke("view", os.fsdecode(b"\xe9.mp4")) == 2
    assert "'\\udce9.mp4' is not UTF-8; rename the file or folder" in capfd.readouterr().err


# --- What befalls a verb that works ---


def test_a_terminal_that_knows_ascii_alone(tmp_path: Path) -> None:
    write_video(tmp_path / "é.mp4", distinct_frames(8))
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "twinstroke", "view", "é.mp4"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert done.stdout == b"view: open \\xe9.html in a browser (0 strokes)\n"


def test_help_on_a_full_disk_is_one_line() -> None:
    command = [sys.executable, "-m", "twinstroke", "--help"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: [Errno 28] No space left on device")


@pytest.mark.parametrize(
    ("error", "status", "printed"),
    [
        (
            KeyboardInterrupt(),
            130,
            "interrupted; what is finished is kept, and the same command goes on",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "a.csv"),
            1,
            "error: [Errno 28] No space left on device: 'a.csv'; make room on that disk, and run "
            "the same command again: it goes on with what is finished",
        ),
        (
            IsADirectoryError(errno.EISDIR, "Is a directory", "a.csv"),
            1,
            "error: [Errno 21] Is a directory: 'a.csv'; see that the file is there and whole; what "
            "the program made itself may be deleted and comes back with the same command or dvc "
            "repro",
        ),
        (
            # Another program's: our own output is read.
            BrokenPipeError(errno.EPIPE, "Broken pipe"),
            1,
            "error: [Errno 32] Broken pipe; see that the file is there and whole; what the program "
            "made itself may be deleted and comes back with the same command or dvc repro",
        ),
    ],
)
def test_a_verb_that_is_stopped(
    error: BaseException,
    status: int,
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped() -> None:
        raise error

    monkeypatch.setattr("twinstroke.settings.load.load_settings", stopped)
    assert twinstroke("export", "csv") == status
    assert capsys.readouterr().err == f"{printed}\n"


@pytest.mark.parametrize("verb", ["--help", "view"])
def test_whoever_reads_may_stop_early(verb: str, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", distinct_frames(20), 60)
    arguments = ["view", str(video)] if verb == "view" else [verb]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [quick.python(), "-m", "twinstroke", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
    assert (tmp_path / "v.html").exists() == (verb == "view")


# --- Benchmarks, which stand outside the package ---


def test_benchmarks_are_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__main__.py").write_text(
        "NAMES = ['disk', 'step']\n"
        "def run(name, video):\n"
        "    print('ran', name, video and video.name)\n"
    )

    def bench(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [quick.python(), "-m", "twinstroke", "bench", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    assert bench() == (0, "ran None None\n")
    assert bench("step", "--video", "a/b.mp4") == (0, "ran step b.mp4\n")
    status, printed = bench("dsik")
    assert status == 2
    assert printed.startswith("Usage: twinstroke bench ")
    assert "'dsik' is none of disk, step." in printed
