"""The published network as one would write it down: what our training step is measured against.

Convolution, ReLU, pooling, in that order and in torch's own layers; trilinear up-sampling by
``F.interpolate``; ``nn.Bilinear``; nothing in place. Parameters have the names of ours, so that the
weights of one fit the other, and the outputs can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinstroke.models.network import CHANNELS
from twinstroke.models.tstcnn import FEATURES, FILTERS


class Residual(nn.Module):
    """BN → ReLU → convolution, three times, beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = math.ceil(channels / 4)
        sizes = [(channels, narrow, 1), (narrow, narrow, 3), (narrow, channels, 1)]
        self.residual = nn.Sequential(*(norm_relu_conv(*size) for size in sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        result: Tensor = x + self.residual(x)
        return result


class Attention(nn.Module):
    """The equations (1) to (8) of the paper, as in :class:`twinstroke.models.AttentionBlock`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.entry = Residual(channels)
        self.trunk = nn.Sequential(Residual(channels), Residual(channels))
        self.bottom_up = nn.ModuleList(Residual(channels) for _ in range(3))
        self.skips = nn.ModuleList(Residual(channels) for _ in range(2))
        self.top_down = nn.ModuleList(Residual(channels) for _ in range(3))
        self.to_mask = nn.Sequential(
            norm_relu_conv(channels, channels, 1), norm_relu_conv(channels, channels, 1)
        )
        self.exit = Residual(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        entry = self.entry(x)
        levels = [entry]
        for residual in self.bottom_up:
            levels.append(residual(F.max_pool3d(levels[-1], 3, stride=2, padding=1)))
        top = self.top_down[0](levels[3])
        top = self.top_down[1](_resized(top, levels[2]) + self.skips[1](levels[2]))
        top = self.top_down[2](_resized(top, levels[1]) + self.skips[0](levels[1]))
        mask = torch.sigmoid(self.to_mask(_resized(top, entry)))
        result: Tensor = self.exit(self.trunk(entry) * (1 + mask))
        return result


class Branch(nn.Module):
    """Three × (convolution → ReLU → pooling [→ attention]), then 500 features."""

    def __init__(self, channels: int, window: tuple[int, int, int], attention_blocks: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for index, filters in enumerate(FILTERS):
            stage = nn.ModuleDict({"conv": nn.Conv3d(channels, filters, 3, padding=1)})
            if index < attention_blocks:
                stage["attention"] = Attention(filters)
            self.stages.append(stage)
            channels = filters
        self.features = nn.Linear(channels * math.prod(size // 8 for size in window), FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, 500) of windows (N, C, T, H, W)."""
        for stage in self.stages:
            layers: Mapping[str, nn.Module] = stage  # type: ignore[assignment]
            x = F.max_pool3d(F.relu(layers["conv"](x)), 2)
            if "attention" in layers:
                x = layers["attention"](x)
        return F.relu(self.features(x.flatten(1)))


class PublishedTwin(nn.Module):
    """Two branches and a bilinear layer."""

    def __init__(self, window: tuple[int, int, int], classes: int, attention_blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(
            {name: Branch(CHANNELS[name], window, attention_blocks) for name in ("rgb", "flow")}
        )
        self.classifier = nn.Bilinear(FEATURES, FEATURES, classes)

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes)."""
        features = (branch(streams[name]) for name, branch in self.branches.items())
        logits: Tensor = self.classifier(*features)
        return logits


def norm_relu_conv(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    """BN → ReLU → convolution without bias."""
    return nn.Sequential(
        nn.BatchNorm3d(channels_in),
        nn.ReLU(),
        nn.Conv3d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
    )


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="trilinear", align_corners=True)
