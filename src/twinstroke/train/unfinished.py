"""Where trainings are kept, so that the same training finds its own again.

Below ``work/train`` each network that is being trained has a folder, named by all that is trained,
with ``state.pt`` (see `state`) and ``machine.json``: all else that decides bits (see `machine`). A
training that is through is kept in ``finished`` (see `finished`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinstroke.files import replacing, sha256_of
from twinstroke.hdf5 import fingerprint_of
from twinstroke.parallel.gpu_locks import alone_now
from twinstroke.train.machine import Machine, differences
from twinstroke.train.messages import abandoned, other_machine, say
from twinstroke.train.model_file import TrainedModel
from twinstroke.train.state import saved_epochs

DECIDE_NOTHING = (
    *("finished.py", "gpus.py", "machine.py", "messages.py", "naming.py", "saving.py"),
    "unfinished.py",
)
"""Modules of this package that have no part in what a training becomes."""
MOST = 8
"""Unfinished trainings that are kept; at the paper's scale a state has 2.7 GB."""
STATE, MACHINE, FINISHED = "state.pt", "machine.json", "finished"


@dataclass(frozen=True)
class Places:
    """Where one training is kept."""

    states: list[Path]
    """Folders, of each network, until all are trained."""
    finished: Path
    """Folder, from then on."""

    @property
    def saved_epochs(self) -> int:
        """Epochs after which it would go on, of all its networks."""
        return sum(saved_epochs(folder / STATE) for folder in self.states)


@dataclass(frozen=True)
class Identity:
    """What tells a training from all others: data, code, network and settings."""

    description: TrainedModel
    work: Path
    inputs: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        strokes: Path,
        samples: Mapping[str, Sequence[str]],
        description: TrainedModel,
        work: Path,
    ) -> Identity:
        """Read all that is trained on; `work` is where trainings are kept."""
        inputs = {
            "code": [sha256_of(file) for file in code()],
            "strokes": sha256_of(strokes),
            "samples": {split: list(names) for split, names in samples.items()},
        }
        return cls(description, work, inputs)

    def states(self) -> list[Path]:
        """Folders of the unfinished networks, on whatever machine.

        `checkpointing` may change meanwhile, since it changes no bit.
        """
        execution = self.description.execution.model_copy(update={"checkpointing": False})
        # The version of torch is the machine's.
        told = self.description.model_copy(update={"execution": execution, "torch_version": ""})
        return [
            self.work / fingerprint_of(model=part.model_dump(mode="json"), **self.inputs)
            for part in told.networks()
        ]

    def places(self, machine: Machine) -> Places:
        """Where it is kept if this machine trains it."""
        told = self.description.model_dump(mode="json")
        name = fingerprint_of(model=told, machine=dict(machine), **self.inputs)
        return Places(self.states(), self.work / FINISHED / name)


def code() -> list[Path]:
    """The code that trains: a state of other code is not resumed."""
    package = Path(__file__).parent
    files = [*package.glob("*.py"), *(package.parent / "models").glob("*.py")]
    return sorted(file for file in files if file.name not in DECIDE_NOTHING)


def begin(places: Places, machine: Machine) -> None:
    """Note which machine trains, in the folders of the states.

    Raises:
        UserError: There is a state that another kind of machine began.
    """
    for folder in places.states:
        noted = folder / MACHINE
        if (folder / STATE).exists() and noted.exists():
            then = json.loads(noted.read_text(encoding="utf-8"))
            if differences(then, machine):
                raise other_machine(folder, saved_epochs(folder / STATE), then, machine)
        with replacing(noted) as partial:
            partial.write_text(json.dumps(dict(machine), indent=2) + "\n", encoding="utf-8")


def forget_older(work: Path, own: Sequence[Path]) -> None:
    """Delete the states of trainings with which nobody went on: all but the `MOST` written last.

    Args:
        work: Where trainings are kept.
        own: States that stay in any case. So do those of programs that run now.
    """
    states = [path.parent for path in work.glob(f"*/{MACHINE}") if path.parent not in own]
    written = {folder: folder.stat().st_mtime for folder in states}
    for folder in sorted(states, key=written.__getitem__, reverse=True)[MOST:]:
        with alone_now(folder) as ours:
            if ours:
                shutil.rmtree(folder)
                say(abandoned(folder))
