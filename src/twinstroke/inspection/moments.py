"""Some moments of a sample's window: the kept frame, and what `segment` stored of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.decode.stored import pictures
from twinstroke.flow.stored import dequantised
from twinstroke.inspection.source import (
    OpenVideo,
    Rectangle,
    Source,
    crop_at,
    flow_of,
    masks,
    opened,
    window_at,
)
from twinstroke.regions import Box
from twinstroke.tables import Sample
from twinstroke.timeline import clip_range

MOMENTS = 8


@dataclass(frozen=True)
class Moment:
    """One kept frame of a window."""

    frame: int
    """Source frame."""
    note: str
    """Why there is no flow; empty where there is."""
    picture: NDArray[np.uint8]
    """(H, W, 3), RGB."""
    mask: NDArray[np.bool_]
    """(H, W) foreground; nothing where there is no flow."""
    field: NDArray[np.float32]
    """(H, W, 2) flow in the foreground, in px; zero where there is no flow."""
    centre: NDArray[np.float32]
    """(x, y) in px, as ``strokes.h5`` has it."""
    window: Rectangle
    crop: Rectangle
    box: Box
    """What counts of the picture; beyond it, crops are black."""
    stored_rgb: NDArray[np.uint8]
    """What the network is given: (H + 2m, W + 2m, 3)."""
    stored_field: NDArray[np.float32]
    """(H + 2m, W + 2m, 2), in px."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the kept frame."""
        height, width = self.mask.shape
        return height, width

    @property
    def held(self) -> float:
        """Share of the foreground pixels that lie in the window; NaN without foreground."""
        held = self.mask[self.window.inside(self.size)]
        return float(held.sum() / self.mask.sum()) if self.mask.any() else math.nan

    @property
    def agrees(self) -> bool:
        """Tell whether the stored crop is what the picture and the flow show in its place."""
        rows, columns = self.crop.inside(self.size)
        for whole, stored in ((self.picture, self.stored_rgb), (self.field, self.stored_field)):
            expected, seen = np.zeros_like(stored), np.zeros_like(whole)
            seen[self.box.inside] = whole[self.box.inside]
            expected[
                rows.start - self.crop.top : rows.stop - self.crop.top,
                columns.start - self.crop.left : columns.stop - self.crop.left,
            ] = seen[rows, columns]
            if not np.array_equal(stored, expected):
                return False
        return True


def moments_of(source: Source, sample: Sample) -> list[Moment]:
    """Up to 8 moments, evenly over the window in the middle of a sample's clip."""
    length = source.geometry.window[0]
    clip = clip_range(sample.begin, sample.end, source.geometry.frame_step, length)
    start = (len(clip) - length) // 2
    places = start + np.unique(np.linspace(0, length - 1, MOMENTS).round().astype(int))
    row = source.samples.index(sample)
    scene = source.scene(sample)
    with h5py.File(source.strokes) as strokes, opened(source, scene) as video:
        offset = int(strokes["samples/offset"][row])
        box = scene.box(video.size)
        return [_moment(source, video, box, strokes, offset + i, clip[i]) for i in places]


def _moment(
    source: Source, video: OpenVideo, box: Box, strokes: h5py.File, at: int, kept: int
) -> Moment:
    """The moment at place `at` of ``strokes.h5``, which is kept frame `kept` of the video."""
    frame, centre = int(strokes["frame"][at]), strokes["roi"][at]
    mask, field = np.zeros(video.size, np.bool_), np.zeros((*video.size, 2), np.float32)
    pair = _place(video.motion["frame"], frame)
    note = ""
    if kept * source.geometry.frame_step != frame:
        note = "repeated: no flow"
    elif pair.start == pair.stop:
        note = "last frame: no flow"
    else:
        mask = masks(video, pair)[0]
        field = flow_of(video, pair)[0] * mask[..., None]
    return Moment(
        frame=frame,
        note=note,
        picture=pictures(video.frames, _place(video.frames["frame"], frame))[0],
        mask=mask,
        field=field,
        centre=centre,
        window=window_at(centre, source.geometry),
        crop=crop_at(centre, source.geometry),
        box=box,
        stored_rgb=strokes["rgb"][at],
        stored_field=dequantised(strokes["flow"][at]),
    )


def _place(frames: h5py.Dataset, frame: int) -> slice:
    """Where a frame stands in an ascending list of them; empty if it does not."""
    left, right = np.searchsorted(frames[:], [frame, frame + 1])
    return slice(int(left), int(right))
