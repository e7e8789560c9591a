"""Run the rows of a grid, each an ordinary DVC experiment of this commit.

One after the other they run in this folder. Side by side each runs in a copy that DVC makes of it
and deletes (``--temp``). These copies lack what is in no cache: raw videos, which no row needs, and
the state of interrupted trainings, which `train` keeps here. Not
through DVC's queue, whose workers can lose results.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from twinstroke.errors import UserError
from twinstroke.experiments.grids import Grid, Planned, plan
from twinstroke.experiments.table import found, one_line, table_name, write
from twinstroke.experiments.workspace import Workspace, ended_together

SHARED = "balance"
"""The last stage that is the same for all rows."""
LOGS = Path("work", "experiments")
"""What rows print that run side by side, a file each."""


@dataclass(frozen=True)
class Carried:
    """What came of a grid."""

    written: list[Path]
    """Files of its table, relative to the project's folder."""
    failures: list[str]
    """What went wrong, one line for each row that failed, and one for all."""


def carry_out(
    root: Path, name: str, grid: Grid, *, preset: str, epochs: int | None, jobs: int
) -> Carried:
    """Run a grid and write its table.

    Args:
        root: The project's folder.
        name: The grid's.
        grid: Its rows.
        preset: Name of a file in ``presets/``.
        epochs: Instead of the grid's own number.
        jobs: How many rows run at the same time.

    Returns:
        The table, in which everything is that did not fail.

    Raises:
        UserError: A bad preset or uncommitted changes, and what else :func:`run_grid` raises.
        KeyboardInterrupt: Ctrl-C, after the folder was put back.
    """
    rows = plan(root, name, grid, preset, epochs)
    workspace = Workspace.opened(root, preset)
    failures = run_grid(workspace, rows, jobs)
    written = write(workspace, rows, table_name(name, preset, epochs), grid.title)
    if failures:
        failures.append(f"{len(failures)} of {len(rows)} rows failed; the same command tries again")
    return Carried([path.relative_to(root) for path in written], failures)


def run_grid(workspace: Workspace, rows: Sequence[Planned], jobs: int) -> list[str]:
    """Run the rows that this commit has no experiment of, and put the folder back.

    Args:
        workspace: The project's folder.
        rows: All of the grid.
        jobs: How many run at the same time.

    Returns:
        What went wrong, one line for each row that failed.

    Raises:
        UserError: Uncommitted changes, an experiment of a row's name that is something else, data
            that cannot be made, or files that changed while the grid ran.
        KeyboardInterrupt: Ctrl-C, after the folder was put back.
    """
    workspace.check_committed()
    missing = [row for row in rows if found(workspace, row) is None]
    print(
        f"{len(rows)} rows, {len(rows) - len(missing)} of them are there, {len(missing)} to run",
        flush=True,
    )
    if not missing:
        return []
    with workspace.restored():
        _share(workspace)
        return _run_rows(workspace, rows, jobs)


@dataclass(frozen=True)
class _Begun:
    """A row that runs."""

    row: Planned
    place: str
    since: float
    log: Path | None
    """Relative to the project's folder."""


def _run_rows(workspace: Workspace, rows: Sequence[Planned], jobs: int) -> list[str]:
    waiting = deque(enumerate(rows, start=1))
    running: dict[Popen[bytes], _Begun] = {}
    stopped: UserError | None = None
    failures: list[str] = []
    seconds: list[float] = []
    left = sum(found(workspace, row) is None for row in rows)
    with ended_together(running):
        while waiting or running:
            while waiting and len(running) < jobs:
                number, row = waiting.popleft()
                place = f"{number} of {len(rows)}: {row.experiment}"
                if found(workspace, row) is not None:
                    print(f"{place}: {one_line(workspace, row)}; was there", flush=True)
                    continue
                try:
                    workspace.check_same_code()
                except UserError as error:
                    # What runs is of the right code still.
                    stopped = error
                    waiting.clear()
                    break
                log = LOGS / f"{row.experiment}.log" if jobs > 1 else None
                print(f"{place}: its output is in {log}" if log else place, flush=True)
                running[_begin(workspace, row, log)] = _Begun(row, place, time.monotonic(), log)
            if not running:
                continue
            process = _first_ended(running)
            begun = running.pop(process)
            seconds.append(time.monotonic() - begun.since)
            left -= 1
            result, problems = _outcome(workspace, begun, process.returncode)
            failures += problems
            to_go = sum(seconds) / len(seconds) * left / jobs
            rest = f"; about {_duration(to_go)} to go" if left else ""
            print(f"{begun.place}: {result}; took {_duration(seconds[-1])}{rest}", flush=True)
    if stopped:
        raise UserError([*failures, *stopped.problems])
    return failures


def _begin(workspace: Workspace, row: Planned, log: Path | None) -> Popen[bytes]:
    """Start a row: in this folder, or with a log in a copy."""
    run = ["exp", "run", "--name", row.experiment]
    run += [f"--set-param={key}={_value(value)}" for key, value in row.changes.items()]
    if log is None:
        workspace.restore_params()
        return workspace.start_dvc(*run)
    # To copy this folder, DVC locks it for a second or two; the next one waits for that.
    run = ["--wait-for-lock", *run, "--temp", "--allow-missing"]
    # It copies what git holds. The reports of a new preset are not committed yet.
    run += [f"--copy-paths={path}" for path in workspace.untracked_reports()]
    return workspace.start_dvc(*run, log=workspace.root / log)


def _outcome(workspace: Workspace, begun: _Begun, status: int) -> tuple[str, list[str]]:
    """What came of a row, in words, and what went wrong."""
    try:
        if status:
            see = f"; see {begun.log}" if begun.log else ""
            raise UserError(f"{begun.row.experiment}: dvc exp run ended with status {status}{see}")
        return one_line(workspace, begun.row), []
    except UserError as error:
        return "failed", error.problems


def _first_ended(running: dict[Popen[bytes], _Begun]) -> Popen[bytes]:
    """Wait for one of the processes."""
    while True:
        for process in running:
            if process.poll() is not None:
                return process
        time.sleep(0.1)


def _share(workspace: Workspace) -> None:
    """Make once what all rows share, before any of them: bad data then stops the grid at once."""
    file = workspace.root / "params.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        re.sub(r"(?m)^preset:.*$", f"preset: {workspace.preset}", text), encoding="utf-8"
    )
    if workspace.dvc("repro", SHARED):
        raise UserError(
            f"the data of preset {workspace.preset} could not be made, so no row was run; DVC's "
            "message is above"
        )
    workspace.restore_params()


def _value(value: object) -> str:
    """Write a value as ``-S`` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _duration(seconds: float) -> str:
    """Seconds in the two largest units that count: ``2 h 5 min``, ``3 min 20 s``, ``8 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
