"""What a network says of every window of a clip: read, sent and normalised once, not T times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor

from twinstroke.models import Network
from twinstroke.train.windows import InputFormat, WindowBatch, sent

Clip = tuple[Mapping[str, Tensor], Sequence[int]]
"""Streams of a clip as a network sees them, (1, C, L, H, W), and where its windows begin."""


def clip_streams(
    rgb: Tensor, flow: Tensor, format_: InputFormat, model: Network, device: torch.device
) -> Mapping[str, Tensor]:
    """A clip as a network sees it, (1, C, L, H, W) by stream, on its device.

    Args:
        rgb: (L, H, W, 3), as stored.
        flow: (L, H, W, 2), as stored.
        format_: How the network sees such frames.
        model: The network.
        device: Where it is.
    """
    target = torch.empty(1, dtype=torch.int64)  # nothing is learnt here
    batch: WindowBatch = {"rgb": rgb[None], "flow": flow[None], "target": target}
    return format_.streams(sent(batch, device), list(model.streams))


def sliding_logits(
    model: Network, clips: Iterable[Clip], frames: int, *, batch_size: int
) -> Iterator[Tensor]:
    """Logits of the windows of clips; windows share the frames that they have in common.

    Windows of neighbouring clips fill the batches. Clips are asked for when they are needed, so
    that the memory taken is that of the longest clip and of one batch.

    Args:
        model: The network, in evaluation mode.
        clips: On the network's device; each has a window at least.
        frames: T of a window.
        batch_size: Windows that the network sees at once.

    Yields:
        Float32 (windows, classes) on the CPU for each clip, in their order.
    """
    counts: list[int] = []
    windows = _windows(clips, frames, counts)
    ready: list[Tensor] = []
    with torch.inference_mode():
        while batch := list(islice(windows, batch_size)):
            # Clips have their channels last in memory, and so have their windows.
            streams = {
                name: torch.stack([window[name] for window in batch]).permute(0, 4, 1, 2, 3)
                for name in model.streams
            }
            ready += model(streams).float().cpu().unbind()
            while counts and len(ready) >= counts[0]:
                count = counts.pop(0)
                yield torch.stack(ready[:count])
                del ready[:count]


def _windows(clips: Iterable[Clip], frames: int, counts: list[int]) -> Iterator[dict[str, Tensor]]:
    """Views (T, H, W, C) into the clips; `counts` gets the number of each clip as it begins."""
    for streams, starts in clips:
        counts.append(len(starts))
        last = {name: stream[0].permute(1, 2, 3, 0) for name, stream in streams.items()}
        for start in starts:
            yield {name: stream[start : start + frames] for name, stream in last.items()}
