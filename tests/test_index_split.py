from __future__ import annotations

from collections import Counter
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.index.split import Segment, assign_splits
from twinstroke.settings import SplitSettings
from twinstroke.tables import SPLITS, Split

SEGMENTS = st.lists(
    st.builds(
        lambda video, begin, label, mined: Segment(
            f"v{video}", begin, begin + 5, label, mined, None
        ),
        st.integers(0, 9),
        st.integers(0, 50),
        st.integers(0, 3),
        st.booleans(),
    ),
    unique=True,
    max_size=60,
)


def _of_class(count: int, label: int = 0) -> list[Segment]:
    return [Segment("v", 10 * n, 10 * n + 5, label, False, None) for n in range(count)]


def _assign(
    segments: list[Segment], settings: SplitSettings, seed: int = 1
) -> dict[Segment, Split]:
    problems: list[str] = []
    result = assign_splits(segments, settings, seed, problems)
    assert not problems
    return result


@given(SEGMENTS, st.sampled_from(["videos", "strokes"]), st.integers(0, 9), st.data())
def test_draws_ignore_the_order_of_the_input(
    segments: list[Segment], rule: str, seed: int, data: st.DataObject
) -> None:
    settings = SplitSettings.model_validate({"rule": rule})
    shuffled = data.draw(st.permutations(segments))
    once: list[str] = []
    again: list[str] = []
    first = assign_splits(segments, settings, seed, once)
    assert first == assign_splits(shuffled, settings, seed, again)
    assert once == again


@given(SEGMENTS, st.integers(0, 99), st.floats(0, 1), st.floats(0, 1))
def test_videos_stay_whole_and_no_split_is_empty(
    segments: list[Segment], seed: int, train: float, validation: float
) -> None:
    settings = SplitSettings(
        rule="videos", train_ratio=train, validation_ratio=min(validation, 1 - train)
    )
    problems: list[str] = []
    splits = assign_splits(segments, settings, seed, problems)
    videos = {s.video for s in segments}
    if len(videos) < 3:
        assert problems and "at least 3 videos" in problems[0]
        return
    assert set(splits) == set(segments)
    placed = {(segment.video, split) for segment, split in splits.items()}
    assert len(placed) == len(videos)
    assert {split for _, split in placed} == set(SPLITS)


def test_videos_are_drawn_by_the_ratios() -> None:
    segments = [Segment(f"v{n}", 0, 5, 0, False, None) for n in range(20)]
    splits = _assign(segments, SplitSettings(rule="videos"))
    assert Counter(splits.values()) == {"train": 14, "validation": 4, "test": 2}


def test_seed_changes_the_draw() -> None:
    segments = _of_class(30)
    settings = SplitSettings(rule="strokes")
    assert _assign(segments, settings, 1) != _assign(segments, settings, 2)


# Clips of each class of MediaEval 2022: train and validation as published; the totals, of which the
# third is the rest, are those that the rule explains.
MEDIAEVAL_2022 = [
    (107, 75, 21), (83, 58, 17), (80, 56, 16), (81, 57, 16), (94, 66, 19), (80, 56, 16),
    (61, 43, 12), (86, 60, 17), (81, 57, 16), (64, 45, 13), (33, 23, 7), (44, 31, 9),
    (40, 28, 8), (30, 21, 6), (34, 24, 7), (33, 23, 7), (11, 8, 2), (41, 29, 8), (8, 6, 2),
    (27, 19, 5), (31, 22, 6),
]  # fmt: skip


def test_strokes_reproduce_mediaeval_2022() -> None:
    segments = [
        segment
        for label, (count, _, _) in enumerate(MEDIAEVAL_2022)
        for segment in _of_class(count, label)
    ]
    splits = _assign(segments, SplitSettings(rule="strokes"))
    found = Counter((segment.class_index, split) for segment, split in splits.items())
    for label, (count, train, validation) in enumerate(MEDIAEVAL_2022):
        assert found[label, "train"] == train
        assert found[label, "validation"] == validation
        assert found[label, "test"] == count - train - validation
    assert Counter(splits.values())["train"] == 807
    assert Counter(splits.values())["validation"] == 230


@given(st.integers(1, 200), st.integers(0, 10))
def test_strokes_round_within_each_class(count: int, tenths: int) -> None:
    settings = SplitSettings(
        rule="strokes", train_ratio=tenths / 10, validation_ratio=(10 - tenths) / 20
    )
    found = Counter(_assign(_of_class(count), settings).values())
    assert sum(found.values()) == count
    assert abs(found["train"] - tenths * count / 10) <= 0.5 + 1e-9
    assert floor((10 - tenths) * count / 20) - 1 <= found["validation"]
    assert found["validation"] <= (10 - tenths) * count / 20 + 0.5 + 1e-9


def test_another_class_does_not_change_the_draw() -> None:
    settings = SplitSettings(rule="strokes")
    alone = _assign(_of_class(30, 2), settings)
    together = _assign(_of_class(30, 2) + _of_class(7, 1), settings)
    assert alone.items() <= together.items()


def test_classes_of_equal_size_are_drawn_differently() -> None:
    segments = _of_class(30, 0) + _of_class(30, 1)
    splits = _assign(segments, SplitSettings(rule="strokes"))
    one, other = (
        [splits[s] for s in sorted(splits, key=lambda s: s[:5]) if s.class_index == label]
        for label in (0, 1)
    )
    assert one != other


def test_folders_are_obeyed() -> None:
    segments = [
        Segment("v", 0, 5, 1, False, "train"),
        Segment("v", 10, 15, 1, False, "test"),
        Segment("v", 5, 10, 0, True, "test"),
    ]
    assert _assign(segments, SplitSettings(rule="folders")) == {s: s.split for s in segments}


def test_folders_name_videos_without_split_once() -> None:
    problems: list[str] = []
    assign_splits(_of_class(3), SplitSettings(rule="folders"), 1, problems)
    assert len(problems) == 1
    assert "video 'v': belongs to no split" in problems[0]


NAMES = SplitSettings(rule="names", train=["fold[01]_*"], validation=["fold2_*"], test=["*_9", "t"])


def test_names_place_whole_videos() -> None:
    segments = [Segment(name, 0, 5, 0, False, "train") for name in ("fold0_1", "fold2_1", "t")]
    assert list(_assign(segments, NAMES).values()) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("video", "message"),
    [("fold3_1", "patterns of no split"), ("fold2_9", "patterns of validation and test")],
)
def test_names_must_match_one_split(video: str, message: str) -> None:
    problems: list[str] = []
    assert not assign_splits([Segment(video, 0, 5, 0, False, None)], NAMES, 1, problems)
    assert len(problems) == 1
    assert video in problems[0] and message in problems[0]
