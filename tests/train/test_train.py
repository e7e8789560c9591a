"""Windows, their augmentation, and training that repeats and resumes to the bit."""

from __future__ import annotations

import csv
import itertools
import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from twinstroke.errors import UserError
from twinstroke.hdf5 import COMPRESSION, new_hdf5
from twinstroke.settings.train import AugmentationSettings, RestartSettings, TrainSettings
from twinstroke.train.augmentation import draw_view
from twinstroke.train.fit import Outputs, batches
from twinstroke.train.history import Epoch
from twinstroke.train.launch import train
from twinstroke.train.model_file import TrainedModel, load_model, save_model
from twinstroke.train.schedule import WarmRestarts
from twinstroke.train.state import State
from twinstroke.train.windows import InputFormat, StrokeWindows, Window, collate

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
        file["samples/group"] = [f"player {i % 4}" for i in range(len(lengths))]
        file["samples/begin"], file["samples/end"] = lengths * 0, lengths
        file["samples/class_index"] = [0, 1, 2] * 4
        file["samples/length"] = lengths
        file["samples/offset"] = np.cumsum(lengths) - lengths
        file.attrs["window"] = WINDOW
        file.attrs["margin"] = MARGIN
        file.attrs["flow_unit_px"] = 1 / 32
        file.attrs["fps"] = 30.0
        file.attrs["classes"] = json.dumps(["Negative", "Left", "Right"])
    return path


def description(**changes: object) -> TrainedModel:
    values: dict[str, object] = {
        "architecture": "tstcnn",
        "modality": "twin",
        "attention_blocks": 0,
        "residual_blocks": 0,
        "classes": ["Negative", "Left", "Right"],
        "window": WINDOW,
        "flow_scale": (4.0, 2.0),
        "seed": 3,
        "optimisation": SETTINGS,
        "torch_version": torch.__version__,
        "twinstroke_version": "0",
    }
    return TrainedModel.model_validate({**values, **changes})


def test_without_augmentation_the_window_is_in_the_middle(strokes: Path) -> None:
    windows = StrokeWindows(strokes, ["s2", "s1"])
    with h5py.File(strokes) as file:
        for index, (offset, start) in enumerate([(17, 3), (8, 0)]):
            window = windows[index]
            frames = slice(offset + start, offset + start + 8)
            np.testing.assert_array_equal(window.rgb, file["rgb"][frames, 2:10, 2:12])
            np.testing.assert_array_equal(window.flow, file["flow"][frames, 2:10, 2:12])
            assert window.target == (2, 1)[index]
            assert window.view is None


def test_unknown_sample(strokes: Path) -> None:
    with pytest.raises(UserError, match="'nobody' is used but not in the file"):
        StrokeWindows(strokes, ["s1", "nobody"])


def test_augmented_window_has_its_margin_and_the_drawn_view(strokes: Path) -> None:
    ranges = AugmentationSettings(rotation_deg=20)
    windows = StrokeWindows(strokes, ["s5"], seed=5, augmentation=ranges)
    starts = set()
    with h5py.File(strokes) as file:
        for epoch in range(12):
            view = draw_view(ranges, seed=5, epoch=epoch, sample=5, slack=12, window=(8, 10))
            window = windows[epoch, 0]
            assert window.view == view
            frames = slice(50 + view.start, 58 + view.start)
            np.testing.assert_array_equal(window.rgb, file["rgb"][frames])
            np.testing.assert_array_equal(window.flow, file["flow"][frames])
            starts.add(view.start)
    assert len(starts) > 4


def test_streams_are_scaled_clipped_and_channels_first() -> None:
    field = np.stack([np.full((2, 3, 4), 64), np.full((2, 3, 4), -320)], -1).astype(np.int16)
    batch = collate(
        [Window(torch.full((2, 3, 4, 3), 51, dtype=torch.uint8), torch.from_numpy(field), 1, None)]
    )
    format_ = InputFormat((2, 3, 4), 1 / 32, (4.0, 5.0))
    streams = format_.streams(batch, ("rgb", "flow"))
    assert streams["rgb"].shape == (1, 3, 2, 3, 4)
    assert streams["flow"].shape == (1, 2, 2, 3, 4)
    torch.testing.assert_close(streams["rgb"], torch.full((1, 3, 2, 3, 4), -0.6))
    # 64 units are 2 px, half of the scale; -320 units are -10 px, beyond it.
    torch.testing.assert_close(streams["flow"][:, 0], torch.full((1, 2, 3, 4), 0.5))
    torch.testing.assert_close(streams["flow"][:, 1], torch.full((1, 2, 3, 4), -1.0))
    assert set(format_.streams(batch, ("flow",))) == {"flow"}
    # Flow in pixels, as other programs have it, is left as it is.
    batch["flow"] = batch["flow"] / 32
    pixels = batch["flow"].clone()
    again = InputFormat((2, 3, 4), 1.0, (4.0, 5.0)).streams(batch, ("flow",))
    torch.testing.assert_close(again["flow"], streams["flow"])
    assert torch.equal(batch["flow"], pixels)


def run(
    strokes: Path,
    folder: Path,
    settings: TrainSettings = SETTINGS,
    *,
    workers: int = 0,
    memory_gb: float = 1.0,
    leftovers: int = 0,
    samples: int = 9,
    **changes: object,
) -> tuple[bytes, str]:
    """Train on nine samples; return what was written."""
    train(
        strokes,
        {"train": [f"s{i}" for i in range(samples)], "validation": ["s9", "s10", "s11"]},
        description(optimisation=settings, **changes),
        Outputs(
            work=folder / "work",
            model=folder / "model.safetensors",
            history=folder / "history.csv",
            timing=folder / "training.json",
        ),
        memory_gb=memory_gb,
        loader_workers=workers,
    )
    states = list((folder / "work").glob("*/state.pt"))
    assert len(states) == leftovers, "a finished run leaves no state"
    return (folder / "model.safetensors").read_bytes(), (folder / "history.csv").read_text()


@pytest.mark.parametrize("modality", ["rgb", "flow", "twin"])
def test_same_seed_same_bits(strokes: Path, tmp_path: Path, modality: str) -> None:
    first = run(strokes, tmp_path / "1", modality=modality)
    assert run(strokes, tmp_path / "2", modality=modality) == first
    assert run(strokes, tmp_path / "3", modality=modality, seed=4) != first


@pytest.mark.parametrize("architecture", ["tstcnn", "i3d"])
def test_bits_do_not_depend_on_loader_workers(
    strokes: Path, tmp_path: Path, architecture: str
) -> None:
    # Dropout, too: torch's loader draws from the generator that it uses.
    settings = SETTINGS.model_copy(update={"epochs": 3})
    changes: dict[str, Any] = {"architecture": architecture, "modality": "flow"}
    expected = run(strokes, tmp_path / "0", settings, **changes)
    assert run(strokes, tmp_path / "2", settings, workers=2, **changes) == expected


def test_it_learns_what_can_be_learnt_by_heart(strokes: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(
        update={"epochs": 30, "augment": False, "schedule": "constant", "learning_rate": 0.001}
    )
    _, history = run(strokes, tmp_path, settings)
    rows = list(csv.DictReader(history.splitlines()))
    assert float(rows[0]["train_loss"]) > 1
    assert float(rows[-1]["train_loss"]) < 0.1
    assert {row["learning_rate"] for row in rows} == {"0.001"}


def test_the_best_epoch_is_kept_as_validation_saw_it(strokes: Path, tmp_path: Path) -> None:
    """One window at a time, as evaluation would see them: no statistics of a batch."""
    settings = SETTINGS.model_copy(update={"epochs": 6, "learning_rate": 0.03})
    _, history = run(strokes, tmp_path, settings, attention_blocks=1)
    rows = list(csv.DictReader(history.splitlines()))
    best = max(rows, key=lambda r: (float(r["validation_accuracy"]), -float(r["validation_loss"])))
    made, model = load_model(tmp_path / "model.safetensors", torch.device("cpu"))
    assert made.best_epochs == {"twin": int(best["epoch"])}
    windows = StrokeWindows(strokes, ["s9", "s10", "s11"])
    format_ = InputFormat(WINDOW, 1 / 32, made.flow_scale)
    losses = []
    for window in (windows[i] for i in range(3)):
        streams = format_.streams(collate([window]), ("rgb", "flow"))
        with torch.no_grad():
            logits = model(streams)
        losses.append(float(torch.logsumexp(logits[0], 0) - logits[0, window.target]))
    assert np.mean(losses) == pytest.approx(float(best["validation_loss"]), rel=1e-4)
    others = {float(row["validation_loss"]) for row in rows if row is not best}
    assert all(np.mean(losses) != pytest.approx(other, rel=1e-3) for other in others)


def restarting_state() -> State:
    model = description(attention_blocks=1).build(torch.device("cpu"))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5, nesterov=True)
    return State(model, optimiser, WarmRestarts(0.01, RestartSettings()))


def outcome(epoch: int, validation_accuracy: float, **losses: float) -> Epoch:
    values: dict[str, Any] = {"train_loss": 1.0, "validation_loss": 1.0, **losses}
    return Epoch(
        network="twin",
        epoch=epoch,
        learning_rate=0.01,
        train_accuracy=0.5,
        validation_accuracy=validation_accuracy,
        **values,
    )


def change_everything(state: State) -> None:
    """As a step does: weights, running statistics of the normalisation, momentum."""
    streams = {"rgb": torch.randn(2, 3, *WINDOW), "flow": torch.randn(2, 2, *WINDOW)}
    state.optimiser.zero_grad()
    state.model.train()(streams).square().mean().backward()
    state.optimiser.step()


@pytest.mark.parametrize(
    ("accuracy", "losses"),
    [(0.3, {}), (0.9, {"train_loss": math.nan}), (0.9, {"validation_loss": math.inf})],
)
def test_a_restart_returns_to_the_whole_best_state(
    accuracy: float, losses: dict[str, float]
) -> None:
    torch.manual_seed(0)
    state = restarting_state()
    change_everything(state)
    state.take_in(outcome(1, 0.5))
    best = None
    for epoch, found in ((2, 0.8), (3, 0.6)):
        change_everything(state)
        best = best or {k: v.clone() for k, v in state.model.state_dict().items()}
        state.take_in(outcome(epoch, found))
    assert best is not None
    change_everything(state)
    now = state.model.state_dict()
    assert all(not torch.equal(best[name], now[name]) for name in best), "nothing to return from"
    state.take_in(outcome(4, accuracy, **losses))
    assert state.history[-1].restart == ("accuracy" if not losses else "loss")
    assert state.best_epoch.epoch == 2
    now = state.model.state_dict()
    torch.testing.assert_close(dict(now), best, rtol=0, atol=0)
    assert not state.optimiser.state, "momentum"
    assert state.optimiser.param_groups[0]["lr"] == pytest.approx(0.001)


RESTARTS = SETTINGS.model_copy(
    update={
        "epochs": 8,
        "schedule": "restarts",
        # So large that losses rise, and accuracies of three samples fall.
        "learning_rate": 0.03,
        "restarts": RestartSettings(patience=2, recent=1, before=1, drop_floor=0.3),
    }
)


def test_a_restart_goes_on_from_the_best_state(strokes: Path, tmp_path: Path) -> None:
    """What follows a restart is what follows from the best weights, at the lower rate."""
    _, history = run(strokes, tmp_path, RESTARTS, modality="flow", attention_blocks=1)
    rows = list(csv.DictReader(history.splitlines()))
    restarts = [int(row["epoch"]) for row in rows if row["restart"]]
    assert restarts, "nothing was learnt about restarts"
    for row, following in itertools.pairwise(rows):
        now, then = float(row["learning_rate"]), float(following["learning_rate"])
        assert then == pytest.approx(now / 10 if row["restart"] else now)

    # Retold with plain PyTorch from the best weights on.
    first = restarts[0]
    before = rows[:first]
    best = max(
        before, key=lambda r: (float(r["validation_accuracy"]), -float(r["validation_loss"]))
    )
    known = run_until(strokes, tmp_path / "again", int(best["epoch"]))
    made = description(modality="flow", attention_blocks=1, optimisation=RESTARTS)
    model = made.build(torch.device("cpu"))
    model.load_state_dict(known)
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=float(rows[first]["learning_rate"]),
        momentum=RESTARTS.momentum,
        weight_decay=RESTARTS.weight_decay,
        nesterov=True,
    )
    windows = StrokeWindows(strokes, [f"s{i}" for i in range(9)], seed=3)
    format_ = InputFormat(WINDOW, 1 / 32, (4.0, 2.0))
    losses = []
    for batch in batches(9, 4, seed=3, epoch=first):
        content = collate([windows[first, i] for i in batch])
        streams = format_.streams(content, ("flow",))
        loss = torch.nn.functional.cross_entropy(model(streams), content["target"])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), RESTARTS.gradient_clip)
        optimiser.step()
        losses += [loss.item()] * len(batch)
    assert np.mean(losses) == pytest.approx(float(rows[first]["train_loss"]), rel=1e-5)


def run_until(strokes: Path, folder: Path, epochs: int) -> dict[str, torch.Tensor]:
    """Weights of the Flow network after some epochs of RESTARTS."""
    settings = RESTARTS.model_copy(update={"epochs": epochs})
    run(strokes, folder, settings, modality="flow", attention_blocks=1)
    model, network = load_model(folder / "model.safetensors", torch.device("cpu"))
    assert model.best_epochs == {"flow": epochs}
    return network.state_dict()


def test_training_that_diverges_says_so(strokes: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(
        update={"learning_rate": 1e30, "schedule": "constant", "gradient_clip": 0.0}
    )
    with pytest.raises(UserError, match=r"epoch 1: the training loss became .* rate of 1e\+30"):
        run(strokes, tmp_path, settings)


def test_streams_fused_late_are_those_trained_alone(strokes: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 2})
    for modality in ("rgb", "flow", "twin"):
        run(strokes, tmp_path / modality, settings, architecture="i3d", modality=modality)
    weights = {m: load_file(tmp_path / m / "model.safetensors") for m in ("rgb", "flow", "twin")}
    alone = {
        f"networks.{modality}.{name}": tensor
        for modality in ("rgb", "flow")
        for name, tensor in weights[modality].items()
    }
    assert weights["twin"].keys() == alone.keys()
    assert all(torch.equal(weights["twin"][name], tensor) for name, tensor in alone.items())
    rows = list(csv.DictReader((tmp_path / "twin" / "history.csv").open()))
    assert [(row["network"], row["epoch"]) for row in rows] == [
        ("rgb", "1"),
        ("rgb", "2"),
        ("flow", "3"),
        ("flow", "4"),
    ]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.train.test_train import CASES, run
from twinstroke.train.state import State
settings, changes = CASES[sys.argv[4]]
left, save = int(sys.argv[5]), State.save
def save_and_die(self, path):
    global left
    save(self, path)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
State.save = save_and_die
run(Path(sys.argv[1]), Path(sys.argv[2]), settings, **changes)
"""
CASES: dict[str, tuple[TrainSettings, dict[str, Any]]] = {
    "attention, one cycle": (SETTINGS, {"attention_blocks": 1}),
    "restarts": (RESTARTS, {"modality": "flow", "attention_blocks": 1}),
    "i3d, dropout, two networks, a loader worker": (
        SETTINGS.model_copy(update={"epochs": 3}),
        {"architecture": "i3d", "workers": 1},
    ),
}


def killed(strokes: Path, folder: Path, case: str, after: int = 1) -> None:
    """Let a training be killed as soon as so many epochs are saved."""
    arguments = (strokes, folder, Path(__file__).parents[2], case, after)
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)])
    assert done.returncode == -signal.SIGKILL
    assert saved_epochs(folder) == after


def saved_epochs(folder: Path) -> int:
    """Epochs that an interrupted run has saved, of all its networks."""
    states = [torch.load(state, weights_only=True) for state in folder.glob("work/*/state.pt")]
    return sum(len(state["history"]) for state in states)


@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere_it_resumes_to_the_same_bits(
    strokes: Path, tmp_path: Path, case: str
) -> None:
    settings, changes = CASES[case]
    expected = run(strokes, tmp_path / "undisturbed", settings, **changes)
    # Another place at each run of the tests: each must do.
    networks = 2 if changes.get("architecture") == "i3d" else 1
    after = int(np.random.default_rng().integers(1, settings.epochs * networks))
    killed(strokes, tmp_path / "disturbed", case, after)
    resumed = run(strokes, tmp_path / "disturbed", settings, **changes)
    assert resumed == expected, f"killed after epoch {after}"


def test_a_damaged_state_costs_time_only(
    strokes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = run(strokes, tmp_path / "undisturbed", attention_blocks=1)
    killed(strokes, tmp_path / "disturbed", "attention, one cycle")
    (state,) = tmp_path.glob("disturbed/work/*/state.pt")
    state.write_bytes(state.read_bytes()[:1000])
    capsys.readouterr()
    assert run(strokes, tmp_path / "disturbed", attention_blocks=1) == expected
    assert f"put aside as {state.with_suffix('.damaged')}" in capsys.readouterr().err


def other_code(strokes: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    own = strokes.with_name("other.py")
    own.write_text("epochs = 5\n")
    patch.setattr("twinstroke.train.unfinished.code", lambda: [own])
    return {}


def other_strokes(strokes: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    with h5py.File(strokes, "a") as file:
        file["flow"][0] = 0
    return {}


OTHERS: dict[str, Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]] = {
    "code": other_code,
    "strokes": other_strokes,
    "samples": lambda *_: {"samples": 8},
    "settings": lambda *_: {"settings": SETTINGS.model_copy(update={"learning_rate": 0.01})},
    "network": lambda *_: {"attention_blocks": 0},
    "seed": lambda *_: {"seed": 4},
    "scale of the flow": lambda *_: {"flow_scale": (4.0, 2.5)},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_state_of_anything_else_is_not_resumed(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    own = tmp_path / "strokes.h5"
    shutil.copy(strokes, own)
    killed(own, tmp_path, "attention, one cycle")
    (state,) = tmp_path.glob("work/*/state.pt")
    before = state.read_bytes()
    changes = {"attention_blocks": 1, **OTHERS[other](own, monkeypatch)}
    assert run(own, tmp_path, leftovers=1, **changes)
    assert state.read_bytes() == before


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
