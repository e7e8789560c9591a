"""How good a trained network is on every split: predictions, figures, and pictures of both.

`evaluation.evaluate` does the work and `pictures.write_pictures` draws it.

- From windows to a decision: `sliding` and `tracks` show all windows of a stroke to the network,
  `decisions` makes one decision of them, `predictions` writes and reads the tables.
- Figures: `metrics` of one split, `intervals` of a share or a mean, `detection` of strokes that
  were found in whole videos (for the stage detect and ``twinstroke score``).
- Pictures: `plots` as curves and tables, `mistakes` as contact sheets.
"""
