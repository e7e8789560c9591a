"""How fast a video is prepared for the network, and what takes the time."""

from __future__ import annotations

import cProfile
import pstats
import shutil
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import cv2
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import (
    BLUR,
    WIDTH,
    Bench,
    Footage,
    command,
    decoded,
    grey_frames,
    repeated,
    stages,
    started,
    with_flow,
)
from benchmarks.measuring import Result, Section, alternating, ratio, seconds_of, table
from twinstroke.errors import UserError
from twinstroke.flow.estimators import estimate_flow
from twinstroke.parallel.workers import Workers, available_workers
from twinstroke.settings.flow import Estimator, FlowSettings

In = TypeVar("In")
Out = TypeVar("Out")

REPETITIONS = 2

# --- against FFmpeg and the estimators alone -----------------------------------------------------

DECODE_TARGET = 0.8
STAGE = "stage"


def decode_rate(bench: Bench) -> Section:
    """Decode all frames of a video with the stage, and with FFmpeg to nowhere."""
    cores = available_workers()
    footage = bench.footage
    frames = footage.video.frames
    apart = f"{cores} FFmpegs, a thread each"
    threaded = f"one FFmpeg, {cores} threads"
    folder = bench.folder / "all"
    with Workers() as workers:
        start_s = started(workers)
        seconds = alternating(
            REPETITIONS,
            {
                STAGE: _anew(folder, partial(decoded, footage, [(0, frames)], folder, workers)),
                apart: partial(_bare_decoding, footage, processes=cores, threads=1),
                threaded: partial(_bare_decoding, footage, processes=1, threads=cores),
            },
        )
    rates = {name: frames / statistics.median(own) for name, own in seconds.items()}
    shares = {name: ratio(seconds[STAGE], seconds[name]) for name in (apart, threaded)}
    rows = [[name, f"{share:.1%}", f"{rates[name]:.0f}/s"] for name, share in shares.items()]
    return Section(
        "Throughput of decode",
        [Result(f"rate of {name}", share, DECODE_TARGET, "≥") for name, share in shares.items()],
        f"All frames of a video, to the finished file of frames, with {cores} processes, against "
        "FFmpeg alone, which decodes the same frames, scales them by the same filter to the same "
        f"planes, and drops them. {REPETITIONS} repetitions of each in turn; the share is the "
        f"median over neighbouring repetitions. {footage}. Starting the processes takes "
        f"{start_s:.1f} s once a stage, and is not counted; planning and joining are.",
        [
            table(
                ["", "share that the stage reaches", "frames"],
                [*rows, [STAGE, "", f"{rates[STAGE]:.0f}/s"]],
            )
        ],
        "frames come through a pipe, and are compressed and joined on the cores on which FFmpeg "
        "decodes. They could come through shared memory, and be compressed by a lower level at "
        "first and again when parts are joined.",
    )


def _anew(folder: Path, stage: Callable[[], object]) -> Callable[[], object]:
    """Carry a stage out without what it left in its folder."""

    def run() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        stage()

    return run


def _bare_decoding(footage: Footage, *, processes: int, threads: int) -> None:
    share = -(-footage.video.frames // processes)
    begins = [f"{float(n * share / footage.video.fps):.6f}" for n in range(processes)]
    options = {"vf": footage.scaling, "pix_fmt": "gbrp", "frames:v": share, "format": "null"}
    running = [
        subprocess.Popen(
            command(
                ffmpeg.input(str(footage.file), threads=threads, ss=begin)["V:0"].output(
                    "-", fps_mode="passthrough", **options
                )
            )
        )
        for begin in begins
    ]
    failed = [process.wait() for process in running]
    if any(failed):
        raise RuntimeError(f"FFmpeg could not decode {footage.file}")


# Whole parts for each core: see PART_FRAMES in twinstroke.flow.fields.
PAIRS_PER_CORE: dict[Estimator, int] = {"deepflow": 64, "farneback": 128, "dis": 384}
FLOW_TARGETS: dict[Estimator, float] = {"deepflow": 0.95, "farneback": 0.95, "dis": 0.8}


def flow_rate(bench: Bench) -> Section:
    """Hold the stage against bare calls of each estimator, on all cores."""
    cores = available_workers()
    footage = bench.footage
    folder = bench.folder / "flow"
    rows, results = [], []
    with Workers() as workers:
        start_s = started(workers)
        for estimator, own in PAIRS_PER_CORE.items():
            pairs = min(own * cores, footage.video.frames - 1)
            frames = decoded(footage, [(0, pairs)], bench.folder / f"first {pairs}", workers)
            stage = partial(with_flow, frames, folder, workers, estimator=estimator)
            seconds = _against_bare(_anew(folder, stage), frames, estimator, cores)
            share = ratio(seconds["stage"], seconds["bare"])
            results.append(Result(estimator, share, FLOW_TARGETS[estimator], "≥"))
            rates = [pairs / statistics.median(seconds[name]) for name in ("stage", "bare")]
            rows.append(
                [estimator, f"{pairs:,}", f"{share:.1%}", *(f"{rate:.1f}/s" for rate in rates)]
            )
    return Section(
        "Throughput of flow",
        results,
        f"From a file of frames of {WIDTH}×{footage.kept_height} to the finished file "
        f"of flow, with {cores} processes and a blur of {BLUR}, against bare calls of the same "
        "estimator, without blur, on the same grey frames in memory, spread over as many "
        f"processes. {REPETITIONS} repetitions of each in turn; the share is the median over "
        f"neighbouring repetitions. {footage}. Starting the processes takes "
        f"{start_s:.1f} s once a stage, and is not counted.",
        [table(["", "pairs", "share of bare", "stage", "bare calls"], rows)],
        "reading frames, turning them grey, and compressing flow without loss take a few "
        "milliseconds a pair on the same cores (see below), which weighs the more the faster the "
        "estimator is. Grey frames could be kept beside the colours, or the fields be compressed "
        "by a faster method that needs more disk.",
    )


def _against_bare(
    stage: Callable[[], object], frames: Path, estimator: Estimator, cores: int
) -> dict[str, list[float]]:
    grey = grey_frames(frames)
    stored = frames.with_suffix(".npy")
    np.save(stored, grey)
    places = range(len(grey) - 1)
    # Small enough shares that the last one is waited for only shortly.
    chunk = max(1, len(places) // (16 * cores))
    with ProcessPoolExecutor(cores, get_context("spawn"), _load, (stored,)) as pool:
        call = partial(_bare_estimate, FlowSettings(estimator=estimator, blur=0))
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


def _bare_estimate(settings: FlowSettings, place: int) -> None:
    estimate_flow(_loaded[place], _loaded[place + 1], settings)


# --- are all cores busy to the end of one long video? --------------------------------------------

BUSY_CLIPS, BUSY_FRAMES = 6, 180
COPIES = 2
"""Of the footage, one after another, so that the video is long."""
BUSY_TARGET = 0.9


class ClockedWorkers(Workers):
    """Processes that note how long each item takes them."""

    busy_s = 0.0
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


def busy_cores(bench: Bench) -> Section:
    """Carry out the stages on one video, and compare the work with the time."""
    cores = available_workers()
    piece = bench.footage
    file = bench.folder / f"long{piece.file.suffix}"
    footage = Footage.of(repeated(piece.file, COPIES, file), piece.name)
    clips = footage.spread(BUSY_CLIPS, BUSY_FRAMES)
    rows, results = [], []
    with ClockedWorkers() as workers:
        started(workers)
        for name, stage in stages(footage, clips, bench.folder / "busy", workers).items():
            workers.busy_s = 0.0
            seconds = seconds_of(stage)
            share = utilisation(workers.busy_s, seconds, cores)
            rows.append([name, f"{seconds:.1f} s", f"{share:.1%}"])
            results.append(Result(name, share, BUSY_TARGET, "≥"))
    return Section(
        "Busy cores",
        results,
        "The time that the processes spend on their items, planning and joining included, as a "
        f"share of {cores} cores × the time of the stage on one video; processes are there when "
        "the clock starts. Less than 100% is what they wait for each other, for new items, and "
        f"at the end. One repetition; {len(clips)} samples of {BUSY_FRAMES} frames, flow by "
        f"DIS. {footage}: of a longer video a smaller part is the end.",
        [table(["one video", "time", "busy"], rows)],
        "a stage has few parts here, and who ends first waits for the last one and for the "
        "joining. `normalize` shares out only what a gap divides, because masks learn from frame "
        "to frame: parts could overlap by the mask's history instead, computed twice then.",
    )


def utilisation(busy_s: float, wall_s: float, cores: int) -> float:
    """Share of the cores' time that was worked."""
    return busy_s / (cores * wall_s)


# --- where does the time of a stage go? ----------------------------------------------------------

PHASE_CLIPS, PHASE_FRAMES = 3, 100
PROFILED: dict[Estimator, tuple[str, ...]] = {
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
    ("twinstroke/hdf5.py", "readinto"): "read, decompress",
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
    ("twinstroke/hdf5.py", "write"): "write",
    ("twinstroke/parallel/parts.py", "_copy_chunks"): "join parts",
    ("twinstroke/parallel/parts.py", "_put_together"): "join parts",
}
"""What functions do, by the end of their file's path, and name."""


def phases(bench: Bench) -> Section:
    """Profile the stages in this process."""
    footage = bench.footage
    clips = footage.spread(PHASE_CLIPS, PHASE_FRAMES)
    rows = []
    with Workers(count=0) as workers:
        for estimator, wanted in PROFILED.items():
            folder = bench.folder / f"phases {estimator}"
            for name, stage in stages(footage, clips, folder, workers, estimator).items():
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
        f"around it. One repetition; {len(clips)} samples of {PHASE_FRAMES} frames. {footage}.",
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
