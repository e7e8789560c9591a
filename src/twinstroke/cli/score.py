"""The command ``twinstroke score``: how good are detections, against what somebody marked?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinstroke.annotations.classes import UNKNOWN
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.cli.detect import LABEL_STUDIO
from twinstroke.detect.data_set import TOLERANCE_S, figures_in_words
from twinstroke.errors import UserError
from twinstroke.evaluate.detection import detection_scores
from twinstroke.files import replacing
from twinstroke.formats.csv import read_strokes
from twinstroke.progress import summarise
from twinstroke.tables import NEGATIVE, STROKE, STROKE_OR_NOT, VideoId


class _Found(BaseModel):
    """What is needed of ``<video>.json``."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    video: VideoId
    frames: int = Field(ge=1)
    fps: float = Field(gt=0)
    classes: list[str]
    detections: list[dict[str, Any]]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser; it sets ``run``, which carries it out."""
    parser = commands.add_parser(
        "score",
        help="measure detections against marked strokes",
        description="Measure what detect found against strokes that somebody marked or corrected.",
    )
    parser.add_argument(
        "found",
        nargs="+",
        type=Path,
        metavar="FOUND",
        help="folder of detect, or <video>.json in it",
    )
    parser.add_argument(
        "--truth",
        nargs="+",
        type=Path,
        required=True,
        metavar="CSV",
        help="tables with the columns video,begin,end,label, in frames: corrected ones of the "
        "page, or that of make export FORMAT=csv",
    )
    parser.add_argument("--out", type=Path, help="JSON file that gets all figures")
    parser.set_defaults(run=_score)


def _score(arguments: argparse.Namespace) -> None:
    found: dict[str, list[Detection]] = {}
    frames: dict[str, int] = {}
    rates: list[float] = []
    classes: set[str] = set()
    for path in _files(arguments.found):
        own = _read(path)
        if own.video in found:
            raise UserError(f"{path}: video {own.video!r} is there twice; name it once")
        found[own.video] = _detections(path, own)
        frames[own.video] = own.frames
        rates.append(own.fps)
        classes.update(own.classes)
    truth = _truth(arguments.truth, frames, classes)
    # What people differ by, in frames of the slowest video.
    scores = detection_scores(
        {video: truth[video] for video in found}, found, frames, round(TOLERANCE_S * min(rates))
    )
    figures = scores.figures
    summarise("score", figures_in_words(figures))
    if figures["n_matched"]:
        second = f"{1 / min(rates):.3g} s"
        summarise(
            "score",
            f"of {figures['n_matched']} matched strokes, the begin is {figures['begin_error']:g} "
            f"frames off and the end {figures['end_error']:g} (medians; a frame is {second}; "
            f"{_late(figures['begin_bias'])} and {_late(figures['end_bias'])})"
            + _right(figures["label_accuracy"]),
        )
    if arguments.out:
        with replacing(arguments.out) as partial:
            partial.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        summarise("score", f"all figures are in {arguments.out}")


def _late(bias: float | int | None) -> str:
    return f"{abs(bias or 0):g} {'late' if (bias or 0) > 0 else 'early'}"


def _right(share: float | int | None) -> str:
    return "" if share is None else f"; {share:.0%} have the right class"


def _files(found: Sequence[Path]) -> list[Path]:
    files = []
    for path in found:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path}: holds no <video>.json; name a folder that detect wrote")
        files += [file for file in inside if file.stem != LABEL_STUDIO]
    return files


def _truth(
    tables: Sequence[Path], frames: Mapping[str, int], classes: Collection[str]
) -> dict[str, list[Stroke]]:
    """Strokes of the videos that are measured, checked against these."""
    truth: dict[str, list[Stroke]] = {video: [] for video in frames}
    problems = []
    for table in tables:
        strokes = read_strokes(table)
        known = [video for video in strokes if video in truth]
        if strokes and not known:
            problems.append(
                f"{table}: none of its strokes is of {', '.join(truth)[:200]}, but of "
                f"{', '.join(sorted(strokes))[:200]}; see how it names the videos"
            )
        for video in known:
            for stroke in strokes[video]:
                if stroke.end > frames[video]:
                    problems.append(
                        f"{table}: a stroke of {video} ends at {stroke.end}, but the video has "
                        f"{frames[video]} frames; see that both are of the same video"
                    )
                label = None if stroke.label == UNKNOWN else stroke.label
                if label != NEGATIVE:
                    truth[video].append(replace(stroke, label=label))
    if problems:
        raise UserError(problems)
    for video, own in truth.items():
        if not own:
            summarise("score", f"warning: no stroke is marked in {video}: all found is wrong there")
    strange = {s.label for own in truth.values() for s in own if s.label} - {*classes, STROKE}
    if strange and set(classes) != set(STROKE_OR_NOT):
        names = ", ".join(sorted(strange))[:200]
        summarise("score", f"warning: the network has no such class, and cannot name it: {names}")
    return truth


def _read(path: Path) -> _Found:
    try:
        return _Found.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: not found; twinstroke detect writes it") from None
    except ValidationError as error:
        raise _unreadable(path, error) from None


def _detections(path: Path, own: _Found) -> list[Detection]:
    try:
        return [Detection(video=own.video, **row) for row in own.detections]
    except (ValidationError, TypeError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
    return UserError(f"{path}: is no <video>.json of twinstroke detect ({reason}); name one")
