"""Does the network ever wait for windows, from the disk or from memory?"""

from __future__ import annotations

import json
import os
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.footage import Bench, samples_of, stages
from benchmarks.measuring import Result, Section, ratio, seconds_of, table
from benchmarks.training import BUILT_IN, CPU, PAPER, Training, description, random_batch
from twinstroke.gpu_check import made_up_strokes
from twinstroke.parallel.workers import Workers, available_workers
from twinstroke.settings.network import Modality
from twinstroke.train.fit import Outputs
from twinstroke.train.launch import train
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows, collate

# --- out of strokes.h5 ---------------------------------------------------------------------------

CLIPS, CLIP_FRAMES = 4, 180
READS = 24
STEPS = {1: 3, 10: 1}
"""Steps that are timed, by batch size."""


def random_access(bench: Bench) -> Section:
    """Read random windows, and train on them."""
    cores = available_workers()
    torch.set_num_threads(cores)
    footage, folder = bench.footage, bench.folder / "strokes"
    clips = footage.spread(CLIPS, CLIP_FRAMES)
    with Workers() as workers:
        for stage in stages(footage, clips, folder, workers).values():
            stage()
    samples = [sample.sample for sample in samples_of(footage.video, clips)]
    windows = StrokeWindows(folder / "strokes.h5", samples)
    reading = statistics.median(_reading(windows, number) for number in range(READS))
    rows = [["one window from disk", f"{reading:.3f} s", ""]]
    results = []
    for batch_size, count in STEPS.items():
        # The first step of all is slower.
        seconds = _step(windows, batch_size, warm_up=batch_size == 1, count=count)
        share = reading * batch_size / seconds
        rows.append([f"a step of batch {batch_size}", f"{seconds:.2f} s", f"{share:.1%}"])
        what = f"reading, as a share of the step of batch {batch_size}"
        results.append(Result(what, share, 1, "≤"))
    return Section(
        "Random access",
        results,
        f"A random window of {PAPER.window[0]} frames, colour and flow with their margin, out of "
        f"`strokes.h5` as the preset `paper` makes it (median of {READS}, after the file was put "
        "out of the page cache), against a training step of the RGB network at "
        f"{PAPER.size}: views, forward, backward, optimiser; after one step that "
        f"does not count, the median of {' and '.join(map(str, STEPS.values()))} (of batch 1 and "
        f"10). {cores} cores. {footage}. A share below 100% means that one process keeps the "
        "network fed.",
        [table(["", "time", "reading / step"], rows)],
    )


def _reading(windows: StrokeWindows, number: int) -> float:
    descriptor = os.open(windows.path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    return seconds_of(lambda: windows[number, number % len(windows)])


def _step(windows: StrokeWindows, batch_size: int, *, warm_up: bool, count: int) -> float:
    made = description("rgb", PAPER.window)
    training = Training(made, CPU)
    batch = collate([windows[0, place % len(windows)] for place in range(batch_size)])
    seen = windows.input_format(made.flow_scale)

    def step() -> None:
        training.step(seen.streams(batch, ["rgb"]), batch["target"])

    if warm_up:
        step()
    return statistics.median(seconds_of(step) for _ in range(count))


# --- held in memory ------------------------------------------------------------------------------

TARGET = 0.95
MODALITIES: Sequence[Modality] = ("rgb", "flow", "twin")
REPETITIONS = 3


def feeding(bench: Bench) -> Section:
    """Train as the stage does, and step on tensors that lie on the device, in turns."""
    device = make_deterministic(0)
    scale, batches = (PAPER, 10) if device.type == "cuda" else (BUILT_IN, 6)
    strokes = bench.folder / "feeding.h5"
    names = made_up_strokes(strokes, scale.window, batches * scale.batch_size)
    rows, results = [], []
    for modality in MODALITIES:
        made = description(modality, scale.window, batch_size=scale.batch_size)
        seconds: dict[str, list[float]] = {"held": [], "file": [], "tensors": []}
        for _ in range(REPETITIONS):
            seconds["tensors"].append(_on_tensors(made, batches, device))
            for place, memory_gb in (("held", 4.0), ("file", 0.0)):
                own = _trained(strokes, names, made, bench.folder, memory_gb=memory_gb)
                seconds[place].append(own)
        held, file = (ratio(seconds[place], seconds["tensors"]) for place in ("held", "file"))
        results.append(Result(f"{modality}, samples in memory", held, TARGET, "≥"))
        rates = [f"{1 / statistics.median(own):.1f}" for own in seconds.values()]
        rows.append([modality, *rates, f"{held:.1%}", f"{file:.1%}"])
    head = ["samples/s", "held", "from the file", "tensors", "held / tensors", "file / tensors"]
    return Section(
        "Windows for the network",
        results,
        "Samples a second of real training (`train` itself: drawn views, reading, stacking, "
        "resampling, normalising, step, progress), with samples held in memory and with samples "
        "read from `strokes.h5` by the process that trains, against the same step on tensors that "
        f"lie on the device already. TSTCNN without blocks, {scale.size}, batch "
        f"{scale.batch_size}, {len(names['train'])} made-up samples an epoch; median of "
        f"{REPETITIONS} runs in turns, of each the median of two epochs.",
        [table(head, rows)],
        "both runs use the same cores, on a machine that others use too: between neighbouring runs "
        "of the very same steps lie several points. What the profile finds for windows (stacking, "
        "resampling, normalising) is in `training.json` as `waiting_for_windows`.",
    )


def _trained(
    strokes: Path,
    names: dict[str, list[str]],
    made: TrainedModel,
    folder: Path,
    *,
    memory_gb: float,
) -> float:
    """Seconds a sample of the median epoch."""
    outputs = Outputs(
        folder / "work", folder / "model", folder / "history.csv", folder / "training.json"
    )
    train(strokes, names, made, outputs, memory_gb=memory_gb)
    # What was trained is kept there, and would not be trained again.
    shutil.rmtree(outputs.work)
    rate: float = json.loads(outputs.timing.read_text())["samples_per_second"]
    return 1 / rate


def _on_tensors(made: TrainedModel, batches: int, device: torch.device) -> float:
    """Seconds a sample of the median of two epochs, each so many steps on one batch."""
    size = made.optimisation.batch_size
    training, batch = Training(made, device), random_batch(made, size, device)

    def epoch() -> None:
        total = torch.zeros((), dtype=torch.float64, device=device)
        for _ in range(batches):
            total += training.step(*batch)
        float(total)  # waits for a GPU

    return statistics.median(seconds_of(epoch) for _ in range(2)) / (batches * size)
