"""What `decode` stores: one HDF5 file of frames a video.

Layout of ``frames/<video>.h5``:

======== ================= ======= ==========================================================
dataset  shape             dtype   meaning
======== ================= ======= ==========================================================
rgb      (N, 3, H, W)      uint8   kept frames, resized to the preset's width, H·width//W high
frame    (N,)              int64   number of each in the source video, ascending; with
                                   ``decode.rate``, among the frames of that rate
======== ================= ======= ==========================================================

Attributes: ``fingerprint``, ``parameters`` (JSON: what a person knows it by), ``content`` (SHA-256
of what is stored), ``frame_step``, ``origin``: digest of what any frame is made from, whichever are
kept.

Of videos in which `detect` finds strokes all frames are kept. Their files say what samples need,
and when frames are shown:

======== ================= ======= ==========================================================
runs     (R, 2)            int64   begin and end of each range of rows that samples need
ticks    (F + 1,)          int64   when each of the F frames of the source begins, and the last
                                   one ends
source   (K,)              int64   with ``decode.rate`` only: number in the source video of each
                                   frame of that rate, ascending
======== ================= ======= ==========================================================

Attribute: ``time_base``, seconds a tick as a fraction.
"""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import named

REVISION = 3
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
CHUNK_FRAMES = 16
"""Frames a chunk: enough to find what stays equal, few enough to read a window."""


def pictures(file: h5py.File, rows: slice) -> NDArray[np.uint8]:
    """Some of the kept frames of a file that `decode_videos` made, (n, H, W, 3) RGB."""
    with named(file.filename):
        return np.ascontiguousarray(file["rgb"][rows].transpose(0, 2, 3, 1))
