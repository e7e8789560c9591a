"""Windows out of ``strokes.h5``: T × H × W around the middle of a stroke, or drawn at random."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from twinstroke.errors import UserError
from twinstroke.flow import FLOW_UNIT_PX

SHIFT = 0.1
"""Largest shift of the crop as a part of its size (authors: 12 of 120 px)."""


class WindowBatch(TypedDict):
    """Windows as they are stored, small enough to move about, and their classes."""

    rgb: Tensor
    """uint8 (N, T, H, W, 3)"""
    flow: Tensor
    """int16 (N, T, H, W, 2), in units of 1/32 px"""
    target: Tensor
    """int64 (N,)"""


@dataclass(frozen=True)
class Augmentation:
    """Draws for the samples of one epoch; each depends on seed, epoch and sample alone.

    So it matters neither how many processes read, nor in which order, nor whether training was
    interrupted.
    """

    seed: int
    epoch: int

    def draw(self, sample: int, slack: int, shift: tuple[int, int]) -> tuple[int, int, int, bool]:
        """Start, shifts and mirroring of one window, the same for all its frames and streams.

        Args:
            sample: Row of the sample in ``strokes.h5``.
            slack: Largest start: length of the clip less T.
            shift: Largest shift down and right, in pixels.

        Returns:
            Start ~ N(slack/2, slack/6) within [0, slack]; shifts down and right, uniform over
            whole pixels; mirrored left to right with p = 1/2.
        """
        generator = np.random.default_rng([self.seed, self.epoch, sample])
        start = -1
        while not 0 <= start <= slack:
            start = round(generator.normal(slack / 2, slack / 6))
        down, right = (int(generator.integers(-s, s, endpoint=True)) for s in shift)
        return start, down, right, bool(generator.random() < 0.5)


class StrokeWindows(Dataset[tuple[NDArray[np.uint8], NDArray[np.int16], int]]):
    """One window for each used sample of a split.

    ``windows[i]`` lies in the middle of the clip and of the stored crop. For ``windows[epoch, i]``
    start, shift and mirroring are drawn; mirrored flow changes the sign of u, and of u alone.

    Items: RGB uint8 (T, H, W, 3), flow int16 (T, H, W, 2) in units of 1/32 px, class.
    """

    def __init__(self, path: Path, samples: Sequence[str], *, seed: int = 0) -> None:
        """Read the table of samples; the windows are read when they are asked for.

        Args:
            path: ``strokes.h5``.
            samples: Names of the samples, in the order of the items.
            seed: Decides what is drawn.

        Raises:
            UserError: A sample is not in the file.
        """
        self.path = path
        self.seed = seed
        self._file: h5py.File | None = None
        with h5py.File(path) as file:
            names = file["samples/sample"].asstr()[:].tolist()
            rows = {name: row for row, name in enumerate(names)}
            if unknown := [name for name in samples if name not in rows]:
                raise UserError(
                    f"{path}: sample {unknown[0]!r} is used but not in the file; "
                    "run dvc repro balance"
                )
            self.rows = [rows[name] for name in samples]
            self.targets = file["samples/class_index"][:][self.rows].tolist()
            self.offsets = file["samples/offset"][:]
            self.lengths = file["samples/length"][:]
            self.window: tuple[int, int, int] = tuple(file.attrs["window"].tolist())
            self.margin = int(file.attrs["margin"])
            self.classes: list[str] = json.loads(file.attrs["classes"])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(
        self, key: int | tuple[int, int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int16], int]:
        if self._file is None:
            # Opened by the process that reads: an HDF5 handle must not cross a fork.
            self._file = h5py.File(self.path)
        epoch, index = key if isinstance(key, tuple) else (None, key)
        frames, height, width = self.window
        row = self.rows[index]
        slack = int(self.lengths[row]) - frames
        start, top, left, mirrored = slack // 2, self.margin, self.margin, False
        if epoch is not None:
            shift = tuple(min(self.margin, round(SHIFT * side)) for side in (height, width))
            start, down, right, mirrored = Augmentation(self.seed, epoch).draw(
                row, slack, (shift[0], shift[1])
            )
            top, left = top + down, left + right
        time = slice(int(self.offsets[row]) + start, int(self.offsets[row]) + start + frames)
        # Whole frames are read, since a chunk holds whole frames.
        area = np.s_[:, top : top + height, left : left + width]
        rgb, flow = self._file["rgb"][time][area], self._file["flow"][time][area]
        if mirrored:
            rgb, flow = rgb[:, :, ::-1], flow[:, :, ::-1] * np.array([-1, 1], np.int16)
        return np.ascontiguousarray(rgb), np.ascontiguousarray(flow), self.targets[index]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_file": None}


def collate(
    items: Sequence[tuple[NDArray[np.uint8], NDArray[np.int16], int]],
) -> WindowBatch:
    """Stack items of :class:`StrokeWindows` as they are stored."""
    rgb, flow, target = zip(*items, strict=True)
    return {
        "rgb": torch.from_numpy(np.stack(rgb)),
        "flow": torch.from_numpy(np.stack(flow)),
        "target": torch.tensor(target),
    }


def streams_of(
    batch: WindowBatch, scale: tuple[float, float], device: torch.device, names: Sequence[str]
) -> Mapping[str, Tensor]:
    """What the network sees, on its device.

    Args:
        batch: Windows as stored.
        scale: Scale of the flow for (u, v), in pixels, from the statistics of the training split.
        device: Where to.
        names: The streams that the network takes.

    Returns:
        ``rgb``: float32 (N, 3, T, H, W) in [0, 1]; ``flow``: float32 (N, 2, T, H, W), clipped to
        [-1, 1]. Channels lie last in memory, which convolutions like best.
    """
    streams = {}
    if "rgb" in names:
        streams["rgb"] = batch["rgb"].to(device).float() / 255
    if "flow" in names:
        unit = FLOW_UNIT_PX / torch.tensor(scale, device=device)
        streams["flow"] = (batch["flow"].to(device) * unit).clamp(-1, 1)
    return {name: value.permute(0, 4, 1, 2, 3) for name, value in streams.items()}
