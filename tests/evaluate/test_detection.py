from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.evaluate.detection import (
    THRESHOLDS,
    DetectionScores,
    detection_scores,
    map_2021,
    map_2022,
    matches,
    mediaeval_counts,
    temporal_iou,
)
from twinstroke.evaluate.intervals import wilson

FRAMES = 40
CLASSES = ["Flip", "Hit", "Loop"]


def _found(
    begin: int, end: int, stroke: float = 0.5, label: str = "Hit", own: float | None = None
) -> Detection:
    return Detection(
        video="v",
        begin=begin,
        end=end,
        label=label,
        begin_s=begin / 100,
        end_s=end / 100,
        probability=stroke if own is None else own,
        stroke_probability=stroke,
    )


Truths = Mapping[str, Sequence[Stroke]]
Founds = Mapping[str, Sequence[Detection]]


def _scores(
    truth: Sequence[Stroke], found: Sequence[Detection], frames: int = 1000
) -> DetectionScores:
    return detection_scores({"v": truth}, {"v": found}, {"v": frames}, tolerance=5)


# Random segmentations: short videos, so that ranges meet, and few confidences, so that they tie.

RANGES = st.tuples(st.integers(0, FRAMES - 1), st.integers(1, 20)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
TRUTH = st.builds(
    lambda ends, label: Stroke("v", ends[0], ends[1], label),
    RANGES,
    st.sampled_from([*CLASSES, None, "Hit"]),
)
FOUND = st.builds(
    lambda ends, stroke, label, own: _found(ends[0], ends[1], stroke, label, own),
    RANGES,
    st.sampled_from([0.2, 0.5, 0.9]),
    st.sampled_from([*CLASSES[1:], "Serve"]),
    st.sampled_from([0.1, 0.4, 0.8]),
)


@st.composite
def _near(draw: st.DrawFn, truth: Sequence[Stroke]) -> Detection:
    """A detection a few frames beside a stroke, or anywhere."""
    if not truth or draw(st.integers(0, 3)) == 0:
        return draw(FOUND)
    stroke = draw(st.sampled_from(truth))
    begin = max(0, stroke.begin + draw(st.integers(-2, 2)))
    end = max(begin + 1, stroke.end + draw(st.integers(-2, 2)))
    row = draw(FOUND)
    label = draw(st.sampled_from([row.label, stroke.label or "Hit"]))
    return row.model_copy(update={"begin": begin, "end": end, "label": label})


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Truths, Founds, dict[str, int]]:
    truth: dict[str, list[Stroke]] = {}
    found: dict[str, list[Detection]] = {}
    names = "abc"[: draw(st.integers(1, 3))]
    for name in names:
        truth[name] = draw(st.lists(TRUTH, max_size=5))
        found[name] = draw(st.lists(_near(truth[name]), max_size=6))
    return truth, found, dict.fromkeys(names, FRAMES)


CASES = _cases()


# The same figures once more, as plainly as they can be said: ranges as sets of frames, loops.


def _frames_of(row: Stroke | Detection) -> set[int]:
    return set(range(row.begin, row.end)) & set(range(FRAMES))


def _plain_tiou(a: Stroke | Detection, b: Stroke | Detection) -> float:
    first, second = _frames_of(a), _frames_of(b)
    return len(first & second) / len(first | second) if first | second else 0.0


def _plain_iou(truth: Truths, found: Founds) -> float | None:
    strokes = {(v, f) for v, rows in truth.items() for row in rows for f in _frames_of(row)}
    there = {(v, f) for v, rows in found.items() for row in rows for f in _frames_of(row)}
    return len(strokes & there) / len(strokes | there) if strokes | there else None


def _plain_class_iou(truth: Truths, found: Founds, frames: Mapping[str, int]) -> float | None:
    right = of = 0
    for video, count in frames.items():
        for frame in range(count):
            labels = {t.label for t in truth[video] if t.begin <= frame < t.end}
            names = {d.label for d in found[video] if d.begin <= frame < d.end}
            if None in labels or not labels | names:
                continue
            of += 1
            right += bool(labels & names)
    return right / of if of else None


def _plain_mediaeval(truth: Truths, found: Founds) -> list[tuple[int, int, int]]:
    result = []
    for step in range(10):
        tp = fp = fn = 0
        for video, strokes in truth.items():
            consumed = [False] * len(strokes)
            for row in found[video]:
                took = 0
                for number, stroke in enumerate(strokes):
                    # In hundredths, which are exact.
                    fits = round(_plain_tiou(row, stroke) * 10**9) >= (50 + 5 * step) * 10**7
                    if fits and not consumed[number]:
                        consumed[number] = True
                        took += 1
                tp += took
                fp += took == 0
            fn += consumed.count(False)
        result.append((tp, fp, fn))
    return result


def _plain_ap(truth: Truths, found: Founds, threshold: float, label: str | None) -> float | None:
    """All detections at least as confident as each confidence that occurs, judged from scratch."""
    n = sum(label in (None, t.label) for rows in truth.values() for t in rows)
    if n == 0:
        return None

    def sure(row: Detection) -> float:
        return row.stroke_probability if label is None else row.probability

    area = before = 0.0
    levels = {sure(d) for rows in found.values() for d in rows if label in (None, d.label)}
    for level in sorted(levels, reverse=True):
        right = among = 0
        for video, rows in found.items():
            free = [t for t in truth[video] if label in (None, t.label)]
            free.sort(key=lambda t: (t.begin, t.end))
            chosen = [d for d in rows if label in (None, d.label) and sure(d) >= level]
            for row in sorted(chosen, key=lambda d: (-sure(d), min(d.begin, 40), min(d.end, 40))):
                fitting = [t for t in free if _plain_tiou(row, t) >= threshold]
                if fitting:
                    free.remove(max(fitting, key=lambda t: _plain_tiou(row, t)))
                    right += 1
                    among += 1
                elif label is None or not any(
                    t.label is None and _plain_tiou(row, t) >= threshold for t in truth[video]
                ):
                    among += 1
        area += (right / n - before) * (right / among if among else 0)
        before = right / n
    return area


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _close(value: float | None, expected: float | None) -> bool:
    if value is None or expected is None:
        return value is expected
    return value == pytest.approx(expected, abs=1e-9)


@given(CASES)
@settings(max_examples=150)
def test_frames_agree_with_a_plain_restatement(case: tuple[Truths, Founds, dict[str, int]]) -> None:
    truth, found, frames = case
    figures = detection_scores(truth, found, frames, 5).figures
    assert _close(figures["iou"], _plain_iou(truth, found))
    named = any(t.label is not None for rows in truth.values() for t in rows)
    expected = _plain_class_iou(truth, found, frames) if named else None
    assert _close(figures["class_iou"], expected)
    if expected is not None and all(t.label for rows in truth.values() for t in rows):
        assert figures["iou"] is not None
        assert expected <= figures["iou"]


@given(CASES)
@settings(max_examples=150)
def test_mediaeval_agrees_with_a_plain_restatement(
    case: tuple[Truths, Founds, dict[str, int]],
) -> None:
    truth, found, frames = case
    plain = _plain_mediaeval(truth, found)
    counts = mediaeval_counts(truth, found, frames)
    assert list(zip(*(c.tolist() for c in counts), strict=True)) == plain
    n = sum(map(len, truth.values()))
    assert all(tp + fn == n for tp, _, fn in plain)
    if n == 0 or not any(found.values()):
        assert map_2021(counts) is map_2022(counts) is None
        return
    points = [(tp / (tp + fn), tp / (tp + fp)) for tp, fp, fn in plain]
    assert _close(map_2022(counts), sum(r * p for r, p in points) / 10)
    # Area under the staircase that is, at each recall, the best precision from there on.
    recalls = sorted({r for r, _ in points})
    area = sum(
        (r - left) * max(p for other, p in points if other >= r)
        for left, r in zip([0.0, *recalls], recalls, strict=False)
    )
    assert _close(map_2021(counts), area)


@given(CASES)
@settings(max_examples=100)
def test_average_precision_agrees_with_a_plain_restatement(
    case: tuple[Truths, Founds, dict[str, int]],
) -> None:
    truth, found, frames = case
    scores = detection_scores(truth, found, frames, 5)
    expected = [_plain_ap(truth, found, t, None) for t in THRESHOLDS]
    assert _close(scores.figures["ap"], _mean(expected))
    assert _close(scores.figures["ap_50"], expected[0])
    by_class = {label: [_plain_ap(truth, found, t, label) for t in THRESHOLDS] for label in CLASSES}
    at_50 = _mean(areas[0] for areas in by_class.values())
    assert _close(scores.figures["class_ap_50"], at_50)
    assert _close(scores.figures["class_ap"], _mean(_mean(a) for a in by_class.values()))
    for row in scores.by_class:
        own = _mean(by_class.get(row.label, []))
        assert row.ap == (None if own is None else round(own, 4))


@given(st.lists(RANGES, max_size=5), st.lists(RANGES, max_size=5))
@settings(max_examples=150)
def test_pairs_are_the_best_of_all_pairings(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    tiou = temporal_iou(first, second)
    plain = [[_plain_tiou(Stroke("v", *a), Stroke("v", *b)) for b in second] for a in first]
    inside = [[end <= FRAMES for _, end in second] for _ in first]
    for row, (_, end) in enumerate(first):
        for column in range(len(second)):
            if end <= FRAMES and inside[row][column]:
                assert tiou[row, column] == plain[row][column]
    for threshold in (0.5, 0.75):
        rows, columns = matches(tiou, threshold)
        assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows)
        assert (tiou[rows, columns] >= threshold).all()
        wide = tiou if len(first) <= len(second) else tiou.T
        sums = [
            sum(v for row, c in enumerate(order) if (v := wide[row, c]) >= threshold)
            for order in permutations(range(wide.shape[1]), wide.shape[0])
        ]
        numbers = [
            sum(wide[row, c] >= threshold for row, c in enumerate(order))
            for order in permutations(range(wide.shape[1]), wide.shape[0])
        ]
        assert tiou[rows, columns].sum() == pytest.approx(max(sums))
        assert len(rows) == max(numbers)


@given(CASES, st.randoms(use_true_random=False), st.integers(1, 50))
@settings(max_examples=50)
def test_order_of_videos_and_rows_and_the_time_of_day_mean_nothing(
    case: tuple[Truths, Founds, dict[str, int]], random: Any, shift: int
) -> None:
    truth, found, frames = case
    scores = detection_scores(truth, found, frames, 5)
    names = sorted(frames, reverse=True)
    renamed = {name: f"x{number}" for number, name in enumerate(names)}
    again = detection_scores(
        {renamed[v]: truth[v] for v in names},
        {renamed[v]: found[v] for v in names},
        {renamed[v]: frames[v] for v in names},
        5,
    )
    assert again.by_threshold == scores.by_threshold
    assert again.by_class == scores.by_class
    for name, value in scores.figures.items():
        assert _close(again.figures[name], value), name

    later = detection_scores(
        {
            v: [replace(t, begin=t.begin + shift, end=t.end + shift) for t in truth[v]]
            for v in names
        },
        {
            v: [
                d.model_copy(update={"begin": d.begin + shift, "end": d.end + shift})
                for d in found[v]
            ]
            for v in names
        },
        {v: frames[v] + shift for v in names},
        5,
    )
    for name, value in scores.figures.items():
        if name != "n_frames":
            assert _close(later.figures[name], value), name

    # Only MediaEval's figures heed the order in the file.
    mixed = {v: random.sample(list(rows), len(rows)) for v, rows in found.items()}
    strokes = {v: random.sample(list(rows), len(rows)) for v, rows in truth.items()}
    other = detection_scores(strokes, mixed, frames, 5)
    for name in ("iou", "class_iou", "ap", "class_ap", "recall_50", "precision_50", "f1_50"):
        assert _close(other.figures[name], scores.figures[name]), name


@given(CASES, RANGES)
@settings(max_examples=50)
def test_a_false_detection_of_least_confidence_never_helps(
    case: tuple[Truths, Founds, dict[str, int]], place: tuple[int, int]
) -> None:
    truth, found, frames = case
    # In a video of its own, it is false whatever its place; as confident as the least, or less.
    for sure in (0.0, 0.1):
        more = {**found, "z": [_found(*place, sure, "Hit")]}
        before = detection_scores({**truth, "z": []}, {**found, "z": []}, {**frames, "z": 60}, 5)
        after = detection_scores({**truth, "z": []}, more, {**frames, "z": 60}, 5)
        for name in ("ap", "class_ap", "precision_50", "f1_50", "map_2022", "map_2021", "iou"):
            old, new = before.figures[name], after.figures[name]
            assert old is None or (new is not None and new <= old + 1e-12), name


PERFECT = [
    *("iou", "class_iou", "precision_50", "recall_50", "f1_50", "ap", "ap_50", "class_ap"),
    *("class_ap_50", "map_2021", "map_2022", "begin_within", "end_within", "label_accuracy"),
]


@given(st.lists(st.lists(st.integers(4, 15), max_size=4), min_size=1, max_size=4))
@settings(max_examples=60)
def test_what_is_annotated_is_perfect(lengths: list[list[int]]) -> None:
    """Touching strokes, each found exactly."""
    truth: dict[str, list[Stroke]] = {}
    for video, own in enumerate(lengths):
        ends = np.cumsum([0, *own]).tolist()
        truth[str(video)] = [
            Stroke("v", begin, end, CLASSES[number % 3])
            for number, (begin, end) in enumerate(pairwise(ends))
        ]
    found = {
        video: [_found(t.begin, t.end, 0.1 * n, str(t.label)) for n, t in enumerate(rows)]
        for video, rows in truth.items()
    }
    scores = detection_scores(truth, found, dict.fromkeys(truth, 60), 0)
    n = sum(map(len, truth.values()))
    perfect = 1.0 if n else None
    for name in PERFECT:
        assert _close(scores.figures[name], perfect), name
    assert scores.figures["n_matched"] == scores.figures["n_labelled"] == n
    assert scores.figures["begin_error_mean"] == (0.0 if n else None)


# Figures worked out by hand.

THREE = [Stroke("v", 0, 100, "Hit"), Stroke("v", 200, 300, "Flip"), Stroke("v", 400, 500, "Hit")]


def test_nothing_found() -> None:
    scores = _scores(THREE, [])
    figures = scores.figures
    assert figures["iou"] == figures["class_iou"] == figures["recall_50"] == figures["f1_50"] == 0
    assert figures["ap"] == figures["class_ap"] == 0
    # MediaEval's precision is 0/0 then.
    assert figures["precision_50"] is figures["map_2021"] is figures["map_2022"] is None
    assert figures["begin_error"] is figures["label_accuracy"] is None
    assert [
        (row.label, row.n, row.found, row.recall, row.precision) for row in scores.by_class
    ] == [
        ("Flip", 1, 0, 0.0, None),
        ("Hit", 2, 0, 0.0, None),
    ]
    assert scores.by_threshold[0].mediaeval_fn == 3


def test_nothing_there() -> None:
    scores = _scores([], [_found(0, 10), _found(20, 30, label="Flip")])
    figures = scores.figures
    assert figures["iou"] == figures["precision_50"] == figures["f1_50"] == 0
    for name in ("class_iou", "recall_50", "ap", "class_ap", "map_2021", "map_2022"):
        assert figures[name] is None, name
    assert [(row.label, row.n, row.found, row.precision, row.ap) for row in scores.by_class] == [
        ("Flip", 0, 1, 0.0, None),
        ("Hit", 0, 1, 0.0, None),
    ]


def test_neither() -> None:
    for scores in (_scores([], []), detection_scores({}, {}, {}, 5)):
        counts = {name: value for name, value in scores.figures.items() if value is not None}
        assert set(counts) == {
            *("n_videos", "n_frames", "n_strokes", "n_named", "n_found", "n_matched", "n_labelled")
        }
        assert scores.by_class == []
        assert len(scores.by_threshold) == 10
        json.dumps(scores.model_dump(), allow_nan=False)


def test_a_stroke_found_twice() -> None:
    figures = _scores(THREE[:1], [_found(0, 100, 0.9), _found(0, 100, 0.9)]).figures
    assert (figures["precision_50"], figures["recall_50"]) == (0.5, 1.0)
    # They tie, and come in together: whichever is right, precision is a half.
    assert figures["ap"] == 0.5
    assert figures["map_2022"] == 0.5
    figures = _scores(THREE[:1], [_found(0, 100, 0.8), _found(0, 100, 0.9)]).figures
    assert figures["ap"] == 1.0


def test_one_detection_over_two_strokes() -> None:
    halves = [Stroke("v", 0, 100, "Hit"), Stroke("v", 100, 200, "Hit")]
    scores = _scores(halves, [_found(0, 200)])
    figures = scores.figures
    # Each half has temporal IoU 0.5 with it: MediaEval counts both, and no false one.
    first = scores.by_threshold[0]
    assert (first.mediaeval_tp, first.mediaeval_fp, first.mediaeval_fn) == (2, 0, 0)
    second = scores.by_threshold[1]
    assert (second.mediaeval_tp, second.mediaeval_fp, second.mediaeval_fn) == (0, 1, 2)
    assert figures["map_2022"] == pytest.approx(0.1)
    assert figures["map_2021"] == 1.0
    # Everybody else counts one.
    assert (figures["recall_50"], figures["precision_50"], figures["iou"]) == (0.5, 1.0, 1.0)
    assert figures["ap_50"] == 0.5
    assert figures["ap"] == pytest.approx(0.05)


def test_mediaeval_goes_by_the_order_in_the_file() -> None:
    """A poor detection that stands first takes the stroke of a good one, at low thresholds."""
    truth = [Stroke("v", 0, 100, "Hit"), Stroke("v", 100, 200, "Hit")]
    wide, exact = _found(0, 200, 0.1), _found(0, 100, 0.9)
    first, second = (
        _scores(truth, rows).by_threshold[0] for rows in ([wide, exact], [exact, wide])
    )
    assert (first.mediaeval_tp, first.mediaeval_fp) == (2, 1)
    assert (second.mediaeval_tp, second.mediaeval_fp) == (2, 0)


def test_map_2021_of_counted_points() -> None:
    """Ten thresholds, three points: (1/2, 1/2) once, (1/4, 1/4) twice, (0, 0) else."""
    truth = [Stroke("v", 100 * n, 100 * n + 20, None) for n in range(4)]
    # Temporal IoU 0.6 (12 of 20), 0.5 (10 of 20), and two false ones.
    found = [_found(0, 12), _found(100, 110), _found(50, 60), _found(60, 70)]
    scores = _scores(truth, found)
    points = [(row.mediaeval_tp, row.mediaeval_fp) for row in scores.by_threshold]
    assert points == [(2, 2), (1, 3), (1, 3), *[(0, 4)] * 7]
    assert scores.figures["map_2021"] == pytest.approx(0.5 * 0.5)
    assert scores.figures["map_2022"] == pytest.approx((1 / 4 + 2 / 16) / 10)


def test_thresholds_hold_their_own_value() -> None:
    """A quotient of whole frames that is the threshold on paper is so in the computer."""
    for step, threshold in enumerate(THRESHOLDS):
        for scale in (1, 3, 7, 11, 36, 113):
            shared = (10 + step) * scale
            tiou = temporal_iou([(0, shared)], [(0, 20 * scale)])[0, 0]
            assert tiou >= threshold
            assert temporal_iou([(0, shared - 1)], [(0, 20 * scale)])[0, 0] < threshold


def test_average_precision_by_the_library() -> None:
    """Of the detections only, it is scikit-learn's; strokes that were missed scale it down."""
    rng = np.random.default_rng(4)
    truth = [Stroke("v", 100 * n, 100 * n + 50, "Hit") for n in range(80)]
    hits = rng.random(60) < 0.6
    sure = rng.integers(1, 9, 60) / 10
    found = [
        _found(100 * n + (0 if hit else 50), 100 * n + (50 if hit else 100), float(p))
        for n, (hit, p) in enumerate(zip(hits, sure, strict=True))
    ]
    expected = average_precision_score(hits, sure) * hits.sum() / 80
    figures = _scores(truth, found, 10_000).figures
    assert figures["ap"] == pytest.approx(expected)
    assert figures["class_ap"] == pytest.approx(expected)


def test_boundaries_by_hand() -> None:
    found = [_found(2, 101), _found(194, 300, label="Hit"), _found(404, 508), _found(600, 700)]
    figures = _scores(THREE, found).figures
    assert figures["n_matched"] == figures["n_labelled"] == 3
    # Begins are off by 2, -6 and 4, ends by 1, 0 and 8.
    assert (figures["begin_bias"], figures["end_bias"]) == (2, 1)
    assert (figures["begin_error"], figures["end_error"]) == (4, 1)
    assert (figures["begin_error_mean"], figures["end_error_mean"]) == (4, 3)
    assert figures["begin_within"] == figures["end_within"] == pytest.approx(2 / 3)
    assert figures["label_accuracy"] == pytest.approx(2 / 3)
    assert (figures["precision_50"], figures["recall_50"]) == (0.75, 1.0)
    assert figures["f1_50"] == pytest.approx(6 / 7)


def test_ranges_are_half_open() -> None:
    """Strokes that touch share no frame."""
    figures = _scores([Stroke("v", 10, 20, "Hit")], [_found(20, 30)]).figures
    assert figures["iou"] == 0
    assert figures["n_matched"] == 0
    assert temporal_iou([(10, 20)], [(20, 30)]) == 0
    assert temporal_iou([(10, 20)], [(19, 30)]) == 1 / 20


def test_annotated_strokes_that_overlap() -> None:
    truth = [Stroke("v", 0, 40, "Hit"), Stroke("v", 30, 70, "Flip")]
    figures = _scores(truth, [_found(0, 40), _found(30, 70, label="Loop")]).figures
    assert figures["iou"] == 1.0
    # Frames 30 to 40 are Hit and Flip; Hit was found there.
    assert figures["class_iou"] == pytest.approx(40 / 70)
    assert (figures["recall_50"], figures["label_accuracy"]) == (1.0, 0.5)


def test_beyond_the_end_of_the_video() -> None:
    figures = _scores(
        [Stroke("v", 80, 100, "Hit")], [_found(80, 150), _found(120, 150)], 100
    ).figures
    assert figures["iou"] == 1.0
    assert (figures["recall_50"], figures["precision_50"]) == (1.0, 0.5)
    assert figures["end_error"] == 0


@pytest.mark.parametrize("unknown", [None, "Stroke"])
def test_strokes_of_unknown_class(unknown: str | None) -> None:
    truth = [Stroke("v", 0, 100, "Hit"), Stroke("v", 200, 300, unknown)]
    found = [_found(0, 100, 0.5), _found(200, 300, 0.9), _found(200, 300, 0.9, "Flip")]
    scores = _scores(truth, [*found, _found(600, 700, 0.8)])
    figures = scores.figures
    assert (figures["n_strokes"], figures["n_named"], figures["n_labelled"]) == (2, 1, 1)
    assert (figures["recall_50"], figures["precision_50"]) == (1.0, 0.5)
    assert figures["label_accuracy"] == 1.0
    # Frames 200 to 300 are left out; 600 to 700 are false.
    assert figures["class_iou"] == 0.5
    assert figures["iou"] == pytest.approx(200 / 300)
    # Hit: the one on the unknown stroke is passed over, the false one ranks before the right one.
    assert figures["class_ap"] == 0.5
    assert [(row.label, row.n, row.found, row.right) for row in scores.by_class] == [
        ("Flip", 0, 0, 0),
        ("Hit", 1, 2, 1),
    ]


def test_a_class_has_its_own_strokes_only() -> None:
    """A detection of another class neither takes nor hides a stroke."""
    found = [_found(0, 100, 0.9, "Flip"), _found(0, 100, 0.5, "Hit")]
    rows = {row.label: row for row in _scores(THREE, found).by_class}
    assert (rows["Hit"].n, rows["Hit"].found, rows["Hit"].right, rows["Hit"].ap) == (2, 1, 1, 0.5)
    assert (rows["Flip"].right, rows["Flip"].precision, rows["Flip"].ap) == (0, 0.0, 0.0)
    low, high = wilson(1, 2)
    assert (rows["Hit"].low, rows["Hit"].high) == (round(low, 4), round(high, 4))


def test_detections_without_classes() -> None:
    scores = _scores(THREE, [_found(t.begin, t.end, label="Stroke") for t in THREE])
    assert scores.figures["ap"] == scores.figures["iou"] == 1.0
    for name in ("class_iou", "class_ap", "label_accuracy"):
        assert scores.figures[name] is None
    assert scores.by_class == []


def test_intervals_of_few_videos_and_of_many() -> None:
    rng = np.random.default_rng(2)

    def of(videos: int) -> dict[str, float | int | None]:
        truth, found = {}, {}
        for v in range(videos):
            truth[str(v)] = [Stroke("v", 100 * n, 100 * n + 50, "Hit") for n in range(10)]
            rows = [_found(100 * n + int(rng.integers(0, 40)), 100 * n + 50, 0.5) for n in range(9)]
            found[str(v)] = rows
        return detection_scores(truth, found, dict.fromkeys(truth, 1000), 5).figures

    one, few, many = of(1), of(4), of(30)
    for name in ("iou", "recall_50", "f1_50", "ap", "class_ap", "begin_within"):
        assert one[f"{name}_low"] is one[f"{name}_high"] is None, name
    for name in ("iou", "class_iou", "recall_50", "f1_50", "begin_within", "ap", "class_ap"):
        low, value, high = (many[f"{name}{end}"] for end in ("_low", "", "_high"))
        assert low is not None and value is not None and high is not None
        assert 0 <= low < value < high <= 1, name
        if "ap" in name:
            assert few[f"{name}_low"] is None
        else:
            assert few[f"{name}_low"] is not None
    # 30 videos whose detections are drawn alike: 9 shares of about 0.3 in each, so that the
    # interval is about ±1.96 √(Σ (x - mean)²) / n wide.
    mean_width = many["recall_50_high"] - many["recall_50_low"]  # type: ignore[operator]
    p = float(many["recall_50"] or 0)
    assert mean_width == pytest.approx(2 * 1.96 * np.sqrt(p * (0.9 - p) / 0.9 / 300), rel=0.4)


def test_interval_of_average_precision_is_of_whole_videos() -> None:
    """With one sure stroke a video, average precision is the share of videos with a hit."""
    truth = {str(v): [Stroke("v", 0, 50, "Hit")] for v in range(40)}
    found = {str(v): [_found(0, 50)] if v < 30 else [] for v in range(40)}
    figures = detection_scores(truth, found, dict.fromkeys(truth, 100), 5).figures
    assert figures["ap"] == 0.75
    deviation = np.sqrt(0.75 * 0.25 / 40)
    assert figures["ap_low"] == pytest.approx(0.75 - 1.96 * deviation, abs=0.03)
    assert figures["ap_high"] == pytest.approx(0.75 + 1.96 * deviation, abs=0.03)
    assert figures["recall_50_low"] == pytest.approx(figures["ap_low"], abs=0.01)


def test_videos_that_agree_have_no_interval_of_no_width() -> None:
    truth = {str(v): [Stroke("v", 0, 50, "Hit")] for v in range(25)}
    found = {v: [_found(0, 50)] for v in truth}
    figures = detection_scores(truth, found, dict.fromkeys(truth, 100), 5).figures
    for name in ("iou", "recall_50", "ap"):
        assert figures[name] == 1.0
        assert figures[f"{name}_low"] is figures[f"{name}_high"] is None


@pytest.mark.parametrize(
    "stroke", [Stroke("v", 5, 5, None), Stroke("v", -1, 5, None), Stroke("v", 6, 5, "Hit")]
)
def test_ranges_that_are_none(stroke: Stroke) -> None:
    with pytest.raises(ValueError, match="range"):
        _scores([stroke], [])


def test_a_video_without_length() -> None:
    with pytest.raises(ValueError, match="'w'"):
        detection_scores({}, {"w": [_found(0, 5)]}, {"v": 10}, 5)
