"""``twinstroke store``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstroke.errors import UserError

if TYPE_CHECKING:
    from twinstroke.parallel.inventory import Holding


@click.command()
@click.option("--free", is_flag=True, help="Delete what nothing refers to, after saying what.")
def command(free: bool) -> None:
    """Show what the store keeps, and free what is not used.

    data/store keeps every file that decode, flow, normalize, segment and detect finished, once, so
    that experiments of other parameters lie side by side. What only the output folders in data/
    hold, because dvc pull brought it, is taken in first. Used is what an output folder in data/ or
    DVC's cache refers to. To free what old experiments made, let DVC forget it first, with dvc gc.
    What an interrupted run left unfinished is not used: finish it first, if you want to keep it.
    """
    if not Path("params.yaml").is_file():
        raise UserError("params.yaml: not found; run from the project's folder")
    # Only now: --help need not wait for HDF5.
    from twinstroke.parallel.inventory import freed, holdings, taken_in
    from twinstroke.parallel.store import project_store

    store = project_store()
    if taken := taken_in(store):
        size = sum(path.stat().st_size for path in taken)
        click.echo(f"{len(taken)} files taken in from output folders, {_gb(size)} GB")
    shown = []
    click.echo("stage      files        GB  used  parameters")
    for own in freed(store) if free else holdings(store):
        click.echo(_line(own))
        shown.append(own)
    unused = sum(own.size for own in shown if not own.used)
    if free:
        click.echo(f"{_gb(unused)} GB freed")
    else:
        whole = sum(own.size for own in shown)
        click.echo(f"{_gb(whole)} GB in {store}, {_gb(unused)} GB of them not used")


def _line(own: Holding) -> str:
    used = "yes" if own.used else "no"
    size = _gb(own.size)
    return f"{own.stage:9}  {len(own.paths):5}  {size:>8}  {used:4}  {own.parameters}"


def _gb(size: int) -> str:
    return f"{size / 1e9:.3f}"
