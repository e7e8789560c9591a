"""Does the stage `flow` cost more than its estimator?"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import WIDTH, decoded, described, footage, grey_frames, row_of
from benchmarks.measuring import Result, Section, alternating, ratio, started, table
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.fields import compute_flow
from twinstroke.parallel.workers import Workers, available_workers
from twinstroke.settings.flow import Estimator, FlowSettings
from twinstroke.tables import Video

# Whole parts for each core: see PART_FRAMES in twinstroke.flow.
PAIRS_PER_CORE: dict[Estimator, int] = {"deepflow": 64, "farneback": 128, "dis": 384}
TARGETS: dict[Estimator, float] = {"deepflow": 0.95, "farneback": 0.95, "dis": 0.8}
REPETITIONS = 2
BLUR: Literal[3] = 3
"""Of the stage, as in the preset `paper`; the bare calls do not blur."""


def measure(folder: Path) -> Section:
    """Hold the stage against bare calls of each estimator, on all cores."""
    cores = available_workers()
    file = footage(folder)
    video = row_of(file)
    rows, results = [], []
    with Workers() as workers:
        start_s = started(workers)
        for estimator, own in PAIRS_PER_CORE.items():
            pairs = min(own * cores, video.frames - 1)
            frames = decoded(file, video, [(0, pairs)], folder / f"first {pairs}", workers)
            stage = partial(_stage, frames, estimator, folder / "flow", workers)
            seconds = _against_bare(stage, frames, estimator, cores)
            share = ratio(seconds["stage"], seconds["bare"])
            results.append(Result(estimator, share, TARGETS[estimator], "≥"))
            rates = [pairs / statistics.median(seconds[name]) for name in ("stage", "bare")]
            rows.append(
                [estimator, f"{pairs:,}", f"{share:.1%}", *(f"{rate:.1f}/s" for rate in rates)]
            )
    return Section(
        "Throughput of flow",
        results,
        f"From a file of frames of {WIDTH}×{kept_height(video)} to the finished file "
        f"of flow, with {cores} processes and a blur of {BLUR}, against bare calls of the same "
        "estimator, without blur, on the same grey frames in memory, spread over as many "
        f"processes. {REPETITIONS} repetitions of each in turn; the share is the median over "
        f"neighbouring repetitions. {described(video, file)}. Starting the processes takes "
        f"{start_s:.1f} s once a stage, and is not counted.",
        [table(["", "pairs", "share of bare", "stage", "bare calls"], rows)],
        "reading frames, turning them grey, and compressing flow without loss take a few "
        "milliseconds a pair on the same cores (see below), which weighs the more the faster the "
        "estimator is. Grey frames could be kept beside the colours, or the fields be compressed "
        "by a faster method that needs more disk.",
    )


def kept_height(video: Video) -> int:
    """Height of the kept frames."""
    return video.height * WIDTH // video.width


def _stage(frames: Path, estimator: Estimator, folder: Path, workers: Workers) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    settings = FlowSettings(estimator=estimator, blur=BLUR)
    compute_flow([frames], settings, folder=folder, workers=workers)


def _against_bare(
    stage: Callable[[], None], frames: Path, estimator: Estimator, cores: int
) -> dict[str, list[float]]:
    grey = grey_frames(frames)
    stored = frames.with_suffix(".npy")
    np.save(stored, grey)
    places = range(len(grey) - 1)
    # Small enough shares that the last one is waited for only shortly.
    chunk = max(1, len(places) // (16 * cores))
    with ProcessPoolExecutor(cores, get_context("spawn"), _load, (stored,)) as pool:
        call = partial(_bare, FlowSettings(estimator=estimator, blur=0))
        for _ in pool.map(call, range(2 * cores)):
            pass  # until all have started
        return alternating(
            REPETITIONS,
            {"stage": stage, "bare": lambda: list(pool.map(call, places, chunksize=chunk))},
        )


_loaded: list[NDArray[np.uint8]] = []


def _load(stored: Path) -> None:
    cv2.setNumThreads(1)
    _loaded[:] = list(np.load(stored))


def _bare(settings: FlowSettings, place: int) -> None:
    estimate_flow(_loaded[place], _loaded[place + 1], settings)
