"""Where the attention blocks of a trained network look, in pictures and in numbers.

`statistics.measure` says over a whole split what the masks are about, as rows of `tables`.
`draw.draw` shows some samples: `choice` chooses them for the stage, `masks` and `subject` take the
masks from the network, `sheet` and `film` draw them.
"""
