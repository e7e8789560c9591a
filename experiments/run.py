"""Run the rows of a grid one after the other, each an ordinary DVC experiment of this commit.

Not through DVC's queue: its temporary copies lack the frames, the flow and the state of interrupted
training, which are in no cache, and its workers can lose results.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from experiments.grids import Planned
from experiments.table import found, one_line
from experiments.workspace import Workspace
from twinstroke.errors import UserError

SHARED = "balance"
"""The last stage that is the same for all rows."""


def run_grid(workspace: Workspace, rows: Sequence[Planned]) -> list[str]:
    """Run the rows that this commit has no experiment of, and put the folder back.

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
        return _run_rows(workspace, rows)


def _run_rows(workspace: Workspace, rows: Sequence[Planned]) -> list[str]:
    failures: list[str] = []
    seconds: list[float] = []
    left = sum(found(workspace, row) is None for row in rows)
    for number, row in enumerate(rows, start=1):
        place = f"{number} of {len(rows)}: {row.experiment}"
        if found(workspace, row) is not None:
            print(f"{place}: {one_line(workspace, row)}; was there", flush=True)
            continue
        workspace.check_same_code()
        workspace.restore_params()
        print(place, flush=True)
        begin = time.monotonic()
        overrides = [f"--set-param={key}={_value(value)}" for key, value in row.changes.items()]
        status = workspace.dvc("exp", "run", "--name", row.experiment, *overrides)
        seconds.append(time.monotonic() - begin)
        left -= 1
        try:
            if status:
                raise UserError(f"{row.experiment}: dvc exp run ended with status {status}")
            result = one_line(workspace, row)
        except UserError as error:
            failures += error.problems
            result = "failed"
        rest = f"; about {_duration(sum(seconds) / len(seconds) * left)} to go" if left else ""
        print(f"{place}: {result}; took {_duration(seconds[-1])}{rest}", flush=True)
    return failures


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


def _value(value: object) -> str:
    """Write a value as ``-S`` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _duration(seconds: float) -> str:
    """Seconds in the two largest units that count: ``2 h 5 min``, ``3 min 20 s``, ``8 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
