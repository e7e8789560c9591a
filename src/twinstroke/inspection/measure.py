"""How much of what moves lies in the crop, and other numbers by which to trust it or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from twinstroke.flow.stored import FLOW_UNIT_PX
from twinstroke.inspection.source import (
    OpenVideo,
    Scene,
    Source,
    crop_at,
    flow_of,
    masks,
    opened,
    window_at,
)
from twinstroke.segment.strokes import Geometry
from twinstroke.tables import Sample
from twinstroke.timeline import clip_range

BLOCK_PAIRS = 32
"""Flows read at once: however long a video is, no more of its pixels are in memory."""

LOST, STILL, FOREGROUND, BEYOND = 0.2, 0.5, 0.4, 0.0
"""Shares above which a person should look: of frames that lost more than half of what moves, of
frames without motion, of foreground in the picture, of frames whose window reaches beyond it."""
JUMP = 0.25
"""Part of the window's shorter side by which the crop may move from one frame to the next."""


@dataclass(frozen=True)
class Measures:
    """One value for each flow of a video, i.e. for each kept frame that another follows."""

    size: tuple[int, int]
    """(H, W) of a kept frame."""
    kept: int
    """Kept frames of the video."""
    frame: NDArray[np.int64]
    """(M,) Source frames."""
    roi: NDArray[np.float32]
    """(M, 2) Centres of the crop, (x, y) in px."""
    peak: NDArray[np.float32]
    """(M, 2) Largest abs(u) and abs(v) in the foreground, in px."""
    mean_flow: NDArray[np.float64]
    """(M,) Mean magnitude in the foreground, in px; NaN where there is no foreground."""
    foreground: NDArray[np.float64]
    """(M,) Foreground pixels, as a share of the picture."""
    foreground_outside: NDArray[np.float64]
    """(M,) Share of the foreground pixels outside the window; NaN where there are none."""
    motion_outside: NDArray[np.float64]
    """(M,) The same, each pixel weighted by how far it moves; NaN where nothing moves."""
    window_beyond: NDArray[np.bool_]
    """(M,) The window reaches beyond the picture."""
    crop_beyond: NDArray[np.bool_]
    """(M,) The stored crop, i.e. the window or its margin, reaches beyond the picture."""
    jump: NDArray[np.float64]
    """(M,) Way of the centre since the frame before, in px; NaN after a gap."""
    magnitudes: NDArray[np.int64]
    """``[i]``: foreground pixels whose flow is i units of 1/32 px long, rounded."""


class VideoRow(BaseModel):
    """A row of ``videos.csv``. Flow is in px a kept frame, shares are between 0 and 1."""

    model_config = ConfigDict(frozen=True)

    video: str
    motion_outside: float
    """The suspicion: of what moves, the share outside the window, as a mean over the frames in
    which something moves; 1 if nothing ever does."""
    foreground_outside: float
    """The same of foreground pixels, however far they move."""
    frames: int
    """Kept frames."""
    flow_mean: float
    """Of the magnitude of the flow over all pixels of the foreground, as the next three."""
    flow_median: float
    flow_p95: float
    """95 % quantile."""
    flow_largest: float
    foreground: float
    """Foreground pixels, as a share of all."""
    window_beyond: float
    """Share of frames in which the window reaches beyond the picture."""
    crop_beyond: float
    """Share of frames in which the window or its margin does."""
    still: float
    """Share of frames in which nothing moves."""
    largest_jump: float
    """Largest way of the crop's centre from a kept frame to the next, in px."""
    why: str
    """What a person should look at; empty if nothing stands out."""


class SampleRow(BaseModel):
    """A row of ``samples.csv``: the same over the frames of one clip."""

    model_config = ConfigDict(frozen=True)

    sample: str
    video: str
    label: str
    split: str
    motion_outside: float
    foreground_outside: float
    why: str


def measure(source: Source, scene: Scene) -> Measures:
    """Measure one video, or the place of a player in it, block by block.

    That place then counts as the picture, but for where the centres of the crop are.
    """
    with opened(source, scene) as files:
        roi, frame = files.motion["roi"][:], files.motion["frame"][:]
        box = scene.box(files.size)
        counts = np.zeros((len(frame), 2))
        motion = np.zeros((len(frame), 2))
        magnitudes = np.zeros(0, np.int64)
        for start in range(0, len(frame), BLOCK_PAIRS):
            block = slice(start, min(start + BLOCK_PAIRS, len(frame)))
            mask, strength = _block(files, block)
            magnitudes = _added(magnitudes, strength[mask])
            for i, own, way in zip(range(*block.indices(len(frame))), mask, strength, strict=True):
                rows, columns = window_at(roi[i], source.geometry).inside(files.size)
                counts[i] = own.sum(), own[rows, columns].sum()
                motion[i] = way.sum(), way[rows, columns].sum()
        jump = np.full(len(frame), np.nan)
        jump[1:] = np.linalg.norm(np.diff(roi.astype(np.float64), axis=0), axis=1)
        jump[1:][np.diff(frame) != source.geometry.frame_step] = np.nan
        return Measures(
            size=files.size,
            kept=len(files.frames["frame"]),
            frame=frame,
            roi=roi,
            peak=files.motion["peak"][:],
            mean_flow=_ratio(motion[:, 0], counts[:, 0]),
            foreground=counts[:, 0] / np.prod(box.size),
            foreground_outside=1 - _ratio(counts[:, 1], counts[:, 0]),
            motion_outside=1 - _ratio(motion[:, 1], motion[:, 0]),
            window_beyond=_beyond(roi - box.corner, box.size, source.geometry, margin=False),
            crop_beyond=_beyond(roi - box.corner, box.size, source.geometry, margin=True),
            jump=jump,
            magnitudes=magnitudes,
        )


def video_row(video: str, measures: Measures, geometry: Geometry) -> VideoRow:
    """Sum up a video."""
    counts = measures.magnitudes
    lengths = np.arange(len(counts)) * FLOW_UNIT_PX
    everywhere = np.ones(len(measures.frame), np.bool_)
    return VideoRow(
        video=video,
        motion_outside=_outside(measures.motion_outside),
        foreground_outside=_outside(measures.foreground_outside),
        frames=measures.kept,
        flow_mean=float((lengths * counts).sum() / max(1, counts.sum())),
        flow_median=_quantile(counts, 0.5),
        flow_p95=_quantile(counts, 0.95),
        flow_largest=float(lengths[-1]) if len(counts) else 0.0,
        foreground=float(measures.foreground.mean()),
        window_beyond=float(measures.window_beyond.mean()),
        crop_beyond=float(measures.crop_beyond.mean()),
        still=float((measures.peak == 0).all(1).mean()),
        largest_jump=_largest(measures.jump),
        why="; ".join(suspicions(measures, everywhere, geometry)),
    )


def sample_row(sample: Sample, measures: Measures, geometry: Geometry) -> SampleRow:
    """Sum up one clip of a measured video."""
    inside = clip_frames(sample, measures, geometry)
    return SampleRow(
        sample=sample.sample,
        video=sample.video,
        label=sample.label,
        split=sample.split,
        motion_outside=_outside(measures.motion_outside[inside]),
        foreground_outside=_outside(measures.foreground_outside[inside]),
        why="; ".join(suspicions(measures, inside, geometry)),
    )


def clip_frames(sample: Sample, measures: Measures, geometry: Geometry) -> NDArray[np.bool_]:
    """Which of the measured frames, (M,), are in a sample's clip."""
    step = geometry.frame_step
    clip = clip_range(sample.begin, sample.end, step, geometry.window[0])
    return (measures.frame >= clip.start * step) & (measures.frame < clip.stop * step)


def suspicions(measures: Measures, chosen: NDArray[np.bool_], geometry: Geometry) -> Sequence[str]:
    """What a person should look at, in words, over the chosen frames (M,)."""
    _, height, width = geometry.window
    outside = np.nan_to_num(measures.motion_outside[chosen])
    lost = (outside > 0.5).mean()
    beyond = measures.window_beyond[chosen].mean()
    still = (measures.peak[chosen] == 0).all(1).mean()
    foreground = measures.foreground[chosen].mean()
    jump = _largest(measures.jump[chosen])
    found = []
    if foreground > FOREGROUND:
        found.append(
            f"{foreground:.0%} of the picture counts as moving: a cut, a camera that moves, or "
            "light that changes hides the player"
        )
    if lost > LOST:
        found.append(
            f"in {lost:.0%} of the frames, as in {measures.frame[chosen][outside.argmax()]}, most "
            "of what moves lies outside the crop: it follows the wrong place, or the window is too "
            "small"
        )
    if beyond > BEYOND:
        found.append(f"the crop reaches beyond the picture in {beyond:.0%} of the frames")
    if still > STILL:
        found.append(
            f"nothing moves in {still:.0%} of the frames: the player stands still, or is not "
            "seen as foreground"
        )
    if jump > JUMP * min(height, width):
        found.append(
            f"the crop leaps by {jump:.0f} px from one frame to the next: a cut, or two who move"
        )
    return found


def _block(files: OpenVideo, block: slice) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Foreground and the magnitude of the flow in it, both (n, H, W)."""
    mask, field = masks(files, block), flow_of(files, block)
    return mask, np.hypot(field[..., 0], field[..., 1]) * mask


def _added(counts: NDArray[np.int64], strength: NDArray[np.float32]) -> NDArray[np.int64]:
    """A longer histogram of magnitudes, in units of 1/32 px."""
    new = np.bincount(np.rint(strength / FLOW_UNIT_PX).astype(np.int64))
    longer, shorter = (new, counts) if len(new) > len(counts) else (counts, new)
    longer[: len(shorter)] += shorter
    return longer


def _quantile(counts: NDArray[np.int64], share: float) -> float:
    if not len(counts):
        return 0.0
    below = np.cumsum(counts)
    return float(np.searchsorted(below, share * below[-1]) * FLOW_UNIT_PX)


def _beyond(
    roi: NDArray[np.float32], size: tuple[int, int], geometry: Geometry, *, margin: bool
) -> NDArray[np.bool_]:
    place = crop_at if margin else window_at
    return np.array([place(centre, geometry).reaches_beyond(size) for centre in roi])


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.full(len(whole), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def _outside(shares: NDArray[np.float64]) -> float:
    """Mean over the frames that have a share; 1 without any: the crop then holds nothing."""
    return 1.0 if np.isnan(shares).all() else float(np.nanmean(shares))


def _largest(jumps: NDArray[np.float64]) -> float:
    return 0.0 if np.isnan(jumps).all() else float(np.nanmax(jumps))
