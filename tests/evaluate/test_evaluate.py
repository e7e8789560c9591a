"""Figures against hand-computed ones, decisions with known answers, tables that tell everything."""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve

from tests.rows import prediction
from tests.trainings import description
from twinstroke.annotations.superclasses import groupings
from twinstroke.errors import UserError
from twinstroke.evaluate import pictures, plots
from twinstroke.evaluate.decisions import DECISIONS, decide, gaussian_weights, window_starts
from twinstroke.evaluate.evaluation import Evaluation, evaluate
from twinstroke.evaluate.intervals import wilson
from twinstroke.evaluate.metrics import class_recalls, reliability, scores
from twinstroke.evaluate.mistakes import draw_mistakes, worst_mistakes
from twinstroke.evaluate.plots import plot_confusion, plot_history, plot_recalls, plot_reliability
from twinstroke.evaluate.predictions import read_predictions, write_predictions
from twinstroke.evaluate.tracks import probability_tracks
from twinstroke.tables import SPLITS, Split
from twinstroke.train.history import Epoch
from twinstroke.train.model_file import save_model
from twinstroke.train.windows import InputFormat, StrokeWindows, collate

TTSTROKE = Path(__file__).parents[2] / "src/twinstroke/annotations/ttstroke21.csv"


# Decisions


@given(st.integers(1, 30), st.integers(0, 60), st.integers(1, 9))
def test_windows_are_all_that_fit_a_stride_apart_through_the_middle(
    window: int, slack: int, stride: int
) -> None:
    starts = window_starts(slack + window, window, stride).tolist()
    middle = slack // 2
    assert starts == [s for s in range(slack + 1) if (s - middle) % stride == 0]
    assert middle in starts
    if stride == 1:
        assert len(starts) == slack + 1, "the published code has one less"


def test_a_clip_shorter_than_the_window_has_none() -> None:
    with pytest.raises(ValueError, match="a clip of 9 frames has no window of 10"):
        window_starts(9, 10, 1)


def test_decisions_about_a_constructed_track() -> None:
    # Five windows, three classes. The middle one says C, three say A with little conviction, two
    # say something else with much.
    track = np.array(
        [[0.4, 0.3, 0.3], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8], [0.0, 0.95, 0.05], [0.4, 0.3, 0.3]]
    )
    found = decide(track, window_starts(14, 10, 1), 4)
    assert tuple(found) == DECISIONS
    assert [int(found[rule].argmax()) for rule in DECISIONS] == [2, 0, 1, 2]
    assert found["single"].tolist() == [0.1, 0.1, 0.8]
    assert found["mean"] == pytest.approx([0.26, 0.4, 0.34])
    assert found["vote"] == pytest.approx([3.26 / 6, 1.4 / 6, 1.34 / 6])
    # n = 5: sigma = 0.3 * (2 - 1) + 0.8 = 1.1
    weights = np.array([math.exp(-(d**2) / (2 * 1.1**2)) for d in (-2, -1, 0, 1, 2)])
    assert found["gaussian"] == pytest.approx((weights[:, None] * track).sum(0) / weights.sum())


def test_a_tie_of_votes_goes_to_the_more_probable_class() -> None:
    track = np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [0.5, 0.4, 0.1], [0.2, 0.8, 0.0]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        found = decide(track[order], np.arange(4), 3)
        assert int(found["vote"].argmax()) == 1


def test_one_window_leaves_nothing_to_decide() -> None:
    track = np.array([[0.2, 0.5, 0.3]])
    for own in decide(track, window_starts(10, 10, 3), 0).values():
        assert int(own.argmax()) == 1
        assert own.sum() == pytest.approx(1)


@pytest.mark.parametrize("count", [11, 21, 41])
@pytest.mark.parametrize("stride", [1, 3])
def test_weights_are_opencvs_kernel(count: int, stride: int) -> None:
    slack = (count - 1) * stride
    weights = gaussian_weights(window_starts(slack + 8, 8, stride), slack)
    assert weights == pytest.approx(cv2.getGaussianKernel(count, -1)[:, 0], rel=1e-6)


@given(st.integers(1, 12), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_decisions_are_probabilities_and_votes_are_votes(n: int, classes: int, seed: int) -> None:
    track = np.random.default_rng(seed).dirichlet(np.ones(classes), n)
    found = decide(track, np.arange(n), n - 1)
    for own in found.values():
        assert own.sum() == pytest.approx(1)
        assert (own >= 0).all()
    votes = Counter(track.argmax(1).tolist())
    assert votes[int(found["vote"].argmax())] == max(votes.values())
    # Read backwards, a stroke has the same vote, mean and Gaussian.
    back = decide(track[::-1], np.arange(n), n - 1)
    for rule in ("vote", "mean", "gaussian"):
        assert back[rule] == pytest.approx(found[rule])


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_certainty_stays_within_one(stride: int) -> None:
    for slack in range(60):
        starts = window_starts(slack + 8, 8, stride)
        for own in decide(np.eye(3)[np.ones(len(starts), int)], starts, slack).values():
            assert own.max() <= 1


# Figures


def test_published_interval() -> None:
    # Twin with attention in Table III: 103 of 118, Wilson 95 % interval 80.1 to 92.1 %.
    assert wilson(103, 118) == pytest.approx((0.801, 0.921), abs=5e-4)
    # No mistake in n: Wilson's lower bound is n / (n + z²).
    assert wilson(10, 10) == pytest.approx((10 / (10 + 1.959964**2), 1))


def test_figures_by_hand() -> None:
    # Four classes, six samples. A: 2 of 3 right; B: 0 of 1, taken for C; D: 2 of 2; nobody is C.
    actual = np.array([0, 0, 0, 1, 3, 3])
    probabilities = np.array(
        [
            [0.7, 0.1, 0.1, 0.1],
            [0.58, 0.32, 0.06, 0.04],
            [0.05, 0.3, 0.15, 0.5],  # A is least probable
            [0.1, 0.2, 0.65, 0.05],
            [0.1, 0.0, 0.1, 0.8],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
    found = scores(actual, probabilities.argmax(1), probabilities, ["A", "B", "C", "D"])
    low, high = wilson(4, 6)
    assert found == {
        "n": 6,
        "accuracy": pytest.approx(4 / 6),
        "accuracy_low": pytest.approx(low),
        "accuracy_high": pytest.approx(high),
        "balanced_accuracy": pytest.approx((2 / 3 + 0 + 1) / 3),
        # F1: A 2·2/(2·2 + 0 + 1), B 0, C 0, D 2·2/(2·2 + 1 + 0)
        "macro_f1": pytest.approx((0.8 + 0 + 0 + 0.8) / 4),
        "top3_accuracy": pytest.approx(5 / 6),
        # Each sample has a bin of 1/15 of its own, so it is the mean of |right - probability|.
        "ece": pytest.approx((0.3 + 0.42 + 0.5 + 0.65 + 0.2 + 0) / 6, abs=1e-6),
        "nll": pytest.approx(-sum(map(math.log, (0.7, 0.58, 0.05, 0.2, 0.8, 1.0))) / 6, abs=1e-9),
    }


def test_samples_in_one_bin_are_weighed_against_each_other() -> None:
    # Both in (0.6, 0.667]: one right of two, mean probability 0.63.
    probabilities = np.array([[0.61, 0.39], [0.65, 0.35]])
    found = scores(np.array([0, 1]), np.array([0, 0]), probabilities, ["A", "B"])
    assert found["ece"] == pytest.approx(0.13)
    assert "top3_accuracy" not in found, "among two classes it says nothing"


def test_coarser_classes() -> None:
    with TTSTROKE.open(encoding="utf-8") as stream:
        classes = ["Negative", *(row["label"] for row in csv.DictReader(stream))]
    classes = list(dict.fromkeys(classes))
    assert len(classes) == 21
    found = groupings(classes)
    assert {name: len(set(names)) for name, names in found.items()} == {
        "hand": 3,
        "type": 4,
        "type_hand": 7,
    }
    # The table of the classes has them, too.
    with TTSTROKE.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            place = classes.index(row["label"])
            assert (row["hand"], row["type"]) == (found["hand"][place], found["type"][place])
    index = {name: place for place, name in enumerate(classes)}
    # Right; other stroke of that type and hand; other hand; other type; Negative for a stroke.
    pairs = [
        ("Serve Forehand Loop", "Serve Forehand Loop"),
        ("Serve Forehand Loop", "Serve Forehand Topspin"),
        ("Serve Forehand Loop", "Serve Backhand Loop"),
        ("Offensive Forehand Loop", "Serve Forehand Loop"),
        ("Defensive Backhand Push", "Negative"),
    ]
    actual, predicted = (np.array([index[pair[side]] for pair in pairs]) for side in (0, 1))
    probabilities = np.full((5, 21), 1 / 21)
    own = scores(actual, predicted, probabilities, classes)
    assert own["accuracy"] == pytest.approx(1 / 5)
    assert own["hand_accuracy"] == pytest.approx(3 / 5)
    assert own["type_accuracy"] == pytest.approx(3 / 5)
    assert own["type_hand_accuracy"] == pytest.approx(2 / 5)


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        (["forehand", "backhand", "serve"], []),
        (["forehand", "backhand"], ["hand"]),
        (["Negative", "slice_forehand", "slice_backhand"], ["hand"]),
        (["Serve long", "Offensive loop"], ["type"]),
        (["forehand drive", "forehand push"], []),
        (["forehand to backhand", "backhand"], []),
    ],
)
def test_coarser_classes_need_names_that_tell(classes: list[str], found: list[str]) -> None:
    assert list(groupings(classes)) == found


def test_recalls_of_the_classes_that_occur() -> None:
    actual, predicted = np.array([0, 0, 0, 1, 3, 3]), np.array([0, 0, 3, 2, 3, 3])
    rows = class_recalls("test", actual, predicted, ["A", "B", "C", "D"])
    assert [(row.split, row.label, row.right, row.n) for row in rows] == [
        ("test", "A", 2, 3),
        ("test", "B", 0, 1),
        ("test", "D", 2, 2),
    ]
    for row in rows:
        assert row.recall == pytest.approx(row.right / row.n, abs=1e-4)
        assert (row.low, row.high) == pytest.approx(wilson(row.right, row.n), abs=1e-4)


def test_reliability_is_the_librarys_curve_with_numbers() -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.05, 1, 500)
    right = random.random(500) < confidence**2
    rows = reliability(right, confidence)
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    assert [row.accuracy for row in rows] == pytest.approx(accuracy, abs=1e-4)
    assert [row.confidence for row in rows] == pytest.approx(mean, abs=1e-4)
    assert sum(row.n for row in rows) == 500
    assert all(row.low <= row.accuracy <= row.high for row in rows)
    (certain,) = reliability(np.array([True]), np.array([1.0]))
    assert (certain.n, certain.accuracy) == (1, 1)


def test_a_bin_holds_its_upper_bound() -> None:
    """As do those of the calibration error (Guo et al.): (0, 1/4], (1/4, 1/2] and so on."""
    confidence = np.array([0.2, 0.25, 0.26, 0.5, 0.51, 1.0])
    right = np.array([False, True, False, False, True, True])
    rows = reliability(right, confidence, bins=4)
    assert [(row.n, row.accuracy, row.confidence) for row in rows] == [
        (2, 0.5, 0.225),
        (2, 0.0, 0.38),
        (1, 1.0, 0.51),
        (1, 1.0, 1.0),
    ]


# The whole


def test_tracks_are_the_networks_window_by_window(
    strokes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    made = description(modality="twin", attention_blocks=1)
    model = made.build(torch.device("cpu")).eval()
    names = ["s5", "s0", "s2"]
    windows = StrokeWindows(strokes, names)
    read: list[int] = []
    clip = StrokeWindows.clip

    def reading(own: StrokeWindows, index: int) -> object:
        read.append(index)
        return clip(own, index)

    monkeypatch.setattr(StrokeWindows, "clip", reading)
    cpu = torch.device("cpu")
    tracks = probability_tracks(model, windows, made, stride=2, device=cpu)
    assert read == [0, 1, 2], "each clip is read once"
    # 20, 8 and 14 frames; the window has 8.
    assert [track.starts.tolist() for track in tracks] == [[0, 2, 4, 6, 8, 10, 12], [0], [1, 3, 5]]
    format_ = InputFormat(made.window, 1 / 32, made.flow_scale)
    for index, track in enumerate(tracks):
        rgb, flow = clip(windows, index)
        for start, own in zip(track.starts, track.probabilities, strict=True):
            batch = {
                "rgb": rgb[None, start : start + 8],
                "flow": flow[None, start : start + 8],
            }
            with torch.no_grad():
                logits = model(format_.streams(batch, ("rgb", "flow")))  # type: ignore[arg-type]
            expected = torch.softmax(logits[0], 0).numpy()
            np.testing.assert_allclose(own, expected, atol=1e-5)


def test_evaluation_can_be_recomputed_from_its_tables(strokes: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = description(attention_blocks=1, best_epochs={"twin": 3})
    model = made.build(torch.device("cpu"))
    save_model(tmp_path / "model.safetensors", made, model.state_dict())
    names = {"train": [f"s{i}" for i in range(10)], "validation": [], "test": ["s11", "s10"]}
    found = evaluate(strokes, names, tmp_path / "model.safetensors", stride=1)
    assert list(found.predictions) == ["train", "test"]
    for split, rows in found.predictions.items():
        path = tmp_path / f"{split}.csv"
        write_predictions(path, found.classes, rows)
        table = read_predictions(path.read_text(), "table")
        assert list(table.classes) == found.classes
        assert [row.sample for row in table.by("mean")] == names[split]
        for rule in DECISIONS:
            own = table.by(rule)
            actual = np.array([found.classes.index(row.actual) for row in own])
            predicted = np.array([found.classes.index(row.predicted) for row in own])
            probabilities = np.array([list(row.probabilities.values()) for row in own])
            probabilities /= probabilities.sum(1, keepdims=True)  # of rounded numbers
            again = scores(actual, predicted, probabilities, found.classes)
            for name, value in again.items():
                # Rounding may move a sample over the bound of a bin of the calibration error.
                near = pytest.approx(value, abs=1e-3 if name == "ece" else 1e-5)
                assert found.scores[f"{split}.{rule}.{name}"] == near
            for recall in class_recalls(split, actual, predicted, found.classes):
                assert found.scores[f"{split}.{rule}.recall.{recall.label}"] == recall.recall
                assert found.scores[f"{split}.{rule}.recall_n.{recall.label}"] == recall.n
            assert (predicted == probabilities.argmax(1)).all()
    # 20 frames and a window of 8: 13 windows, and one for the decision by one.
    assert [row.windows for row in found.predictions["test"] if row.sample == "s11"] == [
        1,
        *[13] * 3,
    ]
    assert {row.group for row in found.predictions["test"]} == {"player 2", "player 3"}
    assert found.scores["parameters.without_fully_connected"] == 360_790 + 2 * 29_520
    assert found.scores["best_epoch"] == 3
    assert evaluate(strokes, names, tmp_path / "model.safetensors", stride=1) == found


@pytest.mark.parametrize(("splits", "shown"), [(SPLITS, "test"), (SPLITS[:2], "val")])
def test_the_headline_is_few_figures_in_percent(splits: tuple[Split, ...], shown: str) -> None:
    n, right = {"train": 40, "val": 9, "test": 63}, {"train": 39, "val": 3, "test": 36}
    found: dict[str, float | int] = {}
    for split in splits:
        name = "val" if split == "validation" else split
        # All are of the first class but the last, which is taken for one of it.
        actual, predicted = np.zeros(n[name], int), np.ones(n[name], int)
        actual[-1], predicted[-1] = 1, 0
        predicted[: right[name]] = 0
        own = scores(actual, predicted, np.full((n[name], 2), 0.5), ["A", "B"])
        found |= {f"{split}.single.{key}": value for key, value in own.items()}
        found[f"{split}.vote.accuracy"] = 0.25
    headline = Evaluation(["A", "B"], found, [], {}).headline
    share, z, count = right[shown] / n[shown], 1.959964, n[shown]
    # Wilson's formula, written down.
    half = z * math.sqrt(share * (1 - share) / count + (z / 2 / count) ** 2) / (1 + z**2 / count)
    names = [name for name in n if name != "test" or "test" in splits]
    assert headline == {
        **{name: round(100 * right[name] / n[name], 1) for name in names},
        "±": round(100 * half, 1),
        "bal": round(50 * right[shown] / (count - 1), 1),
        "n": {name: n[name] for name in names},
    }


def test_the_single_window_is_the_one_that_training_validates_on(
    strokes: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    made = description(best_epochs={"twin": 1})
    model = made.build(torch.device("cpu"))
    save_model(tmp_path / "model.safetensors", made, model.state_dict())
    names = ["s5", "s2", "s1"]
    found = evaluate(strokes, {"test": names}, tmp_path / "model.safetensors", stride=3)
    windows = StrokeWindows(strokes, names)
    batch = collate([windows[index] for index in range(3)])
    format_ = InputFormat(made.window, 1 / 32, made.flow_scale)
    with torch.no_grad():
        logits = model.eval()(format_.streams(batch, ("rgb", "flow")))
    expected = torch.softmax(logits, 1).numpy()
    own = [row for row in found.predictions["test"] if row.decision == "single"]
    got = [list(row.probabilities.values()) for row in own]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_of_two_networks_the_later_best_epoch_is_shown(strokes: Path, tmp_path: Path) -> None:
    made = description(architecture="i3d", best_epochs={"rgb": 2, "flow": 5})
    model = made.build(torch.device("cpu"))
    save_model(tmp_path / "model.safetensors", made, model.state_dict())
    found = evaluate(strokes, {"test": ["s1"]}, tmp_path / "model.safetensors", stride=9)
    assert found.scores["best_epoch"] == 5


# Tables


AWKWARD = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(st.lists(AWKWARD, min_size=2, max_size=4, unique=True), AWKWARD, AWKWARD)
def test_tables_come_back(classes: list[str], sample: str, group: str) -> None:
    probabilities = dict(zip(classes, (1 / 3, *[0.25] * 3), strict=False))
    row = prediction(
        sample=sample,
        group=group,
        actual=classes[0],
        predicted=classes[1],
        probabilities=probabilities,
    )
    with TemporaryDirectory() as folder:
        path = Path(folder, "test.csv")
        write_predictions(path, classes, [row])
        table = read_predictions(path.read_text(encoding="utf-8"), "table")
    assert table.classes == tuple(classes)
    (again,) = table.rows
    assert again.probabilities == pytest.approx(probabilities, rel=1e-5)
    assert again.model_copy(update={"probabilities": row.probabilities}) == row


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (("p(B)", "B"), "its columns are not those"),
        (("single", "best"), "line 2: decision: Input should be 'single', 'vote'"),
        ((",A,B,", ",A,C,"), r"line 2: no column p\(C\) for class 'C'"),
        (("0.75", "1.75"), "line 2: probabilities.B"),
        (("0.75", "nan"), "line 2: probabilities.B"),
        (("0.25,0.75", "0.25"), "line 2: more or fewer cells"),
        (("0.75\n", '0.75\n"'), "no table of predictions"),
        (
            ("0.75\n", "0.75\nv:0-9,v,0,9,,single,1,A,B,0.25,0.75\n"),
            "sample v:0-9 has two rows of single",
        ),
    ],
)
def test_damaged_tables_are_told(tmp_path: Path, damage: tuple[str, str], message: str) -> None:
    path = tmp_path / "test.csv"
    write_predictions(path, ["A", "B"], [prediction()])
    text = path.read_text()
    assert text.count(damage[0]) == 1
    with pytest.raises(UserError, match=f"^here/test.csv: .*{message}|^here.*{message}"):
        read_predictions(text.replace(*damage), "here/test.csv")


# Pictures


def test_worst_mistakes_are_the_most_confident_ones() -> None:
    rows = [
        prediction(sample="a", probabilities={"A": 0.4, "B": 0.6}),
        prediction(sample="b", predicted="A", probabilities={"A": 0.99, "B": 0.01}),
        prediction(sample="c", probabilities={"A": 0.1, "B": 0.9}),
        prediction(sample="d", probabilities={"A": 0.1, "B": 0.9}),
    ]
    assert [row.sample for row in worst_mistakes(rows, 2)] == ["c", "d"]
    assert [row.sample for row in worst_mistakes(rows, 9)] == ["c", "d", "a"]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Gets what would be drawn."""
    drawn: list[Figure] = []
    monkeypatch.setattr(plots, "save_png", lambda figure, _: drawn.append(figure))
    return drawn


def test_a_confusion_matrix_has_the_truth_in_its_rows(figures: list[Figure]) -> None:
    names = ["A", "B", "C"]
    pairs = [*[("A", "B")] * 3, *[("B", "A")] * 2, ("A", "A"), ("C", "B")]
    actual, predicted = ([pair[side] for pair in pairs] for side in (0, 1))
    plot_confusion(actual, predicted, names, "t", Path("t.png"))
    (figure,) = figures
    axes = figure.axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("actual", "predicted")
    rows, columns = (
        [label.get_text() for label in own]
        for own in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    shown = {}
    for text in axes.texts:
        column, row = text.get_position()
        shown[rows[int(row)], columns[int(column)]] = int(text.get_text())
    assert shown == Counter(pairs)
    share = np.asarray(axes.images[0].get_array())
    expected = np.array([[1, 3, 0], [4, 0, 0], [0, 4, 0]]) / 4
    np.testing.assert_allclose(share, expected)


def test_curves_are_those_of_their_names(figures: list[Figure]) -> None:
    history = [
        Epoch(
            network="twin",
            epoch=epoch,
            learning_rate=0.1**epoch,
            train_loss=1 / epoch,
            train_accuracy=0.1 * epoch,
            validation_loss=2 / epoch,
            validation_accuracy=0.2 * epoch,
        )
        for epoch in (1, 2)
    ]
    plot_history(history, Path("t.png"))
    (figure,) = figures
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "cross-entropy",
        "accuracy",
        "learning rate",
    ]
    for axes, name in zip(figure.axes, ("loss", "accuracy"), strict=False):
        assert {line.get_label() for line in axes.lines} == {"train", "validation"}
        for line in axes.lines:
            values = [getattr(row, f"{line.get_label()}_{name}") for row in history]
            assert np.asarray(line.get_xydata()).tolist() == [[1, values[0]], [2, values[1]]]


def test_tables_beside_the_pictures_are_of_the_split_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plot_confusion", "plot_recalls", "plot_reliability", "draw_mistakes"):
        monkeypatch.setattr(pictures, name, lambda *_: None)
    classes = ["forehand push", "forehand flip", "backhand push"]
    pairs = [(0, 2), (0, 2), (1, 0), (2, 2)]
    rows = {
        split: [
            prediction(
                sample=f"{split} {number}",
                decision=decision,
                actual=classes[a],
                predicted=classes[p],
                probabilities={name: 0.8 if name == classes[p] else 0.1 for name in classes},
            )
            for number, (a, p) in enumerate(pairs if split == "test" else pairs[:1])
            for decision in ("single", "mean")
        ]
        for split in ("train", "test")
    }
    measured = {"accuracy": 0.25, "ece": 0.0}
    figures = {f"{split}.single.{name}": v for split in rows for name, v in measured.items()}
    pictures.write_pictures(Evaluation(classes, figures, [], rows), Path("none"), tmp_path)

    def table(name: str) -> list[list[str]]:
        with (tmp_path / name).open(newline="") as stream:
            return list(csv.reader(stream))

    header = ["actual", "predicted"]
    assert table("confusion.csv") == [header, *([classes[a], classes[p]] for a, p in pairs)]
    hands = [classes[a].split()[0] for pair in pairs for a in pair]
    found = [name.lower() for row in table("superclasses.csv")[1:] for name in row]
    assert found == hands
    _, bin_ = table("reliability.csv")
    assert bin_[:2] == ["0.8", "0.25"]


def test_pictures_are_repeatable(strokes: Path, tmp_path: Path) -> None:
    history = [
        Epoch(
            network="rgb" if n < 3 else "flow",
            epoch=n,
            learning_rate=0.1,
            train_loss=3 / n,
            train_accuracy=n / 9,
            validation_loss=3 / n,
            validation_accuracy=n / 10,
            restart="loss" if n == 2 else "",
        )
        for n in range(1, 5)
    ]
    recalls = class_recalls("test", np.array([0, 0, 1]), np.array([0, 1, 1]), ["A $x$", "B"])
    bins = reliability(np.array([True, False, True]), np.array([0.3, 0.31, 1.0]))
    mistakes = [prediction(sample="s1"), prediction(sample="s5")]
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        names = ["A forehand", "A backhand"]
        plot_confusion([names[0], *names], [*names, names[1]], names, "t", folder / "confusion.png")
        plot_history(history, folder / "history.png")
        plot_recalls(recalls, "t", folder / "recalls.png")
        plot_reliability(bins, 0.1, "t", folder / "reliability.png")
        draw_mistakes(strokes, mistakes, "t", folder / "mistakes.png")
        draw_mistakes(strokes, [prediction(predicted="A")], "t", folder / "none.png")
    for first in (tmp_path / "a").iterdir():
        assert first.read_bytes().startswith(b"\x89PNG")
        assert first.read_bytes() == (tmp_path / "b" / first.name).read_bytes()
