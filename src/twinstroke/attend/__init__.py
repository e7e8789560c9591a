"""Where the attention blocks of a trained network look, in pictures and in numbers.

`statistics.measure` says over a whole split what the masks are about; `draw` shows some samples.
"""
