"""Batches that are sent ahead to a GPU: all of them, in order, and none before its time.

There need be no GPU. What would be done on one is noted down, with all that is sure to be over when
it begins: what its own stream had before, and what that stream was told to wait for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from twinstroke.train import feed as module
from twinstroke.train.feed import GB, Feed, Keys
from twinstroke.train.windows import StrokeWindows, WindowBatch, sent

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)
SAMPLES = ["s0", "s5", "s9", "s3"]


class Stream:
    """Work for a GPU, done in the order in which it was asked for, at some time or other."""

    def __init__(self, device: torch.device) -> None:
        assert device == GPU
        self.over: frozenset[str] = frozenset()
        """What is sure to be done before the next work of this stream."""
        self.arrived: frozenset[str] = frozenset()
        """What this program itself has waited for."""

    def wait_stream(self, other: Stream) -> None:
        self.over |= other.over

    def synchronize(self) -> None:
        self.arrived |= self.over


class FakeGPU:
    """What was done on it: for each piece of work, what was sure to be over when it began."""

    def __init__(self) -> None:
        self.network = Stream(GPU)
        """The stream on which a network computes."""
        self.current = self.network
        self.over: dict[str, frozenset[str]] = {}
        self.streams: list[Stream] = []
        """Those that were asked for besides."""
        self.free_bytes = 2**40
        self.copies = 0

    def do(self, work: str) -> None:
        """Ask the current stream for a piece of work."""
        self.over[work] = self.current.over
        self.current.over |= {work}

    def send(self, batch: WindowBatch, device: torch.device) -> WindowBatch:
        """Copy a batch, in the place of :func:`sent`; the batches before it must have arrived."""
        assert device == GPU
        before = {f"copy {number}" for number in range(self.copies)}
        assert before <= self.current.arrived, "more than two batches are on their way"
        self.do(f"copy {self.copies}")
        self.copies += 1
        return sent(batch, CPU)

    def stream(self, device: torch.device) -> Stream:
        self.streams.append(Stream(device))
        return self.streams[-1]

    @contextlib.contextmanager
    def entered(self, stream: Stream) -> Iterator[None]:
        self.current = stream
        yield
        self.current = self.network

    def current_stream(self, device: torch.device) -> Stream:
        assert device == GPU
        return self.current

    def mem_get_info(self, device: torch.device) -> tuple[int, int]:
        assert device == GPU
        return self.free_bytes, 2**40


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGPU:
    """In the place of torch's own; samples that it holds lie in ordinary memory."""
    fake, hold = FakeGPU(), StrokeWindows.hold
    monkeypatch.setattr(torch.cuda, "Stream", fake.stream)
    monkeypatch.setattr(torch.cuda, "stream", fake.entered)
    monkeypatch.setattr(torch.cuda, "current_stream", fake.current_stream)
    monkeypatch.setattr(torch.cuda, "mem_get_info", fake.mem_get_info)
    monkeypatch.setattr(module, "sent", fake.send)
    monkeypatch.setattr(StrokeWindows, "hold", lambda windows, _: hold(windows, CPU))
    return fake


GROUPS: dict[str, list[Keys]] = {
    "many": [[(0, 1)], [(0, 0), (0, 2)], [(0, 3)], [(1, 1), (1, 3)], [(1, 0)], [(1, 2)]],
    "without views": [[0, 1, 2], [3]],
    "one": [[(0, 2), (0, 3)]],
    "none": [],
    "an empty one first": [[], [(0, 1)], [(0, 2)]],
    "an empty one between": [[(0, 1)], [], [(0, 2)], [(0, 0)]],
    "an empty one last": [[(0, 1)], [(0, 2)], []],
    "nothing but an empty one": [[]],
}
"""Keys of batches; of several processes one may have no window in a batch."""


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_batches_of_a_gpu_are_those_of_the_cpu(
    strokes: Path, gpu: FakeGPU, groups: list[Keys]
) -> None:
    """Each one, the last too, in the same order; and again in a second epoch."""
    plain = Feed(StrokeWindows(strokes, SAMPLES, seed=1), CPU, memory_gb=1, loader_workers=0)
    ahead = Feed(StrokeWindows(strokes, SAMPLES, seed=1), GPU, memory_gb=1, loader_workers=0)
    for _ in range(2):
        expected, found = list(plain.batches(groups)), list(ahead.batches(groups))
        assert len(found) == len(expected) == len(groups)
        for own, other, group in zip(found, expected, groups, strict=True):
            assert own.keys() == other.keys()
            assert len(own["target"]) == len(group)
            torch.testing.assert_close(dict(own), dict(other), rtol=0, atol=0)
    assert gpu.copies == 2 * len(groups)
    assert len(gpu.streams) == 1, "memory that one stream took, another must not use again"


def test_copies_and_network_wait_for_each_other_and_no_longer_than_they_must(
    strokes: Path, gpu: FakeGPU
) -> None:
    groups = GROUPS["many"]
    ahead = Feed(StrokeWindows(strokes, SAMPLES), GPU, memory_gb=1, loader_workers=0)
    for number, _ in enumerate(ahead.batches(groups)):
        assert gpu.copies <= number + 2, "more than the next batch is sent ahead"
        gpu.do(f"network {number}")
    last = len(groups) - 1
    for number in range(len(groups)):
        over = gpu.over[f"network {number}"]
        assert f"copy {number}" in over, "the network sees a batch before it has arrived"
        assert f"copy {number + 1}" not in over, "the network waits for the next batch"
    for number in range(1, last):
        over = gpu.over[f"copy {number + 1}"]
        # The program has let go of the batch before last, whose memory may be taken for this one.
        assert f"network {number - 1}" in over, (
            "memory is used again before the network has seen it"
        )
        assert f"network {number}" not in over, "the next batch waits for the network"


# --- where samples lie ----------------------------------------------------------------------------


def placed(
    strokes: Path, monkeypatch: pytest.MonkeyPatch, device: torch.device, memory_gb: float
) -> tuple[torch.device | None, bool]:
    """Where samples are held, if anywhere, and whether batches leave from pinned memory."""
    held: list[torch.device] = []
    pinned: list[bool] = []

    class Loader(DataLoader[Any]):
        def __init__(self, *args: Any, pin_memory: bool, **options: Any) -> None:
            pinned.append(pin_memory)
            super().__init__(*args, **options)

    monkeypatch.setattr(StrokeWindows, "hold", lambda _, where: held.append(where))
    monkeypatch.setattr(module, "DataLoader", Loader)
    Feed(StrokeWindows(strokes, SAMPLES), device, memory_gb=memory_gb, loader_workers=0)
    (pin,) = pinned
    return (held[0] if held else None), pin


@pytest.mark.parametrize(
    ("device", "memory", "free", "where", "pin"),
    [
        # On a GPU if they take no more than a quarter of what is free there.
        (GPU, 1.0, 4.0, GPU, False),
        (GPU, 1.0, 3.99, CPU, True),
        # Whoever allows less than they take means the GPU too.
        (GPU, 0.99, 100.0, None, True),
        (GPU, 0.0, 0.0, None, True),
        (CPU, 1.0, 100.0, CPU, False),
        (CPU, 0.99, 100.0, None, False),
    ],
)
def test_where_samples_are_held(
    strokes: Path,
    gpu: FakeGPU,
    monkeypatch: pytest.MonkeyPatch,
    device: torch.device,
    memory: float,
    free: float,
    where: torch.device | None,
    pin: bool,
) -> None:
    """`memory` and `free` in multiples of what the samples take."""
    # 8 + 20 + 11 + 11 frames of 12 × 14 pixels, with the margin; 3 bytes of colour, 4 of flow.
    taken = (8 + 20 + 11 + 11) * 12 * 14 * 7
    gpu.free_bytes = round(free * taken)
    assert placed(strokes, monkeypatch, device, memory * taken / GB) == (where, pin)
