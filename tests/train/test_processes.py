"""Training in several processes: the same as in one, to rounding, and sound when one is killed."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from tests.killed import Killed, Whom, killed
from tests.processes import all_ended
from tests.trainings import RESTARTS, SETTINGS, run
from twinstroke.errors import UserError
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.settings.train import RestartSettings, TrainSettings
from twinstroke.train.ranks import SharedBatchNorm3d

# Steps so small that rounding is not made much of.
CALM = SETTINGS.model_copy(update={"learning_rate": 0.002, "schedule": "constant"})
RESTARTING = RESTARTS.model_copy(
    update={
        "learning_rate": 0.002,
        "epochs": 5,
        "restarts": RestartSettings(patience=2, recent=1, before=1, drop_floor=0.3),
    }
)
TWO, THREE = (ExecutionSettings(processes=number) for number in (2, 3))
NORMALISED: dict[str, Any] = {"modality": "flow", "attention_blocks": 1}


def rows_of(history: str) -> list[dict[str, str]]:
    return list(csv.DictReader(history.splitlines()))


def assert_same(together: Path, alone: Path) -> None:
    """The same to rounding: each epoch, and the weights with their running statistics."""
    histories = [rows_of((folder / "history.csv").read_text()) for folder in (together, alone)]
    for own, other in zip(*histories, strict=True):
        assert own["restart"] == other["restart"]
        for name in ("learning_rate", "train_loss", "train_accuracy", "validation_loss"):
            assert float(own[name]) == pytest.approx(float(other[name]), rel=2e-3), name
    found, expected = (load_file(folder / "model.safetensors") for folder in (together, alone))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=5e-3, atol=5e-4, msg=name)


@pytest.mark.parametrize(
    ("settings", "changes", "execution", "samples"),
    [
        # 4 + 2 windows: the last process has none at times.
        (CALM, NORMALISED, THREE, 6),
        (
            CALM,
            {"modality": "twin", "attention_blocks": 1},
            ExecutionSettings(processes=2, checkpointing=True),
            9,
        ),
    ],
    ids=["a process without windows", "two streams, attention, checkpointing"],
)
def test_several_processes_train_as_one(
    strokes: Path,
    tmp_path: Path,
    settings: TrainSettings,
    changes: dict[str, Any],
    execution: ExecutionSettings,
    samples: int,
) -> None:
    run(strokes, tmp_path / "1", settings, samples=samples, **changes)
    run(strokes, tmp_path / "2", settings, samples=samples, execution=execution, **changes)
    assert_same(tmp_path / "2", tmp_path / "1")


@pytest.fixture(scope="module")
def undisturbed(strokes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Batch normalisation, and restarts; of three numbers the order of adding up matters."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(strokes, folder, RESTARTING, execution=THREE, **NORMALISED)
    return folder


def test_statistics_and_restarts_agree(strokes: Path, tmp_path: Path, undisturbed: Path) -> None:
    _, history = run(strokes, tmp_path, RESTARTING, **NORMALISED)
    assert any(row["restart"] for row in rows_of(history)), "nothing is learnt about restarts"
    assert_same(undisturbed, tmp_path)


def test_a_mistake_is_told_as_by_one_process(strokes: Path, tmp_path: Path) -> None:
    wild = SETTINGS.model_copy(update={"learning_rate": 1e30, "gradient_clip": 0.0})
    with pytest.raises(UserError, match=r"^train: flow, epoch 1: the training loss became") as one:
        run(strokes, tmp_path, wild, execution=TWO, modality="flow")
    assert len(one.value.problems) == 1


@pytest.mark.parametrize(("rank", "whom"), [(0, "itself"), (2, "last of all")])
def test_a_killed_process_is_one_line_and_nothing_is_left_behind(
    strokes: Path, tmp_path: Path, rank: int, whom: Whom
) -> None:
    end = killed(strokes, tmp_path, RESTARTING, whom=whom, execution=THREE, **NORMALISED)
    with nothing_left_by(end):
        assert end.status == 1, end.printed
    lines = end.printed.replace("\r", "\n").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("train:")]
    assert lines == [
        f"error: train: process {rank + 1} of 3 was ended by SIGKILL, and the others with it; the "
        "same command goes on after the last saved epoch (if memory ran out, with "
        "checkpointing: true)"
    ]


def test_a_killed_launcher_leaves_nothing_behind_and_the_next_run_goes_on(
    strokes: Path, tmp_path: Path, undisturbed: Path
) -> None:
    end = killed(
        strokes, tmp_path, RESTARTING, after=2, whom="launcher", execution=THREE, **NORMALISED
    )
    with nothing_left_by(end):
        assert end.status == -signal.SIGKILL, end.printed
    run(strokes, tmp_path, RESTARTING, execution=THREE, **NORMALISED)
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()


@contextmanager
def nothing_left_by(end: Killed) -> Iterator[None]:
    """Three processes have trained, and none of them goes on when the others have ended."""
    assert len(set(end.processes)) == 3
    try:
        yield
        assert all_ended(end.processes), "processes go on without the one that started them"
    finally:
        for pid in end.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_torchrun_must_start_as_many_as_the_parameter_says(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "made up")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UserError, match="started 4 processes, but `processes` is 2"):
        run(strokes, tmp_path, execution=TWO)


def in_one_process(layer: SharedBatchNorm3d, x: torch.Tensor, folder: Path) -> torch.Tensor:
    """A group of one, in which sums over all processes are one's own."""
    dist.init_process_group("gloo", f"file://{folder}/store", rank=0, world_size=1)
    try:
        result: torch.Tensor = layer(x)
        result.float().square().sum().backward()
        return result
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_shared_normalisation_is_torchs(precision: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(0)
    expected, shared = torch.nn.BatchNorm3d(4), SharedBatchNorm3d(4)
    x = torch.randn(3, 4, 2, 5, 6).to(precision).requires_grad_()
    y = x.detach().clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision != torch.float32):
        found = in_one_process(shared, x, tmp_path)
        wanted = expected(y)
        wanted.float().square().sum().backward()
    assert found.dtype == wanted.dtype
    near = 1e-2 if precision == torch.bfloat16 else 1e-4
    torch.testing.assert_close(found, wanted, rtol=near, atol=near)
    torch.testing.assert_close(x.grad, y.grad, rtol=near, atol=near)
    torch.testing.assert_close(shared.state_dict(), expected.state_dict())
