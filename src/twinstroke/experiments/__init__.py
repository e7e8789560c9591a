"""The grids of the paper, each one command: ``python -m experiments ablation --preset demo``.

``grids.yaml`` declares the rows, ``grids.py`` checks them and works out their parameters,
``run.py`` runs them as DVC experiments of the commit at hand, one after the other or side by side,
``workspace.py`` is what it needs of git and DVC, and ``table.py`` writes the results to ``docs/``.

And any two experiments sample by sample: ``python -m experiments.compare HEAD attention3``, with
``compare.py`` and, for what people call a state of the project, ``revisions.py``.
"""
