"""A network in words, as the paper names it."""

from __future__ import annotations

from typing import Protocol

from twinstroke.settings.network import Architecture, Modality


class Described(Protocol):
    """What a name is made of."""

    architecture: Architecture
    modality: Modality
    attention_blocks: int
    residual_blocks: int


def network_name(network: Described) -> str:
    """Streams, kind and blocks: ``Twin TSTCNN with 3 attention blocks``, ``RGB + Flow I3D``."""
    stream = {"rgb": "RGB", "flow": "Flow", "twin": "Twin"}[network.modality]
    if network.architecture == "i3d":
        # Two networks, whose logits are added.
        return f"{'RGB + Flow' if network.modality == 'twin' else stream} I3D"
    for kind, count in (
        ("attention", network.attention_blocks),
        ("residual", network.residual_blocks),
    ):
        if count:
            return f"{stream} TSTCNN with {count} {kind} block{'s' if count > 1 else ''}"
    return f"{stream} TSTCNN"
