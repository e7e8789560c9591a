"""Windows, their augmentation, and training that repeats and resumes to the bit."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.errors import UserError
from twinstroke.files import COMPRESSION, new_hdf5
from twinstroke.settings import TrainSettings
from twinstroke.train import (
    Augmentation,
    StrokeWindows,
    TrainedModel,
    load_model,
    save_model,
    streams_of,
    train,
)
from twinstroke.train.windows import WindowBatch, collate

WINDOW = (8, 8, 10)
MARGIN = 2
LENGTHS = [8, 9, 14, 11, 8, 20]
SETTINGS = TrainSettings(
    epochs=4,
    batch_size=4,
    learning_rate=0.02,
    schedule="one_cycle",
    momentum=0.9,
    weight_decay=5e-4,
    gradient_clip=5.0,
    augment=True,
)


@pytest.fixture(scope="module")
def strokes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve samples of three classes; the class is the side to which a bar moves."""
    path = tmp_path_factory.mktemp("strokes") / "strokes.h5"
    random = np.random.default_rng(0)
    lengths = np.array(LENGTHS * 2)
    total = int(lengths.sum())
    height, width = WINDOW[1] + 2 * MARGIN, WINDOW[2] + 2 * MARGIN
    with new_hdf5(path, "made by hand") as file:
        rgb = random.integers(0, 256, (total, height, width, 3), np.uint8)
        flow = random.integers(-200, 200, (total, height, width, 2)).astype(np.int16)
        file.create_dataset("rgb", data=rgb, chunks=(8, height, width, 3), **COMPRESSION)
        file.create_dataset("flow", data=flow, chunks=(8, height, width, 2), **COMPRESSION)
        file["samples/sample"] = [f"s{i}" for i in range(len(lengths))]
        file["samples/video"] = ["v"] * len(lengths)
        file["samples/begin"], file["samples/end"] = lengths * 0, lengths
        file["samples/class_index"] = [0, 1, 2] * 4
        file["samples/length"] = lengths
        file["samples/offset"] = np.cumsum(lengths) - lengths
        file.attrs["window"] = WINDOW
        file.attrs["margin"] = MARGIN
        file.attrs["classes"] = json.dumps(["Negative", "Left", "Right"])
    return path


def description(**changes: object) -> TrainedModel:
    values: dict[str, object] = {
        "modality": "twin",
        "attention_blocks": 0,
        "residual_blocks": 0,
        "classes": ["Negative", "Left", "Right"],
        "window": WINDOW,
        "flow_scale": (4.0, 2.0),
        "best_epoch": 0,
        "seed": 3,
        "torch_version": torch.__version__,
        "twinstroke_version": "0",
    }
    return TrainedModel.model_validate({**values, **changes})


def test_without_augmentation_the_window_is_in_the_middle(strokes: Path) -> None:
    windows = StrokeWindows(strokes, ["s2", "s1"])
    with h5py.File(strokes) as file:
        for index, (offset, start) in enumerate([(17, 3), (8, 0)]):
            rgb, flow, target = windows[index]
            frames = slice(offset + start, offset + start + 8)
            np.testing.assert_array_equal(rgb, file["rgb"][frames, 2:10, 2:12])
            np.testing.assert_array_equal(flow, file["flow"][frames, 2:10, 2:12])
            assert target == (2, 1)[index]


def test_unknown_sample(strokes: Path) -> None:
    with pytest.raises(UserError, match="'nobody' is used but not in the file"):
        StrokeWindows(strokes, ["s1", "nobody"])


def test_augmented_window_is_the_drawn_one_for_both_streams(strokes: Path) -> None:
    seen = set()
    with h5py.File(strokes) as file:
        for epoch in range(12):
            augmentation = Augmentation(seed=5, epoch=epoch)
            windows = StrokeWindows(strokes, ["s5"], seed=5)
            start, down, right, mirrored = augmentation.draw(5, 12, (1, 1))
            frames = slice(50 + start, 58 + start)
            area = np.s_[:, 2 + down : 10 + down, 2 + right : 12 + right]
            rgb, flow = file["rgb"][frames][area], file["flow"][frames][area]
            if mirrored:
                # u changes its sign and v does not: to the left becomes to the right.
                rgb = np.flip(rgb, 2)
                flow = np.stack([-np.flip(flow[..., 0], 2), np.flip(flow[..., 1], 2)], -1)
            np.testing.assert_array_equal(windows[epoch, 0][0], rgb)
            np.testing.assert_array_equal(windows[epoch, 0][1], flow)
            seen.add((start, down, right, mirrored))
    assert len(seen) > 6
    assert {mirrored for *_, mirrored in seen} == {True, False}


@given(st.integers(0, 1000), st.integers(0, 90), st.integers(0, 500), st.integers(0, 12))
def test_draws_stay_in_range_and_repeat(seed: int, slack: int, sample: int, shift: int) -> None:
    start, down, right, _ = Augmentation(seed, 3).draw(sample, slack, (shift, shift))
    assert 0 <= start <= slack
    assert abs(down) <= shift
    assert abs(right) <= shift
    assert Augmentation(seed, 3).draw(sample, slack, (shift, shift))[:3] == (start, down, right)


def test_start_is_normal_around_the_middle() -> None:
    starts = [Augmentation(1, e).draw(0, 60, (0, 0))[0] for e in range(3000)]
    assert np.mean(starts) == pytest.approx(30, abs=0.8)
    assert np.std(starts) == pytest.approx(10, abs=0.6)


def test_streams_are_scaled_clipped_and_channels_first() -> None:
    batch: WindowBatch = collate(
        [
            (
                np.full((2, 3, 4, 3), 51, np.uint8),
                np.stack([np.full((2, 3, 4), 64), np.full((2, 3, 4), -320)], -1).astype(np.int16),
                1,
            )
        ]
    )
    streams = streams_of(batch, (4.0, 5.0), torch.device("cpu"), ("rgb", "flow"))
    assert streams["rgb"].shape == (1, 3, 2, 3, 4)
    assert streams["flow"].shape == (1, 2, 2, 3, 4)
    torch.testing.assert_close(streams["rgb"], torch.full((1, 3, 2, 3, 4), 0.2))
    # 64 units are 2 px, half of the scale; -320 units are -10 px, beyond it.
    torch.testing.assert_close(streams["flow"][:, 0], torch.full((1, 2, 3, 4), 0.5))
    torch.testing.assert_close(streams["flow"][:, 1], torch.full((1, 2, 3, 4), -1.0))
    assert set(streams_of(batch, (1, 1), torch.device("cpu"), ("flow",))) == {"flow"}


def run(
    strokes: Path,
    folder: Path,
    settings: TrainSettings = SETTINGS,
    *,
    workers: int = 0,
    leftovers: int = 0,
    **changes: object,
) -> tuple[bytes, str]:
    """Train on nine samples; return what was written."""
    train(
        strokes,
        {"train": [f"s{i}" for i in range(9)], "validation": ["s9", "s10", "s11"]},
        description(**changes),
        settings,
        loader_workers=workers,
        work=folder / "work",
        model_file=folder / "model.safetensors",
        history_file=folder / "history.csv",
    )
    assert len(list((folder / "work").iterdir())) == leftovers, "a finished run leaves no state"
    return (folder / "model.safetensors").read_bytes(), (folder / "history.csv").read_text()


@pytest.mark.parametrize("modality", ["rgb", "flow", "twin"])
def test_same_seed_same_bits(strokes: Path, tmp_path: Path, modality: str) -> None:
    first = run(strokes, tmp_path / "1", modality=modality)
    assert run(strokes, tmp_path / "2", modality=modality) == first
    assert run(strokes, tmp_path / "3", modality=modality, seed=4) != first


def test_bits_do_not_depend_on_loader_workers(strokes: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 2})
    expected = run(strokes, tmp_path / "0", settings)
    assert run(strokes, tmp_path / "2", settings, workers=2) == expected


def test_it_learns_what_can_be_learnt_by_heart(strokes: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(
        update={"epochs": 30, "augment": False, "schedule": "constant", "learning_rate": 0.001}
    )
    _, history = run(strokes, tmp_path, settings)
    rows = list(csv.DictReader(history.splitlines()))
    assert float(rows[0]["train_loss"]) > 1
    assert float(rows[-1]["train_loss"]) < 0.1
    assert {row["learning_rate"] for row in rows} == {"0.001"}


def test_the_best_epoch_is_kept(strokes: Path, tmp_path: Path) -> None:
    _, history = run(strokes, tmp_path)
    rows = list(csv.DictReader(history.splitlines()))
    best = max(rows, key=lambda r: (float(r["validation_accuracy"]), -float(r["validation_loss"])))
    model, _ = load_model(tmp_path / "model.safetensors", torch.device("cpu"))
    assert model.best_epoch == int(best["epoch"])


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.test_train import run
run(Path(sys.argv[1]), Path(sys.argv[2]), attention_blocks=1)
"""


def killed(strokes: Path, folder: Path) -> Path:
    """Kill a training with one attention block half way; return the state that it left."""
    root = Path(__file__).parent.parent
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(strokes), str(folder), str(root)])
    deadline = time.monotonic() + 120
    while not list(folder.glob("work/*/state.pt")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (state,) = folder.glob("work/*/state.pt")
    epochs = len(torch.load(state, weights_only=True)["history"])
    assert 1 <= epochs < SETTINGS.epochs, "it was over before it could be killed"
    return state


def test_killed_half_way_it_resumes_to_the_same_bits(strokes: Path, tmp_path: Path) -> None:
    expected = run(strokes, tmp_path / "undisturbed", attention_blocks=1)
    killed(strokes, tmp_path / "disturbed")
    assert run(strokes, tmp_path / "disturbed", attention_blocks=1) == expected


def test_a_damaged_state_costs_time_only(strokes: Path, tmp_path: Path) -> None:
    expected = run(strokes, tmp_path / "undisturbed", attention_blocks=1)
    state = killed(strokes, tmp_path / "disturbed")
    state.write_bytes(state.read_bytes()[:1000])
    assert run(strokes, tmp_path / "disturbed", attention_blocks=1) == expected


def test_a_state_of_other_settings_is_not_resumed(strokes: Path, tmp_path: Path) -> None:
    expected = run(strokes, tmp_path / "clean")
    state = killed(strokes, tmp_path / "other")
    assert run(strokes, tmp_path / "other", leftovers=1) == expected
    assert state.exists()


def test_model_file_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    wanted = description(modality="flow", attention_blocks=1)
    model = wanted.build(torch.device("cpu")).eval()
    path = tmp_path / "model.safetensors"
    save_model(path, wanted, model.state_dict())
    found, again = load_model(path, torch.device("cpu"))
    assert found == wanted
    streams = {"flow": torch.randn(2, 2, *WINDOW)}
    assert torch.equal(model(streams), again(streams))


def test_damaged_and_foreign_model_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, description(), description().build(torch.device("cpu")).state_dict())
    whole = path.read_bytes()
    with pytest.raises(UserError, match="not found"):
        load_model(tmp_path / "none.safetensors", torch.device("cpu"))
    for content in (whole[: len(whole) // 2], b"", b"\x80\x04pickle", whole[:8] + b"x" + whole[9:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a model of twinstroke"):
            load_model(path, torch.device("cpu"))
    save_model(path, description(), {"no.such.layer": torch.zeros(1)})
    with pytest.raises(UserError, match="not a model of twinstroke"):
        load_model(path, torch.device("cpu"))
