"""Foreground, region of interest and the scale of the flow.

`describe_motion` writes one HDF5 file a video; see `stored`. They are apart from the flow, so that
other rules for masks or ROI never recompute it. `flow_statistics` turns the peaks of the training
split into the scale that normalises flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.decode.stored import CHUNK_FRAMES, pictures
from twinstroke.errors import UserError
from twinstroke.files import prune
from twinstroke.flow.stored import dequantised, fields, pairs
from twinstroke.hdf5 import COMPRESSION, fingerprint_of, opened
from twinstroke.normalize.mask import foreground, masked
from twinstroke.normalize.roi import roi_centre, roi_track, smoothing_kernel
from twinstroke.normalize.stored import REVISION
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, grouped, make_in_parts, take
from twinstroke.parallel.workers import Workers
from twinstroke.settings.normalize import NormalizeSettings
from twinstroke.settings.window import WindowSettings

BLOCK_PAIRS = CHUNK_FRAMES
"""Pairs that are read at once."""
CHUNK_PAIRS = 8
PART_PAIRS = 256
"""Pairs a part, at least; a run without a gap is never divided."""


@dataclass(frozen=True)
class MotionSummary:
    """What a run found and did."""

    made: int
    present: int
    """Taken from the store."""


@dataclass(frozen=True)
class _Rules:
    settings: NormalizeSettings
    window: WindowSettings
    fps: float


@dataclass(frozen=True)
class _Run:
    """Neighbouring pairs without a gap: a scene of its own to the background model."""

    frame: int
    """Place of the first frame among the kept ones."""
    flow: int
    """Place of the first flow."""
    count: int


@dataclass(frozen=True)
class _Part:
    frames: Path
    flow: Path
    runs: tuple[_Run, ...]
    rules: _Rules

    @property
    def pairs(self) -> int:
        return sum(run.count for run in self.runs)

    def __str__(self) -> str:
        return f"{self.flow}: motions {self.runs[0].flow} to {self.runs[0].flow + self.pairs - 1}"


def describe_motion(
    flows: Sequence[Path],
    settings: NormalizeSettings,
    window: WindowSettings,
    *,
    frames_folder: Path,
    fps: float,
    folder: Path,
    store: Path,
    workers: Workers,
) -> MotionSummary:
    """Bring `folder` to one finished file for each flow file.

    What the store has is linked; other files in the folder are deleted.

    Args:
        flows: Files that `flow` wrote.
        settings: Rules for masks and ROI.
        window: H and W of the crop, within which the ROI centre is kept.
        frames_folder: Where the file of frames of the same name lies.
        fps: Kept frames a second.
        folder: Where the HDF5 files go.
        store: Where they are kept.
        workers: Processes, over which runs of frames and videos are spread.

    Raises:
        UserError: A file is damaged, or a process died twice on the same frames.
        OSError: The files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rules = _Rules(settings, window, fps)
    outputs = [
        _output(frames_folder / flow.name, flow, rules, folder, store / "normalize")
        for flow in flows
    ]
    prune(folder, [own.target for own in outputs])
    missing = [own for own in outputs if not take(own)]
    problems = make_in_parts("normalize", "pairs", missing, _described, workers)
    if problems:
        raise UserError(problems)
    return MotionSummary(len(missing), len(outputs) - len(missing))


def _output(
    frames: Path, flow: Path, rules: _Rules, folder: Path, store: Path
) -> OutputFile[_Part]:
    parameters = {
        "mask": rules.settings.mask.model_dump(),
        "roi": rules.settings.roi.model_dump(),
        "crop": [rules.window.height, rules.window.width],
        "fps": rules.fps,
    }
    with opened(flow) as flow_file, opened(frames) as frames_file:
        fingerprint = fingerprint_of(
            revision=REVISION,
            flow=flow_file.attrs["content"],
            frames=frames_file.attrs["content"],
            **parameters,
            opencv=cv2.__version__,
        )
        first = pairs(frames_file["frame"][:], int(frames_file.attrs["frame_step"]))
        height, width = flow_file["flow"].shape[2:]
    parts = [
        _Part(frames, flow, runs, rules)
        for runs in grouped(_runs(first), attrgetter("count"), PART_PAIRS)
    ]
    packed = (height, -(-width // 8))
    return OutputFile(
        target=folder / flow.name,
        store=store,
        fingerprint=fingerprint,
        parameters=parameters,
        datasets={
            "mask": Dataset(packed, np.uint8, (CHUNK_PAIRS, *packed), COMPRESSION),
            "roi": Dataset((2,), np.float32),
            "peak": Dataset((2,), np.float32),
            "frame": Dataset((), np.int64),
        },
        items=parts,
        rows=[part.pairs for part in parts],
        attributes={},
    )


def _runs(first: NDArray[np.intp]) -> Iterator[_Run]:
    flow = 0
    for own in np.split(first, np.flatnonzero(np.diff(first) > 1) + 1):
        yield _Run(int(own[0]), flow, len(own))
        flow += len(own)


def _described(part: _Part) -> Iterator[Rows]:
    with opened(part.frames) as frames, opened(part.flow) as flow:
        for run in part.runs:
            yield from _described_run(frames, flow, run, part.rules)


def _described_run(frames: h5py.File, flow: h5py.File, run: _Run, rules: _Rules) -> Iterator[Rows]:
    crop = (rules.window.height, rules.window.width)
    roi = rules.settings.roi
    mask_of_next = foreground(_pictures(frames, run), rules.settings.mask)
    centres = []
    for begin in range(run.flow, run.flow + run.count, BLOCK_PAIRS):
        block = slice(begin, min(begin + BLOCK_PAIRS, run.flow + run.count))
        mask = np.stack(list(islice(mask_of_next, block.stop - block.start)))
        peaks = []
        for stored, own in zip(fields(flow, block), mask, strict=True):
            field = masked(dequantised(stored), own)
            peaks.append(np.abs(field).max((0, 1)))
            centres.append(roi_centre(field, crop, roi.max_weight))
        yield {
            "mask": np.packbits(mask, axis=-1),
            "peak": np.stack(peaks),
            "frame": flow["frame"][block],
        }
    size = flow["flow"].shape[2:]
    track = roi_track(np.array(centres), size, smoothing_kernel(roi, rules.fps))
    yield {"roi": track.astype(np.float32)}


def _pictures(frames: h5py.File, run: _Run) -> Iterator[NDArray[np.uint8]]:
    end = run.frame + run.count
    for begin in range(run.frame, end, BLOCK_PAIRS):
        yield from pictures(frames, slice(begin, min(begin + BLOCK_PAIRS, end)))
