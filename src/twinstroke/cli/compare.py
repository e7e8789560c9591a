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
    help="Split whose samples are compared.",
)
@click.option(
    "--decision",
    type=click.Choice(DECISIONS),
    default="single",
    show_default=True,
    help="A stroke's class comes from its middle window alone (single), or from all its windows, "
    "by vote, mean or weighted mean (gaussian).",
)
def command(revisions: Sequence[str], preset: str, split: Split, decision: Decision) -> None:
    """Compare experiments sample by sample.

    Each REV is compared with the first one. REV is a commit, branch or tag, the name of an
    experiment, or workspace: the files as they lie in the folder. One REV alone is compared with
    the workspace; without any, HEAD is compared with the workspace, as by dvc metrics diff. The
    comparison goes to reports/<preset>/comparison.
    """
    # Only now: --help need not wait for DVC and scipy.
    from twinstroke.experiments.comparison import compare_experiments

    compared = compare_experiments(Path.cwd(), revisions, preset, split, decision)
    click.echo(compared.text)
    click.echo(f"wrote {', '.join(map(str, compared.written))}")
