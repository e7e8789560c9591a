"""The command ``twinstroke``: which verbs there are, and what they all do about errors."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from twinstroke.errors import SAME, exits_cleanly

VERBS = {
    "Before training": {
        "check": "Check a data set before any hour is spent on it.",
        "inspect": "Look at what the crops hold: players, or something else.",
        "export": "Write the strokes of the data set for other programs.",
    },
    "After training": {
        "export-model": "Write the trained network as ONNX, for other programs.",
        "attend": "Draw where the trained network looks in samples you name.",
    },
    "New videos": {
        "detect": "Find the strokes of videos.",
        "view": "Make a page to mark strokes in a video, or to watch them.",
        "score": "Measure detections against strokes that somebody marked.",
        "submit": "Write a run for the MediaEval Sport Task.",
        "check-submission": "Check runs for the MediaEval Sport Task.",
    },
    "Experiments": {
        "compare": "Compare experiments sample by sample.",
        "grid": "Run a grid of experiments and write its table.",
    },
    "This machine": {
        "bench": "Measure what pre-processing and training cost here.",
        "gpu-check": "See if training repeats to the bit on this GPU.",
    },
}
"""What each verb does, by its place in a user's day. It is told here, so that nothing of a verb is
loaded before it is called: many bring torch."""


class Verbs(click.Group):
    """Commands that are known by name, and loaded when they are called."""

    def __init__(self, **settings: Any) -> None:
        names = {name: text for group in VERBS.values() for name, text in group.items()}
        commands = {name: click.Command(name, short_help=text) for name, text in names.items()}
        super().__init__(commands=commands, **settings)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the groups."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Load the verb that is named first."""
        name, known, rest = super().resolve_command(ctx, args)
        if name is None or known is None:
            return name, known, rest
        module = importlib.import_module(f"twinstroke.cli.{name.replace('-', '_')}")
        verb: click.Command = module.command
        return name, verb, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs group by group."""
        width = max(map(len, self.commands))
        for title, group in VERBS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{width}}", text) for name, text in group.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Carry a verb out; what the user can mend is told in one line, without a traceback."""
        exits_cleanly(partial(super().invoke, ctx), SAME)()


@click.command(
    cls=Verbs,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The pipeline itself is run by dvc repro. twinstroke VERB --help says more of each.",
)
@click.version_option(package_name="twinstroke", message="%(version)s")
def verbs() -> None:
    """Recognise table-tennis strokes in videos: all that one does beside the pipeline."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the verb that is named first.

    Args:
        arguments: The command line, without the name of the program; that of the process if left
            out.

    Raises:
        SystemExit: Always.
    """
    # Help, too, may be written to a full disk.
    exits_cleanly(partial(verbs.main, arguments, prog_name="twinstroke"), SAME)()
