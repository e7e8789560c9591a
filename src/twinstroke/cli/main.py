"""What one does with a trained network: ``twinstroke detect match.mp4 --model …``."""

from __future__ import annotations

import argparse

import twinstroke
from twinstroke.cli import detect as command
from twinstroke.cli import score as score_command
from twinstroke.cli import submit as submit_command
from twinstroke.errors import exits_cleanly


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="twinstroke",
        description="Find strokes in videos with a trained network, watch and correct them.",
    )
    parser.add_argument("--version", action="version", version=twinstroke.__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command.add_to(commands)
    score_command.add_to(commands)
    submit_command.add_to(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


main = exits_cleanly(_main, again="the same command")
"""Carry out the command that is named first."""

if __name__ == "__main__":
    main()
