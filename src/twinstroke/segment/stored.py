"""What `segment` stores: ``strokes.h5``, and whole videos for detection.

A sample's clip is its stroke, or one window centred on a shorter stroke (`timeline.clip_range`).
Clips differ in length, so they stand one after another along the first axis:

============= ==================== ======= ==================================================
dataset       shape                dtype   meaning
============= ==================== ======= ==================================================
rgb           (F, H+2m, W+2m, 3)   uint8   crop of the kept frame, black outside the picture
flow          (F, H+2m, W+2m, 2)   int16   masked (u, v) to the next frame, units of 1/32 px
roi           (F, 2)               float32 centre of the crop in the kept frame, (x, y) in px
frame         (F,)                 int64   source frame
samples/...   (S,)                         columns of the table of samples
samples/offset, samples/length             where each clip lies along the first axis
============= ==================== ======= ==================================================

m is the margin for augmentation. The flow is at most 1/64 px off what the estimator gave. Where a
clip reaches beyond the video, its first or last frame is repeated, with zero flow; the flow of a
video's last frame is zero too. Attributes hold the provenance: ``classes``, ``window``, ``margin``,
``preparation`` (as JSON), ``flow_unit_px``, ``fps``, ``frame_step``, ``estimator``, ``opencv``,
``twinstroke``.

Layout of ``untrimmed/<video>.h5``, of each video in which `detect` finds strokes:

======== ================= ======= ==========================================================
rgb      (K, H, W, 3)      uint8   window of every kept frame, black outside the picture
flow     (K, H, W, 2)      int16   masked (u, v) to the next frame, units of 1/32 px; of the
                                   last frame 0
centre   (K, 2)            float64 (x, y) in px around which things move, before smoothing:
                                   that of the last frame that moved; NaN before there was one
ticks    (F + 1,)          int64   when each of the F frames of the source begins, and the last
                                   one ends
source   (K,)              int64   with ``decode.rate`` only: source frame of every kept one
======== ================= ======= ==========================================================

Where the players of a video have regions (`regions`), there is such a file for each region instead,
``untrimmed/0,0,320,360/<video>.h5``, black outside it; ``centre`` counts from its corner. Crops of
``strokes.h5`` are black outside the region too.

It is what a network sees of the video, and all that `detect` reads of it. Attributes:
``preparation`` (as JSON), ``frame_step``, ``time_base`` (seconds a tick, as a fraction). Both
have ``fingerprint``, ``parameters`` (JSON: what a person knows it by) and ``content`` (SHA-256 of
what is stored).
"""

from __future__ import annotations

REVISION = 2
"""Raised when the same input gives other contents than before."""
