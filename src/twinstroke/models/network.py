"""What every network here has in common: streams in, logits out."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

CHANNELS = {"rgb": 3, "flow": 2}
"""Streams and their channels: colours, or the x and y components of the optical flow."""

STREAMS = {"rgb": ("rgb",), "flow": ("flow",), "twin": ("rgb", "flow")}
"""The streams that each modality takes."""


class Network(nn.Module):
    """Classifies windows of one or both streams.

    ``network({"rgb": (N, 3, T, H, W), "flow": (N, 2, T, H, W)})``, float32, gives logits
    ``(N, classes)``. There is no softmax: cross-entropy has its own, and a second one, as in the
    published code, bounds the loss and starves the gradient. Streams that a network does not take
    are ignored, so that one batch serves networks of every modality. A stream that is missing or
    has another shape raises ValueError.

    Attributes:
        streams: Shape ``(channels, T, H, W)`` of one window of each stream that it takes.
    """

    def __init__(self, streams: Mapping[str, tuple[int, int, int, int]]) -> None:
        super().__init__()
        self.streams = dict(streams)

    def stream(self, name: str, streams: Mapping[str, Tensor]) -> Tensor:
        """One stream of a batch, if it has the right shape.

        Raises:
            ValueError: It is missing or has another shape.
        """
        window = self.streams[name]
        found = tuple(streams[name].shape) if name in streams else None
        if found is None or found[1:] != window:
            raise ValueError(
                f"stream {name!r}: expected shape (N, {', '.join(map(str, window))}), found {found}"
            )
        return streams[name]


def check_request(modality: str, classes: int) -> None:
    """Refuse what no network can be built for.

    Raises:
        ValueError: The modality is unknown, or there are fewer than two classes.
    """
    if modality not in STREAMS:
        raise ValueError(f"modality is {modality!r}; it must be one of {', '.join(STREAMS)}")
    if classes < 2:
        raise ValueError(f"classes is {classes}; it must be at least 2")
