"""Strokes as tensors, cut around the region of interest.

`strokes.cut_strokes` does the work, `crop` cuts a rectangle, and `stored` says what ``strokes.h5``
holds.
"""
