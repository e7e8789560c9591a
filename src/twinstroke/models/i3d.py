"""Inflated 3D ConvNet (I3D), the baseline of the paper: Inception-v1 with a time axis.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset"
(CVPR 2017). It starts from random weights: the paper does not say whether its own was pre-trained.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpointing import recomputed
from .network import CHANNELS, STREAMS, Network, check_request
from .pooling import MaxPool3d, pad, same_padding

FEATURES = 1024
"""Channels before the logits."""

DROPOUT = 0.5
"""Part of the features that a training step drops before the logits."""


class Filters(NamedTuple):
    """Output channels of the convolutions of a Mixed block."""

    point: int
    """Branch of one 1³ convolution."""
    reduce: int
    """1³ convolution before ``box``."""
    box: int
    """3³ convolution, the widest of the block."""
    reduce_small: int
    """1³ convolution before ``box_small``."""
    box_small: int
    """3³ convolution; 5×5 in the images' Inception, 3³ in I3D."""
    pooled: int
    """1³ convolution after a max-pooling."""

    @property
    def total(self) -> int:
        """Channels of the block's output: its four branches side by side."""
        return self.point + self.box + self.box_small + self.pooled


class ConvNormReLU(nn.Module):
    """Convolution without bias → BN → ReLU; each size becomes ⌈size/stride⌉ ("SAME" padding).

    BN has the ε of the I3D authors, 1e-3, but PyTorch's momentum, 0.1: with the 0.01 of the common
    port the first values would count in the running statistics for hundreds of steps, which is the
    whole of a short training.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel = (kernel, kernel, kernel)
        self.stride = (stride, stride, stride)
        # How much a stride leaves over depends on the size; without one, it is half the kernel.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv3d(
            channels_in, channels_out, kernel, stride=stride, padding=padding, bias=False
        )
        self.norm = nn.BatchNorm3d(channels_out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, T, H, W)`` to ``(N, C', ⌈T/stride⌉, ⌈H/stride⌉, ⌈W/stride⌉)``."""
        if self.stride != (1, 1, 1):
            x = pad(x, same_padding(x, self.kernel, self.stride), value=0.0)
        return F.relu(self.norm(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Inception block: four branches that see the same features at different widths.

    ::

        x ─┬─ 1³ ──────────┬─ channels side by side
           ├─ 1³ ── 3³ ────┤
           ├─ 1³ ── 3³ ────┤
           └─ pool 3³ ─ 1³ ┘
    """

    def __init__(self, channels: int, filters: Filters) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                ConvNormReLU(channels, filters.point, kernel=1),
                nn.Sequential(
                    ConvNormReLU(channels, filters.reduce, kernel=1),
                    ConvNormReLU(filters.reduce, filters.box, kernel=3),
                ),
                nn.Sequential(
                    ConvNormReLU(channels, filters.reduce_small, kernel=1),
                    ConvNormReLU(filters.reduce_small, filters.box_small, kernel=3),
                ),
                nn.Sequential(
                    MaxPool3d(3, stride=1, padding="same"),
                    ConvNormReLU(channels, filters.pooled, kernel=1),
                ),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, T, H, W)`` to ``(N, filters.total, T, H, W)``."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _trunk(channels: int) -> nn.Sequential:
    """Every layer before the head, under the numbers that the authors' code gives them."""
    return nn.Sequential(
        OrderedDict(
            conv_1a=ConvNormReLU(channels, 64, kernel=7, stride=2),
            pool_2a=MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding="same"),
            conv_2b=ConvNormReLU(64, 64, kernel=1),
            conv_2c=ConvNormReLU(64, 192, kernel=3),
            pool_3a=MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding="same"),
            mixed_3b=Mixed(192, Filters(64, 96, 128, 16, 32, 32)),
            mixed_3c=Mixed(256, Filters(128, 128, 192, 32, 96, 64)),
            pool_4a=MaxPool3d(3, stride=2, padding="same"),
            mixed_4b=Mixed(480, Filters(192, 96, 208, 16, 48, 64)),
            mixed_4c=Mixed(512, Filters(160, 112, 224, 24, 64, 64)),
            mixed_4d=Mixed(512, Filters(128, 128, 256, 24, 64, 64)),
            mixed_4e=Mixed(512, Filters(112, 144, 288, 32, 64, 64)),
            mixed_4f=Mixed(528, Filters(256, 160, 320, 32, 128, 128)),
            pool_5a=MaxPool3d(2, stride=2, padding="same"),
            mixed_5b=Mixed(832, Filters(256, 160, 320, 32, 128, 128)),
            mixed_5c=Mixed(832, Filters(384, 192, 384, 48, 128, 128)),
        )
    )


class I3D(Network):
    """The network of one stream; built by :func:`build_i3d`.

    The authors average 2 frames × 7 × 7 pixels before the logits, all that 224 × 224 pixels leave
    of a frame. Averaging over all that is left is the same there, and needs no resizing to 224.

    Training wants at least two windows in a batch where one position is left (T at most 8, H and W
    at most 32), since a single value has no variance to normalise by; PyTorch refuses it.

    Args:
        stream: Name of the stream that it takes.
        window: Shape ``(channels, T, H, W)`` of one window of the stream.
        classes: Number of classes.
        dropout: Part of the features that a training step drops before the logits.
    """

    checkpointing = False
    """Features of a layer are computed again for the gradient, rather than kept."""

    def __init__(
        self,
        stream: str,
        window: tuple[int, int, int, int],
        classes: int,
        *,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__({stream: window})
        self.trunk = _trunk(window[0])
        self.dropout = nn.Dropout(dropout)
        self.to_logits = nn.Conv3d(FEATURES, classes, 1)

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        """Classify a batch of windows.

        Args:
            streams: ``"rgb"``: ``(N, 3, T, H, W)`` or ``"flow"``: ``(N, 2, T, H, W)``, float32.
                Other streams are ignored, so that one batch serves networks of every modality.

        Returns:
            Logits ``(N, classes)``, without a softmax: the mean of those at each time.

        Raises:
            ValueError: The stream is missing or has another shape.
        """
        (name,) = self.streams
        x = self.stream(name, streams)
        for layer in self.trunk:
            x = recomputed(layer, x) if self.checkpointing else layer(x)
        # x: (N, 1024, ⌈T/8⌉, ⌈H/32⌉, ⌈W/32⌉)
        # A mean and a sum, because average pooling has no ordered gradient on CUDA.
        x = x.mean((3, 4), keepdim=True)  # (N, 1024, ⌈T/8⌉, 1, 1)
        if x.shape[2] > 1:
            x = (x[:, :, :-1] + x[:, :, 1:]) / 2  # (N, 1024, ⌈T/8⌉ - 1, 1, 1)
        logits: Tensor = self.to_logits(self.dropout(x))  # (N, classes, ⌈T/8⌉ - 1, 1, 1)
        return logits.mean((2, 3, 4))  # (N, classes)


class LateFusion(Network):
    """Networks of one stream each, trained separately, that add their logits up.

    As the demonstration of the I3D authors does before its softmax; the paper does not say how it
    combines RGB and flow.

    Args:
        networks: Networks of one stream, by its name, of equally many classes.
    """

    def __init__(self, networks: Mapping[str, I3D]) -> None:
        super().__init__(
            {
                name: window
                for network in networks.values()
                for name, window in network.streams.items()
            }
        )
        self.networks = nn.ModuleDict(networks)

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        """Classify a batch of windows: logits ``(N, classes)``; see :meth:`I3D.forward`."""
        return torch.stack([network(streams) for network in self.networks.values()]).sum(0)


def build_i3d(
    *,
    modality: Literal["rgb", "flow", "twin"],
    classes: int,
    window: tuple[int, int, int],
    checkpointing: bool = False,
) -> I3D | LateFusion:
    """Build an I3D with random weights, or one for each stream.

    Weights begin as those of the TSTCNN, at the size that keeps the size of the input: He's
    initialisation where a ReLU follows, variance 1/fan-in in the last layer, biases of zero.

    Args:
        modality: The stream that is seen; for ``"twin"`` both, by two networks whose logits add up.
            Train those separately, as the paper does.
        classes: Number of classes, at least 2.
        window: T, H and W of a window, of any size.
        checkpointing: Training computes features again rather than keeping them, layer by layer:
            it needs less memory and more time, and ends with the same bits.

    Returns:
        A network that maps ``{"rgb": (N, 3, T, H, W), "flow": (N, 2, T, H, W)}`` to logits
        ``(N, classes)``.

    Raises:
        ValueError: A value is out of range.
    """
    check_request(modality, classes)
    if min(window) < 1:
        raise ValueError(f"window (T, H, W) is {window}; each must be at least 1")
    networks = {name: I3D(name, (CHANNELS[name], *window), classes) for name in STREAMS[modality]}
    for network in networks.values():
        network.checkpointing = checkpointing
        _draw_weights(network)
    return LateFusion(networks) if len(networks) > 1 else networks[modality]


def _draw_weights(model: I3D) -> None:
    for layer in model.trunk.modules():
        if isinstance(layer, nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    # Normalisations begin as the identity by themselves.
    nn.init.normal_(model.to_logits.weight, std=FEATURES**-0.5)
    nn.init.zeros_(cast(nn.Parameter, model.to_logits.bias))
