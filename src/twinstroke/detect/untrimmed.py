"""A whole video that the stages prepared, shown to a network: nothing is decoded or estimated."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.shown import Frame
from twinstroke.detect.timing import Stopwatch
from twinstroke.errors import UserError, named
from twinstroke.hdf5 import opened
from twinstroke.settings.preparation import Preparation
from twinstroke.timeline import Kept, every
from twinstroke.video.clock import Clock

_BLOCK_FRAMES = 64
"""Frames that are read at once."""


@dataclass(frozen=True)
class Untrimmed:
    """A file ``untrimmed/<video>.h5``; see `segment.stored`."""

    path: Path
    content: str
    kept: Kept
    counted: Kept
    clock: Clock

    @property
    def name(self) -> str:
        """Of the video."""
        return self.path.stem

    def made_of(self) -> Mapping[str, Any]:
        """All that decides the frames."""
        return {"content": self.content}

    def prepared(
        self,
        preparation: Preparation,
        window: tuple[int, int],
        timing: Stopwatch,
        centres: NDArray[np.float64] | None,
    ) -> Generator[Frame, None, None]:
        """Read the kept frames, in order, but for those of which the centres are known."""
        begin = 0 if centres is None else len(centres)
        with opened(self.path) as file:
            for first in range(begin, len(self.kept), _BLOCK_FRAMES):
                own = slice(first, min(first + _BLOCK_FRAMES, len(self.kept)))
                with timing.on("reading"), named(self.path):
                    rows = [file[name][own] for name in ("rgb", "flow", "centre")]
                yield from map(Frame, *rows)


def open_untrimmed(path: Path, recogniser: Recogniser) -> Untrimmed:
    """See that a video was prepared as a network wants it.

    Raises:
        UserError: The file is missing or damaged, or was not.
    """
    with named(path), h5py.File(path) as file:
        preparation = Preparation.model_validate_json(file.attrs["preparation"])
        window = file["rgb"].shape[1:3]
        clock = Clock(file["ticks"][:], Fraction(file.attrs["time_base"]))
        counted = every(1, clock.frames)
        if "source" in file:
            counted = Kept(file["source"][:], clock.frames)
        kept = Kept(counted.numbers[:: int(file.attrs["frame_step"])], clock.frames)
        found = Untrimmed(path, str(file.attrs["content"]), kept, counted, clock)
    if (preparation, window) != (recogniser.preparation, recogniser.window[1:]):
        raise UserError(
            f"{path}: was prepared in another way than the network's training samples; run "
            "dvc repro, which makes both anew"
        )
    return found
