"""Which samples train, validate and test."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from twinstroke.settings import SplitSettings
from twinstroke.tables import SPLITS, Split


class Segment(NamedTuple):
    """A sample before it has a split. Tuples compare, so segments have an order of their own."""

    video: str
    begin: int
    end: int
    class_index: int
    mined: bool
    split: Split | None
    """What the folder or file says."""


def assign_splits(
    segments: Sequence[Segment], settings: SplitSettings, seed: int, problems: list[str]
) -> dict[Segment, Split]:
    """Give every segment its split.

    Deterministic under `seed`, and independent of the order of `segments`.

    Args:
        segments: All samples.
        settings: The rule and its patterns or ratios.
        seed: Seed of the rules that draw.
        problems: Gets one line for each video that a rule cannot place; its segments are missing
            from the result.
    """
    ordered = sorted(set(segments), key=lambda s: s[:5])
    videos = sorted({segment.video for segment in ordered})
    match settings.rule:
        case "folders":
            return _by_folder(ordered, problems)
        case "strokes":
            return _by_stroke(ordered, settings, seed)
        case "names":
            of_video = _by_name(videos, settings, problems)
        case "videos":
            of_video = _by_draw(videos, settings, seed, problems)
    return {s: of_video[s.video] for s in ordered if s.video in of_video}


def _by_folder(segments: Sequence[Segment], problems: list[str]) -> dict[Segment, Split]:
    homeless = sorted({s.video for s in segments if s.split is None})
    problems += [
        f"video {video!r}: belongs to no split; put its annotations or clip into a folder named "
        "train, validation or test (CSV: fill the column split), or change index.split.rule"
        for video in homeless
    ]
    return {s: s.split for s in segments if s.split is not None}


def _by_stroke(
    segments: Sequence[Segment], settings: SplitSettings, seed: int
) -> dict[Segment, Split]:
    """Draw within each class, as the paper does, which puts one player into several splits.

    Rounding as here gives the published number of clips of every class of MediaEval 2022.
    """
    result: dict[Segment, Split] = {}
    for index in sorted({s.class_index for s in segments}):
        own = [s for s in segments if s.class_index == index]
        train = round(settings.train_ratio * len(own))
        # Two roundings upwards may ask for one segment more than there is.
        validation = min(round(settings.validation_ratio * len(own)), len(own) - train)
        # A stream for each class: what is added to one leaves the draw of the others alone.
        order = np.random.default_rng([seed, index]).permutation(len(own))
        for place, number in enumerate(order):
            result[own[number]] = _split_at(place, train, validation)
    return result


def _by_name(
    videos: Sequence[str], settings: SplitSettings, problems: list[str]
) -> dict[str, Split]:
    result: dict[str, Split] = {}
    for video in videos:
        matching = [
            split
            for split in SPLITS
            if any(fnmatchcase(video, pattern) for pattern in getattr(settings, split))
        ]
        if len(matching) == 1:
            result[video] = matching[0]
        else:
            problems.append(
                f"video {video!r}: matches the patterns of {' and '.join(matching) or 'no split'}; "
                "let index.split place every video in exactly one split"
            )
    return result


def _by_draw(
    videos: Sequence[str], settings: SplitSettings, seed: int, problems: list[str]
) -> dict[str, Split]:
    """Draw whole videos; each split gets at least one, however small its ratio."""
    count = len(videos)
    if count < len(SPLITS):
        problems.append(
            f"index.split: rule videos needs at least 3 videos with labelled strokes, found "
            f"{count}; add videos, or choose another rule"
        )
        return {}
    train = min(max(round(settings.train_ratio * count), 1), count - 2)
    validation = min(max(round(settings.validation_ratio * count), 1), count - train - 1)
    order = np.random.default_rng(seed).permutation(count)
    return {videos[n]: _split_at(place, train, validation) for place, n in enumerate(order)}


def _split_at(place: int, train: int, validation: int) -> Split:
    if place < train:
        return "train"
    return "validation" if place < train + validation else "test"
