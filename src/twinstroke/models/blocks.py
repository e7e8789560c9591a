"""Residual and 3D attention blocks: features go in and come out in the same shape."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from .interpolation import upsample_trilinear
from .pooling import MaxPool3d


class NormReluConv(nn.Sequential):
    """BN → ReLU → convolution without bias, padded to keep T, H and W."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__(
            nn.BatchNorm3d(channels_in),
            nn.ReLU(inplace=True),  # normalisation keeps its input for the gradient, not its output
            nn.Conv3d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        )


class ResidualBlock(nn.Module):
    """Pre-activation bottleneck beside an identity: x + c₁(c₃(c₁(x))).

    The three are BN → ReLU → convolution of 1³ (N → M), 3³ (M → M) and 1³ (M → N), where N is the
    number of channels and M = ⌈N/4⌉: 2N + 4M + 2NM + 27M² parameters.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = -(-channels // 4)
        self.residual = nn.Sequential(
            NormReluConv(channels, narrow, kernel=1),
            NormReluConv(narrow, narrow, kernel=3),
            NormReluConv(narrow, channels, kernel=1),
        )

    @property
    def last(self) -> nn.Conv3d:
        """What ends the residual path: while its weights are zero, the block does nothing."""
        return cast(nn.Conv3d, cast(nn.Sequential, self.residual[-1])[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, C, T, H, W)`` to features of the same shape."""
        residual: Tensor = self.residual(x)
        return residual.add_(x)  # in place: no gradient needs the convolution's output


class AttentionBlock(nn.Module):
    """3D attention: a soft mask over time, space and channels strengthens what matters.

    With ``res`` a residual block (each time another one), ``pool`` the largest of 3³ at every
    second position, ``up`` trilinear up-sampling to the size of the term beside it, and ``conv``
    BN → ReLU → 1³ convolution, the equations of the paper read::

        e     = res(x)                     entry, shared by both branches       (1)
        trunk = res(res(e))                                                     (2)
        b1    = res(pool(e))               mask, bottom-up                      (3)
        b2    = res(pool(b1))
        b3    = res(pool(b2))
        t3    = res(b3)                    mask, top-down                       (4)
        t2    = res(up(t3) + res(b2))      the inner res are the skips          (5)
        t1    = res(up(t2) + res(b1))                                           (6)
        mask  = sigmoid(conv(conv(up(t1))))                                     (7)
        out   = res(trunk · (1 + mask))    exit                                 (8)

    The paper's trunk starts from x and its mask from res(x); only one entry shared by both gives
    the number of parameters in its Table I.

    Training wants at least two windows in a batch where b3 has one position only (T, H and W at
    most 8), since a single value has no variance to normalise by; PyTorch refuses it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.entry = ResidualBlock(channels)
        self.trunk = nn.Sequential(ResidualBlock(channels), ResidualBlock(channels))
        self.pool = MaxPool3d(3, stride=2, padding=1)  # each size becomes its half, rounded up
        self.bottom_up = nn.ModuleList(ResidualBlock(channels) for _ in range(3))
        self.skips = nn.ModuleList(ResidualBlock(channels) for _ in range(2))
        self.top_down = nn.ModuleList(ResidualBlock(channels) for _ in range(3))
        self.to_mask = nn.Sequential(
            NormReluConv(channels, channels, kernel=1),
            NormReluConv(channels, channels, kernel=1),
            nn.Sigmoid(),
        )
        self.exit = ResidualBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map features ``(N, C, T, H, W)`` to features of the same shape."""
        entry = self.entry(x)
        trunk = self.trunk(entry)
        # trunk·(1 + mask) in one pass over the features
        out: Tensor = self.exit(trunk.addcmul(trunk, self._mask(entry)))
        return out

    def mask(self, x: Tensor) -> Tensor:
        """Soft mask for the input ``x`` of the block, e.g. to draw it.

        Args:
            x: Features ``(N, C, T, H, W)``, as given to the block itself.

        Returns:
            ``(N, C, T, H, W)``, from 0 to 1; 0.5 where the mask has no opinion.
        """
        return self._mask(self.entry(x))

    def _mask(self, entry: Tensor) -> Tensor:
        level1 = self.bottom_up[0](self.pool(entry))  # (N, C, ⌈T/2⌉, ⌈H/2⌉, ⌈W/2⌉)
        level2 = self.bottom_up[1](self.pool(level1))  # (N, C, ⌈T/4⌉, ⌈H/4⌉, ⌈W/4⌉)
        level3 = self.bottom_up[2](self.pool(level2))  # (N, C, ⌈T/8⌉, ⌈H/8⌉, ⌈W/8⌉)
        top = self.top_down[0](level3)
        top = self.top_down[1](_upsample_onto(top, self.skips[1](level2)))
        top = self.top_down[2](_upsample_onto(top, self.skips[0](level1)))
        mask: Tensor = self.to_mask(upsample_trilinear(top, _size(entry)))  # (N, C, T, H, W)
        return mask


def _upsample_onto(x: Tensor, skip: Tensor) -> Tensor:
    return upsample_trilinear(x, _size(skip)) + skip


def _size(x: Tensor) -> tuple[int, int, int]:
    _, _, frames, height, width = x.shape
    return frames, height, width
