"""``twinstroke view``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from twinstroke.cli.options import FILE, with_players
from twinstroke.progress import summarise
from twinstroke.regions import Region


@click.command()
@click.argument("video", metavar="VIDEO", type=FILE)
@click.option(
    "--strokes",
    metavar="CSV",
    type=FILE,
    help="Strokes to show: a table with the columns video,begin,end,label, in frames.",
)
@click.option(
    "--classes",
    metavar="A,B",
    multiple=True,
    help="Class names to choose from, with commas between them; or repeat the option. Without it: "
    "those of TTStroke-21.",
)
@with_players
def command(
    video: Path,
    strokes: Path | None,
    classes: Sequence[str],
    players: Sequence[tuple[str, Region]],
) -> None:
    """Make a page to mark strokes in a video, or to watch them.

    The page is <video>.html beside the video. It needs no server and no trained network, and saves
    what you mark as a table.
    """
    # Only now: --help need not wait for HDF5 and the reading of videos.
    from twinstroke.results.viewer.beside import write_beside
    from twinstroke.tables import NEGATIVE

    names = [name for text in classes for name in text.split(",")]
    made = write_beside(video, strokes, names, players)
    if made.negatives:
        summarise(
            "view", f"{made.negatives} rows of the class {NEGATIVE} are no strokes, and left out"
        )
    summarise("view", f"open {made.page} in a browser ({made.strokes} strokes)")
