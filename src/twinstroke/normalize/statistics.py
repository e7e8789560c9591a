"""The scale by which flow is normalised, from the training split alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError, named
from twinstroke.normalize.stored import FlowStatistics
from twinstroke.regions import WHOLE, Regions, place_file
from twinstroke.settings.normalize import NormalizeSettings
from twinstroke.tables import Sample


def flow_statistics(peaks: NDArray[np.float32], settings: NormalizeSettings) -> FlowStatistics:
    """Scale from the per-frame maxima of masked flow.

    Rule ``normal`` (authors): with m the maxima above ``min_motion``, scale = μ(m) + 3 σ(m), for
    each component. Rule ``max``: the largest maximum (the paper does not define its "max").

    Args:
        peaks: float32 (K, 2): maxima of abs(u) and abs(v) over each training frame.
        settings: Rule and ``min_motion``.

    Raises:
        UserError: No frame moves enough.
    """
    columns = [column.astype(np.float64) for column in peaks.T]
    if settings.rule == "normal":
        columns = [column[column > settings.min_motion] for column in columns]
    if not all(len(column) and column.max() > 0 for column in columns):
        bound = settings.min_motion if settings.rule == "normal" else 0
        largest = peaks.max() if len(peaks) else 0
        raise UserError(
            f"normalize: no frame of the training split moves by more than {bound:g} px in both "
            f"directions (largest: {largest:.2f} px); lower normalize.min_motion in the preset or "
            "look at the masks"
        )
    mean = [float(column.mean()) for column in columns]
    deviation = [float(column.std()) for column in columns]
    if settings.rule == "normal":
        scale = [m + 3 * d for m, d in zip(mean, deviation, strict=True)]
    else:
        scale = [float(column.max()) for column in columns]
    return FlowStatistics(
        rule=settings.rule,
        scale=(scale[0], scale[1]),
        mean=(mean[0], mean[1]),
        deviation=(deviation[0], deviation[1]),
        frames_used=(len(columns[0]), len(columns[1])),
        frames=len(peaks),
    )


def training_peaks(
    samples: Sequence[Sample], folder: Path, regions: Regions = WHOLE
) -> NDArray[np.float32]:
    """Per-frame maxima of the frames that lie inside a training sample, each frame of a place once.

    Args:
        samples: The table of samples.
        folder: Where `describe_motion` wrote its files.
        regions: Where the players are.

    Returns:
        float32 (K, 2).

    Raises:
        UserError: A file is damaged or missing.
    """
    own = defaultdict(list)
    for sample in samples:
        if sample.split == "train":
            place = regions.of(sample.video, sample.group)
            own[place_file(folder, sample.video, place)].append((sample.begin, sample.end))
    parts = [np.empty((0, 2), np.float32)]
    for path, ranges in sorted(own.items()):
        with named(path), h5py.File(path) as file:
            frame = file["frame"][:]
            inside = np.zeros(len(frame), np.bool_)
            for begin, end in ranges:
                inside |= (frame >= begin) & (frame < end)
            parts.append(file["peak"][:][inside])
    return np.concatenate(parts)
