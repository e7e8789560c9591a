"""twinstroke: fine-grained stroke recognition in sport video.

Each stage of ``dvc.yaml`` has a package of its name, in this order: :mod:`synthesize` →
:mod:`index` → :mod:`decode` → :mod:`flow` → :mod:`normalize` → :mod:`segment` → :mod:`balance` →
:mod:`train` → :mod:`evaluate` → :mod:`attend` → :mod:`detect` → :mod:`report`. The other packages
serve several stages or the command: ``CONTRIBUTING.md`` lists them all, and the docstring of each
package says which module does its work. The networks stand by themselves in :mod:`models`.

Functions take arrays, tables, settings and paths. Only :mod:`experiments` knows of DVC.
"""

import os

# Threads of torch that wait for each other turn round and round; where other programs want the
# processor too, that makes a training several times as slow. After so many turns they sleep. It
# counts if this is read before torch is, and the user's own setting goes first.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

__version__: str


def __getattr__(name: str) -> str:
    """Look ``__version__`` up when somebody asks for it: that takes longer than all of ``--help``.

    Raises:
        AttributeError: There is nothing of that name.
    """
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version(__name__)
