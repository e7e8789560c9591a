"""Foreground, region of interest and the scale of the flow.

`describe_motion` writes one HDF5 file a video; see `stored`. They are apart from the flow, so that
other rules for masks or ROI never recompute it. `flow_statistics` turns the peaks of the training
split into the scale that normalises flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

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
from twinstroke.normalize.roi import (
    TRACK_FRAMES,
    latest_centres,
    roi_centre,
    roi_track,
    smoothing_kernel,
    track_block,
)
from twinstroke.normalize.stored import REVISION, UNTRIMMED
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, grouped, make_in_parts, take
from twinstroke.parallel.workers import Workers
from twinstroke.regions import WHOLE, Box, PlayerRegion, Regions, place_file
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
    for_detection: bool
    """Of a whole video, as one who does not know its end would describe it."""
    box: Box | None
    """Where the player is; None: anywhere."""

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
    regions: Regions = WHOLE,
) -> MotionSummary:
    """Bring `folder` to one finished file for each flow file, or for each place of its players.

    Of videos of which all frames are kept, for detection, it describes what samples need, as if
    nothing else was kept, and all of them in one run, in another file in the folder `UNTRIMMED`.
    What the store has is linked; other files in the folders are deleted.

    Args:
        flows: Files that `flow` wrote.
        settings: Rules for masks and ROI.
        window: H and W of the crop, within which the ROI centre is kept.
        frames_folder: Where the file of frames of the same name lies.
        fps: Kept frames a second.
        folder: Where the HDF5 files go.
        store: Where they are kept.
        workers: Processes, over which runs of frames and videos are spread.
        regions: Where the players are.

    Raises:
        UserError: A file is damaged, or a process died twice on the same frames.
        OSError: The files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rules = _Rules(settings, window, fps)
    (folder / UNTRIMMED).mkdir(exist_ok=True)
    outputs = [
        output
        for flow in flows
        for place in regions.places(flow.stem)
        for output in _outputs(
            frames_folder / flow.name, flow, place, rules, folder, store / "normalize"
        )
    ]
    for own in {folder, folder / UNTRIMMED, *(output.target.parent for output in outputs)}:
        own.mkdir(exist_ok=True)
    for own in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        prune(own, [output.target for output in outputs])
    missing = [own for own in outputs if not take(own)]
    problems = make_in_parts("normalize", "pairs", missing, _described, workers)
    if problems:
        raise UserError(problems)
    return MotionSummary(len(missing), len(outputs) - len(missing))


def _outputs(
    frames: Path,
    flow: Path,
    place: PlayerRegion | None,
    rules: _Rules,
    folder: Path,
    store: Path,
) -> Iterator[OutputFile[_Part]]:
    with opened(flow) as flow_file, opened(frames) as frames_file:
        contents = {
            "flow": flow_file.attrs["content"],
            "frames": frames_file.attrs["content"],
        }
        first = pairs(frames_file["frame"][:], int(frames_file.attrs["frame_step"]))
        needed = frames_file["runs"][:].tolist() if "runs" in frames_file else None
        size = flow_file["flow"].shape[2:]
    files = _Files(frames, flow, size, place)
    if needed is None:
        runs, what = list(_runs(first)), contents
    else:
        # All frames are there, so that a place is a number.
        runs = [_Run(begin, begin, end - 1 - begin) for begin, end in needed if end - begin > 1]
        what = {**contents, "needed": needed}
        whole = [_Run(0, 0, len(first))]
        target = place_file(folder / UNTRIMMED, flow.stem, place)
        yield _output(files, whole, contents, rules, target, store, True)
    target = place_file(folder, flow.stem, place)
    yield _output(files, runs, what, rules, target, store, False)


class _Files(NamedTuple):
    frames: Path
    flow: Path
    size: tuple[int, int]
    """(H, W)."""
    place: PlayerRegion | None
    """Where the player is; None: anywhere."""


def _output(
    files: _Files,
    runs: Sequence[_Run],
    what: Mapping[str, Any],
    rules: _Rules,
    target: Path,
    store: Path,
    for_detection: bool,
) -> OutputFile[_Part]:
    parameters: dict[str, Any] = {
        "mask": rules.settings.mask.model_dump(),
        "roi": rules.settings.roi.model_dump(),
        "crop": [rules.window.height, rules.window.width],
        "fps": rules.fps,
    }
    if for_detection:
        parameters["for"] = "detection"
    box = None
    if files.place is not None:
        box = files.place.box(files.size)
        parameters["region"] = list(box)
    parts = [
        _Part(files.frames, files.flow, own, rules, for_detection, box)
        for own in grouped(runs, attrgetter("count"), PART_PAIRS)
    ]
    packed = (files.size[0], -(-files.size[1] // 8))
    columns = {"peak": np.float32} if not for_detection else {"centre": np.float64}
    return OutputFile(
        target=target,
        store=store,
        fingerprint=fingerprint_of(revision=REVISION, **what, **parameters, opencv=cv2.__version__),
        parameters=parameters,
        datasets={
            "mask": Dataset(packed, np.uint8, (CHUNK_PAIRS, *packed), COMPRESSION),
            "roi": Dataset((2,), np.float32),
            **{name: Dataset((2,), dtype) for name, dtype in columns.items()},
            "frame": Dataset((), np.int64),
        },
        attributes={},
        items=parts,
        rows=[part.pairs for part in parts],
    )


def _runs(first: NDArray[np.intp]) -> Iterator[_Run]:
    flow = 0
    for own in np.split(first, np.flatnonzero(np.diff(first) > 1) + 1):
        yield _Run(int(own[0]), flow, len(own))
        flow += len(own)


def _described(part: _Part) -> Iterator[Rows]:
    with opened(part.frames) as frames, opened(part.flow) as flow:
        for run in part.runs:
            yield from _described_run(frames, flow, run, part)


def _described_run(frames: h5py.File, flow: h5py.File, run: _Run, part: _Part) -> Iterator[Rows]:
    rules, roi = part.rules, part.rules.settings.roi
    crop = (rules.window.height, rules.window.width)
    whole = flow["flow"].shape[2:]
    box = part.box or Box(0, 0, *whole)
    mask_of_next = foreground(
        (picture[box.inside] for picture in _pictures(frames, run)), rules.settings.mask
    )
    centres = []
    for begin in range(run.flow, run.flow + run.count, BLOCK_PAIRS):
        block = slice(begin, min(begin + BLOCK_PAIRS, run.flow + run.count))
        mask = np.zeros((block.stop - block.start, *whole), np.bool_)
        mask[:, *box.inside] = list(islice(mask_of_next, len(mask)))
        peaks = []
        for stored, own in zip(fields(flow, block), mask, strict=True):
            field = masked(dequantised(stored), own)[box.inside]
            peaks.append(np.abs(field).max((0, 1)))
            centres.append(roi_centre(field, crop, roi.max_weight))
        yield {"mask": np.packbits(mask, axis=-1), "frame": flow["frame"][block]}
        if not part.for_detection:
            yield {"peak": np.stack(peaks)}
    kernel = smoothing_kernel(roi, rules.fps)
    if not part.for_detection:
        track = roi_track(np.array(centres), box.size, kernel)
        yield {"roi": track.astype(np.float32) + box.corner}
        return
    latest = latest_centres(np.array(centres))
    yield {"centre": latest}
    for begin in range(0, len(latest), TRACK_FRAMES):
        yield {"roi": track_block(latest, begin, box.size, kernel) + box.corner}


def _pictures(frames: h5py.File, run: _Run) -> Iterator[NDArray[np.uint8]]:
    end = run.frame + run.count
    for begin in range(run.frame, end, BLOCK_PAIRS):
        yield from pictures(frames, slice(begin, min(begin + BLOCK_PAIRS, end)))
