"""The soft masks of a network's attention blocks, taken from one forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from twinstroke.models import TSTCNN, AttentionBlock, Network


class Place(NamedTuple):
    """Where an attention block stands."""

    branch: str
    """``rgb`` or ``flow``."""
    block: int
    """From 1; block k follows the k-th pooling."""

    @property
    def cell(self) -> int:
        """Kept frames, and pixels down and across, that one value of the mask stands for."""
        return int(2**self.block)

    def __str__(self) -> str:
        return f"{self.branch} branch, block {self.block}"


def attention_blocks(model: Network) -> dict[Place, AttentionBlock]:
    """The attention blocks of a network, in the order of branches and depth; ``{}`` without any."""
    if not isinstance(model, TSTCNN):
        return {}
    found: dict[Place, AttentionBlock] = {}
    for name, branch in model.branches.items():
        blocks = [part for part in branch.modules() if isinstance(part, AttentionBlock)]
        found |= {Place(name, number): block for number, block in enumerate(blocks, start=1)}
    return found


@contextmanager
def recorded_masks(model: Network) -> Iterator[dict[Place, Tensor]]:
    """While the block lasts, keep the masks of the latest forward pass.

    The network computes what it computes anyway; nothing runs twice, and no bit of its output
    changes.

    Yields:
        Filled by each pass: ``(N, C, t, h, w)`` for each attention block, from 0 to 1, without
        gradient, on the network's device.
    """
    masks: dict[Place, Tensor] = {}

    def keep(module: nn.Module, place: Place) -> Any:
        def hook(_module: nn.Module, _inputs: object, mask: Tensor) -> None:
            masks[place] = mask.detach()

        return module.register_forward_hook(hook)

    handles = [keep(block.to_mask, place) for place, block in attention_blocks(model).items()]
    try:
        yield masks
    finally:
        for handle in handles:
            handle.remove()


def over_window(values: Tensor, cell: int, window: tuple[int, int, int]) -> Tensor:
    """Values of cells, as a picture over the window that they came from.

    Trilinear between the middles of the cells, which poolings of 2³ without padding put at
    ``cell · i + (cell - 1) / 2``; beyond the outermost middles the values stay as they are. (With
    aligned corners a mask would lie up to half a cell off what it is about.)

    Args:
        values: ``(t, h, w)``, floating point.
        cell: Length of a cell in kept frames, and in pixels down and across.
        window: T, H, W; what does not fill a cell is at the end of an axis.

    Returns:
        ``(T, H, W)``, within the range of `values`.
    """
    whole = F.interpolate(
        values[None, None], scale_factor=float(cell), mode="trilinear", align_corners=False
    )
    rest = [size - found for size, found in zip(window, whole.shape[2:], strict=True)]
    padded = F.pad(whole, (0, rest[2], 0, rest[1], 0, rest[0]), mode="replicate")
    return padded[0, 0]
