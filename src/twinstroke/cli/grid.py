"""``twinstroke grid``."""

from __future__ import annotations

import signal
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from twinstroke.cli.options import with_preset
from twinstroke.errors import UserError


class GridName(click.ParamType[str]):
    """One of the grids that the project declares."""

    name = "grid"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See that there is such a grid.

        Raises:
            UserError: The grids cannot be read.
        """
        known = _grids()
        if value not in known:
            self.fail(f"{value!r} is none of {', '.join(known)}.", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The grids that begin so; none where there are no grids."""
        try:
            return [CompletionItem(name) for name in _grids() if name.startswith(incomplete)]
        except UserError:
            return []


@click.command()
@click.argument("name", metavar="NAME", type=GridName())
@with_preset
@click.option(
    "--epochs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Number of epochs, instead of the grid's own.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many rows run at the same time, each on a GPU of its own.",
)
def command(name: str, preset: str, epochs: int | None, jobs: int) -> None:
    """Run a grid of experiments and write its table.

    NAME is a grid of experiments/grids.yaml: table2, table3 or ablation, or one of your own. Rows
    that have run are not run again, so after an interruption the same command goes on. After
    Ctrl-C, or if another program ends it, the folder is put back as it was before.
    """
    # Only now: --help need not wait for DVC.
    from twinstroke.experiments.grids import load_grids
    from twinstroke.experiments.run import carry_out

    root = Path.cwd()
    # A shell without job control lets programs in the background ignore Ctrl-C; DVC and the stages
    # would inherit that, and could not be asked to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        done = carry_out(
            root, name, load_grids(root)[name], preset=preset, epochs=epochs, jobs=jobs
        )
    except KeyboardInterrupt:
        click.echo("interrupted; the folder is as before, and the same command goes on")
        raise SystemExit(130) from None
    click.echo(f"wrote {' and '.join(map(str, done.written))}")
    if done.failures:
        raise UserError(done.failures)


def _grids() -> list[str]:
    from twinstroke.experiments.grids import load_grids

    return sorted(load_grids(Path.cwd()))
