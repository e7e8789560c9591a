"""``twinstroke detect``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from twinstroke.cli.options import FILE, Rules, with_networks, with_players, with_rules
from twinstroke.progress import summarise
from twinstroke.regions import Region


@click.command()
@click.argument("videos", metavar="VIDEO...", nargs=-1, required=True, type=FILE)
@with_networks
@click.option(
    "--out",
    metavar="DIR",
    type=FILE,
    default=Path("detections"),
    show_default=True,
    help="Folder of the results.",
)
@with_players
@click.option(
    "--film", is_flag=True, help="Also write an MP4 that shows the strokes below the picture."
)
@click.option(
    "--label-studio", is_flag=True, help="Also write settings and tasks for Label Studio."
)
@with_rules
def command(
    videos: Sequence[Path],
    model: Path,
    stroke_model: Path | None,
    out: Path,
    players: Sequence[tuple[str, Region]],
    film: bool,
    label_studio: bool,
    rules: Rules,
) -> None:
    """Find the strokes in videos.

    For each video it writes tables, files for other programs, and a page to watch and correct the
    strokes. It also keeps the probabilities that the network gave: with other rules, or after an
    interruption, the same command reuses them. Only another stride needs the network again.
    """
    # Only now: --help need not wait for torch and OpenCV.
    from twinstroke.detect.recogniser import Recogniser
    from twinstroke.detect.videos import check_names, detect_videos
    from twinstroke.train.gpus import on_a_gpu

    tell = partial(summarise, "detect")
    check_names(videos, out)
    with on_a_gpu("detect", *filter(None, (model, stroke_model))):
        recogniser = Recogniser(model, stroke_model)
        settings = rules.settings(recogniser.window[0], two_networks=stroke_model is not None)
        tell(f"{recogniser.name}; {rules}")
        detect_videos(
            videos,
            recogniser,
            settings,
            out=out,
            film=film,
            tasks=label_studio,
            tell=tell,
            players=players,
        )
