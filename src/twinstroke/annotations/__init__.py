"""What annotations are, whoever wrote them: strokes with a time and a label, and their classes.

Wherever times are frames, there is one record for a stroke: `strokes.Stroke`. `index.consensus`
merges such strokes, `index.split` puts them in splits, `evaluate` and `detect.score` compare
detections with them, and pages, ELAN and other files show them. The other records hold something
else:

- `records.Annotation`: as it was read; its times may still be seconds, or "the whole video";
- `detection.Detection`: what a network found, with probabilities; a row of `detect`'s tables;
- `tables.Sample` and `tables.Unlabelled`: rows of ``samples.csv`` (a sample has a name, a class and
  a split) and ``unlabelled.csv``, checked when they are read.

Records that only one module of `formats` needs while it reads a file stay in that module. What
`synthesize` plans stays there too (`synthesize.timing.PlannedStroke`).

`resolve` turns annotations into strokes, `classes` and `superclasses` know the names, `groups` says
which player each stroke belongs to, `regions` where each player is, `boxes` what was drawn around
him, and `folders`, `rows` and `excel` read files that are not trusted; `containers` knows which of
them are videos.
"""
