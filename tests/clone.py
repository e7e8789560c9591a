"""A clone of the project in which a test runs the real `dvc repro`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from copy import copy
from pathlib import Path

from tests import quick

ROOT = Path(__file__).parent.parent
STAGES = [
    "synthesize",
    "index",
    "decode",
    "flow",
    "normalize",
    "segment",
    "balance",
    "train",
    "evaluate",
    "attend",
    "detect",
    "report",
]


class Clone:
    """A clone of the working tree, with a commit of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            # Its own code runs, which a test may change, and not the installed one.
            "PYTHONPATH": str(folder / "src"),
            quick.ALONE: "1",
            **{f"GIT_{who}_NAME": "test" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "test@localhost" for who in ("AUTHOR", "COMMITTER")},
        }
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.splitlines()):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        shutil.copy(ROOT / "tests" / "tiny.yaml", folder / "presets")
        (folder / "data" / "raw" / "tiny").mkdir()
        params = folder / "params.yaml"
        params.write_text(params.read_text().replace("preset: demo", "preset: tiny"))
        self.run("git", "init", "-q")
        self.commit("start")

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command; return what it printed, standard error included."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, "PATH": quick.path()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def cloned(self, folder: Path) -> Clone:
        """What another person has of it: what is in git."""
        self.run("git", "clone", "-q", ".", str(folder))
        other = copy(self)
        other.folder = folder
        other.environment = {**self.environment, "PYTHONPATH": str(folder / "src")}
        return other

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def scores(self) -> dict[str, float]:
        """All figures of the network, by their flat names."""
        content: dict[str, float] = json.loads(
            (self.folder / "reports" / "tiny" / "scores.json").read_text()
        )
        return content

    def accuracy(self, experiment: str) -> float:
        """Test accuracy that an experiment's own commit holds."""
        content = self.run("git", "show", f"{self.reference(experiment)}:reports/tiny/scores.json")
        return float(json.loads(content)["test.single.accuracy"])

    def reference(self, experiment: str) -> str:
        """The commit of an experiment."""
        listed = self.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
        return next(name for name in listed if name.endswith(f"/{experiment}"))


def ran(printed: str) -> list[str]:
    """Stages that a run of DVC did not skip."""
    return [stage for stage in STAGES if f"Running stage '{stage}'" in printed]
