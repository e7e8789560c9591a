"""Which GPUs a training has, from the claim to the process that computes there.

There need be no GPU: torch is made to see some, and what would be computed on them is noted down.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tqdm import tqdm

from tests.trainings import description
from twinstroke.errors import UserError
from twinstroke.parallel import gpu_locks
from twinstroke.parallel.gpu_locks import Claim, claimed_gpus
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.train import launch
from twinstroke.train.fit import Outputs
from twinstroke.train.history import TrainingSummary
from twinstroke.train.ranks import Ranks
from twinstroke.train.reproducible import draws_of

TRAINING = Claim("train", memory=1)


class Machine:
    """What torch sees of a machine with GPUs, and what was asked of it."""

    def __init__(self, *cards: str) -> None:
        self.cards = cards
        self.current = 0
        self.trained: list[tuple[torch.device, Ranks]] = []
        """On which device, and as which of how many."""
        self.groups: list[str] = []
        """What processes talk to each other with."""

    def set_device(self, index: int) -> None:
        self.current = index

    def card(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(uuid=self.cards[index], total_memory=2**40, name="made up")

    def fit(self, *_: Any, device: torch.device, ranks: Ranks, **__: Any) -> TrainingSummary:
        """Train in no time."""
        self.trained.append((device, ranks))
        return TrainingSummary(0, 0, {}, 0.0)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Three GPUs, which nobody else has claimed."""
    own = Machine("GPU-a", "GPU-b", "GPU-c")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(own.cards))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: own.current)
    monkeypatch.setattr(torch.cuda, "set_device", own.set_device)
    monkeypatch.setattr(torch.cuda, "get_device_properties", own.card)
    monkeypatch.setattr(dist, "init_process_group", lambda kind, **_: own.groups.append(kind))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    monkeypatch.setattr(launch, "fit", own.fit)
    # What it sets in all of torch would outlast the test.
    monkeypatch.setattr(launch, "make_deterministic", lambda _: torch.device("cuda", own.current))
    (tmp_path / "locks").mkdir()
    monkeypatch.setattr(gpu_locks, "shared_folder", lambda: tmp_path / "locks")
    return own


def train(strokes: Path, folder: Path, processes: int = 1) -> None:
    outputs = Outputs(*(folder / name for name in ("work", "model", "history", "timing")))
    wanted = description(execution=ExecutionSettings(processes=processes))
    launch.train(strokes, {"train": ["s0"], "validation": ["s1"]}, wanted, outputs)


def test_a_card_that_is_claimed_is_another_training_s_under_any_number(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CUDA_VISIBLE_DEVICES gives the same card another number in another process."""
    with claimed_gpus(1, TRAINING) as mine:
        assert mine == [0]
        machine.cards = ("GPU-c", "GPU-a", "GPU-b")
        with claimed_gpus(2, TRAINING) as other:
            assert other == [0, 2]
        # Only the claimed one is seen, until it is let go.
        machine.cards = ("GPU-a",)
        monkeypatch.setattr(time, "sleep", lambda _: give_up())
        with pytest.raises(TimeoutError), claimed_gpus(1, TRAINING):
            pass
    assert "train: waiting for a GPU with 0.0 GiB free: train (process " in capsys.readouterr().err
    with claimed_gpus(1, TRAINING) as again:
        assert again == [0]


def give_up() -> None:
    raise TimeoutError


def test_a_training_computes_on_the_gpu_that_it_claimed(
    strokes: Path, tmp_path: Path, machine: Machine
) -> None:
    with claimed_gpus(1, TRAINING):
        train(strokes, tmp_path)
    train(strokes, tmp_path)
    assert machine.trained == [
        (torch.device("cuda", 1), Ranks()),
        (torch.device("cuda", 0), Ranks()),
    ]


def test_each_of_several_processes_computes_on_a_gpu_of_its_own(
    strokes: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of processes that torch would start, one after the other in this one."""

    def in_turn(_: Any, entry: Any) -> Any:
        def start(*arguments: Any) -> dict[int, TrainingSummary]:
            return {rank: as_rank(monkeypatch, entry, rank, 2, arguments) for rank in range(2)}

        return start

    monkeypatch.setattr(launch, "elastic_launch", in_turn)
    with claimed_gpus(1, TRAINING):
        train(strokes, tmp_path, processes=2)
    assert machine.trained == [
        (torch.device("cuda", 1), Ranks(0, 2)),
        (torch.device("cuda", 2), Ranks(1, 2)),
    ]
    assert machine.groups == ["nccl"] * 2


def as_rank(
    monkeypatch: pytest.MonkeyPatch, entry: Any, rank: int, of: int, arguments: Sequence[Any]
) -> TrainingSummary:
    """What a process does that torch started as one of several on this machine."""
    with monkeypatch.context() as own:
        for name, number in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", of)):
            own.setenv(name, str(number))
        own.setattr(signal, "signal", lambda *_: None)
        own.setattr(tqdm, "set_lock", lambda _: None)
        # Others have from the first process what it made; here nobody sends it.
        own.setattr(Ranks, "from_first", lambda _, make: make())
        summary: TrainingSummary = entry(*arguments)
        return summary


def test_torchrun_says_itself_whose_gpu_is_whose(
    strokes: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is claimed: whoever starts it answers for the cards."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "made up")
    monkeypatch.setenv("WORLD_SIZE", "2")

    def trained(rank: int) -> None:
        as_rank(monkeypatch, train, rank, 2, (strokes, tmp_path, 2))

    with claimed_gpus(3, TRAINING):
        trained(0)
        trained(1)
        machine.cards = ("GPU-a",)
        with pytest.raises(UserError, match="torchrun started more processes here than there are"):
            trained(1)
    assert machine.trained == [
        (torch.device("cuda", 0), Ranks(0, 2)),
        (torch.device("cuda", 1), Ranks(1, 2)),
    ]


def test_draws_touch_no_gpu_but_the_own_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[list[int]] = []

    def fork_rng(devices: list[int]) -> AbstractContextManager[None]:
        kept.append(devices)
        return nullcontext()

    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    machine.current = 2
    with draws_of(1, 2):
        pass
    assert kept == [[2]]
