"""A trained network as a file: weights as plain tensors, and what made them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from twinstroke.files import replacing
from twinstroke.models import Network, build_i3d, build_tstcnn
from twinstroke.settings.execution import ExecutionSettings
from twinstroke.settings.network import Architecture, Modality
from twinstroke.settings.preparation import Preparation
from twinstroke.settings.train import TrainSettings
from twinstroke.train.messages import no_model, not_our_model

KEY = "twinstroke"


class TrainedModel(BaseModel):
    """Header of the file, as JSON: all that is needed to use the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    modality: Modality
    attention_blocks: int
    residual_blocks: int
    classes: list[str]
    window: tuple[int, int, int]
    """T, H, W in kept frames and pixels."""
    flow_scale: tuple[float, float]
    """Normalised flow is ``clip(v / flow_scale, -1, 1)``, v in pixels a kept frame."""
    best_epochs: dict[str, int] = {}
    """Epoch of the weights of each network that was trained, from 1: best validation accuracy, then
    lowest validation loss. One network, or two streams that are fused late."""
    seed: int
    preparation: Preparation | None = None
    """How its frames were made; None if nobody said, and then it cannot be shown other videos."""
    optimisation: TrainSettings
    execution: ExecutionSettings = ExecutionSettings()
    torch_version: str
    twinstroke_version: str

    def networks(self) -> list[TrainedModel]:
        """The networks that are trained, one after the other.

        I3D has no twin: as in the paper, its streams are trained separately and fused late.
        """
        if self.architecture == "i3d" and self.modality == "twin":
            return [self.model_copy(update={"modality": stream}) for stream in ("rgb", "flow")]
        return [self]

    def build(self, device: torch.device) -> Network:
        """The network of this description, with random weights, on a device.

        Channels lie last in memory: the same numbers, but convolutions take half the time.
        """
        shape: dict[str, Any] = {
            "modality": self.modality,
            "classes": len(self.classes),
            "window": self.window,
            "checkpointing": self.execution.checkpointing,
        }
        blocks: dict[str, Any] = {
            "attention_blocks": self.attention_blocks,
            "residual_blocks": self.residual_blocks,
        }
        model: Network
        model = (
            build_i3d(**shape) if self.architecture == "i3d" else build_tstcnn(**shape, **blocks)
        )
        model = model.to(device)
        # torch's type hints do not know this argument.
        return model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def save_model(path: Path, description: TrainedModel, weights: dict[str, torch.Tensor]) -> None:
    """Write weights and description; equal ones give equal bytes.

    Raises:
        OSError: They cannot be written, for instance because the disk is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with replacing(path) as partial:
        try:
            save_file(tensors, partial, {KEY: description.model_dump_json()})
        except SafetensorError as error:
            # It knows what the system said, but only in words.
            if found := re.search(r"os error (\d+)", str(error)):
                raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from None
            raise


def load_model(path: Path, device: torch.device) -> tuple[TrainedModel, Network]:
    """Read a trained network, in evaluation mode.

    Raises:
        UserError: The file is missing, damaged, or not one of ours.
    """
    with _explained(path):
        with safe_open(path, "pt") as file:
            description = _description(file)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
        model = description.build(device)
        model.load_state_dict(weights)
    return description, model.eval()


def read_description(path: Path) -> TrainedModel:
    """Read what made a network, without its weights.

    Raises:
        UserError: The file is missing, damaged, or not one of ours.
    """
    with _explained(path), safe_open(path, "pt") as file:
        return _description(file)


def _description(file: Any) -> TrainedModel:
    return TrainedModel.model_validate_json((file.metadata() or {}).get(KEY, ""))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise no_model(path) from None
    except (SafetensorError, ValidationError, ValueError, RuntimeError) as error:
        raise not_our_model(path, error) from None
