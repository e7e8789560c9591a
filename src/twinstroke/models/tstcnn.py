"""Twin Spatio-Temporal Convolutional Network: one branch a stream, joined by a bilinear layer.

``model.to(memory_format=torch.channels_last_3d)`` makes a training step shorter, most so without
attention blocks; the inputs may stay as they are. To see what a block attends to, give
``model.branches["rgb"].stages[0].attention.mask`` the input of that block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import AttentionBlock, ResidualBlock
from .checkpointing import recomputed
from .network import CHANNELS, STREAMS, Network, check_request
from .pooling import MaxPool3d

FILTERS = (30, 60, 80)
"""Filters of the three convolutions of a branch; a pooling follows each."""

FEATURES = 500
"""Length of the vector that describes the window of one stream."""


class PooledConv3d(nn.Conv3d):
    """Convolution of 3³ → max-pooling → ReLU: T, H and W are halved, rounded down.

    The paper adds the bias before its ReLU, and pools last. Adding a constant and rectifying are
    monotone, so that both may follow the pooling: the result is the same to rounding, an eighth of
    the values is left to work on, and the gradient of the bias is a sum over that eighth.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)
        self.pool = MaxPool3d(2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, T, H, W)`` to ``(N, C', ⌊T/2⌋, ⌊H/2⌋, ⌊W/2⌋)``."""
        x = self.pool(F.conv3d(x, self.weight, padding=self.padding))
        bias = cast(nn.Parameter, self.bias).view(-1, 1, 1, 1)
        return x.add_(bias).relu_()  # in place: no gradient needs what was pooled


class Bilinear(nn.Bilinear):
    """``nn.Bilinear`` as two matrix products, the same to rounding.

    torch's own takes one class after the other, and knows no lower precision on CPUs.
    """

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Map features ``(N, F1)`` and ``(N, F2)`` to ``(N, classes)``."""
        weight = self.weight.flatten(0, 1)  # (classes · F1, F2)
        products = F.linear(input2, weight).view(-1, self.out_features, self.in1_features)
        return (products @ input1.unsqueeze(2)).squeeze(2) + self.bias


class Branch(nn.Module):
    """One stream: three × (convolution → max-pooling → ReLU [→ block]), then 500 features."""

    checkpointing = False
    """Features of a stage are computed again for the gradient, rather than kept."""

    def __init__(
        self,
        channels: int,
        window: tuple[int, int, int],
        *,
        attention_blocks: int,
        residual_blocks: int,
    ) -> None:
        super().__init__()
        self.stages = nn.Sequential()
        size = window
        for index, filters in enumerate(FILTERS):
            stage = nn.Sequential()
            stage.add_module("conv", PooledConv3d(channels, filters))
            if index < attention_blocks:
                stage.add_module("attention", AttentionBlock(filters))
            if index < residual_blocks:
                stage.add_module("residual", ResidualBlock(filters))
            self.stages.append(stage)
            channels = filters
            size = (size[0] // 2, size[1] // 2, size[2] // 2)
        self.features = nn.Linear(channels * math.prod(size), FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows ``(N, C, T, H, W)`` to features ``(N, 500)``."""
        for stage in self.stages:
            x = recomputed(stage, x) if self.checkpointing else stage(x)
        return F.relu(self.features(x.flatten(1)))  # x: (N, 80, ⌊T/8⌋, ⌊H/8⌋, ⌊W/8⌋)


class TSTCNN(Network):
    """The network of one modality; built by :func:`build_tstcnn`."""

    def __init__(
        self,
        streams: Mapping[str, tuple[int, int, int, int]],
        classes: int,
        *,
        attention_blocks: int,
        residual_blocks: int,
    ) -> None:
        super().__init__(streams)
        self.branches = nn.ModuleDict(
            {
                name: Branch(
                    channels,
                    (frames, height, width),
                    attention_blocks=attention_blocks,
                    residual_blocks=residual_blocks,
                )
                for name, (channels, frames, height, width) in streams.items()
            }
        )
        self.classifier = (
            nn.Linear(FEATURES, classes)
            if len(streams) == 1
            else Bilinear(FEATURES, FEATURES, classes)
        )

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        """Classify a batch of windows: logits ``(N, classes)``; see :class:`Network`."""
        features = [
            branch(self.stream(name, streams))  # (N, 500)
            for name, branch in self.branches.items()
        ]
        logits: Tensor = self.classifier(*features)  # (N, classes)
        return logits


def build_tstcnn(
    *,
    modality: Literal["rgb", "flow", "twin"],
    classes: int,
    window: tuple[int, int, int],
    attention_blocks: int = 0,
    residual_blocks: int = 0,
    checkpointing: bool = False,
) -> TSTCNN:
    """Build a network of the TSTCNN family, with random weights.

    The paper does not say how weights begin; the authors' code leaves them to PyTorch, whose
    default shrinks the signal from layer to layer, so that the loss of the plain network hardly
    moves for many epochs, while with three attention blocks it begins at six times that of a
    guess. Here every layer keeps the size of its input at first: He's initialisation where a ReLU
    follows, variance 1/fan-in in the last layer, and residual blocks that begin as the identity.

    Args:
        modality: The stream that is seen: RGB, optical flow, or both (Twin).
        classes: Number of classes, at least 2.
        window: T, H and W of a window, each at least 8; they need not be even.
        attention_blocks: 0 to 3; k puts a 3D attention block after the first k poolings.
        residual_blocks: 0 to 3; the same with residual blocks, to tell what attention adds.
        checkpointing: Training computes features again rather than keeping them, stage by stage:
            it needs less memory and more time, and ends with the same bits.

    Returns:
        A network that maps ``{"rgb": (N, 3, T, H, W), "flow": (N, 2, T, H, W)}`` to logits
        ``(N, classes)``.

    Raises:
        ValueError: A value is out of range, or both kinds of block are asked for.
    """
    smallest = 2 ** len(FILTERS)
    check_request(modality, classes)
    if min(window) < smallest:
        raise ValueError(
            f"window (T, H, W) is {window}; each must be at least {smallest} to survive "
            f"{len(FILTERS)} poolings"
        )
    for name, blocks in (
        ("attention_blocks", attention_blocks),
        ("residual_blocks", residual_blocks),
    ):
        if not 0 <= blocks <= len(FILTERS):
            raise ValueError(f"{name} is {blocks}; it must be from 0 to {len(FILTERS)}")
    if attention_blocks and residual_blocks:
        raise ValueError(
            f"attention_blocks is {attention_blocks} and residual_blocks is {residual_blocks}; "
            "one of them must be 0"
        )
    model = TSTCNN(
        {name: (CHANNELS[name], *window) for name in STREAMS[modality]},
        classes,
        attention_blocks=attention_blocks,
        residual_blocks=residual_blocks,
    )
    for branch in model.branches.values():
        cast(Branch, branch).checkpointing = checkpointing
    _draw_weights(model)
    return model


def _draw_weights(model: TSTCNN) -> None:
    for branch in model.branches.values():
        for layer in branch.modules():
            if isinstance(layer, nn.Conv3d | nn.Linear) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, ResidualBlock):
                nn.init.zeros_(layer.last.weight)
    # The bilinear layer sums over all products of two features.
    fan_in = FEATURES ** len(model.branches)
    nn.init.normal_(model.classifier.weight, std=fan_in**-0.5)
    nn.init.zeros_(model.classifier.bias)


def convolutional_parameters(model: nn.Module) -> int:
    """Count the parameters outside fully connected layers, as Table I of the paper does."""
    connected = {
        id(parameter)
        for layer in model.modules()
        if isinstance(layer, nn.Linear | nn.Bilinear)
        for parameter in layer.parameters()
    }
    return sum(p.numel() for p in model.parameters() if id(p) not in connected)
