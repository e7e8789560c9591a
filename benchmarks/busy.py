"""Are all cores busy to the end of one long video?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.footage import described, footage, repeated, row_of, samples_of, spread
from benchmarks.measuring import Result, Section, seconds_of, started, table
from benchmarks.preparation import stages
from twinstroke.errors import UserError
from twinstroke.parallel.workers import Workers, available_workers

In = TypeVar("In")
Out = TypeVar("Out")

CLIPS, CLIP_FRAMES = 6, 180
COPIES = 2
"""Of the footage, one after another, so that the video is long."""
TARGET = 0.9


class ClockedWorkers(Workers):
    """Processes that note how long each item takes them."""

    def __init__(self, *, count: int | None = None) -> None:
        super().__init__(count=count)
        self.busy_s = 0.0
        """Of all processes together."""

    def outcomes(
        self, function: Callable[[In], Out], take: Callable[[], In | None]
    ) -> Iterator[tuple[In, Out | UserError]]:
        """As :meth:`Workers.outcomes`."""
        for item, outcome in super().outcomes(partial(_clocked, function), take):
            if isinstance(outcome, UserError):
                raise outcome
            seconds, result = outcome
            self.busy_s += seconds
            yield item, result


def _clocked(function: Callable[[In], Out], item: In) -> tuple[float, Out]:
    begun = time.perf_counter()
    result = function(item)
    return time.perf_counter() - begun, result


def measure(folder: Path) -> Section:
    """Carry out the stages on one video, and compare the work with the time."""
    cores = available_workers()
    piece = footage(folder)
    file = repeated(piece, COPIES, folder / f"long{piece.suffix}")
    video = row_of(file)
    samples = samples_of(video, spread(video, CLIPS, CLIP_FRAMES))
    rows, results = [], []
    with ClockedWorkers() as workers:
        started(workers)
        for name, stage in stages(file, video, samples, folder / "busy", workers):
            workers.busy_s = 0.0
            seconds = seconds_of(stage)
            share = utilisation(workers.busy_s, seconds, cores)
            rows.append([name, f"{seconds:.1f} s", f"{share:.1%}"])
            results.append(Result(name, share, TARGET, "≥"))
    return Section(
        "Busy cores",
        results,
        "The time that the processes spend on their items, planning and joining included, as a "
        f"share of {cores} cores × the time of the stage on one video; processes are there when "
        "the clock starts. Less than 100% is what they wait for each other, for new items, and "
        f"at the end. One repetition; {len(samples)} samples of {CLIP_FRAMES} frames, flow by "
        f"DIS. {described(video, file)}: of a longer video a smaller part is the end.",
        [table(["one video", "time", "busy"], rows)],
        "a stage has few parts here, and who ends first waits for the last one and for the "
        "joining. `normalize` shares out only what a gap divides, because masks learn from frame "
        "to frame: parts could overlap by the mask's history instead, computed twice then.",
    )


def utilisation(busy_s: float, wall_s: float, cores: int) -> float:
    """Share of the cores' time that was worked."""
    return busy_s / (cores * wall_s)
