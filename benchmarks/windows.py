"""Does training wait for the disk?"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.footage import described, footage, row_of, samples_of, spread
from benchmarks.measuring import Result, Section, seconds_of, table
from benchmarks.preparation import prepared
from twinstroke.models import build_tstcnn
from twinstroke.parallel.workers import Workers, available_workers
from twinstroke.train.windows import InputFormat, StrokeWindows, WindowBatch, collate

WINDOW = (100, 120, 120)
CLASSES = 21
CLIPS, CLIP_FRAMES = 4, 180
READS = 24
STEPS = {1: 3, 10: 1}
"""Steps that are timed, by batch size."""


def measure(folder: Path) -> Section:
    """Read random windows, and train on them."""
    cores = available_workers()
    torch.set_num_threads(cores)
    file = footage(folder)
    video = row_of(file)
    samples = samples_of(video, spread(video, CLIPS, CLIP_FRAMES))
    with Workers() as workers:
        strokes = prepared(file, video, samples, folder / "strokes", workers)
    windows = StrokeWindows(strokes, [sample.sample for sample in samples])
    reading = statistics.median(_reading(windows, number) for number in range(READS))
    rows = [["one window from disk", f"{reading:.3f} s", ""]]
    results = []
    for batch_size, count in STEPS.items():
        step = _step(windows, batch_size)
        if batch_size == 1:
            step()  # the first one of all is slower
        seconds = statistics.median(seconds_of(step) for _ in range(count))
        share = reading * batch_size / seconds
        rows.append([f"a step of batch {batch_size}", f"{seconds:.2f} s", f"{share:.1%}"])
        what = f"reading, as a share of the step of batch {batch_size}"
        results.append(Result(what, share, 1, "≤"))
    return Section(
        "Random access",
        results,
        f"A random window of {WINDOW[0]} frames, colour and flow with their margin, out of "
        f"`strokes.h5` as the preset `paper` makes it (median of {READS}, after the file was put "
        "out of the page cache), against a training step of the RGB network at "
        f"{'×'.join(map(str, WINDOW))}: views, forward, backward, optimiser; after one step that "
        f"does not count, the median of {' and '.join(map(str, STEPS.values()))} (of batch 1 and "
        f"10). {cores} cores. "
        f"{described(video, file)}. A share below 100% means that one process keeps the network "
        "fed.",
        [table(["", "time", "reading / step"], rows)],
    )


def _reading(windows: StrokeWindows, number: int) -> float:
    descriptor = os.open(windows.path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    return seconds_of(lambda: windows[number, number % len(windows)])


def _step(windows: StrokeWindows, batch_size: int) -> Callable[[], None]:
    torch.manual_seed(0)
    model = build_tstcnn(modality="rgb", classes=CLASSES, window=WINDOW).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.5, nesterov=True)
    batch = collate([windows[0, place % len(windows)] for place in range(batch_size)])
    return partial(_train, model, optimiser, batch, InputFormat(WINDOW, 1 / 32, (5.0, 5.0)))


def _train(
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: WindowBatch,
    format_: InputFormat,
) -> None:
    logits = model(format_.streams(batch, ["rgb"]))
    loss = torch.nn.functional.cross_entropy(logits, batch["target"])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
