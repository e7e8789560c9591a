"""``twinstroke submit``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import get_args

import click

from twinstroke.cli.options import FILE, Rules, with_edition, with_networks, with_rules
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import DECISIONS, Decision
from twinstroke.progress import summarise
from twinstroke.settings.choices import Edition, SportTask


@click.command()
@click.argument("task", type=click.Choice(get_args(SportTask)))
@with_networks
@with_edition
@click.option(
    "--templates",
    metavar="PATH",
    type=FILE,
    required=True,
    help="Folder of the XML files of the test set; for classification in 2022, the file test.xml.",
)
@click.option(
    "--videos", metavar="DIR", type=FILE, required=True, help="Folder of the test videos."
)
@click.option("--team", required=True, help="Name of the team, and of its folder.")
@click.option("--run-name", default="1", show_default=True, help="Name of the run.")
@click.option(
    "--out",
    metavar="DIR",
    type=FILE,
    default=Path("submission"),
    show_default=True,
    help="Folder in which the team's folder is made.",
)
@click.option(
    "--decision",
    type=click.Choice(DECISIONS),
    default="single",
    show_default=True,
    help="For classification: a stroke's class comes from its middle window alone (single), or "
    "from all its windows, by vote, mean or weighted mean (gaussian).",
)
@with_rules
def command(
    task: SportTask,
    model: Path,
    stroke_model: Path | None,
    edition: Edition,
    templates: Path,
    videos: Path,
    team: str,
    run_name: str,
    out: Path,
    decision: Decision,
    rules: Rules,
) -> None:
    """Write a run for the MediaEval Sport Task.

    The files follow the organisers' rules. In the end they are checked, as by twinstroke
    check-submission.
    """
    # Only now: --help need not wait for torch and OpenCV.
    from twinstroke.detect.recogniser import Recogniser
    from twinstroke.detect.submission import submit
    from twinstroke.train.gpus import on_a_gpu

    tell = partial(summarise, "submit")
    with on_a_gpu("submit", *filter(None, (model, stroke_model))):
        recogniser = Recogniser(model, stroke_model)
        settings = rules.settings(recogniser.window[0], two_networks=stroke_model is not None)
        done = submit(
            task,
            edition,
            recogniser,
            settings,
            templates=templates,
            videos=videos,
            out=out,
            team=team,
            run_name=run_name,
            decision=decision,
            tell=tell,
        )
    written = done.written
    what = "strokes" if task == "detection" or edition != 2022 else "clips"
    dropped = f", {written.dropped} left out as doubles" if written.dropped else ""
    tell(
        f"{edition}: {what}: {written.strokes}, files: {written.files}, in {done.run}{dropped}; "
        f"{rules}"
    )
    if done.problems:
        raise UserError(done.problems)
    summarise("check-submission", "nothing to object to")
