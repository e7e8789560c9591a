"""What the network says of every window of a stroke, efficiently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from twinstroke.evaluate.decisions import window_starts
from twinstroke.evaluate.sliding import Clip, clip_streams, sliding_logits
from twinstroke.models import Network
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.windows import StrokeWindows


@dataclass(frozen=True)
class Track:
    """The windows of one stroke."""

    starts: NDArray[np.int64]
    """(n,) first frame of each window within the clip."""
    slack: int
    """The last possible start: frames of the clip less T."""
    probabilities: NDArray[np.float64]
    """(n, classes)."""


def probability_tracks(
    model: Network,
    windows: StrokeWindows,
    description: TrainedModel,
    *,
    stride: int,
    device: torch.device,
) -> list[Track]:
    """Class probabilities of all windows of each sample, in evaluation mode.

    Every clip is read, sent and normalised once.

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
    format_ = windows.input_format(description.flow_scale)

    def clips() -> Iterator[Clip]:
        for index, own in enumerate(starts):
            rgb, flow = windows.clip(index)
            yield clip_streams(rgb, flow, format_, model, device), own.tolist()

    logits = sliding_logits(model, clips(), frames, batch_size=description.optimisation.batch_size)
    return [
        Track(own, slack, torch.softmax(found.double(), 1).numpy())
        for own, slack, found in zip(starts, slacks, logits, strict=True)
    ]
