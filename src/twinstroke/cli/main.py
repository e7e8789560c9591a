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
        "check": "Find mistakes in a data set before the pipeline runs.",
        "inspect": "Draw what the network will see: is it the player?",
        "export": "Write the strokes of the data set for other programs.",
    },
    "After training": {
        "export-model": "Write the trained network as ONNX, for other programs.",
        "attend": "Draw where the trained network looks in some samples.",
    },
    "New videos": {
        "detect": "Find the strokes in videos.",
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
        "store": "Show what the store keeps, and free what is not used.",
        "bench": "Measure time, memory and disk that the stages take.",
        "gpu-check": "Check that training repeats to the bit on this GPU.",
    },
}
"""What each verb does, in the order of a user's day. The sentences stand here, so that the list of
verbs needs none of their modules: many load torch."""


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
        """Carry a verb out; print what the user can mend as one line, without a traceback."""
        exits_cleanly(partial(super().invoke, ctx), SAME)()


@click.command(
    cls=Verbs,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="twinstroke VERB --help tells more about a verb. <preset> there is the preset that "
    "params.yaml names.",
)
@click.version_option(package_name="twinstroke", message="%(version)s")
def verbs() -> None:
    """Recognise table-tennis strokes in videos.

    dvc repro runs the pipeline, from the videos to a trained network. These verbs do all else.
    """


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
