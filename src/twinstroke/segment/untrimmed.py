"""Whole videos as a network sees them, for detection; see `stored`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.decode.stored import pictures
from twinstroke.errors import UserError, named
from twinstroke.files import prune
from twinstroke.flow.stored import fields
from twinstroke.hdf5 import COMPRESSION, FINGERPRINT, fingerprint_of, opened
from twinstroke.normalize.stored import UNTRIMMED
from twinstroke.parallel.parts import Dataset, OutputFile, Rows, make_in_parts, take
from twinstroke.parallel.workers import Workers
from twinstroke.regions import WHOLE, Box, PlayerRegion, Regions, place_file
from twinstroke.segment.crop import window_around
from twinstroke.segment.stored import REVISION
from twinstroke.settings.preparation import Preparation

CHUNK_FRAMES = 16
BLOCK_FRAMES = 32
"""Frames that are read at once."""
PART_FRAMES = 512


@dataclass(frozen=True)
class _Part:
    """Some frames of one video."""

    frames: Path
    flow: Path
    motion: Path
    rows: range
    window: tuple[int, int]
    margin: int
    box: Box | None
    """Where the player is; None: anywhere."""

    def __str__(self) -> str:
        return f"{self.frames}: kept frames {self.rows.start} to {self.rows[-1]}"


def cut_untrimmed(
    videos: Sequence[str],
    preparation: Preparation,
    window: tuple[int, int],
    *,
    frame_step: int,
    folder: Path,
    target: Path,
    store: Path,
    workers: Workers,
    regions: Regions = WHOLE,
) -> int:
    """Bring `target` to one finished file for each video, or for each place of its players.

    Args:
        videos: Those of which `normalize` knows all motion.
        preparation: How the frames were made.
        window: H and W of the network's window.
        frame_step: Every n-th source frame was kept.
        folder: Holds the folders ``frames``, ``flow`` and ``motion``.
        target: Where the HDF5 files go; other files in it are deleted.
        store: Where they are kept.
        workers: Processes, over which frames and videos are spread.
        regions: Where the players are.

    Returns:
        Number of frames.

    Raises:
        UserError: A file is damaged, or a process died twice on the same frames.
        OSError: The files cannot be written.
    """
    outputs = [
        _output(
            folder / "frames" / f"{video}.h5",
            folder / "flow" / f"{video}.h5",
            place_file(folder / "motion" / UNTRIMMED, video, place),
            place,
            preparation,
            window,
            frame_step,
            place_file(target, video, place),
            store / "segment",
        )
        for video in videos
        for place in regions.places(video)
    ]
    for own in {target, *(output.target.parent for output in outputs)}:
        own.mkdir(parents=True, exist_ok=True)
    for own in (target, *(path for path in target.rglob("*") if path.is_dir())):
        prune(own, [output.target for output in outputs])
    missing = [output for output in outputs if not take(output)]
    problems = make_in_parts("segment: untrimmed", "frames", missing, _cut, workers)
    if problems:
        raise UserError(problems)
    return sum(output.bounds[-1] for output in outputs)


def _output(
    frames: Path,
    flow: Path,
    motion: Path,
    place: PlayerRegion | None,
    preparation: Preparation,
    window: tuple[int, int],
    frame_step: int,
    target: Path,
    store: Path,
) -> OutputFile[_Part]:
    sources = {}
    for name, path in (("frames", frames), ("flow", flow), (UNTRIMMED, motion)):
        with opened(path) as file:
            sources[name] = file.attrs[FINGERPRINT].decode()
    with opened(frames) as file, named(frames):
        kept, size = len(file["frame"]), file["rgb"].shape[2:]
        time_base = file.attrs["time_base"]
        columns = {name: file[name][:].tolist() for name in ("ticks", "source") if name in file}
    rows = [range(begin, min(begin + PART_FRAMES, kept)) for begin in range(0, kept, PART_FRAMES)]
    box = place.box(size) if place else None
    parts = [_Part(frames, flow, motion, own, window, preparation.margin, box) for own in rows]
    parameters = {"for": "detection", "window": window, **preparation.model_dump()}
    if box:
        parameters["region"] = list(box)
    return OutputFile(
        target=target,
        store=store,
        fingerprint=fingerprint_of(
            revision=REVISION, sources=sources, frame_step=frame_step, **parameters
        ),
        parameters=parameters,
        datasets={
            "rgb": Dataset((*window, 3), np.uint8, (CHUNK_FRAMES, *window, 3), COMPRESSION),
            "flow": Dataset((*window, 2), np.int16, (CHUNK_FRAMES, *window, 2), COMPRESSION),
            "centre": Dataset((2,), np.float64),
        },
        attributes={
            "preparation": preparation.model_dump_json(),
            "frame_step": frame_step,
            "time_base": time_base,
        },
        items=parts,
        rows=[len(own) for own in rows],
        columns=columns,
    )


def _cut(part: _Part) -> Iterator[Rows]:
    with ExitStack() as stack:
        frames, flow, motion = (
            stack.enter_context(opened(path)) for path in (part.frames, part.flow, part.motion)
        )
        for begin in range(part.rows.start, part.rows.stop, BLOCK_FRAMES):
            own = range(begin, min(begin + BLOCK_FRAMES, part.rows.stop))
            rgb, field, roi, centre = _whole(frames, flow, motion, own)
            yield {
                "rgb": np.stack(
                    [
                        window_around(p, c, part.window, part.margin, part.box)
                        for p, c in zip(rgb, roi, strict=True)
                    ]
                ),
                "flow": np.stack(
                    [
                        window_around(f, c, part.window, part.margin, part.box)
                        for f, c in zip(field, roi, strict=True)
                    ]
                ),
                "centre": centre,
            }


def _whole(
    frames: h5py.File, flow: h5py.File, motion: h5py.File, own: range
) -> tuple[NDArray[np.uint8], NDArray[np.int16], NDArray[np.float32], NDArray[np.float64]]:
    """Frames (n, H, W, 3), masked flow, smoothed and plain centres; all rows are there."""
    rgb = pictures(frames, slice(own.start, own.stop))
    with named(motion.filename):
        last = len(motion["frame"]) - 1
        # The last frame has no flow, and its region stays where it was.
        rows = slice(own.start, min(own.stop, last + 1))
        places = np.minimum(own, last)
        first = min(own.start, last)
        roi, centre = (motion[name][first : own.stop][places - first] for name in ("roi", "centre"))
        mask = np.unpackbits(motion["mask"][rows], axis=-1, count=rgb.shape[2])
    field = np.zeros((*rgb.shape[:3], 2), np.int16)
    field[: len(mask)] = fields(flow, rows) * mask[..., None]
    return rgb, field, roi, centre
