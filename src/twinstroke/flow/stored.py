"""What `flow` stores: one HDF5 file of motions a video.

**Convention.** ``flow[i]`` is the motion *from* kept frame ``i`` *to* the next one: the pixel seen
at (x, y) in the first is found at (x + u, y + v) in the second, in pixels, x to the right and y
down. N frames in a row have N - 1 flows, none crosses a gap between kept frames.

Layout of ``flow/<video>.h5``:

======== ============== ======= =============================================================
dataset  shape          dtype   meaning
======== ============== ======= =============================================================
flow     (M, 2, H, W)   int16   u and v in units of 1/32 px
frame    (M,)           int64   source frame from which each motion leads, ascending
======== ============== ======= =============================================================

Storing 1/32 px units rounds by at most 1/64 px, within ±1023 px. Attributes: ``fingerprint``,
``parameters`` (JSON: what a person knows it by), ``content`` (SHA-256 of what is stored),
``unit_px``, ``estimator``, ``opencv``, ``origin``: digest of what any field is made from, whichever
are there.
"""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import named

REVISION = 2
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
FLOW_UNIT_PX = 1 / 32
"""Flow is stored as whole multiples of this, so it is off by at most 1/64 px."""


def pairs(frame: NDArray[np.int64], frame_step: int) -> NDArray[np.intp]:
    """Positions i for which kept frames i and i + 1 follow each other without a gap.

    Args:
        frame: Source frame numbers, ascending, shape (N,).
        frame_step: Distance of neighbouring kept frames in the source.
    """
    return np.flatnonzero(np.diff(frame) == frame_step)


def dequantised(stored: NDArray[np.int16]) -> NDArray[np.float32]:
    """Flow in pixels from the stored integers."""
    return stored.astype(np.float32) * np.float32(FLOW_UNIT_PX)


def fields(file: h5py.File, rows: slice) -> NDArray[np.int16]:
    """Some of the fields of a file that `compute_flow` made, (n, H, W, 2), in units of 1/32 px."""
    with named(file.filename):
        return np.ascontiguousarray(file["flow"][rows].transpose(0, 2, 3, 1))


def quantised(flow: NDArray[np.float32]) -> NDArray[np.int16]:
    """Whole multiples of 1/32 px nearest to a flow in pixels; beyond ±1023 px it saturates."""
    limits = np.iinfo(np.int16)
    units: NDArray[np.float32] = np.rint(flow * np.float32(1 / FLOW_UNIT_PX))
    np.clip(units, limits.min, limits.max, out=units)
    return units.astype(np.int16)
