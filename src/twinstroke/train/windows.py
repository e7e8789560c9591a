"""Windows out of ``strokes.h5``: T × H × W around the middle of a stroke, or as a view shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import h5py
import hdf5plugin  # noqa: F401 - h5py decompresses with it
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from twinstroke.errors import named
from twinstroke.settings.train import AugmentationSettings
from twinstroke.tables import NEGATIVE, STROKE_OR_NOT
from twinstroke.train.augmentation import View, draw_view, resample
from twinstroke.train.messages import other_classes, unknown_sample


@dataclass(frozen=True)
class Window:
    """Frames of one sample as they are stored."""

    rgb: Tensor
    """uint8 (T, H, W, 3), with the margin on all sides if there is a view."""
    flow: Tensor
    """int16 (T, H, W, 2) of the same size, in the file's unit."""
    target: int
    """Class."""
    view: View | None


class WindowBatch(TypedDict):
    """Windows as they are stored, small enough to move about, and their classes."""

    rgb: Tensor
    """uint8 (N, T, H, W, 3)"""
    flow: Tensor
    """int16 (N, T, H, W, 2)"""
    target: Tensor
    """int64 (N,)"""
    linear: NotRequired[Tensor]
    """float64 (N, 2, 2), :attr:`View.matrix`; only where views were drawn."""
    shift: NotRequired[Tensor]
    """float64 (N, 2), pixels to the right and down; only where views were drawn."""


@dataclass(frozen=True)
class InputFormat:
    """How stored values become what a network sees."""

    window: tuple[int, int, int]
    """T, H, W."""
    flow_unit_px: float
    """Unit of the stored flow, in pixels."""
    flow_scale: tuple[float, float]
    """Divisors of (u, v), in pixels, from the statistics of the training split."""

    def streams(self, batch: WindowBatch, names: Sequence[str]) -> Mapping[str, Tensor]:
        """What the network sees, on the device where the batch lies.

        Views are taken of the raw flow, before its components are divided by their scales: a
        rotation mixes the two.

        Args:
            batch: Windows as stored.
            names: The streams that the network takes.

        Returns:
            ``rgb``: float32 (N, 3, T, H, W), from black at -1 to 1; ``flow``: float32 (N, 2, T, H,
            W), clipped to [-1, 1]. Channels lie last in memory, which convolutions like best.
        """
        streams = {}
        if "rgb" in names:
            rgb = self._seen(batch, batch["rgb"], vectors=False)
            streams["rgb"] = rgb.div_(127.5).sub_(1)
        if "flow" in names:
            flow = self._seen(batch, batch["flow"], vectors=True)
            scale = torch.tensor(self.flow_scale).to(flow.device, non_blocking=True)
            streams["flow"] = flow.mul_(self.flow_unit_px).div_(scale).clamp_(-1, 1)
        return {name: value.permute(0, 4, 1, 2, 3) for name, value in streams.items()}

    def _seen(self, batch: WindowBatch, values: Tensor, *, vectors: bool) -> Tensor:
        if "linear" not in batch:
            return values.to(torch.float32, copy=True)  # what follows is done in place
        return resample(values, batch["linear"], batch["shift"], self.window[1:], vectors=vectors)


class StrokeWindows(Dataset[Window]):
    """One window for each used sample of a split.

    ``windows[i]`` lies in the middle of the clip and of the stored crop. For ``windows[epoch, i]``
    a view is drawn, and the window comes with the margin that it may show.
    """

    def __init__(
        self,
        path: Path,
        samples: Sequence[str],
        *,
        classes: Sequence[str] | None = None,
        seed: int = 0,
        augmentation: AugmentationSettings | None = None,
        middle_only: bool = False,
    ) -> None:
        """Read the table of samples; the windows are read when they are asked for.

        Args:
            path: ``strokes.h5``.
            samples: Names of the samples, in the order of the items.
            classes: What targets count: those of the file, which are taken if left out, or
                `STROKE_OR_NOT`.
            seed: Decides what is drawn.
            augmentation: Ranges of the views; those of the published code if left out.
            middle_only: No view is asked for, so that no more than the middle is ever held.

        Raises:
            UserError: A sample is not in the file, or the classes are others.
        """
        self.path = path
        self.seed = seed
        self.augmentation = augmentation or AugmentationSettings()
        self.middle_only = middle_only
        self._file: h5py.File | None = None
        self._held: dict[str, Tensor] | None = None
        with h5py.File(path) as file:
            names = file["samples/sample"].asstr()[:].tolist()
            rows = {name: row for row, name in enumerate(names)}
            if unknown := [name for name in samples if name not in rows]:
                raise unknown_sample(path, unknown[0])
            self.rows = [rows[name] for name in samples]
            self.targets = file["samples/class_index"][:][self.rows].tolist()
            self.offsets = file["samples/offset"][:]
            self.lengths = file["samples/length"][:]
            self.window: tuple[int, int, int] = tuple(file.attrs["window"].tolist())
            self.margin = int(file.attrs["margin"])
            self.flow_unit_px = float(file.attrs["flow_unit_px"])
            self.classes: list[str] = json.loads(file.attrs["classes"])
        if classes is not None and [*classes] != self.classes:
            self._count(classes)

    def _count(self, classes: Sequence[str]) -> None:
        if tuple(classes) != STROKE_OR_NOT or NEGATIVE not in self.classes:
            raise other_classes(self.path, self.classes, classes)
        self.targets = [int(self.classes[target] != NEGATIVE) for target in self.targets]
        self.classes = [*classes]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Memory that the samples take if they are held, as stored and decompressed."""
        frames, margin = self._to_hold()
        height, width = (size + 2 * margin for size in self.window[1:])
        values = 3 * np.dtype(np.uint8).itemsize + 2 * np.dtype(np.int16).itemsize
        return sum(map(len, frames)) * height * width * values

    @property
    def held(self) -> bool:
        """Whether windows are taken from memory."""
        return self._held is not None

    def hold(self, device: torch.device) -> None:
        """Read what may be asked of the samples, once, and take windows from memory after that."""
        frames, margin = self._to_hold()
        total = sum(map(len, frames))
        height, width = (size + 2 * margin for size in self.window[1:])
        held = {
            name: torch.empty((total, height, width, channels), dtype=dtype, device=device)
            for name, channels, dtype in (("rgb", 3, torch.uint8), ("flow", 2, torch.int16))
        }
        offsets, lengths = self.offsets.copy(), self.lengths.copy()
        begin = 0
        with named(self.path):
            for row, own in zip(self.rows, frames, strict=True):
                end = begin + len(own)
                stored = self._stored(slice(own.start, own.stop), self.margin - margin)
                for name, values in zip(("rgb", "flow"), stored, strict=True):
                    held[name][begin:end] = values
                offsets[row], lengths[row] = begin, len(own)
                begin = end
        self.offsets, self.lengths, self.margin = offsets, lengths, margin
        self._held = held
        if self._file is not None:
            self._file.close()
            self._file = None

    def _to_hold(self) -> tuple[list[range], int]:
        """Frames of each sample that may be asked for, and the margin around them."""
        frames = self.window[0] if self.middle_only else None
        ranges = []
        for row in self.rows:
            length = frames or int(self.lengths[row])
            start = int(self.offsets[row]) + (int(self.lengths[row]) - length) // 2
            ranges.append(range(start, start + length))
        return ranges, 0 if self.middle_only else self.margin

    def input_format(self, flow_scale: tuple[float, float]) -> InputFormat:
        """How these windows become what a network sees that was trained with this scale."""
        return InputFormat(self.window, self.flow_unit_px, flow_scale)

    def length(self, index: int) -> int:
        """Frames of the clip of a sample, at least T."""
        return int(self.lengths[self.rows[index]])

    def clip(self, index: int) -> tuple[Tensor, Tensor]:
        """RGB (L, H, W, 3) and flow (L, H, W, 2) of all frames of a sample, without margin."""
        begin = int(self.offsets[self.rows[index]])
        return self._stored(slice(begin, begin + self.length(index)), self.margin)

    def __getitem__(self, key: int | tuple[int, int]) -> Window:
        epoch, index = key if isinstance(key, tuple) else (None, key)
        frames, height, width = self.window
        row = self.rows[index]
        slack = int(self.lengths[row]) - frames
        start, view, margin = slack // 2, None, self.margin
        if epoch is not None:
            view = draw_view(
                self.augmentation,
                seed=self.seed,
                epoch=epoch,
                sample=row,
                slack=slack,
                window=(height, width),
            )
            start, margin = view.start, 0
        time = slice(int(self.offsets[row]) + start, int(self.offsets[row]) + start + frames)
        return Window(*self._stored(time, margin), self.targets[index], view)

    def _stored(self, time: slice, margin: int) -> tuple[Tensor, Tensor]:
        """Some frames, less so many pixels on each side of what is stored."""
        height, width = (size + 2 * self.margin for size in self.window[1:])
        area = np.s_[:, margin : height - margin, margin : width - margin]
        if self._held is not None:
            return self._held["rgb"][time][area], self._held["flow"][time][area]
        if self._file is None:
            # Opened by the process that reads: an HDF5 handle must not cross a fork.
            self._file = h5py.File(self.path)
        # Whole frames are read, since a chunk holds whole frames.
        rgb, flow = (torch.from_numpy(self._file[name][time]) for name in ("rgb", "flow"))
        return rgb[area], flow[area]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_file": None}


def collate(windows: Sequence[Window]) -> WindowBatch:
    """Stack windows as they are stored; either all have a view or none."""
    batch: WindowBatch = {
        "rgb": torch.stack([window.rgb for window in windows]),
        "flow": torch.stack([window.flow for window in windows]),
        "target": torch.tensor([window.target for window in windows]),
    }
    views = [window.view for window in windows if window.view is not None]
    if views:
        batch["linear"] = torch.from_numpy(np.stack([view.matrix for view in views]))
        batch["shift"] = torch.tensor(
            [(view.right, view.down) for view in views], dtype=torch.float64
        )
    return batch


def sent(batch: WindowBatch, device: torch.device) -> WindowBatch:
    """The same windows on a device; out of pinned memory, without waiting for it."""
    tensors = cast(dict[str, Tensor], batch)
    moved = {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}
    return cast(WindowBatch, moved)
