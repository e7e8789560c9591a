"""``twinstroke bench``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from twinstroke.cli.options import FILE
from twinstroke.errors import UserError


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--video",
    metavar="PATH",
    type=FILE,
    help="Measure with your own video, not a rendered one.",
)
def command(name: str | None, video: Path | None) -> None:
    """Measure time, memory and disk that the stages take.

    Run it in the folder of a clone of the project. Without NAME it runs all benchmarks and writes
    docs/performance.md. With NAME it runs one, and prints its section; a wrong NAME lists them all.
    """
    root = Path.cwd()
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise UserError("benchmarks: not found; run from the folder of a clone of the project")
    sys.path.insert(0, str(root))
    # They are a part of the project, not of the package.
    benchmarks = importlib.import_module("benchmarks.__main__")
    if name is not None and name not in benchmarks.NAMES:
        raise click.BadParameter(
            f"{name!r} is none of {', '.join(benchmarks.NAMES)}.",
            click.get_current_context(),
            param_hint="NAME",
        )
    benchmarks.run(name, video)
