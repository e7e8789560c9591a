"""Strokes as tensors, cut around the region of interest.

`strokes.cut_strokes` does the work, `untrimmed.cut_untrimmed` the same with whole videos for
detection, `crop` cuts a rectangle, and `stored` says what the files hold.
"""
