"""When each player plays which stroke: the calendar of every video.

Lengths follow the 755 training strokes of MediaEval 2020 at 120 fps: the quantiles of their
durations and the median gap; boundaries are multiples of 4 frames, as in every annotation seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.synthesize.motions import STROKES
from twinstroke.tables import SPLITS, Split

FPS = 120
GRID = 4
"""Annotations were made at 30 fps, so their boundaries lie on every fourth frame."""

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
DURATIONS = (36, 80, 144, 180, 216, 256, 312)
"""Frames of a stroke at QUANTILES."""
GAPS = (112, 120, 152, 202, 260, 380, 480)
"""Frames between two strokes at QUANTILES. The median is real; the least leaves room for swings,
which may be longer than the stroke that was annotated."""

ID_DIGITS = (9, 15)
"""Video names of TTStroke-21 have 9 to 14 digits (upper bound exclusive)."""


@dataclass(frozen=True)
class PlannedStroke:
    """One stroke to be played and annotated: frames ``begin`` (included) to ``end`` (excluded)."""

    begin: int
    end: int
    label: str


@dataclass(frozen=True)
class VideoPlan:
    """What one player plays in one video of `frames` frames at 120 fps."""

    video: str
    split: Split
    number: int
    """Counts the players over all splits from 0; with the seed, it decides everything drawn."""
    strokes: tuple[PlannedStroke, ...]
    frames: int


def plan_videos(settings: SynthesizeSettings, seed: int) -> list[VideoPlan]:
    """Lay out all videos, in the order train, validation, test.

    Args:
        settings: Players of each split, strokes of each player.
        seed: Seed of everything drawn.

    Returns:
        One plan a player.
    """
    videos = iter(_video_ids(settings.players, np.random.default_rng([seed, 0])))
    plans: list[VideoPlan] = []
    for index, split in enumerate(SPLITS):
        players = getattr(settings, f"{split}_players")
        deck = np.random.default_rng([seed, 1, index])
        for labels in deal_labels(players, settings.strokes_per_player, deck):
            number = len(plans)
            strokes, frames = _calendar(labels, np.random.default_rng([seed, 2, number]))
            plans.append(VideoPlan(next(videos), split, number, strokes, frames))
    return plans


def deal_labels(players: int, strokes: int, rng: np.random.Generator) -> list[list[str]]:
    """Deal the 20 classes like packs of shuffled cards, so that all are about equally frequent.

    Args:
        players: Number of players of the split.
        strokes: Strokes of each player.
        rng: Source of chance.

    Returns:
        `strokes` labels for each player; over the split, each class comes up ⌊n⌋ or ⌈n⌉ times,
        where n = players · strokes / 20.
    """
    labels = list(STROKES)
    packs = -(-players * strokes // len(labels))
    cards = [labels[card] for _ in range(packs) for card in rng.permutation(len(labels))]
    return [cards[player * strokes : (player + 1) * strokes] for player in range(players)]


def _calendar(
    labels: Sequence[str], rng: np.random.Generator
) -> tuple[tuple[PlannedStroke, ...], int]:
    gaps = _draw_lengths(GAPS, len(labels) + 1, rng)
    durations = _draw_lengths(DURATIONS, len(labels), rng)
    strokes: list[PlannedStroke] = []
    now = 0
    for label, gap, duration in zip(labels, gaps, durations, strict=False):
        strokes.append(PlannedStroke(now + gap, now + gap + duration, label))
        now += gap + duration
    return tuple(strokes), now + gaps[-1]


def _draw_lengths(values: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    frames = np.interp(rng.random(count), QUANTILES, values)
    return [int(length) for length in np.rint(frames / GRID) * GRID]


def _video_ids(count: int, rng: np.random.Generator) -> list[str]:
    videos: dict[str, None] = {}
    while len(videos) < count:
        digits = int(rng.integers(*ID_DIGITS))
        videos[str(rng.integers(10 ** (digits - 1), 10**digits))] = None
    return list(videos)
