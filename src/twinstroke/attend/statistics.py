"""What the masks are about, over a whole split: their values, motion, and the middle of the crop.

Correlations are Spearman's, over all cells (t, h, w) of a window, between the mean of the mask over
its channels and

- ``motion``: the length of the masked flow in px, averaged over the cell;
- ``middle``: how near the middle of the cell is to the middle of the crop, which is where the
  region of interest is (minus the distance in px).

That a mask follows motion is no proof that it has learnt to: any map of features of a moving thing
does. So everything is measured again with random weights, those with which the same training
begins. Their batch normalisation has seen no data, and masks without any normalisation saturate; it
takes means and variances from one pass over the same windows, without labels, as the first steps of
a training would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn
from tqdm import tqdm

from twinstroke.attend.masks import Place, attention_blocks, recorded_masks
from twinstroke.attend.tables import AttentionRow, Weights
from twinstroke.evaluate.intervals import clustered_interval
from twinstroke.evaluate.predictions import Prediction, units_of
from twinstroke.models import Network
from twinstroke.progress import progress_bar
from twinstroke.tables import Split
from twinstroke.train.model_file import TrainedModel, load_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows, collate, sent

BINS = 2**16
"""Of the histograms of mask values: quantiles are exact to 1/2¹⁷."""
QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def measure(
    strokes: Path, model_file: Path, predictions: Sequence[Prediction], split: Split
) -> list[AttentionRow]:
    """Measure the masks of a network, and those of the same network with random weights.

    The memory needed does not grow with the number of samples.

    Args:
        strokes: ``strokes.h5``.
        model_file: What `train` wrote.
        predictions: One for each sample, of one split.
        split: Its name.

    Returns:
        Rows for trained, then for random weights; none for a network without attention blocks.

    Raises:
        UserError: The model file is missing or damaged, or a sample is not in ``strokes.h5``.
    """
    device = make_deterministic(seed=0)
    description, model = load_model(model_file, device)
    if not attention_blocks(model) or not predictions:
        return []
    windows = StrokeWindows(strokes, [row.sample for row in predictions])
    _, units = units_of(predictions)
    show = _Shown(windows, description, device)
    rows = []
    with progress_bar("attend", 3 * len(windows), "windows") as bar:
        for weights in get_args(Weights):
            if weights == "random":
                model = untrained(description, show, bar)
            for place, block in _measured(model, show, bar).items():
                rows.append(block.row(split, weights, place, units))
    return rows


@dataclass(frozen=True)
class _Shown:
    """Centred windows as a network sees them."""

    windows: StrokeWindows
    description: TrainedModel
    device: torch.device

    def batches(self, order: Sequence[int], names: Sequence[str]) -> Iterator[tuple[Any, Tensor]]:
        """Streams, and the masked flow in px, (N, T, H, W, 2), of windows by their numbers."""
        windows = self.windows
        format_ = windows.input_format(self.description.flow_scale)
        for start in range(0, len(order), self.batch_size):
            own = order[start : start + self.batch_size]
            batch = collate([windows[number] for number in own])
            streams = format_.streams(sent(batch, self.device), names)
            yield streams, batch["flow"].float() * windows.flow_unit_px

    @property
    def batch_size(self) -> int:
        return self.description.optimisation.batch_size


@dataclass
class _Block:
    """What is gathered about one block, window by window."""

    counts: Tensor = field(default_factory=lambda: torch.zeros(BINS, dtype=torch.int64))
    minimum: float = 1.0
    maximum: float = 0.0
    motion: list[float] = field(default_factory=list)
    middle: list[float] = field(default_factory=list)

    def count(self, mask: Tensor) -> None:
        """Take in the values of a window's mask, of any shape."""
        bins = (mask.flatten() * BINS).long().clamp_(max=BINS - 1)
        self.counts += torch.bincount(bins, minlength=BINS)
        self.minimum = min(self.minimum, float(mask.min()))
        self.maximum = max(self.maximum, float(mask.max()))

    def quantile(self, share: float) -> float:
        """The least value that at least such a share does not exceed: the middle of its bin."""
        reached = self.counts.cumsum(0).numpy()
        place = int(np.searchsorted(reached, share * reached[-1]))
        return min(max((place + 0.5) / BINS, self.minimum), self.maximum)

    def row(
        self, split: Split, weights: Weights, place: Place, units: Sequence[str]
    ) -> AttentionRow:
        motion = clustered_mean(self.motion, units)
        middle = clustered_mean(self.middle, units)
        return AttentionRow(
            split=split,
            weights=weights,
            branch=place.branch,
            block=place.block,
            n=len(units),
            units=len(set(units)),
            minimum=round(self.minimum, 4),
            **{name: round(self.quantile(share), 4) for name, share in QUANTILES.items()},
            maximum=round(self.maximum, 4),
            motion=motion.value,
            motion_low=motion.low,
            motion_high=motion.high,
            motion_undefined=motion.undefined,
            middle=middle.value,
            middle_low=middle.low,
            middle_high=middle.high,
            middle_undefined=middle.undefined,
        )


def _measured(model: Network, shown: _Shown, bar: tqdm[Any]) -> dict[Place, _Block]:
    blocks = {place: _Block() for place in attention_blocks(model)}
    cells = {place.cell for place in blocks}
    nearby = {cell: nearness(cell, shown.windows.window) for cell in cells}
    model.eval()
    with torch.inference_mode(), recorded_masks(model) as masks:
        for streams, flow in shown.batches(range(len(shown.windows)), list(model.streams)):
            model(streams)
            moving = {cell: motion(flow, cell).numpy() for cell in cells}
            for place, block in blocks.items():
                batch = masks[place].cpu()
                moves, near = moving[place.cell], nearby[place.cell]
                for mask, mean, moved in zip(batch, batch.mean(1).numpy(), moves, strict=True):
                    block.count(mask)
                    block.motion.append(rank_correlation(mean, moved))
                    block.middle.append(rank_correlation(mean, near))
            bar.update(len(flow))
    return blocks


def untrained(description: TrainedModel, shown: _Shown, bar: tqdm[Any]) -> Network:
    """The network as its training begins, its batch normalisation fitted to the windows shown."""
    torch.manual_seed(description.seed)
    model = description.build(shown.device)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm3d):
            layer.reset_running_stats()
            layer.momentum = None  # the mean over all batches, rather than one that forgets
    # All batches are full, since they count alike, and a single value has no variance.
    count = len(shown.windows)
    whole = -(-count // shown.batch_size) * shown.batch_size
    order = [number % count for number in range(whole)]
    model.train()
    with torch.no_grad():
        for streams, _ in shown.batches(order, list(model.streams)):
            model(streams)
            bar.update(shown.batch_size)
    return model.eval()


def motion(flow: Tensor, cell: int) -> Tensor:
    """How much moves in each cell.

    Args:
        flow: Masked flow ``(N, T, H, W, 2)`` in px.
        cell: Length of a cell.

    Returns:
        ``(N, ⌊T/cell⌋, ⌊H/cell⌋, ⌊W/cell⌋)``: mean length in px; what fills no cell is left out,
        as the network's poolings do.
    """
    length = flow.norm(dim=-1)
    return F.avg_pool3d(length[:, None], cell)[:, 0]


def nearness(cell: int, window: tuple[int, int, int]) -> NDArray[np.float64]:
    """Minus the distance of each cell's middle from the middle of the crop, in px.

    Returns:
        ``(⌊T/cell⌋, ⌊H/cell⌋, ⌊W/cell⌋)``, the same at each time.
    """
    frames, height, width = window
    y, x = (
        (np.arange(size // cell) + 0.5) * cell - size / 2  # from the crop's middle
        for size in (height, width)
    )
    own = -np.hypot(y[:, None], x[None])
    return np.broadcast_to(own, (frames // cell, *own.shape))


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Spearman's correlation of two arrays of one shape; NaN where one of them is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b, axis=None).statistic)


@dataclass(frozen=True)
class Mean:
    """A mean, to four digits, with its 95 % interval."""

    value: float | None
    """None where no value is defined."""
    low: float | None
    """None where fewer than two units have values."""
    high: float | None
    undefined: int
    """Values that were left out."""


def clustered_mean(values: Sequence[float], units: Sequence[str]) -> Mean:
    """Mean over samples, with a 95 % interval that knows which of them belong together.

    Strokes of one player are not independent: see `clustered_interval`.

    Args:
        values: Of each sample; NaN where it is undefined.
        units: Of each sample: its player (or other group), or else its video.
    """
    number = np.asarray(values, np.float64)
    defined = np.isfinite(number)
    undefined = int((~defined).sum())
    if not defined.any():
        return Mean(None, None, None, undefined)
    value = round(float(number[defined].mean()), 4)
    interval = clustered_interval(number[defined], np.asarray(units)[defined])
    if interval is None:
        return Mean(value, None, None, undefined)
    return Mean(value, round(interval.low, 4), round(interval.high, 4), undefined)
