"""Disk or memory that is full while a network is trained: one line, and what was saved stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.disks import small_disk
from tests.killed import saved_epochs
from tests.trainings import SETTINGS, run
from twinstroke.errors import UserError
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.train import fit

FLOW: dict[str, Any] = {"modality": "flow"}
STATE = 3
"""Times as large as a model: weights, momentum, and the best weights."""


def line_of(strokes: Path, folder: Path, *arguments: Any, **changes: Any) -> str:
    with pytest.raises(UserError) as full:
        run(strokes, folder, *arguments, **{**FLOW, **changes})
    (line,) = full.value.problems
    return line


@pytest.mark.parametrize(
    ("models", "epochs", "saved"),
    [(STATE * 0.5, 4, 0), (STATE * 1.5, 4, 1), (0.5, 1, 0)],
    ids=["first state", "second state", "model"],
)
def test_a_full_disk_says_what_is_kept(
    strokes: Path, tmp_path: Path, models: float, epochs: int, saved: int
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": epochs})
    expected = run(strokes, tmp_path / "undisturbed", settings, **FLOW)
    room_kb = round(models * len(expected[0]) / 1024)
    with small_disk(tmp_path / "small" / "work", room_kb) as work:
        line = line_of(strokes, tmp_path / "small", settings)
        assert line.startswith(f"train: [Errno 28] No space left on device: '{work}/")
        goes_on = "goes on after epoch 1, which is saved" if saved else "begins anew"
        assert f"; make room on that disk, and training {goes_on}" in line
        assert saved_epochs(tmp_path / "small") == saved
        shutil.copytree(tmp_path / "small", tmp_path / "larger")
    assert run(strokes, tmp_path / "larger", settings, **FLOW) == expected


def test_a_full_disk_in_several_processes(strokes: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "work", 64):
        line = line_of(strokes, tmp_path, execution=ExecutionSettings(processes=2))
    assert "No space left on device" in line
    assert line.endswith("training begins anew, for no epoch is saved yet")


def on_the_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def in_a_library_of_the_gpu() -> None:
    raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")


def by_a_loader() -> None:
    raise RuntimeError("DataLoader worker (pid 123) is killed by signal: Killed. ")


GPU, HERE = "the GPU's memory is full; with checkpointing: true", "the memory of this machine is f"
MEMORY: dict[str, tuple[Callable[[], object], str]] = {
    "GPU": (on_the_gpu, GPU),
    "cuDNN": (in_a_library_of_the_gpu, GPU),
    # As the libraries say it: nobody has 10 PB.
    "torch": (lambda: torch.empty(10**16, dtype=torch.uint8), HERE),
    "NumPy": (lambda: np.empty(10**16, np.uint8), HERE),
    "a process that reads": (by_a_loader, HERE),
}


@pytest.mark.parametrize("where", MEMORY)
@pytest.mark.parametrize("epoch", [0, 1])
def test_full_memory_says_what_is_kept(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, epoch: int
) -> None:
    fail, message = MEMORY[where]
    step, steps = fit.train_step, iter(range(100))

    def full(*arguments: Any, **settings: Any) -> Any:
        if next(steps) == 2 * epoch + 1:
            fail()
        return step(*arguments, **settings)

    monkeypatch.setattr(fit, "train_step", full)
    line = line_of(strokes, tmp_path)
    assert line.startswith(f"train: {message}")
    assert ("training goes on after epoch 1, which is saved" in line) == (epoch == 1)
    assert ("training begins anew, for no epoch is saved yet" in line) == (epoch == 0)
    assert saved_epochs(tmp_path) == epoch


def test_other_errors_stay_what_they_are(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any, **__: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(fit, "train_step", defect)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run(strokes, tmp_path, **FLOW)
