"""What is measured against computes the same, and bytes are counted as they come and go."""

from __future__ import annotations

import pytest
import torch

from benchmarks.published import PublishedTwin
from twinstroke.models import build_tstcnn
from twinstroke.train.gpus import Allocated


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
