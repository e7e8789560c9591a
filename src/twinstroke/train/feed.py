"""Batches of windows, on the device by the time the network wants them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from twinstroke.train.windows import StrokeWindows, WindowBatch, collate, sent

GB = 10**9
DEVICE_SHARE = 0.25
"""Part of a GPU's free memory that samples may take; the network wants the rest."""

Keys = Sequence[int | tuple[int, int]]
"""Keys of :class:`StrokeWindows` that make a batch."""


class Feed:
    """Reads windows in a given order, and sends them ahead to the device.

    Where samples lie is a matter of speed alone: on the GPU, in memory, or in the file, from which
    processes read them while the network is at work. On a GPU the next batch travels while the last
    one is computed.
    """

    def __init__(
        self, windows: StrokeWindows, device: torch.device, *, memory_gb: float, loader_workers: int
    ) -> None:
        """Hold the samples in memory, if they fit.

        Args:
            windows: The samples.
            device: Where batches go.
            memory_gb: What the samples may take, in GB.
            loader_workers: Processes that read, if the samples are not held.
        """
        self.windows, self.device = windows, device
        where = self._place(memory_gb)
        if where is not None:
            windows.hold(where)
            loader_workers = 0
        # One for good: memory belongs to the stream that took it.
        self._beside = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._keys: list[Any] = []
        self._loader: DataLoader[Any] = DataLoader(
            windows,
            batch_sampler=self._keys,
            num_workers=loader_workers,
            collate_fn=collate,
            pin_memory=device.type == "cuda" and where != device,
            multiprocessing_context="spawn" if loader_workers else None,
            persistent_workers=loader_workers > 0,
            # It draws a seed for its workers, more or less often with their number. From a
            # generator of its own that changes nothing else.
            generator=torch.Generator(),
        )

    def batches(self, keys: Iterable[Keys]) -> Iterator[WindowBatch]:
        """The windows of each group of keys, stacked, on the device; a group may be empty."""
        batches = self._stacked(list(keys))
        if self._beside is None:
            return batches
        return _sent_ahead(batches, self.device, self._beside)

    def _place(self, memory_gb: float) -> torch.device | None:
        """Where samples are held, if anywhere."""
        if self.windows.nbytes > memory_gb * GB:
            return None
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            if self.windows.nbytes <= DEVICE_SHARE * free:
                return self.device
        return torch.device("cpu")

    def _stacked(self, groups: Sequence[Keys]) -> Iterator[WindowBatch]:
        self._keys[:] = [group for group in groups if group]
        loaded = iter(self._loader)
        for group in groups:
            if group:
                yield next(loaded)
            else:
                yield _emptied(collate([self.windows[0]]))


def _emptied(batch: WindowBatch) -> WindowBatch:
    tensors = cast(dict[str, Tensor], batch)
    return cast(WindowBatch, {name: tensor[:0] for name, tensor in tensors.items()})


def _sent_ahead(
    batches: Iterator[WindowBatch], device: torch.device, beside: torch.cuda.Stream
) -> Iterator[WindowBatch]:
    """Copy each batch to a GPU, on a stream of its own, while the one before it is computed.

    Samples that the GPU holds do not travel, only their views and classes.
    """
    here = torch.cuda.current_stream(device)
    ready: WindowBatch | None = None
    for batch in batches:
        beside.synchronize()  # the one before has arrived: no more than two are on their way
        beside.wait_stream(here)  # memory is used again only after the network has seen it
        with torch.cuda.stream(beside):
            following = sent(batch, device)
        if ready is not None:
            yield ready
        here.wait_stream(beside)
        ready = following
    if ready is not None:
        yield ready
