"""BORIS 7 to 9: projects (``.boris``), and tables of aggregated events.

A state event is a stroke, and its behaviour the class; point events have no length and are none.
In projects, begin and end are two events of the same subject, behaviour and modifiers. The subject
is the player, if that is the group; another group may be an independent variable, which is a
column of tables. The observation stands for the annotator.

Times count in an observation: where several videos follow each other in it, or it has a time
offset, they are none of the video, and that is an error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from twinstroke.annotations import rows
from twinstroke.annotations.records import Reading, Seconds, seconds, split_of
from twinstroke.findings import Place
from twinstroke.formats.json import checked, parse_json
from twinstroke.settings.index import PLAYER, IndexSettings

PROJECT = ".boris"
SUFFIXES = (PROJECT, *rows.SUFFIXES)
COLUMNS = ("behavior", "behavior type", "start (s)", "stop (s)")
NONE, ANEW = "no project of BORIS", "save it with BORIS anew, or export aggregated events"
NOBODY = "no focal subject"


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is a project, or a table of aggregated events."""
    if re.match(r"\s*\{", start):
        return (
            re.search(r'"(behaviors_conf|time_format|project_format_version)"', start) is not None
        )
    return rows.header_of(start, COLUMNS) is not None


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the state events of all files."""
    for file in files:
        before = len(reading.annotations), len(reading.findings.errors)
        if file.suffix.lower() == PROJECT:
            points = _read_project(file, raw, settings, reading)
        else:
            points = _read_table(file, raw, settings, reading)
        if points:
            nothing = before == (len(reading.annotations), len(reading.findings.errors))
            (reading.findings.error if nothing else reading.findings.warning)(
                "type",
                Place(str(file)),
                f"{points} point events have no length, and are no strokes",
                "code strokes as state events",
            )


def _read_table(file: Path, raw: Path, settings: IndexSettings, reading: Reading) -> int:
    findings, group = reading.findings, settings.split.group.strip().lower()
    points = 0
    for place, row in rows.read_rows(file, COLUMNS, findings, settings.sheet):
        if row["behavior type"].upper().startswith("POINT"):
            points += 1
            continue
        source = row.get("source", "") or row.get("media file", "")
        media = re.sub(r"^player #1:", "", source.split("|")[0]).split(";")
        name = row.get("media file name", "") or media[0].strip()
        video = _video(name, len(media), row.get("time offset (s)", ""), place, reading)
        times = []
        for column in ("start (s)", "stop (s)"):
            times.append(seconds(row[column]))
            if times[-1] is None:
                found = f"{column} is {row[column][:40]!r}, no time"
                findings.error("time", place, found, "export the events anew", video=video or "")
        begin, end = times
        if video is None or begin is None or end is None:
            continue
        subject = row.get("subject", "")
        reading.add(
            place,
            video=video,
            begin=begin,
            end=end,
            label=row["behavior"],
            split=split_of(file.relative_to(raw).parts[:-1]),
            annotator=row.get("observation id", ""),
            group=_player(subject) if group == PLAYER else row.get(group, ""),
        )
    return points


def _video(name: str, queued: int, offset: str, place: Place, reading: Reading) -> str | None:
    """The video of an event; None, with an error, if its times are not those of a video."""
    if queued > 1:
        found = f"{queued} videos follow each other in the observation, and times count over all"
        reading.findings.error("video", place, found, "make an observation for each video")
        return None
    if offset.strip("-0.,") and offset.upper() != "NA":
        found = f"the observation has a time offset of {offset[:20]}"
        reading.findings.error("time", place, found, "set it to 0 in BORIS")
        return None
    if name.upper() in ("", "NA", "NOT FOUND"):
        found = "the observation names no video"
        reading.findings.error("video", place, found, "leave live observations out")
        return None
    return reading.video_named(name, place)


def _player(subject: str) -> str:
    return "" if subject.strip().lower() == NOBODY else subject


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Behaviour(_Part):
    code: str
    type: str


class _Observation(_Part):
    type: str = ""
    file: dict[str, list[str]] = {}
    offset: FiniteFloat = Field(0.0, alias="time offset")
    variables: dict[str, Any] = Field({}, alias="independent_variables")
    events: list[tuple[FiniteFloat, str, str, str] | tuple[FiniteFloat, str, str]]


class _Project(_Part):
    behaviors_conf: dict[str, _Behaviour]
    observations: dict[str, Any]


def _read_project(file: Path, raw: Path, settings: IndexSettings, reading: Reading) -> int:
    """Read the observations of a project; the number of point events."""
    content = parse_json(file, reading.findings)
    if content is None:
        return 0
    project = checked(_Project, content, Place(str(file)), reading.findings, ANEW, NONE)
    if project is None:
        return 0
    states = {
        own.code for own in project.behaviors_conf.values() if own.type.lower().startswith("state")
    }
    points = 0
    for name, item in project.observations.items():
        place = Place(str(file), f"observation {name}")
        if isinstance(item, dict) and isinstance(item.get("events"), list):
            # What stands behind the modifiers depends on the version.
            events = [e[:4] if isinstance(e, list) else e for e in item["events"]]
            item = {**item, "events": events}
        observation = checked(_Observation, item, place, reading.findings, ANEW, NONE)
        if observation is None:
            continue
        points += sum(event[2] not in states for event in observation.events)
        _add_observation(name, observation, states, place, file.relative_to(raw), settings, reading)
    return points


def _add_observation(
    name: str,
    observation: _Observation,
    states: set[str],
    place: Place,
    relative: Path,
    settings: IndexSettings,
    reading: Reading,
) -> None:
    media = observation.file.get("1") or []
    offset = f"{observation.offset:g}"
    video = _video(media[0] if media else "", len(media), offset, place, reading)
    if video is None:
        return
    own: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for time, *rest in observation.events:
        if rest[1] in states:
            own[tuple(rest)].append(time)
    group = settings.split.group.strip().lower()
    variables = {key.lower(): str(value) for key, value in observation.variables.items()}
    for (subject, behaviour, *_), times in own.items():
        times.sort()
        if len(times) % 2:
            reading.findings.error(
                "time",
                place,
                f"state event {behaviour[:40]!r} of {subject[:40]!r} at {times[-1]:g} s "
                "begins or ends, but not both",
                "mend it in BORIS, which finds such events by itself",
                video=video,
            )
            continue
        for begin, end in zip(times[::2], times[1::2], strict=True):
            reading.add(
                place,
                video=video,
                begin=Seconds(Fraction(str(begin))),
                end=Seconds(Fraction(str(end))),
                label=behaviour,
                split=split_of(relative.parts[:-1]),
                annotator=name,
                group=_player(subject) if group == PLAYER else variables.get(group, ""),
            )
