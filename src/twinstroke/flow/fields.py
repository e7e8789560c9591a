"""Dense optical flow between neighbouring kept frames: one HDF5 file a video; see `stored`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.decode.stored import CHUNK_FRAMES
from twinstroke.errors import UserError, named
from twinstroke.files import prune
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.stored import FLOW_UNIT_PX, REVISION, pairs, quantised
from twinstroke.hdf5 import FIELDS, fingerprint_of, opened
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, make_in_parts, take
from twinstroke.parallel.workers import Workers
from twinstroke.settings.flow import FlowSettings

PART_FRAMES = 4 * CHUNK_FRAMES
"""Frames of which one part holds the motions: 20 s of work with DeepFlow, 0.6 s with DIS."""


@dataclass(frozen=True)
class FlowSummary:
    """What a run of the stage found and did."""

    made: int
    present: int
    """Taken from the store."""
    pairs: int


@dataclass(frozen=True)
class _Part:
    """Some neighbouring pairs of one video: those that start at the kept frames ``first``."""

    source: Path
    first: tuple[int, ...]
    frame: NDArray[np.int64]
    """Source frames from which they lead."""
    settings: FlowSettings

    def __str__(self) -> str:
        return f"{self.source}: flow of the frames {self.frame[0]} to {self.frame[-1]}"


def compute_flow(
    sources: Sequence[Path], settings: FlowSettings, *, folder: Path, store: Path, workers: Workers
) -> FlowSummary:
    """Bring `folder` to one finished file for each file of frames.

    What the store has is linked; other files in the folder are deleted. Killed at any moment, the
    next call goes on and ends with the same bytes.

    Args:
        sources: Files that `decode` wrote.
        settings: Estimator and blur.
        folder: Where the HDF5 files go, under the names of their sources.
        store: Where they are kept.
        workers: Processes, over which frames and videos are spread.

    Raises:
        UserError: A file of frames is damaged, or a process died twice on the same frames. The
            other videos are finished first.
        OSError: The files cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outputs = [_output(source, settings, folder, store / "flow") for source in sources]
    prune(folder, [own.target for own in outputs])
    missing = [own for own in outputs if not take(own)]
    problems = make_in_parts("flow", "pairs", missing, _estimated, workers)
    if problems:
        raise UserError(problems)
    return FlowSummary(
        made=len(missing),
        present=len(outputs) - len(missing),
        pairs=sum(own.bounds[-1] for own in outputs),
    )


def _output(source: Path, settings: FlowSettings, folder: Path, store: Path) -> OutputFile[_Part]:
    with opened(source) as file:
        frame = file["frame"][:]
        origin = fingerprint_of(
            revision=REVISION,
            frames=file.attrs["origin"],
            settings=settings.model_dump(),
            opencv=cv2.__version__,
        )
        fingerprint = fingerprint_of(origin=origin, content=file.attrs["content"])
        first = pairs(frame, int(file.attrs["frame_step"]))
        size = file["rgb"].shape[2:]
    # Parts begin with a chunk of the frames, so that few chunks are read twice.
    cuts = np.flatnonzero(np.diff(first // PART_FRAMES)) + 1
    parts = [
        _Part(source, tuple(own.tolist()), frame[own], settings) for own in np.split(first, cuts)
    ]
    return OutputFile(
        target=folder / source.name,
        store=store,
        fingerprint=fingerprint,
        parameters=settings.model_dump(),
        datasets={
            "flow": Dataset((2, *size), np.int16, (1, 1, *size), FIELDS),
            "frame": Dataset((), np.int64),
        },
        items=parts,
        rows=[len(part.first) for part in parts],
        attributes={
            "unit_px": FLOW_UNIT_PX,
            "estimator": settings.estimator,
            "opencv": cv2.__version__,
            "origin": origin,
        },
    )


def _estimated(part: _Part) -> Iterator[Rows]:
    yield {"frame": part.frame}
    with named(part.source), h5py.File(part.source) as file:
        # Contiguous reads; a gap inside costs a few frames that are not used.
        begin, end = part.first[0], part.first[-1] + 2
        grey = [
            cv2.cvtColor(cv2.merge(list(frame)), cv2.COLOR_RGB2GRAY)
            for chunk in range(begin, end, CHUNK_FRAMES)
            for frame in file["rgb"][chunk : min(chunk + CHUNK_FRAMES, end)]
        ]
    for i in part.first:
        flow = quantised(estimate_flow(grey[i - begin], grey[i - begin + 1], part.settings))
        yield {"flow": np.stack(cv2.split(flow))[None]}
