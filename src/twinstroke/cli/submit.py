"""The commands ``twinstroke submit`` and ``twinstroke check-submission``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from twinstroke.cli.detect import KEPT, add_network, add_rules, rules_in_words, rules_of, seen_of
from twinstroke.detect.classify import classify
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.video import detect
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import DECISIONS
from twinstroke.progress import summarise
from twinstroke.results.submissions import (
    Edition,
    check_submission,
    detection_videos,
    run_folder,
    video_of,
    write_classifications,
    write_detections,
)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to a parser; each sets ``run``, which carries it out."""
    _add_submit(commands)
    _add_check(commands)


def _add_submit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "submit",
        help="write a run for the MediaEval Sport Task",
        description="Write a run for the MediaEval Sport Task, by the rules of its organisers.",
    )
    parser.add_argument("task", choices=("classification", "detection"))
    add_network(parser)
    _add_edition(parser)
    parser.add_argument(
        "--templates",
        type=Path,
        required=True,
        help="folder of the XML files of the test set; classification of 2022: test.xml",
    )
    parser.add_argument("--videos", type=Path, required=True, help="folder of the test videos")
    parser.add_argument("--team", required=True, help="name of the team, and of its folder")
    parser.add_argument("--run-name", default="1", metavar="RUN", help="name of the run (1)")
    parser.add_argument(
        "--out", type=Path, default=Path("submission"), help="folder of the team's (submission)"
    )
    parser.add_argument(
        "--decision", choices=DECISIONS, default="single", help="classification (single)"
    )
    add_rules(parser)
    parser.set_defaults(run=_submit)


def _add_edition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--edition", type=int, choices=get_args(Edition), default=2022, help="(2022)"
    )


def _submit(arguments: argparse.Namespace) -> None:
    recogniser = Recogniser(arguments.model, arguments.stroke_model)
    settings = rules_of(arguments, recogniser)
    out: Path = arguments.out
    is_detection = arguments.task == "detection"
    if is_detection and arguments.edition == 2020:
        raise UserError("MediaEval 2020 had no detection task; --edition is 2021 or 2022")
    run = run_folder(
        out,
        arguments.team,
        "detectionTask" if is_detection else "classificationTask",
        arguments.run_name,
    )
    checked: dict[str, Any]
    if is_detection:
        frames = detection_videos(arguments.templates, arguments.videos)
        found = {
            name: detect(
                seen_of(video_of(name, arguments.videos), recogniser),
                recogniser,
                settings,
                folder=out / KEPT,
            ).detections
            for name in frames
        }
        written = write_detections(run, found, frames)
        checked = {"detection": frames}
    else:
        written = write_classifications(
            run,
            arguments.templates,
            arguments.videos,
            arguments.edition,
            partial(
                classify,
                recogniser=recogniser,
                decision=arguments.decision,
                stride=settings.stride,
            ),
        )
        checked = {"classification": arguments.templates}
    dropped = f", {written.dropped} left out as doubles" if written.dropped else ""
    what = "strokes" if is_detection or arguments.edition != 2022 else "clips"
    summarise(
        "submit",
        f"{arguments.edition}: {what}: {written.strokes}, files: {written.files}, in {run}"
        f"{dropped}; "
        f"{rules_in_words(arguments)}",
    )
    _report_check(check_submission(out / arguments.team, arguments.edition, **checked))


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "check-submission",
        help="check the folder of a team, whoever wrote it",
        description="Check runs for the MediaEval Sport Task by the rules of its organisers.",
    )
    parser.add_argument("team", type=Path, help="folder of the team")
    _add_edition(parser)
    parser.add_argument(
        "--classification", type=Path, help="folder of the XML files of the test set, or test.xml"
    )
    parser.add_argument(
        "--detection", type=Path, help="folder of the XML files of the detection's test videos"
    )
    parser.add_argument("--videos", type=Path, help="folder of those videos, if another")
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.classification is None and arguments.detection is None:
        raise UserError("name what the runs answer: --classification, --detection, or both")
    frames = None
    if arguments.detection is not None:
        frames = detection_videos(arguments.detection, arguments.videos or arguments.detection)
    _report_check(
        check_submission(
            arguments.team,
            arguments.edition,
            classification=arguments.classification,
            detection=frames,
        )
    )


def _report_check(problems: Sequence[str]) -> None:
    if problems:
        raise UserError(problems)
    summarise("check-submission", "nothing to object to")
