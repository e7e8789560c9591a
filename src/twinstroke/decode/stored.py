"""What `decode` stores: one HDF5 file of frames a video.

Layout of ``frames/<video>.h5``:

======== ================= ======= ==========================================================
dataset  shape             dtype   meaning
======== ================= ======= ==========================================================
rgb      (N, 3, H, W)      uint8   kept frames, resized to the preset's width, H·width//W high
frame    (N,)              int64   number of each in the source video, ascending
======== ================= ======= ==========================================================

Attributes: ``fingerprint``, ``content`` (SHA-256 of what is stored), ``frame_step``.
"""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import named

REVISION = 2
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
CHUNK_FRAMES = 16
"""Frames a chunk: enough to find what stays equal, few enough to read a window."""


def pictures(file: h5py.File, rows: slice) -> NDArray[np.uint8]:
    """Some of the kept frames of a file that `decode_videos` made, (n, H, W, 3) RGB."""
    with named(file.filename):
        return np.ascontiguousarray(file["rgb"][rows].transpose(0, 2, 3, 1))
