"""Training twice gives the same bits: the check itself on the CPU, and CUDA where there is some."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import twinstroke
from twinstroke.gpu_check import PAPER_CASES, Case, check
from twinstroke.train.fit import Outputs
from twinstroke.train.launch import train

WINDOW = (8, 16, 24)


def test_equal_runs_have_equal_bits() -> None:
    cases = [Case("tstcnn", "twin", 1, 2), Case("i3d", "flow", 0, 2)]
    outcomes = list(check(cases, WINDOW, loader_workers=0))
    assert [outcome.case for outcome in outcomes] == cases
    assert all(outcome.same_bits for outcome in outcomes)
    assert all(outcome.samples_per_second > 0 for outcome in outcomes)


def test_a_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = iter((1, 2))

    def restless(
        strokes: Path, samples: Any, description: Any, outputs: Outputs, **others: Any
    ) -> Any:
        other = description.model_copy(update={"seed": next(seeds)})
        return train(strokes, samples, other, outputs, **others)

    monkeypatch.setattr("twinstroke.gpu_check.train", restless)
    (outcome,) = check([Case("tstcnn", "flow", 0, 2)], WINDOW, loader_workers=0)
    assert not outcome.same_bits


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert twinstroke("gpu-check") == 1
    assert "torch sees no CUDA device" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", PAPER_CASES, ids=str)
def test_training_repeats_on_cuda(case: Case) -> None:
    small = dataclasses.replace(case, batch_size=4)
    (outcome,) = check([small], (24, 48, 48), loader_workers=2)
    assert outcome.same_bits
