"""``twinstroke inspect``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstroke.progress import summarise

if TYPE_CHECKING:
    from twinstroke.inspection.draw import Inspection
    from twinstroke.inspection.measure import SampleRow, VideoRow

LISTED = 8
"""Videos, and samples, named on the terminal."""


@click.command()
@click.argument("samples", metavar="[SAMPLE...]", nargs=-1)
@click.option(
    "--count",
    type=click.IntRange(min=0),
    metavar="N",
    default=8,
    show_default=True,
    help="How many samples to draw if you name none.",
)
def command(samples: Sequence[str], count: int) -> None:
    """Draw what the network will see: is it the player?

    Run it after the stage segment and before training. It measures all videos and samples, and
    draws every video and some samples. SAMPLE is the id of a sample to draw, <video>:<begin>-<end>.
    Then open reports/<preset>/inspect/index.html.
    """
    # Only now: --help need not wait for OpenCV and matplotlib.
    from twinstroke.inspection.choice import spread
    from twinstroke.inspection.draw import inspect
    from twinstroke.inspection.source import open_source
    from twinstroke.sample_ids import named
    from twinstroke.settings.load import load_settings

    settings = load_settings()
    source = open_source(Path("data", settings.name))
    drawn = named(source.samples, samples) if samples else spread(source.samples, count)
    folder = Path("reports", settings.name, "inspect")
    normal = settings.normalize.rule == "normal"
    min_motion = settings.normalize.min_motion if normal else None
    found = inspect(source, drawn, min_motion=min_motion, folder=folder)
    _tell(found, len(drawn), folder)


def _tell(found: Inspection, drawn: int, folder: Path) -> None:
    videos = [row for row in found.videos if row.why]
    samples = [row for row in found.samples if row.why]
    summarise(
        "inspect",
        f"{len(videos)} of {len(found.videos)} videos and {len(samples)} of "
        f"{len(found.samples)} samples look suspicious; {drawn} samples are drawn; open "
        f"{folder / 'index.html'}",
    )
    if found.stale:
        summarise(
            "inspect",
            f"strokes.h5 is old: the stored crops of {', '.join(found.stale)} are not "
            "what the frames show there; run dvc repro segment",
        )
    _list("video", [(row.video, row) for row in videos])
    _list("sample", [(f"{row.sample} ({row.label})", row) for row in samples])


def _list(kind: str, rows: Sequence[tuple[str, VideoRow | SampleRow]]) -> None:
    for name, row in rows[:LISTED]:
        summarise("inspect", f"{kind} {name}: {row.why}")
    if len(rows) > LISTED:
        summarise("inspect", f"and {len(rows) - LISTED} more, see {kind}s.csv there")
