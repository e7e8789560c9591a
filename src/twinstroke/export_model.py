"""Write a trained network as ONNX, for other programs.

``model.onnx`` takes windows as they are, and normalises them itself:

========== ======== ==================== =====================================================
name       type     shape                meaning
========== ======== ==================== =====================================================
``rgb``    uint8    (N, T, H, W, 3)      colours, 0 to 255
``flow``   float32  (N, T, H, W, 2)      motion to the right and down, in pixels a kept frame
``logits`` float32  (N, classes)         of each class; their softmax are its probabilities
========== ======== ==================== =====================================================

Inputs are those that the network takes, ``rgb``, ``flow`` or both; N is free, T, H and W are fixed.
Under the key ``twinstroke`` stands the :class:`TrainedModel` as JSON: classes in the order of the
logits, window, versions. The file holds tensors and ONNX's own operators only: it cannot hold code.

Needs the extra ``onnx``; nothing else in twinstroke does.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twinstroke.errors import UserError
from twinstroke.files import PARTIAL
from twinstroke.models import Network
from twinstroke.models.network import CHANNELS, STREAMS
from twinstroke.train.model_file import KEY, TrainedModel, load_model
from twinstroke.train.windows import InputFormat, WindowBatch

OPSET = 18
"""The oldest that torch writes without a conversion, so that most programs read it."""
TYPES: Mapping[str, np.dtype[Any]] = {"rgb": np.dtype(np.uint8), "flow": np.dtype(np.float32)}
"""Of the values of each stream, as they are given to an exported network."""
_ONNX_TYPES = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}
"""How onnxruntime calls them."""
TOLERANCE = 1e-4
"""Largest difference that rounding explains, as part of the largest logit. Sums of float32 in
another order differ by about 1e-6 of it."""


@dataclass(frozen=True)
class Export:
    """What was written, and how it compares."""

    description: TrainedModel
    size: int
    """Bytes, of all that was written."""
    windows: int
    """Random windows that both networks saw."""
    difference: float
    """Largest absolute difference between their logits."""
    largest: float
    """Largest absolute logit, by torch."""


class ExportedModel:
    """A network out of ``model.onnx``, run by onnxruntime on the CPU.

    Example: probabilities of two windows::

        model = ExportedModel(Path("data/demo/model.onnx"))
        probabilities = scipy.special.softmax(model.logits(rgb=rgb, flow=flow), axis=1)

    Attributes:
        description: Classes, window and all else that is known of the network.
    """

    def __init__(self, path: Path) -> None:
        """Read a file, which may come from anywhere.

        Args:
            path: The file. One of more than 1.5 GB has its weights beside it, in ``<name>.data``.

        Raises:
            UserError: The file is missing, damaged, or not one of ours; or onnxruntime is missing.
        """
        with _extra():
            import onnxruntime
        if not path.is_file():
            raise UserError(f"{path}: not found; run twinstroke export-model")
        try:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            headers = self._session.get_modelmeta().custom_metadata_map
            if KEY not in headers:
                raise ValueError(f"it has no header {KEY!r}")
            self.description = TrainedModel.model_validate_json(headers[KEY])
            self._check_graph()
        except Exception as error:  # those of onnxruntime have no other class in common
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(
                f"{path}: not a network that twinstroke exported ({reason}); "
                "run twinstroke export-model again"
            ) from None

    def _check_graph(self) -> None:
        """Compare inputs and output with the description.

        Raises:
            ValueError: They differ.
        """
        window, classes = self.description.window, len(self.description.classes)
        self._shapes = {
            name: (*window, CHANNELS[name]) for name in STREAMS[self.description.modality]
        }
        expected = [
            (name, _ONNX_TYPES[TYPES[name].name], [*shape]) for name, shape in self._shapes.items()
        ]
        expected.append(("logits", _ONNX_TYPES["float32"], [classes]))
        found = [
            (node.name, node.type, node.shape[1:])
            for node in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        if found != expected:
            raise ValueError(f"its header says {expected}, its graph {found}")

    def logits(
        self, rgb: NDArray[np.uint8] | None = None, flow: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Classify a batch of windows.

        Args:
            rgb: uint8 ``(N, T, H, W, 3)``, 0 to 255.
            flow: float32 ``(N, T, H, W, 2)``, in pixels a kept frame, to the right and down.
                A stream that the network does not take may be left out, and is ignored.

        Returns:
            float32 ``(N, classes)``, without a softmax.

        Raises:
            ValueError: A stream is missing, or has another type or shape.
        """
        given = {"rgb": rgb, "flow": flow}
        streams = {}
        for name, shape in self._shapes.items():
            values = given[name]
            if values is None or values.dtype != TYPES[name] or values.shape[1:] != shape:
                found = "none" if values is None else f"{values.dtype} {values.shape}"
                raise ValueError(
                    f"stream {name!r}: expected {TYPES[name]} (N, {', '.join(map(str, shape))}), "
                    f"found {found}"
                )
            streams[name] = values
        (logits,) = self._session.run(["logits"], streams)
        return cast("NDArray[np.float32]", logits)


def export_model(source: Path, target: Path) -> Export:
    """Write a trained network as ONNX, and compare what was written with the network.

    onnx checks the file; onnxruntime and torch then classify the same random windows, one alone and
    three together. Equal networks give equal bytes.

    Args:
        source: ``model.safetensors``.
        target: The file to write. Weights of more than 1.5 GB go to ``<name>.data`` beside it,
            because the format holds 2 GB at most.

    Returns:
        What was written.

    Raises:
        UserError: The network cannot be read, the extra ``onnx`` is not installed, or the logits
            differ by more than rounding explains. Nothing is written then.
    """
    with _extra():
        import onnx
        import onnxruntime  # noqa: F401 - before the work, not after it
        import onnxscript  # noqa: F401
    description, network = load_model(source, torch.device("cpu"))
    model = _WithInputs(description, network).eval()
    with _replacing(target) as partial:
        _write(partial, description, model)
        onnx.checker.check_model(partial)
        export = _compared(partial, description, model)
        if not export.difference <= TOLERANCE * export.largest:  # nor may it be NaN
            raise UserError(
                f"{target}: not written, because its logits differ from torch's by up to "
                f"{export.difference:.2g}, and rounding explains {TOLERANCE * export.largest:.2g}; "
                "install the versions of requirements-dev.lock; if that does not help, report it"
            )
    return export


class _WithInputs(nn.Module):
    """A network behind the normalisation of training: windows in, as they are, and logits out."""

    def __init__(self, description: TrainedModel, network: Network) -> None:
        super().__init__()
        self.network = network
        self.format = InputFormat(description.window, 1.0, description.flow_scale)

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:
        # Without a view nothing but the streams is looked at.
        batch = cast(WindowBatch, streams)
        names = list(self.network.streams)
        logits: Tensor = self.network(self.format.streams(batch, names))
        return logits


def _write(path: Path, description: TrainedModel, model: _WithInputs) -> None:
    from onnxscript import ir

    # Two windows: torch takes a size of one for a constant.
    example = _as_tensors(_random_windows(description, 2))
    windows = torch.export.Dim("windows", min=1)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            model,
            kwargs={"streams": example},
            input_names=list(example),
            output_names=["logits"],
            dynamic_shapes={"streams": {name: {0: windows} for name in example}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None  # noqa: S101 - as always with dynamo
    # What torch notes of every node: paths of this machine, among others.
    ir.passes.common.ClearMetadataAndDocStringPass()(program.model)
    program.model.metadata_props[KEY] = description.model_dump_json()
    program.save(path)


def _compared(path: Path, description: TrainedModel, model: _WithInputs) -> Export:
    exported = ExportedModel(path)
    batches = (1, 3)
    difference, largest = 0.0, 0.0
    for seed, count in enumerate(batches):
        streams = _random_windows(description, count, seed)
        with torch.inference_mode():
            expected = model(_as_tensors(streams)).numpy()
        differences = np.abs(exported.logits(**streams) - expected)
        # numpy's maximum passes NaN on, Python's does not.
        difference = float(np.maximum(difference, differences.max()))
        largest = max(largest, float(np.abs(expected).max()))
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    return Export(description, size, sum(batches), difference, largest)


def _random_windows(description: TrainedModel, count: int, seed: int = 0) -> dict[str, Any]:
    """Windows of noise of each stream that the network takes, some of their flow beyond the scale.

    Returns:
        ``rgb``: uint8 ``(count, T, H, W, 3)``; ``flow``: float32 ``(count, T, H, W, 2)``.
    """
    random = np.random.default_rng(seed)
    shape = (count, *description.window)
    scale = np.array(description.flow_scale, np.float32)
    windows = {
        "rgb": random.integers(0, 256, (*shape, 3), np.uint8),
        "flow": random.standard_normal((*shape, 2), np.float32) * scale,
    }
    return {name: windows[name] for name in STREAMS[description.modality]}


def _as_tensors(windows: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in windows.items()}


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error.name} is not installed, which networks as ONNX need; type in the folder of "
            "the project: pip install -c requirements-dev.lock -e '.[onnx]'"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what torch tells its own developers: each export warns of the same."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """As `files.replacing`, for a file that names another, ``<name>.data``, if it is large."""
    folder = path.with_name(f".{path.name}{PARTIAL}")
    shutil.rmtree(folder, ignore_errors=True)  # of a program that was killed
    folder.mkdir(parents=True)
    try:
        yield folder / path.name
        data = path.with_name(f"{path.name}.data")
        if (folder / data.name).exists():
            path.unlink(missing_ok=True)  # rather no network than one with another's weights
            (folder / data.name).replace(data)
        else:
            data.unlink(missing_ok=True)
        (folder / path.name).replace(path)
    finally:
        shutil.rmtree(folder)
