"""``twinstroke compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from twinstroke.cli.options import with_preset
from twinstroke.evaluate.decisions import DECISIONS, Decision
from twinstroke.tables import SPLITS, Split


@click.command()
@click.argument("revisions", metavar="[REV...]", nargs=-1)
@with_preset
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="test",
    show_default=True,
    help="Of the samples.",
)
@click.option(
    "--decision",
    type=click.Choice(DECISIONS),
    default="single",
    show_default=True,
    help="By which windows of a stroke.",
)
def command(revisions: Sequence[str], preset: str, split: Split, decision: Decision) -> None:
    """Compare experiments sample by sample.

    Each is compared with the first one. REV is a commit, branch or tag, the name of an experiment,
    or workspace: the files as they lie in the folder. As with dvc metrics diff, one REV alone is
    compared with the workspace, and none at all means HEAD and the workspace. The comparison goes
    to reports/<preset>/comparison.
    """
    # Only now: --help need not wait for DVC and scipy.
    from twinstroke.experiments.comparison import compare_experiments

    compared = compare_experiments(Path.cwd(), revisions, preset, split, decision)
    click.echo(compared.text)
    click.echo(f"wrote {', '.join(map(str, compared.written))}")
