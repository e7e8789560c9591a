"""Negatives are thinned, strokes are not."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.balance.choice import balance
from twinstroke.settings.balance import BalanceSettings

# (label, split) of 5 + 3 strokes and 20 negatives in train, 2 + 1 strokes and 9 negatives in test.
ROWS = (
    [("A", "train")] * 5
    + [("B", "train")] * 3
    + [("Negative", "train")] * 20
    + [("A", "test")] * 2
    + [("C", "test")] * 1
    + [("Negative", "test")] * 9
    + [("Negative", "validation")] * 4
)
NAMES = [f"s{i:02}" for i in range(len(ROWS))]
LABELS = [label for label, _ in ROWS]
SPLITS = [split for _, split in ROWS]
AGREED = [1.0] * len(ROWS)


@pytest.mark.parametrize(
    ("target", "train", "test"),
    [("largest", 5, 2), ("mean", 4, 2), ("all", 20, 9), (7, 7, 7), (0, 0, 0), (50, 20, 9)],
)
def test_targets(target: Literal["largest", "mean", "all"] | int, train: int, test: int) -> None:
    used = balance(NAMES, LABELS, SPLITS, AGREED, BalanceSettings(negatives=target), seed=1)
    label = dict(zip(NAMES, LABELS, strict=True))
    sizes = Counter((label[row.sample], row.split) for row in used)
    assert sizes["Negative", "train"] == train
    assert sizes["Negative", "test"] == test
    assert (sizes["A", "train"], sizes["B", "train"], sizes["A", "test"]) == (5, 3, 2)
    assert [row.sample for row in used] == sorted(row.sample for row in used)


@given(st.permutations(range(len(ROWS))), st.integers(0, 2**32 - 1))
def test_choice_depends_on_the_seed_alone(order: list[int], seed: int) -> None:
    settings = BalanceSettings(negatives="largest")
    straight = balance(NAMES, LABELS, SPLITS, AGREED, settings, seed=seed)
    shuffled = balance(
        [NAMES[i] for i in order],
        [LABELS[i] for i in order],
        [SPLITS[i] for i in order],
        AGREED,
        settings,
        seed=seed,
    )
    assert {row.sample for row in straight} == {row.sample for row in shuffled}


def test_another_seed_keeps_other_negatives() -> None:
    settings = BalanceSettings(negatives="largest")
    choices = {
        tuple(row.sample for row in balance(NAMES, LABELS, SPLITS, AGREED, settings, seed=seed))
        for seed in range(5)
    }
    assert len(choices) == 5


def test_doubtful_strokes_are_not_trained_on_but_tested_on() -> None:
    agreement = [0.5 if label == "A" else 1.0 for label in LABELS]
    settings = BalanceSettings(negatives="largest", min_agreement=0.6)
    used = balance(NAMES, LABELS, SPLITS, agreement, settings, seed=1)
    label = dict(zip(NAMES, LABELS, strict=True))
    sizes = Counter((label[row.sample], row.split) for row in used)
    assert (sizes["A", "train"], sizes["B", "train"]) == (0, 3)
    assert (sizes["A", "test"], sizes["C", "test"]) == (2, 1)
    # The largest class that is left decides about the negatives.
    assert (sizes["Negative", "train"], sizes["Negative", "test"]) == (3, 2)
    just = BalanceSettings(negatives="largest", min_agreement=0.5)
    assert len(balance(NAMES, LABELS, SPLITS, agreement, just, seed=1)) == len(
        balance(NAMES, LABELS, SPLITS, AGREED, just, seed=1)
    )
