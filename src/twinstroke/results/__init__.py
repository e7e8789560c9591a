"""What is written for people and other programs.

- The strokes of a data set: `export`, for ``twinstroke export``.
- Strokes that were found in a video: `tables` (CSV, JSON, ELAN, WebVTT, MediaEval), `film`,
  `label_studio`, and `viewer`, the page to watch and correct them. `palette` gives each class a
  colour.
- Whole videos in one picture: `timelines`.
- Runs for the MediaEval Sport Task: `submissions` writes and checks them.
"""
