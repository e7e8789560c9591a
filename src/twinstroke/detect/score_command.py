"""The command ``twinstroke score``: how good are detections, against what somebody marked?"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinstroke.detect.data_set import TOLERANCE_S, figures_in_words
from twinstroke.detect.detection import Detection
from twinstroke.detect.marked import read_marked
from twinstroke.detect.metrics import Truth, detection_scores
from twinstroke.errors import UserError
from twinstroke.files import replacing
from twinstroke.index.classes import UNKNOWN
from twinstroke.progress import summarise
from twinstroke.tables import NEGATIVE, VideoId


class _Found(BaseModel):
    """What is needed of ``<video>.json``."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    video: VideoId
    frames: int = Field(ge=1)
    fps: float = Field(gt=0)
    detections: list[dict[str, Any]]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser; it sets ``run``, which carries it out."""
    parser = commands.add_parser(
        "score",
        help="measure detections against marked strokes",
        description="Measure what detect found against strokes that somebody marked or corrected.",
    )
    parser.add_argument(
        "found", nargs="+", type=Path, metavar="JSON", help="<video>.json as detect writes it"
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
    for path in arguments.found:
        own = _read(path)
        if own.video in found:
            raise UserError(f"{path}: video {own.video!r} is there twice; name it once")
        found[own.video] = _detections(path, own)
        frames[own.video] = own.frames
        rates.append(own.fps)
    truth: dict[str, list[Truth]] = defaultdict(list)
    for table in arguments.truth:
        for video, strokes in read_marked(table).items():
            truth[video] += [
                Truth(s.begin, s.end, None if s.label in ("", UNKNOWN) else s.label)
                for s in strokes
                if s.label != NEGATIVE and video in found
            ]
    for video in found:
        if not truth[video]:
            summarise("score", f"warning: no stroke is marked in {video}: all found is wrong there")
        beyond = [s for s in truth[video] if s.begin >= frames[video]]
        if beyond:
            raise UserError(
                f"{video}: a stroke is marked from frame {beyond[0].begin} on, but the video has "
                f"{frames[video]}; see that tables and detections are of the same video"
            )
    # What people differ by, in frames of the slowest video.
    scores = detection_scores(
        {video: truth[video] for video in found}, found, frames, round(TOLERANCE_S * min(rates))
    )
    summarise("score", figures_in_words(scores.figures))
    if arguments.out:
        with replacing(arguments.out) as partial:
            partial.write_text(json.dumps(scores.figures, indent=2) + "\n", encoding="utf-8")
        summarise("score", f"all figures are in {arguments.out}")


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
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{path}: no result of twinstroke detect ({reason}); find the strokes again")
