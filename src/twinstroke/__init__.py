"""twinstroke: fine-grained stroke recognition in sport video.

The packages carry the names of the stages in ``dvc.yaml`` and are used in that order:
:mod:`synthesize` → :mod:`index` → :mod:`decode` → :mod:`flow` → :mod:`normalize` →
:mod:`segment` → :mod:`balance` → :mod:`train` → :mod:`evaluate`. The networks stand by
themselves in :mod:`models`. Nothing here knows of DVC: every function takes arrays, tables,
settings and paths.
"""

from importlib.metadata import version

__version__ = version("twinstroke")
