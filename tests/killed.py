"""A training that is killed in the middle, by itself: the program, and a function that runs it.

It is killed right after the epoch that was asked for is saved. So the kill comes neither too early
nor too late, however busy the machine is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic_core import to_json

from tests import quick
from tests.clone import ROOT
from tests.processes import spawned
from tests.trainings import SETTINGS, run
from twinstroke.errors import exits_cleanly
from twinstroke.settings.train import TrainSettings
from twinstroke.train.state import State

Whom = Literal["itself", "last of all", "launcher"]
"""Who is killed: the process that saves, which is the first one; or another one of several."""


@dataclass(frozen=True)
class Killed:
    """What is known of a training that was killed."""

    status: int
    """Of the process that was started; negative, if a signal ended it."""
    printed: str
    """On standard error."""
    processes: list[int]
    """Those that trained for it."""


def killed(
    strokes: Path,
    folder: Path,
    settings: TrainSettings = SETTINGS,
    *,
    after: int = 1,
    whom: Whom = "itself",
    **changes: object,
) -> Killed:
    """Train as :func:`tests.trainings.run` does, and have it killed after so many epochs.

    Args:
        strokes: ``strokes.h5``.
        folder: For all that is written.
        settings: Of the training.
        after: Epochs that are saved before, of all networks; fewer than the training has.
        whom: Who is killed.
        changes: Other arguments of `run`, as JSON can tell them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"strokes": strokes, "folder": folder, "settings": settings, "changes": changes}
    asked |= {"after": after, "whom": whom}
    # Whoever kills its parent has to be started by the real program.
    python = quick.python() if whom == "itself" else sys.executable
    with (folder / "printed").open("w") as printed:
        process = subprocess.run(
            [python, "-m", "tests.killed", to_json(asked).decode()],
            cwd=ROOT,
            stderr=printed,
        )
    text = (folder / "printed").read_text()
    assert saved_epochs(folder) == after, text
    assert not (folder / "model.safetensors").exists(), "it was over before it could be killed"
    return Killed(process.returncode, text, json.loads((folder / "processes").read_text()))


def saved_epochs(folder: Path) -> int:
    """Epochs that an interrupted run has saved, of all its networks."""
    states = [torch.load(state, weights_only=True) for state in folder.glob("work/*/state.pt")]
    return sum(len(state["history"]) for state in states)


def _let_it_be_killed(asked: dict[str, Any]) -> None:
    save, left = State.save, asked["after"]

    def save_and_kill(self: State, path: Path) -> None:
        nonlocal left
        save(self, path)
        left -= 1
        if left:
            return
        processes = spawned(os.getppid()) if __name__ == "__mp_main__" else []
        Path(asked["folder"], "processes").write_text(json.dumps(processes))
        whom = {
            "itself": os.getpid(),
            "last of all": processes[-1] if processes else 0,
            "launcher": os.getppid(),
        }
        os.kill(whom[asked["whom"]], signal.SIGKILL)
        if asked["whom"] == "launcher":
            signal.pause()  # it ends because its parent did, and not because its work is done

    State.save = save_and_kill  # type: ignore[method-assign]


def _main() -> None:
    asked = json.loads(sys.argv[1])
    settings = TrainSettings.model_validate(asked["settings"])
    run(Path(asked["strokes"]), Path(asked["folder"]), settings, **asked["changes"])


if __name__ in {"__main__", "__mp_main__"}:
    # The second is its name in processes that it starts: there the state is saved.
    _let_it_be_killed(json.loads(sys.argv[1]))
    if __name__ == "__main__":
        exits_cleanly(_main)()
