"""An exported network takes windows as they are stored, and says what the network says."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from tests.command import twinstroke
from tests.trainings import description, random_weights
from twinstroke.errors import UserError
from twinstroke.export_model import OPSET, ExportedModel, export_model
from twinstroke.settings.load import load_settings
from twinstroke.train.model_file import TrainedModel, load_model, save_model

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")

WINDOW = (8, 9, 18)
NETWORKS: dict[str, dict[str, Any]] = {
    "rgb, residual": {"modality": "rgb", "residual_blocks": 1},
    "flow, attention": {"modality": "flow", "attention_blocks": 1},
    "twin": {"modality": "twin"},
    "i3d rgb": {"architecture": "i3d", "modality": "rgb"},
    "i3d fused": {"architecture": "i3d", "modality": "twin"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A network and its export, ``<name>.safetensors`` and ``<name>.onnx``."""
    return made(folder / request.param, **NETWORKS[request.param])


@pytest.fixture(scope="module")
def twin(folder: Path) -> Path:
    """The export of the smallest network of two streams."""
    path = folder / "twin.onnx"
    return path if path.exists() else made(folder / "twin", **NETWORKS["twin"])


def made(stem: Path, **changes: Any) -> Path:
    wanted = described(**changes)
    save_model(stem.with_suffix(".safetensors"), wanted, random_weights(wanted))
    export_model(stem.with_suffix(".safetensors"), stem.with_suffix(".onnx"))
    return stem.with_suffix(".onnx")


def described(**changes: Any) -> TrainedModel:
    return description(window=WINDOW, classes=["Négatif", '"quoted"', "压"], **changes)


def windows(count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    random = np.random.default_rng(count)
    rgb = random.integers(0, 256, (count, *WINDOW, 3), np.uint8)
    flow = (5 * random.standard_normal((count, *WINDOW, 2))).astype(np.float32)
    return rgb, flow


@pytest.mark.parametrize("count", [1, 2, 5])
def test_logits_are_those_of_the_network(exported: Path, count: int) -> None:
    """Normalisation is written down again here, from the paper's rule."""
    model = ExportedModel(exported)
    rgb, flow = windows(count)
    _, network = load_model(exported.with_suffix(".safetensors"), torch.device("cpu"))
    clipped = np.clip(flow / np.array([4, 2], np.float32), -1, 1)
    assert 0.1 < np.mean(np.abs(clipped) == 1) < 0.9
    seen = {"rgb": rgb.astype(np.float32) / 127.5 - 1, "flow": clipped}
    with torch.no_grad():
        expected = network(
            {name: torch.from_numpy(np.moveaxis(values, 4, 1)) for name, values in seen.items()}
        ).numpy()
    found = model.logits(rgb=rgb, flow=flow)
    assert found.dtype == np.float32
    assert np.ptp(expected, axis=1).min() > 0.01, "nothing to tell classes apart"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_header_and_graph(exported: Path) -> None:
    wanted, network = load_model(exported.with_suffix(".safetensors"), torch.device("cpu"))
    assert ExportedModel(exported).description == wanted
    model = onnx.load(exported)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    (header,) = model.metadata_props
    assert json.loads(header.value)["classes"] == ["Négatif", '"quoted"', "压"]
    # Pooling is one operator, rather than the comparisons that stand for it elsewhere.
    operators = {node.op_type for node in model.graph.node}
    assert "MaxPool" in operators
    assert not operators & {"Where", "Greater", "Slice"}
    assert [node.name for node in model.graph.input] == list(network.streams)
    # Where this machine keeps its files is nobody's business.
    assert str(Path(torch.__file__).parent.parent).encode() not in exported.read_bytes()
    assert str(Path(__file__).parent.parent).encode() not in exported.read_bytes()


def test_arrays_may_be_views(twin: Path) -> None:
    rgb, flow = windows(4)
    model = ExportedModel(twin)
    whole = model.logits(rgb=rgb, flow=flow)
    np.testing.assert_allclose(model.logits(rgb=rgb[::2], flow=flow[::2]), whole[::2], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flow": None}, r"stream 'flow': expected float32 \(N, 8, 9, 18, 2\), found none"),
        ({"flow": windows(1)[1].astype(float)}, r"found float64 \(1, 8, 9, 18, 2\)"),
        ({"rgb": windows(1)[0][0]}, r"'rgb': expected uint8 .*, found uint8 \(8, 9, 18, 3\)"),
        ({"rgb": windows(1)[0][:, :, ::-1, :8]}, r"found uint8 \(1, 8, 9, 8, 3\)"),
    ],
)
def test_other_arrays_are_refused(twin: Path, changes: dict[str, Any], message: str) -> None:
    rgb, flow = windows(1)
    with pytest.raises(ValueError, match=message):
        ExportedModel(twin).logits(**{"rgb": rgb, "flow": flow, **changes})


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("spoiled", [1.01, float("nan")])
def test_a_spoiled_export_is_refused(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: float
) -> None:
    """The weights of one layer are written wrongly."""
    export = torch.onnx.export

    def spoiling(model: nn.Module, **arguments: Any) -> Any:
        other = copy.deepcopy(model)
        layer = next(parameter for parameter in other.parameters() if parameter.dim() == 5)
        layer.data *= spoiled
        return export(other, **arguments)

    monkeypatch.setattr(torch.onnx, "export", spoiling)
    target = tmp_path / "model.onnx"
    target.write_bytes(b"an earlier one")
    with pytest.raises(UserError, match=r"model.onnx: not written, because its logits differ"):
        export_model(twin.with_suffix(".safetensors"), target)
    assert target.read_bytes() == b"an earlier one"
    assert left(tmp_path) == {"model.onnx"}


def test_what_a_killed_program_left_is_no_obstacle(twin: Path, tmp_path: Path) -> None:
    (tmp_path / ".model.onnx.partial").mkdir()
    (tmp_path / ".model.onnx.partial" / "model.onnx.data").write_bytes(b"half")
    (tmp_path / "model.onnx.data").write_bytes(b"of an earlier, larger network")
    export_model(twin.with_suffix(".safetensors"), tmp_path / "model.onnx")
    assert left(tmp_path) == {"model.onnx"}


def test_weights_too_large_for_one_file(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.onnx._internal.exporter._onnx_program._LARGE_MODEL_THRESHOLD", 1000)
    export = export_model(twin.with_suffix(".safetensors"), tmp_path / "model.onnx")
    assert left(tmp_path) == {"model.onnx", "model.onnx.data"}
    assert export.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    rgb, flow = windows(2)
    moved = shutil.copytree(tmp_path, tmp_path / "moved")
    np.testing.assert_array_equal(
        ExportedModel(moved / "model.onnx").logits(rgb, flow), ExportedModel(twin).logits(rgb, flow)
    )
    (moved / "model.onnx.data").unlink()
    with pytest.raises(UserError, match="not a network that twinstroke exported"):
        ExportedModel(moved / "model.onnx")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def test_missing_damaged_and_foreign_files_are_refused(twin: Path, tmp_path: Path) -> None:
    path, trace = tmp_path / "model.onnx", tmp_path / "executed"
    with pytest.raises(UserError, match=r"model.onnx: not found; run twinstroke export-model"):
        ExportedModel(path)
    whole = twin.read_bytes()
    for content in (
        b"",
        whole[: len(whole) // 2],
        whole[:-1],
        whole[:30] + b"\xff" * 30 + whole[60:],
        twin.with_suffix(".safetensors").read_bytes(),
        pickle.dumps(Payload(f"touch {trace}")),
    ):
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"model.onnx: not a network .* run twinstroke export-model"
        ):
            ExportedModel(path)
    assert not trace.exists()


def no_header(model: Any) -> None:
    del model.metadata_props[:]


def other_header(model: Any) -> None:
    model.metadata_props[0].value = '{"classes": ["a"]}'


def other_classes(model: Any) -> None:
    changed = described(modality="twin").model_copy(update={"classes": ["a", "b"]})
    model.metadata_props[0].value = changed.model_dump_json()


def other_modality(model: Any) -> None:
    model.metadata_props[0].value = described(modality="rgb").model_dump_json()


def other_operator(model: Any) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Relu")
    node.op_type, node.domain = "PyOp", "ai.onnx.contrib"
    model.opset_import.add(domain="ai.onnx.contrib", version=1)


def weights_elsewhere(model: Any) -> None:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../elsewhere")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (no_header, "it has no header 'twinstroke'"),
        (other_header, "validation errors for TrainedModel"),
        (other_classes, "its header says .*2.*, its graph .*3"),
        (other_modality, "its header says"),
        (other_operator, "PyOp.* is not a registered function/op"),
        (weights_elsewhere, "escapes model directory"),
    ],
)
def test_other_graphs_are_refused(twin: Path, tmp_path: Path, change: Any, reason: str) -> None:
    model = onnx.load(twin)
    change(model)
    path = tmp_path / "folder" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    (tmp_path / "elsewhere").write_bytes(bytes(1_000_000))
    with pytest.raises(UserError, match=rf"model.onnx: not a network .*{reason}") as caught:
        ExportedModel(path)
    assert len(caught.value.problems[0].splitlines()) == 1


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra_it_says_what_to_install(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=rf"{missing} is not installed.*-e '.\[onnx\]'"):
        export_model(twin.with_suffix(".safetensors"), tmp_path / "model.onnx")
    assert not left(tmp_path)
    if missing == "onnxruntime":
        with pytest.raises(UserError, match="onnxruntime is not installed"):
            ExportedModel(twin)


def test_the_program(
    twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).parent.parent
    shutil.copy(root / "params.yaml", tmp_path)
    shutil.copytree(root / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    folder = Path("data", load_settings().name)
    assert twinstroke("export-model") == 1
    said = capsys.readouterr()
    assert said.err == f"error: {folder}/model.safetensors: not found; run dvc repro train\n"
    folder.mkdir(parents=True)
    shutil.copy(twin.with_suffix(".safetensors"), folder / "model.safetensors")
    assert twinstroke("export-model") == 0
    said = capsys.readouterr()
    assert not said.err
    (line,) = said.out.splitlines()
    assert line.startswith(f"export-model: {folder}/model.onnx (")
    assert "takes rgb and flow; on 4 random windows logits of up to " in line
    assert (folder / "model.onnx").read_bytes() == twin.read_bytes(), "other bytes at each run"
