"""How many windows a second does a trained network classify?"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.feeding import CPU as SCALE
from benchmarks.feeding import description
from benchmarks.measuring import Result, Section, alternating, ratio, table
from twinstroke.evaluate.sliding import sliding_logits
from twinstroke.export_model import ExportedModel, export_model
from twinstroke.gpu_check import made_up_strokes
from twinstroke.models import Network
from twinstroke.train.model_file import TrainedModel, save_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows, WindowBatch, sent

WINDOWS = 40
REPETITIONS = 3
BATCH = 8
RUNS = ("one by one", "together", "exported")


def measure(folder: Path) -> Section:
    """Classify all windows of a clip, together and one by one."""
    device = make_deterministic(0)
    strokes = folder / "sliding.h5"
    (name, *_) = made_up_strokes(strokes, SCALE.window, 1, frames=SCALE.window[0] + WINDOWS - 1)[
        "train"
    ]
    windows = StrokeWindows(strokes, [name])
    rows, results = [], []
    for blocks in (0, 3):
        made = description("twin", SCALE, attention_blocks=blocks)
        model = made.build(device).eval()
        clip = _Clip(windows, made, device)
        together, one_by_one = partial(clip.together, model), partial(clip.one_by_one, model)
        torch.testing.assert_close(together(), one_by_one(), rtol=1e-3, atol=1e-3)
        runs: dict[str, Callable[[], object]] = {"one by one": one_by_one, "together": together}
        if not blocks:  # of three blocks the export alone takes a minute
            runs["exported"] = _exported(folder, made, model, windows)
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
        f"All {WINDOWS} windows of a clip, {'×'.join(map(str, SCALE.window))}, one frame apart, "
        "out of `strokes.h5`. *One by one*: each window is read, sent, normalised and classified "
        "by itself. *Together*: as `evaluate` does, the clip once and windows in batches of "
        f"{BATCH}. *Exported*: the ONNX file in onnxruntime, in the same batches, the clip being "
        f"read. Median of {REPETITIONS} in turns; logits agree to rounding.",
        [table(["windows/s", *RUNS, "together / one by one"], rows)],
    )


@dataclass(frozen=True)
class _Clip:
    """The clip of the only sample, in two ways."""

    windows: StrokeWindows
    made: TrainedModel
    device: torch.device

    def together(self, model: Network) -> Tensor:
        """As `evaluate` does."""
        clip = [(self._seen(model, slice(None)), range(WINDOWS))]
        (logits,) = sliding_logits(model, clip, SCALE.window[0], batch_size=BATCH)
        return logits

    def one_by_one(self, model: Network) -> Tensor:
        """As one would write it down."""
        found = []
        for start in range(WINDOWS):
            seen = self._seen(model, slice(start, start + SCALE.window[0]))
            with torch.inference_mode():
                found.append(model(seen).cpu())
        return torch.cat(found)

    def _seen(self, model: Network, time: slice) -> Mapping[str, Tensor]:
        rgb, flow = (frames[None, time] for frames in self.windows.clip(0))
        batch: WindowBatch = {
            "rgb": rgb,
            "flow": flow,
            "target": torch.empty(1, dtype=torch.int64),
        }
        format_ = self.windows.input_format(self.made.flow_scale)
        return format_.streams(sent(batch, self.device), list(model.streams))


def _exported(
    folder: Path, made: TrainedModel, model: Network, windows: StrokeWindows
) -> Callable[[], object]:
    """What classifies the same windows, in the same batches, by the ONNX file."""
    save_model(folder / "model.safetensors", made, model.state_dict())
    export_model(folder / "model.safetensors", folder / "model.onnx")
    program = ExportedModel(folder / "model.onnx")

    def run() -> None:
        rgb, flow = (part.numpy() for part in windows.clip(0))
        field = flow * np.float32(windows.flow_unit_px)
        for first in range(0, WINDOWS, BATCH):
            times = [
                slice(n, n + SCALE.window[0]) for n in range(first, min(first + BATCH, WINDOWS))
            ]
            program.logits(
                rgb=np.stack([rgb[time] for time in times]),
                flow=np.stack([field[time] for time in times]),
            )

    return run
