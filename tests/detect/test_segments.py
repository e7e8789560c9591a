"""From probabilities to strokes: against rules written down plainly, and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinstroke.annotations.detection import Detection
from twinstroke.detect.segments import chosen, find_strokes, smoothed, weighed
from twinstroke.detect.track import Track
from twinstroke.settings.detect import DetectSettings
from twinstroke.timeline import every
from twinstroke.video.clock import Clock

CLASSES = ["A", "Negative", "B"]
NEGATIVE = 1
PLAIN = DetectSettings(stride=1, smoothing="none", shortest_s=0, gap_s=0)


def track(
    names: str,
    *,
    window: int = 1,
    stride: int = 1,
    frame_step: int = 1,
    frames: int | None = None,
) -> Track:
    """A letter a window: A and B for strokes, a dot for none."""
    rows = [np.eye(3)[{"A": 0, ".": 1, "B": 2}[name]] * 0.7 + 0.1 for name in names]
    count = len(names) * stride * frame_step if frames is None else frames
    return Track(np.array(rows), CLASSES, window, stride, every(frame_step, count))


def found_in(own: Track, rules: DetectSettings) -> list[Detection]:
    """The strokes of a track of 30 kept frames a second, on the clock of its video."""
    frame_step = -(-own.kept.frames // len(own.kept))
    clock = Clock(np.arange(own.kept.frames + 1), Fraction(1, 30 * frame_step))
    found = find_strokes(own, rules, 30, "v", clock)
    assert {stroke.video for stroke in found} <= {"v"}
    return found


def test_a_run_lasts_from_border_to_border() -> None:
    (found,) = found_in(track("...AAAA..."), PLAIN)
    # Window 3 speaks for [2.5, 3.5): the source frames whose beginning lies in it.
    assert (found.begin, found.end, found.label) == (3, 7, "A")
    assert found.probability == pytest.approx(0.8)
    assert found.stroke_probability == pytest.approx(0.9)
    assert (found.begin_s, found.end_s) == (0.1, 0.233)  # thirtieths
    (found,) = found_in(track("...AAAA...", stride=4, frame_step=4), PLAIN)
    assert (found.begin, found.end) == (40, 104)  # 2.5 and 6.5 times 16 frames


@given(
    st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)
)
def test_a_border_is_where_the_next_window_is_nearer(
    window: int, stride: int, frame_step: int, before: int, during: int
) -> None:
    """By the mean of the source frames that a window shows."""
    names = "." * before + "A" * during + "...."
    own = track(names, window=window, stride=stride, frame_step=frame_step)
    (found,) = found_in(own, PLAIN)
    middles = [
        np.mean([(p * stride - window // 2 + k) * frame_step for k in range(window)])
        for p in range(len(names))
    ]
    for frame in range(own.kept.frames):
        distances = [abs(frame - middle) for middle in middles]
        nearest = max(p for p, d in enumerate(distances) if d == min(distances))
        assert (found.begin <= frame < found.end) == (names[nearest] == "A")


def test_runs_reach_both_ends_of_the_video() -> None:
    # The last window has its middle at frame 18 and speaks for all up to the end.
    (found,) = found_in(track("AAAA", stride=2, frame_step=3, frames=24), PLAIN)
    assert (found.begin, found.end) == (0, 24)


def test_what_makes_a_stroke() -> None:
    names = "..AABB..B.."
    one, other = found_in(track(names), PLAIN)
    assert [(one.begin, one.end), (other.begin, other.end)] == [(2, 6), (8, 9)]
    assert (one.label, other.label) == ("A", "B")  # as probable: the first class
    by_class = PLAIN.model_copy(update={"runs": "class"})
    found = found_in(track(names), by_class)
    assert [(s.begin, s.end, s.label) for s in found] == [(2, 4, "A"), (4, 6, "B"), (8, 9, "B")]


def test_gaps_close_and_short_runs_go() -> None:
    tuned = PLAIN.model_copy(update={"gap_s": 2.5 / 30, "shortest_s": 3 / 30})
    found = found_in(track("AA..AA...A....AAA"), tuned)
    # A gap of two is bridged, one of three is not; one window is too short, three are not.
    assert [(s.begin, s.end) for s in found] == [(0, 6), (14, 17)]
    by_class = tuned.model_copy(update={"runs": "class"})
    found = found_in(track("AAABBAAA"), by_class)
    assert [(s.begin, s.end, s.label) for s in found] == [(0, 8, "A")]


@given(st.text("AB.", min_size=1, max_size=30), st.integers(1, 6))
def test_rules_in_seconds_mean_the_same_whatever_the_stride(names: str, stride: int) -> None:
    """As many windows, each so many times as far from the next."""
    windows = {"gap_s": 2.5, "shortest_s": 2, "smoothing_s": 5}
    found = []
    for own in (1, stride):
        seconds = {name: own * number / 30 for name, number in windows.items()}
        rules = PLAIN.model_copy(update={"stride": own, "smoothing": "mean", **seconds})
        found.append(found_in(track(names, stride=own), rules))
    assert [s.probability for s in found[1]] == [s.probability for s in found[0]]
    for one, other in zip(*found, strict=True):
        for a, b in ((one.begin, other.begin), (one.end, other.end)):
            # A border lies half a window before the frame of its window, but for both ends.
            assert b in (math.ceil((a - 0.5) * stride), 0 if a == 0 else len(names) * stride)


def test_confidences_are_means_over_the_segment_after_the_weight() -> None:
    """Of what was weighed, not of what was smoothed to find the segment."""
    weight = 3.0
    own = track("....AAAAAAA....")
    plain = own.probabilities.copy()
    # Near the end of the segment, so that smoothing takes a part of it out.
    plain[9] = 0.45, 0.1, 0.45
    own = replace(own, probabilities=plain)
    changes = {"smoothing": "mean", "smoothing_s": 3 / 30, "negative_weight": weight}
    rules = PLAIN.model_copy(update=changes)
    (found,) = found_in(own, rules)
    segment = plain[found.begin : found.end]
    total = segment[:, 0] + weight * segment[:, 1] + segment[:, 2]
    assert (found.begin, found.end) == (5, 10)
    assert found.probability == pytest.approx((segment[:, 0] / total).mean(), abs=1e-4)
    negative = (weight * segment[:, 1] / total).mean()
    assert found.stroke_probability == pytest.approx(1 - negative, abs=1e-4)


def test_nothing_and_everything() -> None:
    assert found_in(track("....."), PLAIN) == []
    (found,) = found_in(track("B"), PLAIN)
    assert (found.begin, found.end) == (0, 1)


def test_both_rejections() -> None:
    rows = np.array([[0.3, 0.4, 0.3], [0.2, 0.5, 0.3], [0.45, 0.4, 0.15], [0.1, 0.8, 0.1]])
    assert chosen(rows, NEGATIVE, "all").tolist() == [1, 1, 0, 1]
    assert chosen(rows, NEGATIVE, "sum").tolist() == [0, 1, 0, 1]


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_weight_is_a_change_of_prior(likelihood: float, before: float, after: float) -> None:
    other = 1 - likelihood  # of the same sight, in a stroke

    def posterior(prior: float) -> float:
        return likelihood * prior / (likelihood * prior + other * (1 - prior))

    shown = posterior(before)
    weight = after * (1 - before) / (before * (1 - after))
    (found,) = weighed(np.array([[1 - shown, shown]]), 1, weight)
    assert found[1] == pytest.approx(posterior(after), abs=1e-9)


def _rows(draw: st.DrawFn) -> NDArray[np.float64]:
    count = draw(st.integers(1, 30))
    values = draw(
        st.lists(
            st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=count, max_size=count
        )
    )
    rows: NDArray[np.float64] = np.array(values, np.float64) + 0.5
    rows /= rows.sum(1, keepdims=True)
    return rows


rows = st.composite(_rows)()


@given(rows, st.sampled_from(["vote", "mean", "gaussian"]), st.integers(0, 40))
def test_smoothing_is_the_sum_over_windows_around(
    values: NDArray[np.float64], rule: str, windows: int
) -> None:
    found = smoothed(values, rule, windows)
    np.testing.assert_allclose(found.sum(1), 1)
    around = windows // 2
    sigma = 0.3 * (around - 1) + 0.8
    for place in range(len(values)):
        near = [n for n in range(place - around, place + around + 1) if 0 <= n < len(values)]
        if not around:
            np.testing.assert_array_equal(found[place], values[place])
            continue
        weight = [
            math.exp(-((n - place) ** 2) / 2 / sigma**2) if rule == "gaussian" else 1.0
            for n in near
        ]
        mean = sum(w * values[n] for w, n in zip(weight, near, strict=True)) / sum(weight)
        if rule != "vote":
            np.testing.assert_allclose(found[place], mean)
            continue
        votes = [int(values[n].argmax()) for n in near]
        shares = [(votes.count(c) + mean[c]) / (len(near) + 1) for c in range(3)]
        np.testing.assert_allclose(found[place], shares)


def test_smoothing_does_not_shift() -> None:
    values = track("." * 20 + "A" * 11 + "." * 20).probabilities
    for rule in ("vote", "mean", "gaussian"):
        found = smoothed(values, rule, 9)
        np.testing.assert_allclose(found, found[::-1])


@settings(max_examples=200)
@given(
    st.text("AB.", min_size=1, max_size=40),
    st.sampled_from(["stroke", "class"]),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_runs_agree_with_a_plain_walk(names: str, runs: str, gap: int, shortest: int) -> None:
    tuned = PLAIN.model_copy(update={"runs": runs, "gap_s": gap / 30, "shortest_s": shortest / 30})
    found = found_in(track(names), tuned)
    kinds = names if runs == "class" else names.replace("B", "A")
    expected: list[list[int | str]] = []
    place = 0
    for kind, group in groupby(kinds):
        length = len(list(group))
        begin, end = place, place + length
        place = end
        if kind == ".":
            continue
        earlier = [r for r in expected if r[2] == kind and begin - int(r[1]) < gap]
        if earlier:
            while expected[-1] is not earlier[-1]:
                expected.pop()
            expected[-1][1] = end
        else:
            expected.append([begin, end, kind])
    kept = [(b, e) for b, e, _ in expected if int(e) - int(b) >= shortest]
    assert [(s.begin, s.end) for s in found] == kept
    for one, following in pairwise(found):
        assert one.end <= following.begin
    for stroke in found:
        own = names[stroke.begin : stroke.end]
        if runs == "stroke":
            assert own.count(stroke.label) >= max(own.count("A"), own.count("B"))
        assert stroke.label in own
