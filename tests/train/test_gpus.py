"""What a network needs on a GPU is counted, and claimed by all that use one; without a GPU here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.clone import ROOT
from tests.trainings import SETTINGS, description, run
from twinstroke.errors import UserError
from twinstroke.parallel.gpu_locks import Claim
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.train.gpus import CONTEXT, FACTOR, memory_of_training, memory_of_use, on_a_gpu
from twinstroke.train.model_file import TrainedModel, save_model

CPU = torch.device("cpu")


def larger(**changes: object) -> TrainedModel:
    return description(window=(16, 32, 32), **changes)


def test_memory_is_that_of_weights_gradients_momenta_and_features() -> None:
    made = larger(modality="flow")
    weights = sum(4 * p.numel() for p in made.build(CPU).parameters())
    window = 4 * 2 * 16 * 32 * 32
    # The first convolution keeps its input, and 30 channels of that size halved by the pooling.
    least = weights + 8 * (window + 4 * 30 * 8 * 16 * 16)
    assert memory_of_use(made) - CONTEXT > FACTOR * least
    trained = memory_of_training(made, held=0) - CONTEXT
    assert trained > FACTOR * 3 * weights + SETTINGS.batch_size * window
    assert memory_of_training(made, held=1000) - CONTEXT == pytest.approx(
        trained + FACTOR * 1000, abs=1
    )


def test_memory_grows_with_the_batch_and_shrinks_as_it_is_shared_or_features_are_not_kept() -> None:
    def needed(batch_size: int = 32, **execution: Any) -> int:
        settings = SETTINGS.model_copy(update={"batch_size": batch_size})
        how = ExecutionSettings(**execution)
        made = larger(optimisation=settings, execution=how)
        return memory_of_training(made, held=0)

    assert needed(64) > needed(32) == needed(64, processes=2) > needed(32, checkpointing=True)
    # The number of windows counts by itself: what is there for none is there once.
    assert needed(96) - needed(64) == pytest.approx(needed(64) - needed(32), rel=0.1)


def test_two_networks_in_turns_need_what_the_larger_needs() -> None:
    kinds = [description(architecture="i3d", modality=name) for name in ("rgb", "twin")]
    rgb, both = (memory_of_training(made, held=0) for made in kinds)
    assert both == rgb, "flow has a channel less"


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Claim]]:
    """What is claimed of a GPU that is made up."""
    made: list[tuple[int, Claim]] = []

    @contextmanager
    def claimed(count: int, claim: Claim) -> Iterator[list[int]]:
        made.append((count, claim))
        yield [3] * count

    for module in ("gpus", "launch"):
        monkeypatch.setattr(f"twinstroke.train.{module}.claimed_gpus", claimed)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    @contextmanager
    def device(index: int) -> Iterator[None]:
        chosen.append(index)
        yield

    monkeypatch.setattr(torch.cuda, "device", device)
    return made


chosen: list[int] = []


def test_networks_are_used_on_the_gpu_that_has_room(
    tmp_path: Path, claims: list[tuple[int, Claim]]
) -> None:
    made = description()
    path = tmp_path / "model.safetensors"
    save_model(path, made, made.build(CPU).state_dict())
    chosen.clear()
    with on_a_gpu("detect", path, path):
        assert chosen == [3]
    assert claims == [(1, Claim("detect", 2 * memory_of_use(made)))]
    with on_a_gpu("detect"), on_a_gpu("detect", tmp_path / "model.onnx"):
        assert len(claims) == 1, "nothing that torch would run"
    with (
        pytest.raises(UserError, match="not found"),
        on_a_gpu("evaluate", tmp_path / "gone.safetensors"),
    ):
        raise AssertionError


def test_without_a_gpu_no_file_is_looked_at(tmp_path: Path) -> None:
    with on_a_gpu("evaluate", tmp_path / "gone.safetensors"):
        pass


def test_a_training_claims_what_it_needs_with_its_samples(
    strokes: Path, tmp_path: Path, claims: list[tuple[int, Claim]], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"GPU": "made up"}
    monkeypatch.setattr("twinstroke.train.launch.kinds_of_machine", lambda _: [here])
    monkeypatch.setattr("twinstroke.train.launch.this_machine", lambda *_: here)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr("twinstroke.train.launch.make_deterministic", lambda _: CPU)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.random, "fork_rng", lambda _: nullcontext())
    for memory_gb in (1.0, 1e-6):
        run(strokes, tmp_path / str(memory_gb), memory_gb=memory_gb)
    assert [count for count, _ in claims] == [1, 1]
    assert all(claim.who == "train" for _, claim in claims)
    held, read = (claim.memory - memory_of_training(description(), 0) for _, claim in claims)
    assert held > read > 0
    assert read == pytest.approx(FACTOR * 1000, abs=1)


@pytest.mark.parametrize(
    ("file", "who"),
    [(f"stages/{name}.py", name) for name in ("evaluate", "attend", "detect")]
    + [(f"src/twinstroke/cli/{name}.py", name) for name in ("detect", "attend", "submit")],
)
def test_all_that_show_windows_to_a_network_claim_a_gpu(file: str, who: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    _, _, inside = text.partition(f'with on_a_gpu("{who}", ')
    assert re.search(r"\n +\S+.*(evaluate|measure|detect_held_out|Recogniser|draw)\(", inside)
