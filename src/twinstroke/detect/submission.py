"""Runs for the MediaEval Sport Task: strokes found or named by a network, written and checked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from twinstroke.detect.classify import classify
from twinstroke.detect.found import detect
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.videos import KEPT, Tell, opened
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import Decision
from twinstroke.results.submissions import (
    Task,
    Written,
    check_submission,
    detection_videos,
    run_folder,
    video_of,
    write_classifications,
    write_detections,
)
from twinstroke.settings.choices import Edition, SportTask
from twinstroke.settings.detect import DetectSettings


class Submitted(NamedTuple):
    """A run that was written."""

    run: Path
    written: Written
    problems: Sequence[str]
    """What the task's rules object to in the folder of the team, a line each."""


def submit(
    task: SportTask,
    edition: Edition,
    recogniser: Recogniser,
    settings: DetectSettings,
    *,
    templates: Path,
    videos: Path,
    out: Path,
    team: str,
    run_name: str,
    decision: Decision,
    tell: Tell,
) -> Submitted:
    """Write a run, and check all that the team has.

    Args:
        task: Which of the two.
        edition: Year.
        recogniser: The network.
        settings: How its words become strokes; for classification, only the stride counts.
        templates: Folder of the XML files of the test set; classification of 2022: ``test.xml``.
        videos: Folder of the test videos.
        out: Where the folder of the team lies, or will.
        team: Name of the team.
        run_name: Name of the run.
        decision: For classification: by which windows of a stroke.
        tell: Hears what is odd about the videos.

    Raises:
        UserError: The edition had no such task, names cannot name folders, there are too many runs,
            or a template or a video cannot be read.
        OSError: A file cannot be written.
    """
    if task == "detection" and edition == 2020:
        raise UserError("MediaEval 2020 had no detection task; --edition is 2021 or 2022")
    folder: Task = "detectionTask" if task == "detection" else "classificationTask"
    run = run_folder(out, team, folder, run_name)
    checked: dict[str, Any]
    if task == "detection":
        frames = detection_videos(templates, videos)
        found = {
            name: detect(
                opened(video_of(name, videos), recogniser, tell),
                recogniser,
                settings,
                store=out / KEPT,
            ).detections
            for name in frames
        }
        written = write_detections(run, found, frames)
        checked = {"detection": frames}
    else:
        ask = partial(classify, recogniser=recogniser, decision=decision, stride=settings.stride)
        written = write_classifications(run, templates, videos, edition, ask)
        checked = {"classification": templates}
    return Submitted(run, written, check_submission(out / team, edition, **checked))
