"""How fast a trained network classifies windows, and finds the strokes of untrimmed videos."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.footage import Bench, pattern, repeated, resized
from benchmarks.measuring import (
    GROWTH,
    Result,
    Section,
    alternating,
    peak_memory,
    ratio,
    seconds_of,
    table,
)
from benchmarks.training import BUILT_IN, description
from twinstroke.detect.classify import classify
from twinstroke.detect.found import Found, detect
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.video import open_video
from twinstroke.evaluate.sliding import sliding_logits
from twinstroke.export_model import ExportedModel, export_model
from twinstroke.gpu_check import made_up_strokes
from twinstroke.models import Network
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.limits import DEFAULT_LIMITS
from twinstroke.settings.network import Modality
from twinstroke.settings.normalize import MaskSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import NEGATIVE
from twinstroke.train.model_file import TrainedModel, save_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows, WindowBatch, sent

FRAMES = BUILT_IN.window[0]
"""Of a window."""
REPETITIONS = 3

# --- windows -------------------------------------------------------------------------------------

WINDOWS = 40
RUNS = ("one by one", "together", "exported")


def sliding(bench: Bench) -> Section:
    """Classify all windows of a clip, together and one by one."""
    device = make_deterministic(0)
    strokes = bench.folder / "sliding.h5"
    names = made_up_strokes(strokes, BUILT_IN.window, 1, frames=FRAMES + WINDOWS - 1)
    windows = StrokeWindows(strokes, names["train"])
    rows, results = [], []
    for blocks in (0, 3):
        made = description("twin", BUILT_IN.window, attention_blocks=blocks)
        clip = _Clip(windows, made, made.build(device).eval(), device)
        torch.testing.assert_close(clip.together(), clip.one_by_one(), rtol=1e-3, atol=1e-3)
        runs: dict[str, Callable[[], object]] = {
            "one by one": clip.one_by_one,
            "together": clip.together,
        }
        if not blocks:  # of three blocks the export alone takes a minute
            runs["exported"] = clip.exported(bench.folder)
        seconds = alternating(REPETITIONS, runs)
        text = f"Twin, {blocks} attention blocks"
        faster = 1 / ratio(seconds["one by one"], seconds["together"])
        results.append(Result(f"{text}: together against one by one", faster, 1.0, "≥", "times"))
        rates = {run: WINDOWS / statistics.median(own) for run, own in seconds.items()}
        cells = [f"{rates[run]:.1f}" if run in rates else "" for run in RUNS]
        rows.append([text, *cells, f"{faster:.2f}"])
    return Section(
        "Sliding windows",
        results,
        f"All {WINDOWS} windows of a clip, {BUILT_IN.size}, one frame apart, "
        "out of `strokes.h5`. *One by one*: each window is read, sent, normalised and classified "
        "by itself. *Together*: as `evaluate` does, the clip once and windows in batches of "
        f"{BUILT_IN.batch_size}. *Exported*: the ONNX file in onnxruntime, in the same batches, "
        f"the clip being read. Median of {REPETITIONS} in turns; logits agree to rounding.",
        [table(["windows/s", *RUNS, "together / one by one"], rows)],
    )


@dataclass(frozen=True)
class _Clip:
    """The clip of the only sample, seen by a network in three ways."""

    windows: StrokeWindows
    made: TrainedModel
    model: Network
    device: torch.device

    def together(self) -> Tensor:
        """As `evaluate` does."""
        clip = [(self._seen(slice(None)), range(WINDOWS))]
        (logits,) = sliding_logits(self.model, clip, FRAMES, batch_size=BUILT_IN.batch_size)
        return logits

    def one_by_one(self) -> Tensor:
        """As one would write it down."""
        found = []
        for start in range(WINDOWS):
            seen = self._seen(slice(start, start + FRAMES))
            with torch.inference_mode():
                found.append(self.model(seen).cpu())
        return torch.cat(found)

    def exported(self, folder: Path) -> Callable[[], object]:
        """By the ONNX file, in the same batches; writes it first."""
        save_model(folder / "model.safetensors", self.made, self.model.state_dict())
        export_model(folder / "model.safetensors", folder / "model.onnx")
        program = ExportedModel(folder / "model.onnx")

        def run() -> None:
            rgb, flow = (part.numpy() for part in self.windows.clip(0))
            field = flow * np.float32(self.windows.flow_unit_px)
            starts, size = range(WINDOWS), BUILT_IN.batch_size
            for first in starts[::size]:
                times = [slice(start, start + FRAMES) for start in starts[first : first + size]]
                program.logits(
                    rgb=np.stack([rgb[time] for time in times]),
                    flow=np.stack([field[time] for time in times]),
                )

        return run

    def _seen(self, time: slice) -> Mapping[str, Tensor]:
        rgb, flow = (frames[None, time] for frames in self.windows.clip(0))
        batch: WindowBatch = {
            "rgb": rgb,
            "flow": flow,
            "target": torch.empty(1, dtype=torch.int64),
        }
        format_ = self.windows.input_format(self.made.flow_scale)
        return format_.streams(sent(batch, self.device), list(self.model.streams))


# --- strokes in untrimmed videos -----------------------------------------------------------------

SIZE = (320, 180)
"""Of the videos of the built-in data set."""
FRAME_STEP, STRIDE = 4, 4
ALONE = 5
"""Windows that are looked at by themselves."""
MINUTES = (1, 10)
CASES: tuple[tuple[Modality, int, str], ...] = (
    ("rgb", 0, "320×180"),
    ("flow", 0, "320×180"),
    ("twin", 0, "320×180"),
    ("twin", 0, "1080p"),
    ("twin", 3, "320×180"),
)
"""Streams, attention blocks, and the size of the video."""
STEPS = ("network", "flow", "decoding", "masks", "regions of interest", "cutting out")


def detection(bench: Bench) -> Section:
    """Find strokes as `twinstroke detect` does, with networks that were not trained."""
    folder, large = bench.folder, bench.footage.file
    small = resized(large, SIZE, folder / "small.mp4")
    rows, results = [], []
    for modality, blocks, size in CASES:
        model, video = _network(folder, modality, blocks), large if size == "1080p" else small
        what = f"{modality}, {blocks} attention blocks, {size}"
        runs = [_found(video, model, folder / f"{what} {n}") for n in range(REPETITIONS)]
        middle = sorted(runs, key=_pace)[REPETITIONS // 2]
        if (modality, blocks) == ("twin", 0):
            results.append(Result(f"{what}: times real time", _pace(middle), 1.0, "≥", "times"))
        shares = [f"{middle.timing.seconds[step] / middle.seconds:.2f}" for step in STEPS]
        rows.append([what, f"{_pace(middle):.2f}", *shares])
    results += [_shared(folder, small), _memory(folder)]
    return Section(
        "Strokes in untrimmed videos",
        results,
        f"`detect` on footage of 120 fps, of which every {FRAME_STEP}th frame is kept, "
        f"{STRIDE} kept frames from window to window, TSTCNN of "
        f"{BUILT_IN.size} in batches of {BUILT_IN.batch_size}, Farnebäck at "
        f"{PREPARATION.width} pixels, masks by KNN; median of {REPETITIONS} runs. The columns of "
        "steps are seconds of work for a second of video: of one core, but for the network those "
        "that passed; preparation goes on beside the network, so that they add up to more than "
        f"passed. *Alone*: {ALONE} windows, each cut out and prepared by itself, the network being "
        "loaded. *Memory*: highest resident memory of a fresh process, RGB, a window every "
        f"{FRAMES} kept frames of a test pattern.",
        [table(["", "times real time", *STEPS], rows)],
        "decoding takes most of it at 1080p, 120 fps and 48 Mbit/s (each frame has to be decoded, "
        "though one in four is kept), the network in small videos; more cores help with the first, "
        "a larger detect.stride, one stream or a GPU with the second.",
    )


PREPARATION = Preparation(
    kept_fps=120 / FRAME_STEP,
    width=128,
    flow=FlowSettings(estimator="farneback"),
    mask=MaskSettings(),
    roi=RoiSettings(),
    margin=12,
)
RULES = DetectSettings(stride=STRIDE)


def _network(folder: Path, modality: Modality, blocks: int) -> Path:
    path = folder / f"{modality}{blocks}.safetensors"
    made = description(modality, BUILT_IN.window, attention_blocks=blocks)
    classes = [NEGATIVE, *made.classes[1:]]
    made = made.model_copy(update={"classes": classes, "preparation": PREPARATION})
    save_model(path, made, made.build(make_deterministic(0)).state_dict())
    return path


def _found(video: Path, model: Path, folder: Path, rules: DetectSettings = RULES) -> Found:
    recogniser = Recogniser(model)
    folder.mkdir(exist_ok=True)
    seen = open_video(video, recogniser.preparation, recogniser.window, DEFAULT_LIMITS)
    return detect(seen, recogniser, rules, store=folder)


def _pace(run: Found) -> float:
    """Times real time."""
    return run.seconds / run.timing.passed


def _shared(folder: Path, video: Path) -> Result:
    """What it gains that windows share frames, flow and batches."""
    model = _network(folder, "twin", 0)
    recogniser = Recogniser(model)
    frames = FRAMES * FRAME_STEP
    piece = resized(video, SIZE, folder / "window.mp4", frames)
    one = partial(classify, piece, [(0, frames)], recogniser, decision="single", stride=STRIDE)
    alone = statistics.median(seconds_of(one) for _ in range(ALONE))
    run = _found(video, model, folder / "shared")
    together = run.timing.passed / len(run.track.probabilities)
    return Result("windows together, against each alone", alone / together, 3.0, "≥", "times")


def _memory(folder: Path) -> Result:
    peaks = []
    model = _network(folder, "rgb", 0)
    piece = pattern(folder / "piece.mp4", SIZE, 600)
    rules = RULES.model_copy(update={"stride": FRAMES})
    for minutes in MINUTES:
        video = repeated(piece, 12 * minutes, folder / f"{minutes}min.mp4")
        peaks.append(peak_memory(partial(_found, video, model, folder / "long", rules))["main"])
    what = f"memory, {MINUTES[1]} min / {MINUTES[0]} min"
    return Result(what, peaks[1] / peaks[0], GROWTH, "≤")
