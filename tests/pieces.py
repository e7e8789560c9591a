"""A file that is made in parts, of rows that are made of their numbers alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.hdf5 import COMPRESSION, FIELDS, PLANES
from twinstroke.parallel.parts import Dataset, OutputFile, Rows
from twinstroke.parallel.workers import Workers

H, W = 6, 10
HERE = Workers(count=0)


@dataclass(frozen=True)
class Piece:
    """Rows `begin` to `end` of a file in which row n is made of n alone."""

    begin: int
    end: int
    blocks: int = 1
    kill: Path | None = None
    """The process dies as long as this file is missing."""
    bad: bool = False
    noise: bool = False

    def __str__(self) -> str:
        return f"rows {self.begin} to {self.end}"


def truth(rows: NDArray[np.int64], *, noise: bool = False) -> dict[str, NDArray[np.generic]]:
    pictures = (rows[:, None, None, None] * 7 + np.arange(3 * H * W).reshape(3, H, W)) % 251
    if noise:
        pictures = np.random.default_rng(1).integers(0, 256, (len(rows), 3, H, W))
    fields = (rows[:, None, None, None] - 50) * 300 + np.arange(2 * H * W).reshape(2, H, W)
    return {
        "rgb": pictures.astype(np.uint8),
        "flow": fields.astype(np.int16),
        "mask": (rows[:, None, None] + np.arange(H * 2).reshape(H, 2)).astype(np.uint8),
        "frame": rows,
        "roi": np.stack([rows / 3, rows / 7], axis=1).astype(np.float32),
    }


DATASETS = {
    "rgb": Dataset((3, H, W), np.uint8, (16, 3, H, W), PLANES),
    "flow": Dataset((2, H, W), np.int16, (1, 1, H, W), FIELDS),
    "mask": Dataset((H, 2), np.uint8, (8, H, 2), COMPRESSION),
    "frame": Dataset((), np.int64),
    "roi": Dataset((2,), np.float32),
}


def made(piece: Piece) -> Iterator[Rows]:
    if piece.kill and not piece.kill.exists():
        piece.kill.with_suffix(f".{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    for own in np.array_split(np.arange(piece.begin, piece.end), piece.blocks):
        yield truth(own, noise=piece.noise)
    if piece.bad:
        raise UserError(f"{piece} are bad")


def output_file(target: Path, pieces: Sequence[Piece], fingerprint: str = "x") -> OutputFile[Piece]:
    return OutputFile(
        target,
        target.parent / "store",
        fingerprint,
        {"estimator": "dis"},
        DATASETS,
        {"step": 4},
        pieces,
        [piece.end - piece.begin for piece in pieces],
        {"samples/label": ["ä", "b"], "samples/length": [1, 2]},
    )


def cut(lengths: Sequence[int], **changes: object) -> list[Piece]:
    ends = np.cumsum(lengths).tolist()
    return [Piece(e - n, e, **changes) for n, e in zip(lengths, ends, strict=True)]  # type: ignore[arg-type]
