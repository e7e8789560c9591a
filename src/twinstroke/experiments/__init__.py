"""The grids of the paper, and any two experiments side by side.

``grids.yaml`` declares the rows, `grids` checks them and works out their parameters, `run` carries
them out as DVC experiments of the commit at hand, one after the other or side by side, `workspace`
is what it needs of git and DVC, and `table` writes the results to ``docs/``.

`comparison` compares experiments sample by sample, and `revisions` knows what people call a state
of the project.
"""
