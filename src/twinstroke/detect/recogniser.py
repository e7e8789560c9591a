"""What a trained network says of windows, whether torch runs it or onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from twinstroke.errors import UserError
from twinstroke.evaluate.sliding import clip_streams, sliding_logits
from twinstroke.export_model import ExportedModel
from twinstroke.files import sha256_of
from twinstroke.flow.stored import FLOW_UNIT_PX
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import NEGATIVE, STROKE_OR_NOT
from twinstroke.train.model_file import TrainedModel, load_model
from twinstroke.train.naming import network_name
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import InputFormat

WINDOWS_AT_ONCE = 8
"""That a network sees together: on a CPU, twice as many are hardly faster and take more memory."""


class _Network(Protocol):
    """One network."""

    description: TrainedModel
    versions: str

    def logits(
        self, rgb: NDArray[np.uint8], flow: NDArray[np.int16], starts: Sequence[int]
    ) -> NDArray[np.float64]:
        """Logits (n, classes) of the windows of a clip (L, H, W, C) that begin at `starts`."""


class Recogniser:
    """Tells what windows of a video show.

    Attributes:
        description: Of the network that names strokes.
        preparation: How it wants its frames.
        name: For people: which network, trained how.
        digest: SHA-256 of the files.
        versions: What carries it out, since others may round otherwise.
    """

    def __init__(self, model_file: Path, stroke_file: Path | None = None) -> None:
        """Read one network, or two that share the work.

        Args:
            model_file: ``model.safetensors`` of `train`, or ``model.onnx`` of `export_model`.
            stroke_file: Perhaps another, of two classes, that says where strokes are; the first
                one then only names them.

        Raises:
            UserError: A file is missing, damaged, or of a network that cannot find strokes; or two
                networks were trained on differently prepared videos.
        """
        self._network = _loaded(model_file)
        self.description = self._network.description
        self.name = network_name(self.description)
        self.preparation = _preparation(model_file, self.description)
        self.digest = sha256_of(model_file)
        self.versions = self._network.versions
        self._where = None
        if NEGATIVE not in self.description.classes:
            raise UserError(
                f"{model_file}: has no class {NEGATIVE}, so it takes everything for a stroke; "
                "train it with negatives (index.negatives of the preset)"
            )
        if stroke_file is not None:
            self._where = _loaded(stroke_file)
            where = self._where.description
            if tuple(where.classes) != STROKE_OR_NOT:
                raise UserError(
                    f"{stroke_file}: has {len(where.classes)} classes; expected a network of two, "
                    "trained with targets=strokes"
                )
            own, other = ((made.window, made.preparation) for made in (self.description, where))
            if own != other:
                raise UserError(
                    f"{stroke_file}: wants its videos prepared otherwise than {model_file} does "
                    "(window, frames, flow or masks); train both on the same strokes.h5"
                )
            self.digest += sha256_of(stroke_file)
            self.versions += self._where.versions
            self.name += f", and where strokes are by {network_name(where)} of two classes"

    @property
    def window(self) -> tuple[int, int, int]:
        """T, H, W."""
        return self.description.window

    def probabilities(
        self, rgb: NDArray[np.uint8], flow: NDArray[np.int16], starts: Sequence[int]
    ) -> NDArray[np.float64]:
        """Class probabilities of windows of a clip; they share its frames.

        Args:
            rgb: (L, H, W, 3), as prepared.
            flow: (L, H, W, 2), in units of 1/32 px.
            starts: First frames of the windows within the clip.

        Returns:
            (n, classes), each row with sum 1. With two networks, that of strokes and none gives the
            probability of Negative, and the rest is shared out as the other one would share it.
        """
        found: NDArray[np.float64] = softmax(self._network.logits(rgb, flow, starts), axis=1)
        if self._where is None:
            return found
        negative = self.description.classes.index(NEGATIVE)
        is_none = softmax(self._where.logits(rgb, flow, starts), axis=1)[:, 0]
        found[:, negative] = 0
        found *= ((1 - is_none) / found.sum(1))[:, None]
        found[:, negative] = is_none
        return found


def _loaded(path: Path) -> _Network:
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; name a trained network, model.safetensors or model.onnx"
        )
    return _Exported(path) if path.suffix == ".onnx" else _Trained(path)


def _preparation(path: Path, description: TrainedModel) -> Preparation:
    if description.preparation is None:
        raise UserError(
            f"{path}: does not say how its frames were prepared; train it again (dvc repro), or "
            "export it again"
        )
    return description.preparation


class _Trained:
    """A network that torch runs, on the GPU where there is one."""

    def __init__(self, path: Path) -> None:
        self._device = make_deterministic(seed=0)
        self.versions = f"torch {torch.__version__} {self._device.type}"
        self.description, self._model = load_model(path, self._device)

    def logits(
        self, rgb: NDArray[np.uint8], flow: NDArray[np.int16], starts: Sequence[int]
    ) -> NDArray[np.float64]:
        made = self.description
        format_ = InputFormat(made.window, FLOW_UNIT_PX, made.flow_scale)
        clip = torch.from_numpy(rgb), torch.from_numpy(flow)
        streams = clip_streams(*clip, format_, self._model, self._device)
        clips = [(streams, starts)]
        size = WINDOWS_AT_ONCE
        (found,) = sliding_logits(self._model, clips, made.window[0], batch_size=size)
        return found.double().numpy()


class _Exported:
    """A network that onnxruntime runs, on the CPU."""

    def __init__(self, path: Path) -> None:
        self._model = ExportedModel(path)
        self.versions = f"onnxruntime {version('onnxruntime')}"
        self.description = self._model.description

    def logits(
        self, rgb: NDArray[np.uint8], flow: NDArray[np.int16], starts: Sequence[int]
    ) -> NDArray[np.float64]:
        made = self.description
        size, length = WINDOWS_AT_ONCE, made.window[0]
        pixels = flow * np.float32(FLOW_UNIT_PX)
        found = []
        for first in range(0, len(starts), size):
            own = starts[first : first + size]
            found.append(
                self._model.logits(
                    rgb=np.stack([rgb[start : start + length] for start in own]),
                    flow=np.stack([pixels[start : start + length] for start in own]),
                )
            )
        return np.concatenate(found).astype(np.float64)
