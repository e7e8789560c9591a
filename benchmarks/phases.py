"""Where the time of a stage goes."""

from __future__ import annotations

import cProfile
import pstats
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.footage import described, footage, row_of, samples_of, spread
from benchmarks.measuring import Section, table
from benchmarks.preparation import stages
from twinstroke.parallel.workers import Workers
from twinstroke.settings.flow import Estimator

CLIPS, CLIP_FRAMES = 3, 100
RUNS: dict[Estimator, tuple[str, ...]] = {
    "dis": ("decode", "flow", "normalize", "segment"),
    "farneback": ("flow",),
}
"""Stages that are looked at, by the estimator."""
ELSE = "everything else"
Function = tuple[str, int, str]
"""File (``~`` for none), line and name, as `pstats` has them."""

PHASES = {
    ("twinstroke/video/ffmpeg.py", "_pieces"): "wait for FFmpeg",
    ("twinstroke/video/ffmpeg.py", "__iter__"): "start and end FFmpeg",
    ("twinstroke/video/entry.py", "_frames"): "planes out of bytes",
    ("twinstroke/video/entry.py", "__iter__"): "planes out of bytes",
    ("h5py/_hl/dataset.py", "__getitem__"): "read, decompress",
    ("twinstroke/files.py", "readinto"): "read, decompress",
    ("~", "cvtColor"): "grey",
    ("~", "merge"): "grey",
    ("twinstroke/flow/estimators.py", "estimate_flow"): "estimate",
    ("twinstroke/flow/stored.py", "quantised"): "quantise",
    ("twinstroke/flow/stored.py", "dequantised"): "dequantise",
    ("twinstroke/decode/stored.py", "pictures"): "planes to pictures",
    ("twinstroke/flow/stored.py", "fields"): "planes to pictures",
    ("twinstroke/normalize/mask.py", "foreground"): "foreground",
    ("twinstroke/normalize/mask.py", "masked"): "mask",
    ("twinstroke/normalize/roi.py", "roi_centre"): "region of interest",
    ("twinstroke/normalize/motion.py", "_described_run"): "peaks",
    ("twinstroke/segment/strokes.py", "_block"): "mask",
    ("twinstroke/segment/crop.py", "crop_around"): "crop",
    ("h5py/_hl/dataset.py", "__setitem__"): "compress",
    ("twinstroke/parallel/parts.py", "append"): "compress",
    # HDF5 keeps the last chunks until then.
    ("h5py/_hl/files.py", "close"): "compress",
    ("twinstroke/files.py", "write"): "write",
    ("twinstroke/parallel/parts.py", "_copy_chunks"): "join parts",
    ("twinstroke/parallel/parts.py", "_put_together"): "join parts",
}
"""What functions do, by the end of their file's path, and name."""


def measure(folder: Path) -> Section:
    """Profile the stages in this process."""
    file = footage(folder)
    video = row_of(file)
    samples = samples_of(video, spread(video, CLIPS, CLIP_FRAMES))
    rows = []
    with Workers(count=0) as workers:
        for estimator, wanted in RUNS.items():
            own = folder / f"phases {estimator}"
            for name, stage in stages(file, video, samples, own, workers, estimator=estimator):
                profile = cProfile.Profile()
                profile.runcall(stage)
                if name in wanted:
                    title = f"{name}, {estimator}" if name == "flow" else name
                    rows.append([title, in_words(shares(pstats.Stats(profile)))])
    return Section(
        "Where the time goes",
        [],
        "Shares of the time of each stage, in one process, by Python's profiler; what a library "
        "does counts for the function that calls it. While the stage waits for FFmpeg, FFmpeg "
        "decodes and scales on the same core or another; *compress* includes what HDF5 does "
        f"around it. One repetition; {len(samples)} samples of {CLIP_FRAMES} frames. "
        f"{described(video, file)}.",
        [table(["stage", "shares of its time"], rows)],
    )


def in_words(phases: Mapping[str, float]) -> str:
    """Shares in falling order; what is below a hundredth joins everything else."""
    large = {name: share for name, share in phases.items() if share >= 0.01 and name != ELSE}
    ordered = sorted(large.items(), key=lambda item: -item[1])
    rest = 1 - sum(large.values())
    return ", ".join(f"{name} {share:.0%}" for name, share in [*ordered, (ELSE, rest)])


def shares(stats: pstats.Stats) -> dict[str, float]:
    """Share of each phase in all the time of a profile."""
    # pstats has no other way to the callers of a function.
    functions: Mapping[Function, Any] = vars(stats)["stats"]
    seconds: defaultdict[str, float] = defaultdict(float)
    for function, (_, _, own, _, _) in functions.items():
        for phase, share in _charged(function, functions, frozenset()).items():
            seconds[phase] += own * share
    total = sum(seconds.values())
    return {phase: own / total for phase, own in seconds.items()}


def _charged(
    function: Function, functions: Mapping[Function, Any], on_the_way: frozenset[Function]
) -> dict[str, float]:
    """Phases to which a function's own time belongs: those of its callers, if it has none."""
    phase = phase_of(function)
    if phase:
        return {phase: 1.0}
    callers = {
        caller: figures[3]
        for caller, figures in functions[function][4].items()
        if caller not in on_the_way and caller != function
    }
    total = sum(callers.values())
    if not total:
        return {ELSE: 1.0}
    charged: dict[str, float] = {}
    for caller, seconds in callers.items():
        for name, share in _charged(caller, functions, on_the_way | {function}).items():
            charged[name] = charged.get(name, 0) + share * seconds / total
    return charged


def phase_of(function: Function) -> str | None:
    """What a function does; None where that depends on who calls it."""
    path, _, name = function
    for (file, known), phase in PHASES.items():
        # Built-in functions bear more than their name: ``<built-in function merge>``.
        if path.endswith(file) and (name == known or (file == "~" and known in name)):
            return phase
    return None
