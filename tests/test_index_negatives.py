from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from twinstroke.index.negatives import Stroke, mine_negatives

STROKES = st.lists(
    st.builds(
        lambda begin, length, split: Stroke(begin, begin + length, split),
        st.integers(0, 300),
        st.integers(1, 60),
        st.sampled_from(["train", "validation", "test"]),
    ),
    max_size=8,
)


def test_by_hand() -> None:
    strokes = [Stroke(25, 30, "train"), Stroke(50, 60, "test"), Stroke(69, 70, "test")]
    assert mine_negatives(strokes, 10) == [
        Stroke(0, 10, "train"),
        Stroke(10, 20, "train"),
        Stroke(30, 40, "test"),
        Stroke(40, 50, "test"),  # fits exactly
    ]


def test_nothing_after_the_last_stroke_and_nothing_without_strokes() -> None:
    assert mine_negatives([Stroke(0, 10, "train")], 10) == []
    assert mine_negatives([], 10) == []


def test_short_stroke_within_a_long_one_opens_no_gap() -> None:
    strokes = [Stroke(0, 100, "train"), Stroke(10, 20, "train"), Stroke(120, 130, "train")]
    assert mine_negatives(strokes, 20) == [Stroke(100, 120, "train")]


@given(STROKES, st.integers(1, 40))
def test_against_frame_by_frame_restatement(strokes: list[Stroke], frames: int) -> None:
    """Count free frames one at a time; a busy frame resets the count, a full count is a segment."""
    last = max((s.begin for s in strokes), default=0)
    busy = [any(s.begin <= n < s.end for s in strokes) for n in range(last)]
    expected, free = [], 0
    for n in range(last):
        free = 0 if busy[n] else free + 1
        if free == frames:
            expected.append((n + 1 - frames, n + 1))
            free = 0
    mined = mine_negatives(strokes, frames)
    assert [(s.begin, s.end) for s in mined] == expected
    for negative in mined:
        following = min(s.begin for s in strokes if s.begin >= negative.end)
        assert negative.split in {s.split for s in strokes if s.begin == following}


@given(STROKES, st.integers(1, 40), st.randoms(use_true_random=False))
def test_order_of_strokes_does_not_matter(
    strokes: list[Stroke], frames: int, shuffler: random.Random
) -> None:
    shuffled = list({(s.begin, s.end): s for s in strokes}.values())
    expected = mine_negatives(shuffled, frames)
    shuffler.shuffle(shuffled)
    assert mine_negatives(shuffled, frames) == expected
