"""The detections of a video in the forms that people use: tables, annotation tools, players.

==================  ===========================================================================
``csv``             for spreadsheets, and for `index` (format ``csv``)
``json``            for programs
``xml``             MediaEval's schema of 2020, for `index` and the task's scripts
``sportscode.xml``  Hudl Sportscode, Nacsport, LongoMatch and others, and for `index`
``eaf``             ELAN, which opens the video with it, and for `index` (format ``elan``)
``vtt``             WebVTT: the chapters of a video player, or its subtitles
==================  ===========================================================================
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twinstroke.annotations.classes import tidy
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.files import replacing
from twinstroke.formats import elan, mediaeval, sportscode
from twinstroke.formats.xml import ILLEGAL
from twinstroke.regions import COLUMNS, Region
from twinstroke.settings.index import PLAYER
from twinstroke.tables import VideoId
from twinstroke.video.clock import Clock

FORMS = ("csv", "json", "xml", "sportscode.xml", "eaf", "vtt")
"""Suffixes of what is written for each video."""
# Some spreadsheets take the wide forms of East Asia for them, and pass over tabs.
_FORMULA = (*"=+-@", *"＝＋－＠", "\t", "\r", "\n")


def write_outputs(
    folder: Path,
    video: Path,
    detections: Sequence[Detection],
    clock: Clock,
    classes: Sequence[str],
    model: Mapping[str, Any],
    *,
    name: str,
    players: Sequence[tuple[str, Region]] = (),
) -> dict[str, Path]:
    """Write every form, as ``<name>.csv`` and so on.

    Args:
        folder: Where to; existing files of the same names are replaced.
        video: Its file.
        detections: What was found in it; may be empty.
        clock: When its frames begin.
        classes: In the order of the network's outputs, ``Negative`` among them.
        model: What a reader should know of the network, of kinds that JSON has.
        name: Id of the video.
        players: Names and regions of the players whom regions tell apart.

    Returns:
        The files, by form (`FORMS`).

    Raises:
        UserError: A label holds characters that XML cannot.
    """
    found = sorted(detections, key=lambda d: (d.begin, d.end, d.label, d.player))
    if any(d.video != name or d.end > clock.frames for d in found):
        raise ValueError(f"a detection is not of {name!r}, or ends after it")
    paths = {form: folder / f"{name}.{form}" for form in FORMS}
    for label in dict.fromkeys(d.label for d in found):
        if ILLEGAL.search(label):
            raise UserError(
                f"{paths['xml']}: the label {label!r} holds characters that XML cannot; rename "
                "the class and train again"
            )
    write_csv(paths["csv"], found)
    write_json(paths["json"], name, found, clock, classes, model, players)
    mediaeval.write(paths["xml"], found)
    strokes = [Stroke(d.video, d.begin, d.end, d.label, group=d.player) for d in found]
    sportscode.write(paths["sportscode.xml"], strokes, clock, PLAYER)
    write_elan(paths["eaf"], video, found, clock)
    write_webvtt(paths["vtt"], found, clock)
    return paths


def write_csv(path: Path, detections: Sequence[Detection]) -> None:
    """Write a table, one row a stroke, that spreadsheets show and `index` reads.

    Its columns are the fields of :class:`Detection`; the player and the four numbers of the region
    only where players were told apart. A spreadsheet would take text that begins with
    ``=``, ``+``, ``-`` or ``@`` for a formula: such text gets a space before, which `index` takes
    off again. The byte order mark is there for Excel, which would spoil umlauts without.

    Args:
        path: Where to.
        detections: In the order of the rows.
    """
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        has_players = any(d.region for d in detections)
        plain = [name for name in Detection.model_fields if name not in ("player", "region")]
        writer.writerow((*plain, *(("player", *COLUMNS) if has_players else ())))
        for d in detections:
            exact = (d.begin_s, d.end_s, d.probability, d.stroke_probability)
            numbers = [f"{number:.6f}".rstrip("0").rstrip(".") for number in exact]
            own = (_no_formula(d.player), *(d.region or ("",) * 4)) if has_players else ()
            writer.writerow(
                (_no_formula(d.video), d.begin, d.end, _no_formula(d.label), *numbers, *own)
            )


def write_json(
    path: Path,
    name: str,
    detections: Sequence[Detection],
    clock: Clock,
    classes: Sequence[str],
    model: Mapping[str, Any],
    players: Sequence[tuple[str, Region]] = (),
) -> None:
    """Write an object with the video, the network and the detections, in this order.

    Args:
        path: Where to.
        name: Id of the video.
        detections: In the order of the list.
        clock: When the video's frames begin.
        classes: In the order of the network's outputs.
        model: What a reader should know of the network, of kinds that JSON has.
        players: Names and regions of the players whom regions tell apart.
    """
    content = {
        "video": name,
        "frames": clock.frames,
        "fps": float(mean_rate(clock)),
        "duration_s": float(clock.duration),
        "classes": list(classes),
        "model": dict(model),
        **({"players": {player: list(region) for player, region in players}} if players else {}),
        "detections": [
            d.model_dump(mode="json", exclude={"video"}, exclude_defaults=True) for d in detections
        ],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


class FoundStrokes(BaseModel):
    """What :func:`write_json` wrote, as far as it is needed to measure the detections."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    video: VideoId
    frames: int = Field(ge=1)
    fps: float = Field(gt=0)
    classes: list[str]
    players: dict[str, Region] = {}
    """Names and regions; empty where no region tells players apart."""
    detections: list[Detection]

    @model_validator(mode="before")
    @classmethod
    def _of_this_video(cls, content: Any) -> Any:
        """Detections do not say of which video they are: the object around them does."""
        rows = content.get("detections") if isinstance(content, dict) else None
        if not isinstance(rows, list):
            return content
        own = {"video": content.get("video")}
        return {**content, "detections": [r | own if isinstance(r, dict) else r for r in rows]}


def read_json(path: Path) -> FoundStrokes:
    """Read what :func:`write_json` wrote.

    Raises:
        UserError: There is no such file, or it is something else.
    """
    try:
        return FoundStrokes.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: not found; twinstroke detect writes it") from None
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UserError(
            f"{path}: is no <video>.json of twinstroke detect ({reason}); name one"
        ) from None


def write_elan(path: Path, video: Path, detections: Sequence[Detection], clock: Clock) -> None:
    """Write an ``.eaf`` with one tier, ``twinstroke``, and further ones where strokes overlap.

    Where players were told apart, each has a tier, and is its participant.

    Args:
        path: Where to. It names the video relative to its own folder, so that both can be moved
            together.
        video: The file.
        detections: In any order.
        clock: When the video's frames begin.

    Raises:
        UserError: A name or label holds characters that XML cannot.
    """
    strokes = [
        Stroke(d.video, d.begin, d.end, d.label, annotator=elan.AUTHOR, group=d.player)
        for d in detections
    ]
    # ELAN has forward slashes everywhere.
    elan.write(path, Path(os.path.relpath(video, path.parent)).as_posix(), strokes, clock)


def write_webvtt(path: Path, detections: Sequence[Detection], clock: Clock) -> None:
    """Write a cue for each stroke: its label and probability, over its own time.

    As W3C's WebVTT has it: cues in the order in which they begin, none without a duration, no
    line end nor ``-->`` in a cue, ``&``, ``<`` and ``>`` as references. Strokes that overlap are
    cues that overlap, which subtitles may; chapters should only do so if one holds the other.

    Args:
        path: Where to.
        detections: In any order.
        clock: When the video's frames begin.
    """
    cues = []
    for d in sorted(detections, key=lambda d: (d.begin, d.end, d.label, d.player)):
        begin = max(0, elan.milliseconds(clock.time_of(d.begin)))
        end = max(begin + 1, elan.milliseconds(clock.time_of(d.end)))
        text = _cue_text(f"{d.title} {percent(d.probability)}")
        cues.append(f"\n{_timestamp(begin)} --> {_timestamp(end)}\n{text}\n")
    with replacing(path) as partial:
        partial.write_text("WEBVTT\n" + "".join(cues), encoding="utf-8", newline="\n")


def mean_rate(clock: Clock) -> Fraction:
    """Frames a second: exact for a constant rate, the mean of a variable one."""
    return clock.frames / (clock.duration - clock.time_of(0))


def percent(probability: float) -> str:
    """A probability for people: ``87 %``; it is 100 % only if it is 1."""
    return f"{min(99, round(100 * probability)) if probability < 1 else 100} %"


def _no_formula(text: str) -> str:
    return f" {text}" if text.startswith(_FORMULA) else text


def _timestamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"


def _cue_text(text: str) -> str:
    # A line end would end the cue, and U+0000 is not for text.
    line = tidy(text.replace("\0", "\ufffd"))
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
