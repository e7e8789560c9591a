"""Where the state of an unfinished training is kept, so that the same training finds it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from twinstroke.files import sha256_of
from twinstroke.hdf5 import fingerprint_of
from twinstroke.train.model_file import TrainedModel

DECIDE_NOTHING = ("messages.py", "naming.py", "unfinished.py")
"""Modules of this package that have no part in what a training becomes."""


def state_folders(
    strokes: Path,
    samples: Mapping[str, Sequence[str]],
    description: TrainedModel,
    work: Path,
    device_type: str,
) -> list[Path]:
    """Where the state of each network is kept until its training ends.

    The names tell one training from another: by data, code, network, settings and type of device.
    Only `checkpointing` may change meanwhile, since it changes no bit.
    """
    common = {
        "code": [sha256_of(file) for file in code()],
        "strokes": sha256_of(strokes),
        "samples": {split: list(names) for split, names in samples.items()},
        "device": device_type,
    }
    execution = description.execution.model_copy(update={"checkpointing": False})
    told = description.model_copy(update={"execution": execution})
    return [
        work / fingerprint_of(model=part.model_dump(mode="json"), **common)
        for part in told.networks()
    ]


def code() -> list[Path]:
    """The code that trains: a state of other code is not resumed."""
    package = Path(__file__).parent
    files = [*package.glob("*.py"), *(package.parent / "models").glob("*.py")]
    return sorted(file for file in files if file.name not in DECIDE_NOTHING)
