"""The project's folder as git and DVC see it: clean or not, its experiments, and the way back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from twinstroke.errors import UserError

CHANGED = ("params.yaml", "dvc.lock", "reports/")
"""What an experiment changes in git, and what is put back."""
WRITTEN = ("docs/results.md", "docs/results/")
"""What this package writes. No stage reads it, so it may be uncommitted when a grid starts."""

ASKED_FOR = ("inspect", "attend", "comparison")
"""Folders in the reports of a preset that people fill while experiments run, too."""


@dataclass(frozen=True)
class Workspace:
    """The project's folder, as it was when opened."""

    root: Path
    head: str
    """The commit whose code the experiments run, and below which DVC keeps them."""
    branch: str
    """Full name of the branch; empty if none is checked out."""
    preset: str
    """Of the experiments to come; its reports are theirs to write."""
    extra: frozenset[Path]
    """Files that git does not hold where experiments write, ignored ones included."""

    @classmethod
    def opened(cls, root: Path, preset: str) -> Workspace:
        """Look at the folder `root`, which must be a git repository with a commit."""
        head = _git(root, "rev-parse", "--verify", "HEAD").strip()
        branch = captured(root, "git", "symbolic-ref", "--quiet", "HEAD").stdout.strip()
        return cls(root, head, branch, preset, frozenset(_extra(root, preset)))

    def git(self, *arguments: str) -> str:
        """Run git; give what it prints.

        Raises:
            UserError: It failed.
        """
        return _git(self.root, *arguments)

    def other_changes(self) -> list[str]:
        """Tracked files that differ from the commit, without those that experiments change."""
        return [name for name in self._differs() if not _among(name, CHANGED + WRITTEN)]

    def check_committed(self) -> None:
        """Refuse to start with uncommitted changes.

        Raises:
            UserError: There are some.
        """
        changed = [name for name in self._differs() if not _among(name, WRITTEN)]
        changed += self.git("ls-files", "--others", "--", "params.yaml", "dvc.lock").splitlines()
        if changed:
            raise UserError(
                f"uncommitted changes in {_some(changed)}; every experiment belongs to a commit, "
                "and these files are put back afterwards, so commit the changes, or undo them "
                "with git restore"
            )

    def check_same_code(self) -> None:
        """Refuse to go on with other code than the rows before.

        Raises:
            UserError: There is a new commit, or a tracked file was edited.
        """
        now = self.git("rev-parse", "HEAD").strip()
        if now != self.head:
            raise UserError(
                f"the commit changed from {self.head[:7]} to {now[:7]} while the grid ran, so the "
                "rest would be of different code; start it again for the new commit"
            )
        changed = self.other_changes()
        if changed:
            raise UserError(
                f"{_some(changed)} changed while the grid ran, so the rest would be of different "
                "code; undo the change to go on, or commit it to start again with it"
            )

    def experiments(self) -> dict[str, str]:
        """The experiments of this commit: name and their own commit."""
        folder = f"refs/exps/{self.head[:2]}/{self.head[2:]}/"
        listed = self.git("for-each-ref", "--format=%(objectname) %(refname)", folder)
        return {
            name.removeprefix(folder): commit
            for commit, name in (line.split(" ", 1) for line in listed.splitlines())
        }

    def changed_by(self, commit: str) -> list[str]:
        """Files of an experiment that differ from our commit and are not an experiment's own."""
        names = self.git("diff", "--name-only", "-z", self.head, commit).split("\0")
        return [name for name in names if name and not _among(name, CHANGED + WRITTEN)]

    def untracked_reports(self) -> list[str]:
        """Reports of the preset that git does not hold; a folder of nothing else as one."""
        options = ("--others", "--exclude-standard", "--directory", "-z")
        names = self.git("ls-files", *options, "--", f"reports/{self.preset}").split("\0")
        return [name for name in names if name]

    def dvc(self, *arguments: str) -> int:
        """Run DVC, its output going to the terminal; give its exit status."""
        process = self.start_dvc(*arguments)
        with ended_together([process]):
            return process.wait()

    def start_dvc(self, *arguments: str, log: Path | None = None) -> subprocess.Popen[bytes]:
        """Start DVC, its output going to the terminal or to a file; see :func:`ended_together`.

        It runs in a process group of its own, so that Ctrl-C, or the end of this process from
        outside, reaches the stage and its helpers once and together.
        """
        with contextlib.ExitStack() as stack:
            output = None
            if log:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(log.open("wb"))
            return subprocess.Popen(
                [sys.executable, "-m", "dvc", *arguments],
                cwd=self.root,
                # The stages call `python`: let it be ours.
                env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                stdout=output,
                stderr=output and subprocess.STDOUT,
                start_new_session=True,
            )

    def restore_params(self) -> None:
        """Put back params.yaml, so that a row knows nothing of the row before."""
        self.git("restore", "--source", self.head, "--staged", "--worktree", "params.yaml")

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Put back what experiments change, however the block ends; touch nothing else."""
        try:
            yield
        finally:
            ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            before = {number: signal.signal(number, signal.SIG_IGN) for number in ends}
            try:
                self._restore()
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _restore(self) -> None:
        now = self.git("rev-parse", "HEAD").strip()
        if self.branch and now == self.head:
            # DVC takes HEAD off its branch while an experiment runs; killed, it leaves it there.
            self.git("symbolic-ref", "HEAD", self.branch)
        changed = [name for name in self._differs() if _among(name, CHANGED)]
        if changed:
            self.git("restore", "--source", "HEAD", "--staged", "--worktree", "--", *changed)
        for path in sorted(_extra(self.root, self.preset) - self.extra):
            path.unlink()
            with contextlib.suppress(OSError):  # not empty
                path.parent.rmdir()
        # With a target, DVC leaves the data of other presets alone. What was never in the cache
        # (outputs of a fresh clone) cannot come back and was not there before.
        if self.dvc("checkout", "--quiet", "--force", "--allow-missing", "dvc.yaml"):
            raise UserError(
                "the outputs of params.yaml could not be put back; DVC's message is above, and "
                "`dvc repro` makes them again"
            )

    def _differs(self) -> list[str]:
        """Tracked files that differ from the commit, staged or not."""
        return [name for name in self.git("diff", "--name-only", "-z", "HEAD").split("\0") if name]


@contextlib.contextmanager
def ended_together(processes: Collection[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Let programs run no longer than the block: ask them to end if it ends early, and wait.

    Ctrl-C while they end ends them hard.

    Args:
        processes: What :meth:`Workspace.start_dvc` gave; read when the block ends.
    """
    try:
        yield
    except BaseException:
        try:
            _end(processes, signal.SIGINT)
        except KeyboardInterrupt:
            _end(processes, signal.SIGKILL)
        raise


def _end(processes: Collection[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    for process in processes:
        process.wait()


def _extra(root: Path, preset: str) -> set[Path]:
    """Files that git does not hold where experiments write, ignored ones included."""
    reports = f"reports/{preset}"
    listed = _git(root, "ls-files", "--others", "-z", "--", "dvc.lock", reports)
    people = tuple(f"{reports}/{folder}/" for folder in ASKED_FOR)
    return {root / name for name in listed.split("\0") if name and not name.startswith(people)}


def _among(name: str, places: tuple[str, ...]) -> bool:
    """Tell whether a path is one of these files, or in one of these folders (ending in /)."""
    return any(name == place or (place[-1] == "/" and name.startswith(place)) for place in places)


def _git(root: Path, *arguments: str) -> str:
    done = captured(root, "git", *arguments)
    if done.returncode:
        message = " ".join(done.stderr.split())
        raise UserError(f"git {arguments[0]} failed in {root}: {message}")
    return done.stdout


def captured(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the folder `root`; keep its status and what it printed."""
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
