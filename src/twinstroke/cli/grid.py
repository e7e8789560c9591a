"""Run a grid of experiments and write its table: ``python -m experiments table2 --preset demo``."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from twinstroke.errors import UserError, exits_cleanly
from twinstroke.experiments.grids import load_grids, plan
from twinstroke.experiments.run import run_grid
from twinstroke.experiments.table import table_name, write
from twinstroke.experiments.workspace import Workspace
from twinstroke.settings.preset import PRESET_NAME


def preset_name(text: str) -> str:
    """Check an argument that names a preset."""
    if not re.fullmatch(PRESET_NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a file in presets/")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def command(arguments: Sequence[str], root: Path) -> None:
    """Run what the command line says, in the project at `root`.

    Raises:
        UserError: Bad grids or presets, uncommitted changes, or rows that failed; what did not
            fail is in the table nevertheless.
    """
    grids = load_grids(root)
    parser = argparse.ArgumentParser(
        prog="python -m experiments",
        description="Run a grid of experiments and write its table. Rows that are there already "
        "are not run again, so an interrupted grid goes on.",
    )
    parser.add_argument("grid", choices=sorted(grids), help="a grid of experiments/grids.yaml")
    parser.add_argument("--preset", type=preset_name, default="demo", help="default: %(default)s")
    parser.add_argument("--epochs", type=_count, help="instead of the grid's own number")
    parser.add_argument(
        "--jobs", type=_count, default=1, help="rows at the same time; default: %(default)s"
    )
    chosen = parser.parse_args(arguments)

    name = table_name(chosen.grid, chosen.preset, chosen.epochs)
    rows = plan(root, chosen.grid, grids[chosen.grid], chosen.preset, chosen.epochs)
    workspace = Workspace.opened(root, chosen.preset)
    failures = run_grid(workspace, rows, chosen.jobs)
    written = write(workspace, rows, name, grids[chosen.grid].title)
    print("wrote " + " and ".join(str(path.relative_to(root)) for path in written), flush=True)
    if failures:
        raise UserError(
            [*failures, f"{len(failures)} of {len(rows)} rows failed; the same command tries again"]
        )


@exits_cleanly
def main() -> None:
    """Run the command line; an end from outside puts the folder back as Ctrl-C does."""
    # A shell without job control lets programs in the background ignore Ctrl-C; DVC and the stages
    # would inherit that, and could not be asked to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        command(sys.argv[1:], Path.cwd())
    except KeyboardInterrupt:
        print("interrupted; the folder is as before, and the same command goes on", flush=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
