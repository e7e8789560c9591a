"""``twinstroke check-submission``."""

from __future__ import annotations

from pathlib import Path

import click

from twinstroke.cli.options import FILE, with_edition
from twinstroke.errors import UserError
from twinstroke.progress import summarise
from twinstroke.settings.choices import Edition


@click.command()
@click.argument("team", metavar="TEAM", type=FILE)
@with_edition
@click.option(
    "--classification",
    metavar="PATH",
    type=FILE,
    help="For runs of classification: folder of the XML files of the test set, or test.xml.",
)
@click.option(
    "--detection",
    metavar="DIR",
    type=FILE,
    help="For runs of detection: folder of the XML files of the test videos.",
)
@click.option(
    "--videos",
    metavar="DIR",
    type=FILE,
    help="Folder of these videos, if they do not lie beside the XML files.",
)
def command(
    team: Path,
    edition: Edition,
    classification: Path | None,
    detection: Path | None,
    videos: Path | None,
) -> None:
    """Check runs for the MediaEval Sport Task.

    TEAM is the folder of a team's runs, which any program may have written. The rules are those of
    the organisers' scripts.
    """
    # Only now: --help need not wait for scipy and the reading of videos.
    from twinstroke.results.submissions import check_submission, detection_videos

    if classification is None and detection is None:
        raise UserError("name what the runs answer: --classification, --detection, or both")
    frames = None if detection is None else detection_videos(detection, videos or detection)
    problems = check_submission(team, edition, classification=classification, detection=frames)
    if problems:
        raise UserError(problems)
    summarise("check-submission", "nothing to object to")
