"""What the network says of every window of a stroke, efficiently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from twinstroke.evaluate.decisions import window_starts
from twinstroke.models import Network
from twinstroke.train import InputFormat, StrokeWindows, TrainedModel, WindowBatch


@dataclass(frozen=True)
class Track:
    """The windows of one stroke."""

    starts: NDArray[np.int64]
    """(n,) first frame of each window within the clip."""
    slack: int
    """The last possible start: frames of the clip less T."""
    probabilities: NDArray[np.float64]
    """(n, classes)."""


@dataclass(frozen=True)
class _Piece:
    """One window, as a view into its clip."""

    sample: int
    rgb: NDArray[np.uint8]
    flow: NDArray[np.int16]


def probability_tracks(
    model: Network,
    windows: StrokeWindows,
    description: TrainedModel,
    *,
    stride: int,
    device: torch.device,
) -> list[Track]:
    """Class probabilities of all windows of each sample, in evaluation mode.

    Every clip is read once; windows of neighbouring samples fill the batches, so that the memory
    needed is that of the longest clip and one batch.

    Args:
        model: The network.
        windows: The samples.
        description: Of the network: batch size and scale of the flow.
        stride: Kept frames from window to window.
        device: Where the network is.

    Returns:
        One track a sample, in their order.
    """
    model.eval()
    frames = windows.window[0]
    slacks = [windows.length(index) - frames for index in range(len(windows))]
    starts = [window_starts(slack + frames, frames, stride) for slack in slacks]
    found: list[list[NDArray[np.float64]]] = [[] for _ in starts]
    format_ = InputFormat(windows.window, windows.flow_unit_px, description.flow_scale)
    names = list(model.streams)
    pieces = _pieces(windows, starts)
    with torch.inference_mode():
        while batch := list(islice(pieces, description.optimisation.batch_size)):
            logits = model(format_.streams(_stacked(batch), device, names))
            probabilities = torch.softmax(logits.double(), 1).cpu().numpy()
            for piece, own in zip(batch, probabilities, strict=True):
                found[piece.sample].append(own)
    return [Track(*own) for own in zip(starts, slacks, map(np.stack, found), strict=True)]


def _pieces(windows: StrokeWindows, starts: Sequence[NDArray[np.int64]]) -> Iterator[_Piece]:
    frames = windows.window[0]
    for sample, own in enumerate(starts):
        rgb, flow = windows.clip(sample)
        for start in own:
            time = slice(int(start), int(start) + frames)
            yield _Piece(sample, rgb[time], flow[time])


def _stacked(pieces: Sequence[_Piece]) -> WindowBatch:
    return {
        "rgb": torch.from_numpy(np.stack([piece.rgb for piece in pieces])),
        "flow": torch.from_numpy(np.stack([piece.flow for piece in pieces])),
        # Nothing is learnt here.
        "target": torch.empty(0, dtype=torch.int64),
    }
