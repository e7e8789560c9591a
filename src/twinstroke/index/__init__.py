"""From a folder of raw videos and annotations to the checked tables of videos and samples.

`run.checked_index` is what the stage and ``twinstroke check`` call; it builds the index by
`build.build_index`, which goes through these steps:

- read and check: `videos`, `md5sums`, `checks`, `alike`;
- several annotators: `consensus` makes one set of their marks, `agreement` measures how well they
  agree;
- samples: `negatives` cuts them from the gaps, `samples` names them;
- splits: `split` draws them, `leaks` says what they share.

`report` prints what was found.

Frames are numbered in decoding order from 0, and ``end`` is exclusive: a stroke ``[begin, end)``
lasts ``end − begin`` frames. TTStroke-21 does not say which it is (published code reads it both
ways); its scoring fills ``[begin, end)``, and so do we, everywhere. Times in seconds become frames
by each video's own timestamps.
"""
