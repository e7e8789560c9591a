"""Every parameter of the pipeline, checked before any work starts.

``params.yaml`` holds what an experiment varies (`experiment`), ``presets/<name>.yaml`` what a data
set and a scale fix (`preset`); each section of a preset is a module of its name. `load` reads both
files and reports every problem at once. A stage in ``dvc.yaml`` depends on the modules of the
sections that it uses, because their defaults decide its result.
"""
