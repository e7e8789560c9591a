"""States of the project by the names that people use: commits, experiments, the folder itself."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import dvc.api
from dvc.exceptions import DvcException, PathMissingError

from twinstroke.errors import UserError
from twinstroke.experiments.workspace import captured

WORKSPACE = "workspace"
"""DVC's own word for the files as they lie in the folder."""
_REFERENCE = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/(.+)")
"""DVC keeps an experiment below the commit that it was started from."""


@dataclass(frozen=True)
class Revision:
    """One state of the project's files."""

    root: Path
    name: str
    """As the user calls it."""
    commit: str
    """Empty for the workspace."""

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:7]})" if self.commit else self.name

    def read(self, file: str) -> str | None:
        """Content of a file that git or DVC holds; None if neither does.

        Args:
            file: Relative to the project's folder, with forward slashes.

        Raises:
            UserError: It is no text, or DVC cannot read this state.
        """
        try:
            if not self.commit:
                return (self.root / file).read_text(encoding="utf-8")
            text: str = dvc.api.read(file, str(self.root), self.commit, encoding="utf-8")
            return text
        except (FileNotFoundError, PathMissingError):
            return None
        except UnicodeDecodeError:
            raise UserError(
                f"{self}: {file}: no text in UTF-8; bring it back with git, or, if the pipeline "
                "writes it, make it anew: dvc repro"
            ) from None
        except DvcException as error:
            message = " ".join(str(error).split())
            raise UserError(f"{self}: {file}: DVC cannot read it: {message}") from None

    def same_code(self, other: Revision) -> bool:
        """Tell whether tracked files in ``src/`` and ``stages/`` are those of another state."""
        commits = [own for own in (self.commit, other.commit) if own]
        done = captured(self.root, "git", "diff", "--quiet", *commits, "--", "src", "stages")
        return not commits or done.returncode == 0


def resolve(root: Path, names: list[str]) -> list[Revision]:
    """Find the states that are meant.

    Args:
        root: The project's folder.
        names: ``workspace``, anything that git takes for a commit, or names of experiments. Where
            several commits have an experiment of one name, that of HEAD is meant, as in DVC.

    Raises:
        UserError: One line for each name that means nothing, or several things.
    """
    experiments = _experiments(root)
    head = _commit(root, "HEAD")
    found: list[Revision] = []
    problems: list[str] = []
    for name in names:
        commit = "" if name == WORKSPACE else _commit(root, name)
        if commit is None:
            own = [item for item in experiments if item.name == name]
            of_head = [item for item in own if item.base == head]
            match of_head or own:
                case [only]:
                    commit = only.commit
                case []:
                    problems.append(_unknown(name, [item.name for item in experiments]))
                    continue
                case several:
                    choice = ", ".join(
                        f"{item.commit[:7]} (of commit {item.base[:7]})" for item in several
                    )
                    problems.append(
                        f"{len(several)} experiments are named {name!r}; give one by its commit: "
                        f"{choice}"
                    )
                    continue
        revision = Revision(root, name, commit)
        for other in found:
            if other.commit == commit:
                problems.append(
                    f"{other.name!r} and {name!r} are the same"
                    + (f" commit {commit[:7]}" if commit else "")
                    + "; name different ones"
                )
                break
        found.append(revision)
    if problems:
        raise UserError(problems)
    return found


@dataclass(frozen=True)
class _Experiment:
    name: str
    base: str
    commit: str


def _experiments(root: Path) -> list[_Experiment]:
    listed = captured(
        root, "git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/"
    )
    if listed.returncode:
        message = " ".join(listed.stderr.split())
        raise UserError(f"git cannot read {root}: {message}; run from the project's folder")
    found = []
    for line in listed.stdout.splitlines():
        commit, _, reference = line.partition(" ")
        if match := _REFERENCE.fullmatch(reference):
            found.append(_Experiment(match[3], match[1] + match[2], commit))
    return found


def _commit(root: Path, name: str) -> str | None:
    """The commit that git takes a name for."""
    done = captured(root, "git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return done.stdout.strip() if done.returncode == 0 else None


def _unknown(name: str, experiments: list[str]) -> str:
    known = sorted({*experiments, WORKSPACE, "HEAD"})
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return (
        f"{name!r} is neither a commit nor an experiment{hint}; besides commits, branches and tags "
        f"there are: {shown}"
    )
