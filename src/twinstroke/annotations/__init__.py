"""What annotations are, whoever wrote them: strokes with a time and a label, and their classes.

One record serves for strokes wherever times are frames: `strokes.Stroke`, which `consensus` merges,
`split` places, `evaluate` and `score` compare with, and pages, ELAN and other files show. Others
are there because what they hold differs:

- `records.Annotation`: as it was read; its times may still be seconds, or "the whole video";
- `detection.Detection`: what a network found, with probabilities; a row of `detect`'s tables;
- `tables.Sample` and `tables.Unlabelled`: rows of ``samples.csv`` (a sample has a name, a class and
  a split) and ``unlabelled.csv``, checked when they are read.

What a module of `formats` knows of a stroke while it reads a file stays there, and so does what
`synthesize` plans (`synthesize.timing.PlannedStroke`), which no annotation may change.

`resolve` turns annotations into strokes, `classes` and `superclasses` know the names, `folders` and
`rows` read what is not trusted.
"""
