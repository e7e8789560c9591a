"""What is measured against computes the same, and bytes are counted as they come and go."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import training
from benchmarks.published import PublishedTwin
from twinstroke.models import build_tstcnn
from twinstroke.train.gpus import Allocated
from twinstroke.train.state import State


def test_storages_count_from_their_making_to_their_end() -> None:
    with Allocated() as counted:
        a = torch.empty(1000, device="meta")
        view = a[:10]
        b = a + 1
        assert (counted.now, counted.peak) == (8000, 8000), "a view is no storage of its own"
        del a
        assert counted.now == 8000
        del view
        assert counted.now == 4000
        del b
    assert (counted.now, counted.peak) == (0, 8000)


@pytest.mark.parametrize("attention_blocks", [0, 2])
def test_the_published_network_is_ours(attention_blocks: int) -> None:
    """What the step is measured against computes the same, gradients included."""
    torch.manual_seed(0)
    window = (16, 16, 24)
    ours = build_tstcnn(
        modality="twin", classes=3, window=window, attention_blocks=attention_blocks
    ).double()
    theirs = PublishedTwin(window, 3, attention_blocks).double()
    theirs.load_state_dict(ours.state_dict())
    streams = {
        name: torch.randn(2, channels, *window, dtype=torch.double)
        for name, channels in (("rgb", 3), ("flow", 2))
    }
    outcomes = []
    for model in (ours, theirs):
        logits = model(streams)
        logits.square().sum().backward()
        outcomes.append({"logits": logits, **{n: p.grad for n, p in model.named_parameters()}})
    torch.testing.assert_close(outcomes[0], outcomes[1])


def test_a_state_has_the_bytes_that_are_counted(tmp_path: Path) -> None:
    made = training.description("flow", (16, 16, 24), attention_blocks=1)
    model = made.build(torch.device("cpu"))
    state = State.initial(model, made.optimisation, steps=1)
    model({"flow": torch.randn(2, 2, 16, 16, 24)}).sum().backward()
    state.optimiser.step()
    state.best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state.save(tmp_path / "state.pt")
    counted = training.state_bytes(made)
    # Names and the frame of the archive come on top.
    assert counted < (tmp_path / "state.pt").stat().st_size < 1.1 * counted + 50_000


def test_states_are_counted_as_they_are_written() -> None:
    assert training.states_written(10**9, 1, minutes=0) == 100
    # Of 100 minutes, and a few seconds for each state: after 10, 20 and so on.
    assert training.states_written(10**9, 1, minutes=10) == 10
    assert training.states_written(10**9, 60, minutes=10) == 100
