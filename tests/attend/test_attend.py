"""Masks as the blocks make them, what they are compared with, and pictures that can be seen."""

from __future__ import annotations

import itertools
import json
import math
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import cv2
import h5py
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.clone import ROOT
from tests.command import twinstroke
from tests.trainings import SETTINGS, description
from twinstroke.attend.choice import single_predictions, striking
from twinstroke.attend.draw import draw
from twinstroke.attend.film import encode, film, film_rate
from twinstroke.attend.masks import Place, attention_blocks, over_window, recorded_masks
from twinstroke.attend.statistics import (
    _Block,
    clustered_mean,
    measure,
    motion,
    nearness,
    rank_correlation,
)
from twinstroke.attend.subject import attention, over_flow, over_frames, subjects
from twinstroke.attend.tables import AttentionRow, DrawnSample
from twinstroke.errors import UserError
from twinstroke.evaluate.predictions import Prediction, shown_split, write_predictions
from twinstroke.hdf5 import COMPRESSION, new_hdf5
from twinstroke.models import TSTCNN, Network
from twinstroke.sample_ids import named
from twinstroke.tables import read_table, write_table
from twinstroke.train.model_file import TrainedModel, save_model
from twinstroke.train.windows import InputFormat, StrokeWindows, collate

WINDOW = (8, 17, 24)
MARGIN = 2
CLASSES = ["Negative", "Left", "Right"]
COUNT = 7
STILL = 4
"""The sample in which nothing moves."""
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def strokes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven windows of a bright square that moves right; in one of them it rests."""
    path = tmp_path_factory.mktemp("attend") / "strokes.h5"
    random = np.random.default_rng(0)
    frames, height, width = WINDOW[0], WINDOW[1] + 2 * MARGIN, WINDOW[2] + 2 * MARGIN
    total = COUNT * frames
    rgb = random.integers(60, 90, (total, height, width, 3), np.uint8)
    flow = np.zeros((total, height, width, 2), np.int16)
    for row in range(COUNT):
        for frame in range(frames):
            at, left, top = row * frames + frame, 2 + frame + row, 4 + row
            rgb[at, top : top + 6, left : left + 6] = (230, 200, 40)
            if row != STILL:
                # Faster to the right, in units of 1/32 px.
                flow[at, top : top + 6, left : left + 6, 0] = np.arange(32, 38) * 2
                flow[at, top : top + 6, left : left + 6, 1] = 16
    with new_hdf5(path, "made by hand") as file:
        file.create_dataset("rgb", data=rgb, chunks=(8, height, width, 3), **COMPRESSION)
        file.create_dataset("flow", data=flow, chunks=(8, height, width, 2), **COMPRESSION)
        file["samples/sample"] = [f"v{row % 3}:{row}-9#2" for row in range(COUNT)]
        file["samples/class_index"] = [row % 3 for row in range(COUNT)]
        file["samples/length"] = [frames] * COUNT
        file["samples/offset"] = np.arange(COUNT) * frames
        file.attrs["window"] = WINDOW
        file.attrs["margin"] = MARGIN
        file.attrs["flow_unit_px"] = 1 / 32
        file.attrs["fps"] = 30.0
        file.attrs["classes"] = json.dumps(CLASSES)
    return path


def prediction(row: int, predicted: int, probability: float) -> Prediction:
    rest = (1 - probability) / 2
    return Prediction(
        sample=f"v{row % 3}:{row}-9#2",
        video=f"v{row % 3}",
        begin=row,
        end=9,
        group="",
        decision="single",
        windows=1,
        actual=CLASSES[row % 3],
        predicted=CLASSES[predicted],
        probabilities={n: probability if n == CLASSES[predicted] else rest for n in CLASSES},
    )


PREDICTIONS = [
    # Rows 0, 3 and 6 are of class 0; rows 1 and 4 of class 1.
    prediction(0, 0, 0.6),
    prediction(1, 2, 0.7),
    prediction(2, 2, 0.9),
    prediction(3, 1, 0.8),
    prediction(4, 1, 0.5),
    prediction(5, 0, 0.9),
    prediction(6, 0, 0.6),
]


def network(**changes: object) -> tuple[TrainedModel, Network]:
    """A network whose batch normalisation has seen something, in evaluation mode."""
    made = description(window=WINDOW, **changes)
    torch.manual_seed(0)
    model = made.build(CPU)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm3d):
            nn.init.normal_(layer.running_mean, std=0.5)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 8)  # type: ignore[arg-type]
        if isinstance(layer, nn.Conv3d) and not layer.weight.any():
            # What ends a residual path begins with zeros, and would show nothing.
            nn.init.normal_(layer.weight, std=0.05)
    return made, model.eval()


def saved(path: Path, **changes: object) -> Path:
    made, model = network(**changes)
    save_model(path, made, model.state_dict())
    return path


def inputs(strokes: Path, rows: Sequence[int]) -> dict[str, Tensor]:
    windows = StrokeWindows(strokes, [PREDICTIONS[row].sample for row in rows])
    batch = collate([windows[number] for number in range(len(rows))])
    return dict(InputFormat(WINDOW, 1 / 32, (4.0, 2.0)).streams(batch, ("rgb", "flow")))


def stored_flow(strokes: Path) -> NDArray[np.float64]:
    """(COUNT, T, H, W, 2) in px."""
    with h5py.File(strokes) as file:
        inner = file["flow"][:, MARGIN:-MARGIN, MARGIN:-MARGIN] / 32
    return np.asarray(inner.reshape(COUNT, *WINDOW, 2), np.float64)


# The masks.


def test_recorded_masks_are_those_of_the_blocks(strokes: Path) -> None:
    _, model = network(attention_blocks=3)
    assert isinstance(model, TSTCNN)
    streams = inputs(strokes, [0, 5])
    with torch.no_grad():
        expected = model(streams)
        with recorded_masks(model) as masks:
            assert torch.equal(model(streams), expected)
        assert list(masks) == [Place(b, n) for b in ("rgb", "flow") for n in (1, 2, 3)]
        for name, branch in model.branches.items():
            x = streams[name]
            for number, stage in enumerate(branch.stages, start=1):  # type: ignore[arg-type]
                x = stage.conv(x)
                mask = masks[Place(name, number)]
                assert torch.equal(mask, stage.attention.mask(x))
                assert mask.std() > 0.001
                x = stage.attention(x)
        kept = dict(masks)
        model(inputs(strokes, [1]))
    assert all(masks[place] is kept[place] for place in kept), "outside the block nothing is kept"


def test_recorded_masks_hold_no_gradient_and_do_not_disturb_one(strokes: Path) -> None:
    streams = inputs(strokes, [0, 1])
    gradients = []
    for record in (False, True):
        _, model = network(attention_blocks=1, modality="flow")
        model.train()
        if record:
            with recorded_masks(model) as masks:
                model(streams).sum().backward()
            assert not masks[Place("flow", 1)].requires_grad
        else:
            model(streams).sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert all(map(torch.equal, *gradients))


def test_masks_lie_where_their_cells_are() -> None:
    random = np.random.default_rng(1)
    cell, window = 4, (9, 19, 24)
    axes = [random.random(size // cell) for size in window]
    values = np.einsum("t,h,w->thw", *axes)
    # Linear between the middles of the cells, on each axis for itself; at the ends as the last one.
    lines = [
        np.interp((np.arange(size) + 0.5) / cell - 0.5, np.arange(len(axis)), axis)
        for size, axis in zip(window, axes, strict=True)
    ]
    found = over_window(torch.from_numpy(values), cell, window)
    np.testing.assert_allclose(found.numpy(), np.einsum("t,h,w->thw", *lines), atol=1e-12)


def test_overlay_of_masks_that_can_be_foretold() -> None:
    place = Place("rgb", 1)
    ground = np.full((*WINDOW, 3), (200, 100, 0), np.uint8)
    flat = attention(torch.full((4, 8, 12), 0.3), place, WINDOW)
    assert [flat.low, flat.high] == pytest.approx([0.3, 0.3])
    for over, expected in (
        # 0.4 of the grey 0.299 · 200 + 0.587 · 100, and 0.6 of the first inferno, (0, 0, 4) of 255.
        (over_frames, [47, 47, 50]),
        # 15 % of the brightness.
        (over_flow, [30, 15, 0]),
    ):
        laid = over(ground, flat.relative)
        assert laid.shape == ground.shape
        assert laid.dtype == np.uint8
        assert len(np.unique(laid.reshape(-1, 3), axis=0)) == 1
        np.testing.assert_allclose(laid[0, 0, 0], expected, atol=1)
    mask = torch.full((4, 8, 12), 0.4)
    mask[:, :, 6:] = 0.6
    split = attention(mask, place, WINDOW)
    assert [split.low, split.high] == pytest.approx([0.4, 0.6])
    assert not split.relative[..., :11].any()
    assert (split.relative[..., 13:] == 1).all()
    # The last inferno is (252, 255, 164).
    bright = 0.4 * (0.299 * 200 + 0.587 * 100) + 0.6 * np.array([252, 255, 164])
    np.testing.assert_allclose(over_frames(ground, split.relative)[3, 5, 20], bright, atol=1)
    np.testing.assert_array_equal(over_flow(ground, split.relative)[3, 5, 20], [200, 100, 0])


# What they are compared with.


def test_motion_of_cells() -> None:
    random = np.random.default_rng(2)
    flow = random.normal(size=(2, 5, 9, 8, 2))
    found = motion(torch.from_numpy(flow), 4).numpy()
    assert found.shape == (2, 1, 2, 2)
    for n, y, x in itertools.product(range(2), range(2), range(2)):
        part = flow[n, 0:4, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        lengths = [math.hypot(*vector) for vector in part.reshape(-1, 2)]
        assert found[n, 0, y, x] == pytest.approx(sum(lengths) / 64)


def test_nearness_to_the_middle_of_the_crop() -> None:
    found = nearness(4, (8, 17, 24))
    assert found.shape == (2, 4, 6)
    for t, y, x in np.ndindex(found.shape):
        # Pixels 4i to 4i + 3 have their middle at 4i + 1.5; the crop's are at 8 and 11.5.
        assert found[t, y, x] == pytest.approx(-math.hypot(4 * y + 1.5 - 8, 4 * x + 1.5 - 11.5))


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """From 1; equal values share their mean rank."""
    flat = values.ravel()
    return np.array([(flat < own).sum() + ((flat == own).sum() + 1) / 2 for own in flat])


def test_rank_correlation_with_ties() -> None:
    random = np.random.default_rng(3)
    a, b = random.integers(0, 5, (2, 3, 4, 5)).astype(float)
    expected = np.corrcoef(ranks(a), ranks(b))[0, 1]
    assert rank_correlation(a, b) == pytest.approx(expected)
    assert rank_correlation(a, np.exp(a)) == pytest.approx(1)
    assert math.isnan(rank_correlation(a, np.ones_like(a)))
    assert math.isnan(rank_correlation(np.ones_like(a), a))


def test_mean_with_an_interval_over_units() -> None:
    # Three units of 4, 1 and 2 values: Student's t with 2 degrees of freedom, on their residuals.
    values = [0.3, 0.4, 0.5, 0.4, 0.45, math.nan, 0.4, 0.5]
    units = ["a", "a", "a", "a", "b", "b", "c", "c"]
    mean = 2.95 / 7
    residuals = [1.6 - 4 * mean, 0.45 - mean, 0.9 - 2 * mean]
    half = 4.30265 * math.sqrt(3 / 2 * sum(r**2 for r in residuals)) / 7
    found = clustered_mean(values, units)
    assert found.value == pytest.approx(mean, abs=1e-4)
    assert [found.low, found.high] == pytest.approx([mean - half, mean + half], abs=1e-4)
    assert found.undefined == 1


def test_interval_is_wider_than_if_strokes_were_independent() -> None:
    random = np.random.default_rng(4)
    players = np.repeat(random.normal(0, 0.2, 24), 20)
    values = (players + random.normal(0, 0.02, 480)).tolist()
    apart = clustered_mean(values, [str(i) for i in range(480)])
    together = clustered_mean(values, [str(i // 20) for i in range(480)])
    # By the formula for means: the deviation among the players over √24, or over √480.
    for found, count in ((apart, 480), (together, 24)):
        assert found.low is not None and found.high is not None
        half = 1.96 * float(players.std()) / math.sqrt(count)
        assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)


def test_mean_without_interval() -> None:
    alone = clustered_mean([0.5, 0.7, math.nan], ["a", "a", "b"])
    assert (alone.value, alone.low, alone.high, alone.undefined) == (0.6, None, None, 1)
    nothing = clustered_mean([math.nan] * 2, ["a", "b"])
    assert (nothing.value, nothing.low, nothing.undefined) == (None, None, 2)


def test_quantiles_of_a_stream() -> None:
    random = np.random.default_rng(5)
    parts = [random.beta(2, 3, size).astype(np.float32) for size in ((3, 4), (50, 7), (1000,))]
    parts += [np.array([0, 1], np.float32)]
    block = _Block()
    for part in parts:
        block.count(torch.from_numpy(part))
    whole = np.concatenate([part.ravel() for part in parts]).astype(np.float64)
    for share in (0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0):
        exact = np.quantile(whole, share, method="inverted_cdf")
        assert block.quantile(share) == pytest.approx(exact, abs=2**-17 + 1e-9)
    assert (block.minimum, block.maximum) == (0, 1)


# Both together.


class Foretold(nn.Module):
    """In place of what makes a mask: gives those prepared, one batch after the other."""

    def __init__(self, masks: Tensor) -> None:
        super().__init__()
        self.masks = masks
        self.given = 0

    def forward(self, x: Tensor) -> Tensor:
        own = self.masks[self.given : self.given + len(x)]
        self.given += len(x)
        return own[:, None].expand_as(x)


def test_masks_that_follow_motion_or_flee_it(
    strokes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, model = network(attention_blocks=1)
    lengths = np.hypot(*np.moveaxis(stored_flow(strokes), -1, 0))[:, :, :16]
    cells = lengths.reshape(COUNT, 4, 2, 8, 2, 12, 2).mean((2, 4, 6))
    follows = torch.from_numpy(0.2 + 0.3 * np.sqrt(cells)).float()
    blocks = attention_blocks(model)
    blocks[Place("rgb", 1)].to_mask = Foretold(follows)  # type: ignore[assignment]
    blocks[Place("flow", 1)].to_mask = Foretold(1 - follows)  # type: ignore[assignment]
    monkeypatch.setattr("twinstroke.attend.statistics.load_model", lambda *_: (made, model))
    rows = measure(strokes, Path("unused"), PREDICTIONS, "test")

    assert [(r.weights, r.branch, r.block) for r in rows] == [
        (weights, branch, 1) for weights in ("trained", "random") for branch in ("rgb", "flow")
    ]
    near = np.array(
        [[-math.hypot(2 * y + 0.5 - 8, 2 * x + 0.5 - 11.5) for x in range(12)] for y in range(8)]
    )
    near = np.broadcast_to(near, (4, 8, 12))
    own = [
        np.corrcoef(ranks(cells[row]), ranks(near))[0, 1] for row in range(COUNT) if row != STILL
    ]
    for row, sign in zip(rows, (1, -1), strict=False):
        assert (row.motion, row.motion_low, row.motion_high) == (sign, sign, sign)
        assert row.middle == pytest.approx(sign * np.mean(own), abs=1e-4)
        assert row.motion_undefined == row.middle_undefined == 1
        assert (row.split, row.n, row.units) == ("test", COUNT, 3)
    least, most = float(follows.min()), float(follows.max())
    assert (rows[0].minimum, rows[0].maximum) == pytest.approx((least, most), abs=1e-4)
    assert (rows[1].minimum, rows[1].maximum) == pytest.approx((1 - most, 1 - least), abs=1e-4)


def test_measured_masks_are_those_of_the_network(strokes: Path, tmp_path: Path) -> None:
    file = saved(tmp_path / "m", attention_blocks=2)
    rows = measure(strokes, file, PREDICTIONS, "validation")
    assert len(rows) == 8
    _, model = network(attention_blocks=2)
    values: dict[Place, list[NDArray[np.float32]]] = {}
    correlations: dict[Place, list[float]] = {}
    flow = torch.from_numpy(stored_flow(strokes))
    for number in range(COUNT):
        with torch.no_grad(), recorded_masks(model) as masks:
            model(inputs(strokes, [number]))
        for place, mask in masks.items():
            values.setdefault(place, []).append(mask.numpy())
            moving = motion(flow[number : number + 1], place.cell)[0].numpy()
            mean = mask[0].mean(0).numpy()
            if number != STILL:
                own = np.corrcoef(ranks(mean), ranks(moving))[0, 1]
                correlations.setdefault(place, []).append(own)
    for row in rows[:4]:
        place = Place(row.branch, row.block)
        every = np.stack(values[place])
        found = [row.minimum, row.p05, row.p25, row.median, row.p75, row.p95, row.maximum]
        shares = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]
        expected = np.quantile(every, shares, method="inverted_cdf")
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert row.motion == pytest.approx(np.mean(correlations[place]), abs=2e-3)
        assert row.motion_undefined == 1
    # A table can be read again, and the same is measured again.
    write_table(tmp_path / "a.csv", rows, AttentionRow)
    assert read_table(tmp_path / "a.csv", AttentionRow) == rows
    assert measure(strokes, file, PREDICTIONS, "validation") == rows


def test_control_is_the_beginning_of_the_training(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.model_copy(update={"batch_size": 3})
    seen: list[Network] = []
    made, model = network(attention_blocks=1, modality="flow", optimisation=settings)
    save_model(tmp_path / "m", made, model.state_dict())
    build = TrainedModel.build

    def watched(self: TrainedModel, device: torch.device) -> Network:
        seen.append(build(self, device))
        return seen[-1]

    monkeypatch.setattr(TrainedModel, "build", watched)
    rows = measure(strokes, tmp_path / "m", PREDICTIONS, "test")
    control = seen[-1]
    torch.manual_seed(made.seed)
    fresh = build(made, CPU)
    for (name, own), (_, begun) in zip(
        control.named_parameters(), fresh.named_parameters(), strict=True
    ):
        assert torch.equal(own, begun), name
    # Seven windows are three batches of three: two begin again.
    batches = [inputs(strokes, own)["flow"] for own in ([0, 1, 2], [3, 4, 5], [6, 0, 1])]
    stage = fresh.branches["flow"].stages[0]  # type: ignore[index, union-attr]
    with torch.no_grad():
        means = [stage.conv(x).mean((0, 2, 3, 4)) for x in batches]
    norm = next(m for m in control.modules() if isinstance(m, nn.BatchNorm3d))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
    assert not control.training
    assert [row.weights for row in rows] == ["trained", "random"]
    assert 0 < rows[1].minimum < rows[1].p25 < rows[1].p75 < rows[1].maximum < 1

    # One sample has no variance in a batch of its own at the bottom of the mask.
    (_, alone) = measure(strokes, tmp_path / "m", PREDICTIONS[:1], "test")
    assert alone.n == 1
    assert alone.motion is not None and alone.motion_low is None


# Pictures.


def test_drawn_samples_can_be_seen(strokes: Path, tmp_path: Path) -> None:
    file = saved(tmp_path / "m", attention_blocks=2)
    folder = tmp_path / "attention"
    chosen = striking(PREDICTIONS, 2)
    folder.mkdir()
    (folder / "of another run.png").touch()
    rows = draw(strokes, file, chosen, folder)
    assert read_table(folder / "samples.csv", DrawnSample) == rows
    assert [(row.sample, row.actual, row.predicted, row.probability) for row in rows] == [
        ("v2:5-9#2", "Right", "Negative", 0.9),
        ("v2:2-9#2", "Right", "Right", 0.9),
    ]
    files = {name for row in rows for name in (row.picture, row.video)}
    assert {path.name for path in folder.iterdir()} == {"samples.csv", *files}
    assert rows[0].picture == "1-v2_5-9_2.png"
    for row in rows:
        assert cv2.imread(str(folder / row.picture)) is not None
        video = imageio_ffmpeg.read_frames(folder / row.video)
        meta = next(video)
        assert meta["codec"] == "h264"
        assert meta["pix_fmt"].startswith("yuv420p(tv, bt709")
        # Eight frames, slowed from 30 to 4 a second.
        assert (meta["fps"], meta["duration"]) == (4, 2)
        width, height = meta["size"]
        shape = (height, width, 3)
        assert len([np.frombuffer(frame, np.uint8).reshape(shape) for frame in video]) == 8
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = draw(strokes, file, chosen[:1], folder)
    assert again == rows[:1]
    names = {"samples.csv", rows[0].picture, rows[0].video}
    assert {path.name for path in folder.iterdir()} == names
    for name in (rows[0].picture, rows[0].video):
        assert (folder / name).read_bytes() == before[name], name


def test_films_show_every_frame(strokes: Path, tmp_path: Path) -> None:
    file = saved(tmp_path / "m", attention_blocks=3)
    (subject,) = subjects(strokes, file, PREDICTIONS[:1])
    (width, height), frames = film(subject)
    shown = list(frames)
    assert len(shown) == 8
    assert all(frame.shape == (height, width, 3) for frame in shown)
    assert width % 2 == height % 2 == 0
    # The square is 2 px right of the crop's margin at first, and moves by one px, 7 of the film, a
    # frame. The first column begins at 26 px.
    for number, frame in enumerate(shown):
        near = np.abs(frame[:, : 26 + 7 * 24].astype(int) - (230, 200, 40)).max(-1) < 25
        assert near.nonzero()[1].min() - 26 == pytest.approx(7 * number, abs=4)
    encode(shown, (width, height), film_rate(8, 30), tmp_path / "f.mp4")
    video = imageio_ffmpeg.read_frames(tmp_path / "f.mp4")
    next(video)
    for frame, data in zip(shown, video, strict=True):
        decoded = np.frombuffer(data, np.uint8).reshape(frame.shape).astype(int)
        assert np.abs(decoded - frame).mean() < 4


def test_colours_of_films_come_back(tmp_path: Path) -> None:
    colours = np.array([(230, 30, 30), (20, 200, 40), (30, 40, 220), (255, 255, 255)], np.uint8)
    frame = np.repeat(np.repeat(colours[None], 64, 0), 32, 1)
    encode([frame] * 3, (128, 64), film_rate(3, 30), tmp_path / "f.mp4")
    video = imageio_ffmpeg.read_frames(tmp_path / "f.mp4")
    next(video)
    for data in video:
        decoded = np.frombuffer(data, np.uint8).reshape(frame.shape)
        # In the middle of each stripe.
        np.testing.assert_allclose(decoded[32, 16::32].astype(int), colours, atol=4)


def test_rate_of_films() -> None:
    assert film_rate(96, 120) == 48
    assert film_rate(300, 29.97) == pytest.approx(29.97, abs=1e-3)
    assert film_rate(60, 30) == 30


def test_attention_is_spread_as_the_network_saw_it(strokes: Path, tmp_path: Path) -> None:
    file = saved(tmp_path / "m", attention_blocks=1, modality="rgb")
    (subject,) = subjects(strokes, file, PREDICTIONS[1:2])
    _, model = network(attention_blocks=1, modality="rgb")
    with torch.no_grad(), recorded_masks(model) as masks:
        model(inputs(strokes, [1]))
    mean = masks[Place("rgb", 1)][0].mean(0)
    own = subject.attention[Place("rgb", 1)]
    assert (own.low, own.high) == pytest.approx((float(mean.min()), float(mean.max())), abs=1e-6)
    # In the middle between the middles of two cells, on each axis, lies their mean.
    cells = mean[1:3, 2:4, 4:6].mean()
    pixels = own.relative[3:5, 5:7, 9:11].mean()
    expected = (float(cells) - own.low) / (own.high - own.low)
    assert pixels == pytest.approx(expected, abs=1e-4)
    with h5py.File(strokes) as stored:
        np.testing.assert_array_equal(subject.rgb, stored["rgb"][8:16, 2:-2, 2:-2])


@pytest.mark.parametrize(
    "changes",
    [{}, {"residual_blocks": 2, "modality": "rgb"}, {"architecture": "i3d"}],
    ids=["plain", "residual", "i3d"],
)
def test_networks_without_attention(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    found = network(**changes)
    for module in ("statistics", "subject"):
        monkeypatch.setattr(f"twinstroke.attend.{module}.load_model", lambda *_: found)
    assert measure(strokes, Path("unused"), PREDICTIONS, "test") == []
    assert draw(strokes, Path("unused"), PREDICTIONS, tmp_path / "a") == []
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["samples.csv"]
    assert read_table(tmp_path / "a" / "samples.csv", DrawnSample) == []


# Which samples.


def test_striking_samples() -> None:
    def chosen(count: int, rows: Sequence[Prediction] = PREDICTIONS) -> list[int]:
        return [row.begin for row in striking(rows, count)]

    # Mistakes: 5 (0.9), 3 (0.8), 1 (0.7). Right: 2 (0.9), 0 and 6 (0.6), 4 (0.5).
    assert chosen(4) == [5, 3, 2, 0]
    assert chosen(3) == [5, 2, 0]
    assert chosen(7) == [5, 3, 1, 2, 0, 6, 4]
    assert chosen(100) == chosen(7)
    assert chosen(0) == []
    assert chosen(4, [row for row in PREDICTIONS if row.right]) == [2, 0, 6, 4]
    assert chosen(3, [row for row in PREDICTIONS if not row.right]) == [5, 3, 1]


class Project(NamedTuple):
    """A folder as the stages before this one leave it."""

    folder: Path
    stage: Callable[[], None]


@pytest.fixture
def project(strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    settings = SimpleNamespace(name="tiny", attend=SimpleNamespace(samples=2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("twinstroke.settings.load.load_settings", lambda: settings)
    (tmp_path / "data" / "tiny").mkdir(parents=True)
    (tmp_path / "data" / "tiny" / "strokes.h5").symlink_to(strokes)
    tables = tmp_path / "reports" / "tiny" / "predictions"
    for split, rows in (("train", PREDICTIONS[:2]), ("validation", PREDICTIONS[2:]), ("test", [])):
        write_predictions(tables / f"{split}.csv", CLASSES, rows)
    stage = runpy.run_path(str(ROOT / "stages" / "attend.py"))["main"]
    return Project(tmp_path, stage)


def test_stage(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    saved(project.folder / "data" / "tiny" / "model.safetensors", attention_blocks=1)
    project.stage()
    assert capsys.readouterr().out.startswith("attend: 2 masks of 5 validation samples lie between")
    reports = project.folder / "reports" / "tiny"
    rows = read_table(reports / "attention.csv", AttentionRow)
    assert [(row.split, row.n) for row in rows] == [("validation", 5)] * 4
    drawn = read_table(reports / "attention" / "samples.csv", DrawnSample)
    assert [row.sample for row in drawn] == ["v2:5-9#2", "v2:2-9#2"]

    saved(project.folder / "data" / "tiny" / "model.safetensors")
    project.stage()
    assert capsys.readouterr().out == "attend: the network has no attention blocks\n"
    assert (reports / "attention.csv").read_text().count("\n") == 1
    assert len(list((reports / "attention").iterdir())) == 1


def test_samples_of_your_choice(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    model = project.folder / "data" / "tiny" / "model.safetensors"
    saved(model, attention_blocks=1, modality="flow")
    # Of any split.
    assert twinstroke("attend", "v1:4-9#2", "v0:0-9#2") == 0
    assert capsys.readouterr().out == "attend: 2 samples are drawn in reports/tiny/attend\n"
    names = {path.suffix for path in (project.folder / "reports" / "tiny" / "attend").iterdir()}
    assert names == {".csv", ".png", ".mp4"}

    assert twinstroke("attend", "v1:4-9#3", "v0:0-9#2", "?") == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2
    assert error[0].startswith("error: 'v1:4-9#3': no sample has this id")
    assert "closest: v1:4-9#2" in error[0]

    saved(model)
    assert twinstroke("attend", "v0:0-9#2") == 1
    assert "no attention blocks" in capsys.readouterr().err


def test_tables_of_predictions(project: Project) -> None:
    tables = project.folder / "reports" / "tiny" / "predictions"
    found = single_predictions(tables)
    assert shown_split([name for name, rows in found.items() if rows]) == "validation"
    assert [row.sample for row in found["validation"]] == [row.sample for row in PREDICTIONS[2:]]
    assert named(PREDICTIONS, ["v0:3-9#2", "v1:1-9#2", "v0:3-9#2"]) == [
        PREDICTIONS[3],
        PREDICTIONS[1],
    ]
    with pytest.raises(UserError, match="no split has samples"):
        shown_split([])
    (tables / "test.csv").write_bytes(b"sample\xff")
    with pytest.raises(UserError, match=r"test\.csv: no table"):
        single_predictions(tables)
    (tables / "test.csv").unlink()
    with pytest.raises(UserError, match=r"test\.csv: not found; run dvc repro evaluate"):
        single_predictions(tables)
