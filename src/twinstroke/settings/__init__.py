"""Every parameter of the pipeline, checked before any work starts.

`load.load_settings` reads both files and reports every problem at once.

- ``params.yaml`` holds what an experiment varies: `experiment` lists its keys; those of `network`
  and `execution` have a module of their own.
- ``presets/<name>.yaml`` holds what a data set and a scale fix: `preset` lists its sections, and
  each section is a module of its name.
- The rest is shared: `base` (what all sections have in common), `limits` of FFmpeg, `preparation`
  (what a model remembers of the sections), `rules` of detection for videos of no data set, and
  `choices` of the command line.

A stage in ``dvc.yaml`` depends on the modules of the sections that it uses, because their defaults
decide its result.
"""
