"""Ways to carry a training out: what they change, and what they must not."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.stored import WINDOW
from tests.trainings import RESTARTS, SETTINGS, run
from twinstroke.models import AttentionBlock, build_i3d, build_tstcnn
from twinstroke.models.tstcnn import Bilinear, PooledConv3d
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.train.feed import GB, Feed
from twinstroke.train.precision import RoundedProducts
from twinstroke.train.windows import StrokeWindows

CALM = SETTINGS.model_copy(update={"learning_rate": 0.002, "epochs": 3})
CPU = torch.device("cpu")


def losses_of(history: str) -> list[float]:
    return [float(row["train_loss"]) for row in csv.DictReader(history.splitlines())]


# --- where samples lie ----------------------------------------------------------------------------


@pytest.mark.parametrize("augment", [True, False])
def test_bits_do_not_depend_on_where_samples_lie(
    strokes: Path, tmp_path: Path, augment: bool
) -> None:
    settings = CALM.model_copy(update={"augment": augment})
    held = run(strokes, tmp_path / "held", settings, memory_gb=1)
    assert run(strokes, tmp_path / "file", settings, memory_gb=0) == held
    assert run(strokes, tmp_path / "read ahead", settings, memory_gb=0, workers=1) == held


def test_held_windows_are_those_of_the_file(strokes: Path) -> None:
    names = ["s5", "s0", "s9"]
    read, held = StrokeWindows(strokes, names), StrokeWindows(strokes, names)
    held.hold(CPU)
    keys: list[Any] = [0, 1, 2, (3, 0), (4, 2)]
    for key in keys:
        for name in ("rgb", "flow"):
            assert torch.equal(getattr(held[key], name), getattr(read[key], name))
        assert (held[key].target, held[key].view) == (read[key].target, read[key].view)
    for index in range(3):
        assert all(map(torch.equal, held.clip(index), read.clip(index)))


def test_middle_windows_are_held_alone(strokes: Path) -> None:
    names = ["s5", "s0", "s9"]
    read, held = StrokeWindows(strokes, names), StrokeWindows(strokes, names, middle_only=True)
    # 8 frames of 8 × 10 pixels; 3 bytes of colour, 4 of flow.
    assert held.nbytes == 3 * 8 * 8 * 10 * 7 < read.nbytes
    expected = [read[index] for index in range(3)]
    for _ in ("from the file", "from memory"):
        for index, window in enumerate(expected):
            assert torch.equal(held[index].rgb, window.rgb)
            assert torch.equal(held[index].flow, window.flow)
            assert (held[index].target, held[index].view) == (window.target, None)
        held.hold(CPU)
    assert held.nbytes == 3 * 8 * 8 * 10 * 7, "as it was foretold"


def test_validation_windows_are_held_though_their_clips_do_not_fit(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three samples; and training windows do not fit."""
    feeds: list[Feed] = []
    begin = Feed.__init__

    def noted(self: Feed, *arguments: Any, **settings: Any) -> None:
        begin(self, *arguments, **settings)
        feeds.append(self)

    monkeypatch.setattr(Feed, "__init__", noted)
    whole = StrokeWindows(strokes, ["s9", "s10", "s11"]).nbytes
    middle = 3 * 8 * 8 * 10 * 7
    assert middle < whole
    expected = run(strokes, tmp_path / "1", CALM, memory_gb=1)
    assert run(strokes, tmp_path / "2", CALM, memory_gb=middle / GB) == expected
    assert run(strokes, tmp_path / "3", CALM, memory_gb=(middle - 1) / GB) == expected
    assert [feed.windows.held for feed in feeds] == [True, True, False, True, False, False]


def test_waiting_for_validation_windows_counts(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that stands still but while a window is read."""
    now = 0.0
    read = StrokeWindows.__getitem__

    def slow(self: StrokeWindows, key: Any) -> Any:
        nonlocal now
        now += 1.0
        return read(self, key)

    monkeypatch.setattr(StrokeWindows, "__getitem__", slow)
    monkeypatch.setattr("twinstroke.train.fit.time.perf_counter", lambda: now)
    run(strokes, tmp_path, CALM)
    timing = json.loads((tmp_path / "training.json").read_text())
    # Nine to train on, three to validate; nothing else takes time.
    assert (timing["seconds_per_epoch"], timing["waiting_for_windows"]) == (12.0, 1.0)
    assert timing["samples_per_second"] == 1.0


def test_samples_are_held_if_they_fit(strokes: Path) -> None:
    def feed(memory_gb: float) -> bool:
        windows = StrokeWindows(strokes, ["s0", "s5"])
        # 8 + 20 frames with a margin of 2 around 8 × 10 pixels; 3 bytes of colour, 4 of flow.
        assert windows.nbytes == 28 * 12 * 14 * 7
        return Feed(windows, CPU, memory_gb=memory_gb, loader_workers=0).windows.held

    exactly = 28 * 12 * 14 * 7 / GB
    assert feed(exactly)
    assert not feed(exactly * 0.99)


def test_held_samples_need_no_file_any_more(strokes: Path, tmp_path: Path) -> None:
    own = tmp_path / "strokes.h5"
    shutil.copy(strokes, own)
    windows = StrokeWindows(own, ["s0", "s5"])
    feed = Feed(windows, CPU, memory_gb=1, loader_workers=2)
    own.unlink()
    first, nothing = feed.batches([[(0, 1), (0, 0)], []])
    assert first["target"].tolist() == [windows.targets[1], windows.targets[0]]
    assert nothing["rgb"].shape == (0, *WINDOW, 3)


# --- layers -----------------------------------------------------------------------------------


def test_bilinear_layer_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = Bilinear(7, 5, 3).double(), nn.Bilinear(7, 5, 3).double()
    ours.load_state_dict(theirs.state_dict())
    inputs = [torch.randn(4, size, dtype=torch.double, requires_grad=True) for size in (7, 5)]
    outcomes = []
    for layer in (ours, theirs):
        result = layer(*inputs)
        gradients = torch.autograd.grad(result.square().sum(), [*inputs, *layer.parameters()])
        outcomes.append([result, *gradients])
    torch.testing.assert_close(*outcomes)


def test_the_bias_may_follow_the_pooling() -> None:
    torch.manual_seed(0)
    ours = PooledConv3d(3, 6).double()
    nn.init.normal_(ours.bias)  # type: ignore[arg-type]
    x = torch.randn(2, 3, 5, 6, 7, dtype=torch.double, requires_grad=True)
    plain = F.max_pool3d(F.relu(F.conv3d(x, ours.weight, ours.bias, padding=1)), 2)
    outcomes = []
    for result in (ours(x), plain):
        outcomes.append(
            [result, *torch.autograd.grad(result.square().sum(), [x, *ours.parameters()])]
        )
    torch.testing.assert_close(*outcomes)


# --- activation checkpointing -----------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"attention_blocks": 2}, {"architecture": "i3d", "modality": "rgb"}],
    ids=["attention, restarts", "i3d, dropout"],
)
def test_checkpointing_changes_no_bit(
    strokes: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    settings = RESTARTS.model_copy(update={"epochs": 3}) if "modality" not in changes else CALM
    execution = ExecutionSettings(checkpointing=True)
    _, kept = run(strokes, tmp_path / "kept", settings, **changes)
    _, again = run(strokes, tmp_path / "again", settings, execution=execution, **changes)
    assert again == kept


def kept_bytes(model: nn.Module, streams: dict[str, torch.Tensor]) -> int:
    """What a forward pass keeps for the gradient, each storage once, without the weights."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(streams)
    return sum(found.values())


@pytest.mark.parametrize("architecture", ["tstcnn", "i3d"])
def test_checkpointing_keeps_less(architecture: str) -> None:
    window = (16, 32, 32)
    streams = {"rgb": torch.randn(2, 3, *window)}

    def kept(checkpointing: bool) -> int:
        common: dict[str, Any] = {"modality": "rgb", "classes": 3, "window": window}
        common["checkpointing"] = checkpointing
        model: nn.Module = (
            build_i3d(**common)
            if architecture == "i3d"
            else build_tstcnn(**common, attention_blocks=3)
        )
        return kept_bytes(model.train(), streams)

    assert kept(True) < 0.4 * kept(False)


# --- precision ------------------------------------------------------------------------------------


def test_rounded_products_are_those_of_bfloat16_added_up_in_float32() -> None:
    """Against NumPy in float64: rounding to 8 bits before, and after, and nothing between."""
    torch.manual_seed(0)
    a, b = torch.randn(5, 300), torch.randn(300, 7)
    with RoundedProducts():
        found = a @ b
        assert torch.equal(found, F.linear(a, b.T))
        assert torch.equal(a + a, 2 * a), "sums are left alone"
    assert torch.equal(found, found.bfloat16().float())
    exact = a.bfloat16().double().numpy() @ b.bfloat16().double().numpy()
    np.testing.assert_allclose(found.numpy(), exact, rtol=2**-8, atol=1e-4)
    # It is the rounding that tells it from float32.
    assert (found - a @ b).abs().max() > 1e-3


@pytest.mark.parametrize("checkpointing", [False, True])
def test_bfloat16_trains_alike_and_repeats(
    strokes: Path, tmp_path: Path, checkpointing: bool
) -> None:
    execution = ExecutionSettings(precision="bfloat16", checkpointing=checkpointing)
    changes: dict[str, Any] = {"modality": "flow", "attention_blocks": 1}
    _, exact = run(strokes, tmp_path / "exact", CALM, **changes)
    first = run(strokes, tmp_path / "1", CALM, execution=execution, **changes)
    assert run(strokes, tmp_path / "2", CALM, execution=execution, **changes) == first
    assert losses_of(first[1]) != losses_of(exact)
    assert losses_of(first[1]) == pytest.approx(losses_of(exact), rel=0.1)


def test_attention_takes_bfloat16() -> None:
    """As autocast hands it on; on any device, this one perhaps slowly."""
    torch.manual_seed(0)
    block = AttentionBlock(8)
    x = torch.randn(2, 8, 4, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        low = block(x)
    torch.testing.assert_close(low.float(), block(x), rtol=0.1, atol=0.1)


# --- compilation ----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile wants a C++ compiler")
def test_a_compiled_network_trains_alike_and_says_what_it_does_not_promise(
    strokes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    execution = ExecutionSettings(compile=True)
    settings = CALM.model_copy(update={"epochs": 2})
    _, plain = run(strokes, tmp_path / "plain", settings, modality="flow")
    capfd.readouterr()
    _, compiled = run(
        strokes, tmp_path / "compiled", settings, modality="flow", execution=execution
    )
    assert losses_of(compiled) == pytest.approx(losses_of(plain), rel=1e-3)
    assert "train: compile is on, so that bits are not promised to repeat" in capfd.readouterr().err
    assert not execution.repeats
