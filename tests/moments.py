"""Programs that are killed at a moment: `dvc` and the stages that it starts.

A moment is an event and no time, so it is the same however busy the machine is: a file is about to
be opened for writing, renamed, linked, deleted …, a program to be started. Python tells of these
(audit events) in `dvc` and in the stages. Each is noted as a line of a file for all processes; when
the moment comes, somebody is killed before it happens.

The stages do their work in their own process here, without others beside: those are the matter of
`tests/stages/test_faults.py`. Each process kills by number, and no process group, so that quick
programs (`tests/quick.py`) may be killed too.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partialmethod
from pathlib import Path
from typing import Any, Literal

from tests.clone import STAGES

Whom = Literal["all", "dvc", "torn"]
"""Who is killed: DVC and the stage; DVC alone, so that the stage goes on without it when the
next run has come to the same stage; or DVC in the middle of writing a file."""

FILES = {
    **dict.fromkeys(("open", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"), 1),
    **dict.fromkeys(("shutil.rmtree", "sqlite3.connect"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
}
"""Events, and how many of their arguments are files."""
START = "subprocess.Popen"
LOG, MOMENT, RUN = "MOMENTS_LOG", "MOMENTS_MOMENT", "MOMENTS_RUN"
_DVC = "MOMENTS_DVC"
_CHANGES = re.compile(r"[\w-]{22}(?=\.tmp)|[0-9a-f]{8,}|(?<=/)[0-9a-f]{2}(?=/|$)|\d+")
"""What is another one each time, in the names of files."""


@dataclass(frozen=True)
class Event:
    """What a process was about to do."""

    run: int
    """Of `dvc repro`."""
    process: int
    stage: str
    """The one that DVC started last; empty before the first one."""
    by_dvc: bool
    """Whether DVC does it, rather than the stage."""
    what: str
    files: list[str]
    """Relative to the clone."""
    killed: str = ""
    """Who was killed before; empty, if nobody."""

    @property
    def happened(self) -> bool:
        return not self.killed or (self.killed == "dvc" and not self.by_dvc)

    @property
    def before_its_turn(self) -> bool:
        """Whether a stage waits for another one of its name, or is about to."""
        return not self.by_dvc and self.files in (["work"], [f"work/{self.stage}.lock"])

    @property
    def label(self) -> str:
        """What is the same in another run."""
        return " ".join([self.what, *(_CHANGES.sub("*", file) for file in self.files)])

    @property
    def place(self) -> tuple[int, bool]:
        """Where it is in the pipeline."""
        return (STAGES.index(self.stage) if self.stage else -1, self.by_dvc)


@dataclass(frozen=True)
class Moment:
    """Before which event somebody is killed: one of a stage, or of DVC afterwards.

    If it does not come, because the stage goes on where it was, the first one after the stage, or
    after what DVC does for it, takes its place.
    """

    whom: Whom
    stage: str
    by_dvc: bool
    label: str
    """Of the event; or the file that is torn."""
    number: int = 1
    """The how many-eth of this label in its process, from 1."""
    share: float = 0.0
    """What is written of the file that is torn."""

    def has_come(self, event: Event, number: int, written: str) -> bool:
        """Whether it is now.

        Args:
            event: What is about to be done.
            number: The how many-eth of this label it is.
            written: What this process has opened for writing last, and has written by now.
        """
        own = (STAGES.index(self.stage), self.by_dvc)
        if self.whom == "torn":
            return event.place >= own and written == self.label
        if event.place != own:
            return event.place > own
        return (event.label, number) == (self.label, self.number)


def events(log: Path) -> list[Event]:
    """All that was noted."""
    return [Event(**json.loads(line)) for line in log.read_text().splitlines()]


class _Watch:
    """Notes the events of this process, and kills when the moment has come."""

    def __init__(self, stage: str) -> None:
        self._stage, self._by_dvc = stage, not stage
        self._folder = f"{Path.cwd()}{os.sep}"
        self._log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        told = os.environ.get(MOMENT)
        self._moment = Moment(**json.loads(told)) if told else None
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._written = ""
        if self._by_dvc:
            os.environ[_DVC] = str(os.getpid())

    def __call__(self, what: str, arguments: tuple[Any, ...]) -> None:
        if what == START:
            files = []
        elif what in FILES:
            if what == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
                return
            files = [self._name(path) for path in arguments[: FILES[what]]]
            if not all(files):
                return
        else:
            return
        event = Event(int(os.environ[RUN]), os.getpid(), self._stage, self._by_dvc, what, files)
        self._numbers[event.stage, event.label] += 1
        number = self._numbers[event.stage, event.label]
        moment = self._moment
        if moment and moment.has_come(event, number, self._written):
            self._moment = None
            self._note(replace(event, killed=moment.whom))
            self._kill(moment)
        else:
            self._note(event)
        if what == "open":
            self._written = files[0]
        elif what == START and self._by_dvc:
            found = re.search(r"stages/(\w+)\.py", str(arguments[1]))
            self._stage = found[1] if found else self._stage

    def _name(self, path: Any) -> str:
        """A file of the clone by its relative name; empty, if it is none."""
        if not isinstance(path, str | bytes | os.PathLike):
            return ""  # a file that is open already
        name = os.path.normpath(os.path.join(self._folder, os.fsdecode(path)))  # noqa: PTH118
        inside = name.startswith(self._folder) and "__pycache__" not in name
        return name.removeprefix(self._folder) if inside else ""

    def _note(self, event: Event) -> None:
        os.write(self._log, f"{json.dumps(asdict(event))}\n".encode())

    def _kill(self, moment: Moment) -> None:
        if moment.whom == "torn":
            # By now it is whole, so it was like this a moment ago.
            os.truncate(self._written, int(moment.share * Path(self._written).stat().st_size))
        end = os.lseek(self._log, 0, os.SEEK_END)
        os.kill(int(os.environ[_DVC]), signal.SIGKILL)
        if moment.whom != "dvc":
            os.kill(os.getpid(), signal.SIGKILL)
        self._wait_for_the_next(end)

    def _wait_for_the_next(self, end: int) -> None:
        """Let the next run come as far as this one, so that both would be at work at once."""
        own = (STAGES.index(self._stage), False)
        patience = time.monotonic() + 120
        with Path(os.environ[LOG]).open() as log:
            log.seek(end)
            while time.monotonic() < patience:
                line = log.readline()
                if line and Event(**json.loads(line)).place >= own:
                    return
                if not line:
                    time.sleep(0.01)


def _main() -> None:
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "dvc":
        from dvc.cli import main

        sys.addaudithook(_Watch(""))
        sys.exit(main(sys.argv[1:]))
    from twinstroke.parallel.workers import Workers

    setattr(Workers, "__init__", partialmethod(Workers.__init__, count=0))  # noqa: B010
    sys.addaudithook(_Watch(Path(sys.argv[0]).stem))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _main()
