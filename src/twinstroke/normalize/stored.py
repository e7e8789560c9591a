"""What `normalize` stores: one HDF5 file a video, and ``statistics.json``.

Layout of ``motion/<video>.h5``, of all flows that samples need:

======== =================== ======= =========================================================
dataset  shape               dtype   meaning
======== =================== ======= =========================================================
mask     (M, H, ceil(W/8))   uint8   foreground, dilated, one bit a pixel (``numpy.packbits``)
roi      (M, 2)              float32 smoothed centre of the region of interest, (x, y) in px
peak     (M, 2)              float32 per-frame maximum of masked abs(u) and abs(v), in px
frame    (M,)                int64   source frame, as in the flow file
======== =================== ======= =========================================================

The background is learnt anew in each run of frames that samples need: from `decode.context` before
the first of them on. So the samples are the same whether or not all frames of their video are kept.
In videos in which `detect` finds strokes it is learnt from the first frame to the last, too:
``motion/untrimmed/<video>.h5``, aligned with the flow file, has the same, but for ``peak``, and

======== =================== ======= =========================================================
centre   (M, 2)              float64 centre before smoothing, (x, y) in px: that of the last
                                     frame that moved; NaN before there was one
======== =================== ======= =========================================================

There ``roi`` is smoothed in blocks of 64 frames, as for a video that is still coming in.

Where the players of a video have regions (`regions`), there is such a file for each region instead,
in a folder of its name, ``motion/0,0,320,360/<video>.h5``: the mask is empty outside the region,
the background is learnt inside it alone, and ``centre`` counts from its upper left corner.

Attributes: ``fingerprint``, ``parameters`` (JSON: what a person knows it by), ``content`` (SHA-256
of what is stored).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

REVISION = 2
"""Raised when the same input gives other bytes than before, so that old files are made anew."""
UNTRIMMED = "untrimmed"
"""Folder, in that of the others, with the files of whole videos."""


class FlowStatistics(BaseModel):
    """What ``statistics.json`` holds; each pair is for (u, v), in pixels a kept frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["normal", "max"]
    scale: tuple[float, float]
    """Normalised flow is ``clip(v / scale, -1, 1)``."""
    mean: tuple[float, float]
    """μ of the per-frame maxima that were used."""
    deviation: tuple[float, float]
    """σ of the same (population)."""
    frames_used: tuple[int, int]
    frames: int
    """Frames of the training split."""
