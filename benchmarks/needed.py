"""How much of the video the samples need, on a time-table like that of TTStroke-21."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.footage import pattern, row_of, samples_of
from benchmarks.measuring import Result, Section, table
from twinstroke.annotations.strokes import Stroke
from twinstroke.decode.needed import needed_frames
from twinstroke.errors import UserError
from twinstroke.index.negatives import drawn, mine_negatives
from twinstroke.parallel.workers import Workers, each_of
from twinstroke.settings.index import NegativeSettings
from twinstroke.settings.limits import DEFAULT_LIMITS
from twinstroke.synthesize.timing import DURATIONS, GAPS, QUANTILES
from twinstroke.tables import Video
from twinstroke.video.seek import Pass, plan_passes

VIDEOS = 129
STROKES = 1048
FRAMES = 5232
"""Of each video: together about 675,000."""
FIRST_GAP = (250, 560)
"""Frames before a video's first stroke: so that, with the gaps, about 681 negatives can be cut."""
WINDOW, CONTEXT = 100, 20
"""Of the preset `paper`, in frames."""
POOLS = {"all mined negatives": 681, "balanced pool": 106}
TARGETS = {"all mined negatives": 1 / 2, "balanced pool": 1 / 3}
MINED = NegativeSettings(rule="mediaeval", frames=200)
PLANNED = 4
"""Passes are planned for one video in so many."""


@dataclass(frozen=True)
class Need:
    """Shares of all frames."""

    inside: float
    """Within strokes and negatives."""
    without_context: float
    """In windows."""
    kept: float
    pairs: float
    decoded: float
    """With what lies between a key frame and the first kept frame after it."""


def measure(folder: Path) -> Section:
    """Count frames for both pools."""
    # One file stands for all videos: passes depend on the packets alone.
    file = pattern(folder / "calendar.mp4", (64, 36), FRAMES)
    video = row_of(file)
    strokes = time_table()
    rows, results = [], []
    with Workers() as workers:
        for name, pool in POOLS.items():
            own = needs(file, video, with_negatives(strokes, pool), workers)
            rows.append([name, str(pool), *(f"{share:.1%}" for share in vars(own).values())])
            results += [
                Result(f"{what}, {name}", share, TARGETS[name], "≤")
                for what, share in (("kept", own.kept), ("decoded", own.decoded))
            ]
    head = ["", "negatives", "in samples", "in windows", "kept", "with flow", "decoded"]
    return Section(
        "Only what is needed",
        results,
        f"Shares of all {VIDEOS * FRAMES:,} frames of {VIDEOS} videos with {STROKES:,} strokes, "
        "which is the size of the paper's subset. Lengths of strokes and gaps are drawn from the "
        "quantiles of MediaEval 2020, negatives are cut by its rule (200 frames each). A window "
        f"of {WINDOW} frames, every frame, {CONTEXT} frames of context on each side. *Decoded* "
        "counts the frames that the planner makes FFmpeg go through, the lead-in from the last "
        f"key frame included, in one video of {PLANNED}; key frames are taken to come every "
        "second. Nothing is timed here, so one repetition is enough.",
        [table(head, rows)],
        "the samples alone leave 2 to 3 points; the context on both sides, half the kernel by "
        "which the region of interest is smoothed, takes six, and the way from the last key frame "
        "to the first kept one as many or more. Context could be kept only before a clip, where "
        "masks learn, and the track be mirrored at its end; a key frame is where the camera put "
        "it.",
    )


def time_table(seed: int = 0) -> list[list[Stroke]]:
    """Strokes of each video."""
    rng = np.random.default_rng(seed)
    videos = []
    for number in range(VIDEOS):
        count = STROKES // VIDEOS + (number < STROKES % VIDEOS)
        gaps = _drawn_lengths(GAPS, count, rng)
        gaps[0] = int(rng.integers(*FIRST_GAP))
        durations = _drawn_lengths(DURATIONS, count, rng)
        ends = np.cumsum(np.add(gaps, durations)).tolist()
        videos.append(
            [
                Stroke(str(number), end - length, end)
                for end, length in zip(ends, durations, strict=True)
            ]
        )
    return videos


def _drawn_lengths(values: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    lengths: list[int] = (
        np.rint(np.interp(rng.random(count), QUANTILES, values)).astype(int).tolist()
    )
    return lengths


def with_negatives(videos: Sequence[Sequence[Stroke]], pool: int) -> list[list[tuple[int, int]]]:
    """Ranges of frames of each video: its strokes, and those of all negatives that are drawn."""
    mined = {
        f"{number}:{gap.begin}": (number, gap)
        for number, strokes in enumerate(videos)
        for gap in mine_negatives(strokes, MINED)
    }
    ranges = [[(stroke.begin, stroke.end) for stroke in strokes] for strokes in videos]
    for name in sorted(drawn(sorted(mined), pool, 1)):
        number, gap = mined[name]
        ranges[number].append((gap.begin, gap.end))
    return ranges


def needs(
    file: Path, video: Video, ranges: Sequence[Sequence[tuple[int, int]]], workers: Workers
) -> Need:
    """Sum over videos of equal packets."""
    kept = [_kept(video, own, CONTEXT) for own in ranges]
    without = [_kept(video, own, 0) for own in ranges]
    plan = partial(_decoded_frames, file=file, frames=video.frames)
    numbers = []
    for _, outcome in workers.outcomes(plan, each_of(kept[::PLANNED])):
        if isinstance(outcome, UserError):
            raise outcome
        numbers.append(outcome)
    everything = len(ranges) * video.frames
    return Need(
        inside=sum(len(set().union(*(range(*one) for one in own))) for own in ranges) / everything,
        without_context=_count(without) / everything,
        kept=_count(kept) / everything,
        pairs=(_count(kept) - sum(map(len, kept))) / everything,
        decoded=sum(numbers) / (len(numbers) * video.frames),
    )


def _kept(video: Video, ranges: Iterable[tuple[int, int]], context: int) -> list[range]:
    return needed_frames(
        samples_of(video, ranges),
        frames=video.frames,
        window=WINDOW,
        frame_step=1,
        context=context,
    )


def _count(kept: Iterable[Iterable[range]]) -> int:
    return sum(len(r) for own in kept for r in own)


def _decoded_frames(kept: Sequence[range], file: Path, frames: int) -> int:
    passes = plan_passes(file, kept, frames=frames, frame_step=1, limits=DEFAULT_LIMITS)
    return sum(lengths(passes))


def lengths(passes: Sequence[Pass]) -> Iterator[int]:
    """Frames that each pass decodes, where every frame is kept."""
    for one in passes:
        yield one.kept[-1].stop - (one.entry.frame if one.entry else 0)
