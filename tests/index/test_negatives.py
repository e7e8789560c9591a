from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Place
from twinstroke.index.negatives import drawn, mine_negatives
from twinstroke.settings.index import NegativeSettings
from twinstroke.tables import Split


def _stroke(begin: int, end: int, split: Split | None = "train", group: str = "") -> Stroke:
    return Stroke("v", begin, end, "Hit", split, Place("a.csv", str(begin)), group=group)


STROKES = st.lists(
    st.builds(
        lambda begin, length, split: _stroke(begin, begin + length, split),
        st.integers(0, 300),
        st.integers(1, 60),
        st.sampled_from(["train", "validation", "test"]),
    ),
    max_size=8,
)


def _mine(strokes: list[Stroke], frames: int, **changes: Any) -> list[Stroke]:
    settings = NegativeSettings.model_validate({"frames": frames, **changes})
    return mine_negatives(strokes, settings)


def _spans(segments: list[Stroke]) -> list[tuple[int, int]]:
    return [(s.begin, s.end) for s in segments]


def test_by_hand() -> None:
    strokes = [
        _stroke(25, 30, "train", "a"),
        _stroke(50, 60, "test", "b"),
        _stroke(69, 70, "test", "b"),
    ]

    def negative(begin: int, end: int, split: Split, group: str) -> Stroke:
        place = Place("a.csv")
        return Stroke("v", begin, end, "Negative", split, place, group=group, mined=True)

    assert _mine(strokes, 10) == [
        negative(0, 10, "train", "a"),
        negative(10, 20, "train", "a"),
        negative(30, 40, "test", "b"),
        negative(40, 50, "test", "b"),  # fits exactly
    ]
    assert _spans(_mine(strokes, 10, margin=2)) == [(0, 10), (10, 20), (32, 42)]
    assert _spans(_mine(strokes, 10, rule="mediaeval")) == [(0, 10), (10, 20), (30, 40)]


def test_nothing_after_the_last_stroke_and_nothing_without_strokes() -> None:
    assert _mine([_stroke(0, 10)], 10) == []
    assert _mine([], 10) == []
    assert _mine([_stroke(50, 60)], 10, rule="none") == []


def test_short_stroke_within_a_long_one_opens_no_gap() -> None:
    strokes = [_stroke(0, 100), _stroke(10, 20), _stroke(120, 130)]
    assert _spans(_mine(strokes, 20)) == [(100, 120)]


@given(STROKES, st.integers(1, 40), st.integers(0, 20))
def test_gaps_against_frame_by_frame_restatement(
    strokes: list[Stroke], frames: int, margin: int
) -> None:
    """Count free frames one at a time; a busy frame resets the count, a full count is a segment."""
    last = max((s.begin for s in strokes), default=0)
    busy = [any(s.begin - margin <= n < s.end + margin for s in strokes) for n in range(last)]
    expected, free = [], 0
    for n in range(last):
        free = 0 if busy[n] else free + 1
        if free == frames:
            expected.append((n + 1 - frames, n + 1))
            free = 0
    mined = _mine(strokes, frames, margin=margin)
    assert _spans(mined) == expected
    for negative in mined:
        following = min(s.begin for s in strokes if s.begin >= negative.end)
        assert negative.split in {s.split for s in strokes if s.begin == following}


@given(STROKES, st.integers(1, 40), st.integers(0, 20), st.sampled_from(["gaps", "mediaeval"]))
def test_no_negative_lies_over_a_stroke(
    strokes: list[Stroke], frames: int, margin: int, rule: str
) -> None:
    margin = margin if rule == "gaps" else 0
    for negative in _mine(strokes, frames, rule=rule, margin=margin):
        assert negative.end - negative.begin == frames
        for stroke in strokes:
            assert negative.end + margin <= stroke.begin or stroke.end + margin <= negative.begin


def published(strokes: list[tuple[int, int]], frames: int = 200) -> list[tuple[int, int]]:
    """The rule of the MediaEval baseline as the fact sheet words it, for strokes in order."""
    segments = []
    previous = 0
    for begin, end in strokes:
        while previous + frames < begin:
            segments.append((previous, previous + frames))
            previous += frames
        previous = end
    return segments


def _timing_table(seed: int) -> dict[str, list[tuple[int, int]]]:
    """755 strokes in 77 videos that last, and follow each other, like those of MediaEval 2020.

    All times are multiples of 4 frames; durations and gaps have the quantiles of that data set:
    36 to 312 frames with median 180; a median gap of 202 frames, and one in a hundred overlaps.
    """
    random = np.random.default_rng(seed)
    table = {}
    for number, size in enumerate(np.diff(np.linspace(0, 755, 78).astype(int))):
        at, strokes = int(random.integers(0, 150)) * 4, []
        for _ in range(size):
            quantile = random.uniform()
            duration = np.interp(
                quantile, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1], [36, 80, 144, 180, 216, 256, 312]
            )
            length = int(duration) // 4 * 4
            strokes.append((at, at + length))
            overlaps = random.uniform() < 0.01
            gap = -int(random.integers(1, 7)) * 4 if overlaps else random.exponential(202 / 0.69)
            at = max(at + 4, at + length + int(gap) // 4 * 4)
        table[f"v{number}"] = strokes
    return table


@pytest.mark.parametrize("seed", range(5))
def test_published_rule_on_timing_tables_like_that_of_2020(seed: int) -> None:
    """On the true table the rule gives 682 negatives; tables like it should give about as many."""
    table = _timing_table(seed)
    assert sum(map(len, table.values())) == 755
    total = 0
    for strokes in table.values():
        mined = _mine([_stroke(b, e) for b, e in strokes], 200, rule="mediaeval")
        assert _spans(mined) == published(strokes)
        total += len(mined)
    assert 500 < total < 1000


@given(STROKES, st.integers(1, 40), st.sampled_from(["gaps", "mediaeval"]), st.randoms())
def test_order_of_strokes_does_not_matter(
    strokes: list[Stroke], frames: int, rule: str, shuffler: random.Random
) -> None:
    shuffled = list({(s.begin, s.end): s for s in strokes}.values())
    expected = _mine(shuffled, frames, rule=rule)
    shuffler.shuffle(shuffled)
    assert _mine(shuffled, frames, rule=rule) == expected


def test_the_pool_of_the_paper_is_reachable() -> None:
    names = [f"v{n % 77}:{200 * n}-{200 * n + 200}" for n in range(681)]
    pool = drawn(names, 106, seed=1)
    assert len(pool) == 106
    assert pool <= set(names)
    assert pool != drawn(names, 106, seed=2)
    assert drawn(names[::-1], 106, seed=1) == pool


@given(st.sets(st.text(), max_size=30), st.sets(st.text(), max_size=5), st.integers(0, 30))
def test_more_candidates_displace_at_most_as_many(
    names: set[str], more: set[str], pool: int
) -> None:
    before = drawn(sorted(names), pool, seed=3)
    after = drawn(sorted(names | more), pool, seed=3)
    assert after - more <= before
    assert len(before - after) <= len(more - names)


def test_every_candidate_has_the_same_chance() -> None:
    names = [str(n) for n in range(20)]
    times = np.zeros(20)
    for seed in range(2000):
        for name in drawn(names, 5, seed):
            times[int(name)] += 1
    # 500 each; the standard deviation is 19.4.
    assert abs(times - 500).max() < 5 * 19.4
