"""Label Studio 1.x: the export "JSON" (not JSON-MIN), a list of tasks.

Read are results of type ``timelinelabels`` (a range of the video's timeline) and ``videorectangle``
(a box that follows the player; each of its life spans is a stroke). As its editor has it,

- frames count from 1, and the last frame of a range, as that of a life span, belongs to it;
- a key frame that is not enabled ends the life span it closes, or is one of a single frame; a life
  span that is never closed lasts to ``framesCount``;
- frames are counted at the ``frameRate`` of the tag ``Video`` (24 if left out), whatever that of
  the video is. Only key frames tell that rate: their ``time`` is frame / rate. Their region and the
  ranges of the same annotation become seconds by it. Elsewhere the export is silent.

Frame n is shown from (n - 1) / rate on. Until 2025 the editor sought n / rate, one frame of its own
later; exports do not tell which it did.

Where ``TimelineLabels`` and ``VideoRectangle`` share a ``Video``, each box stands there once more,
as ``timelinelabels`` of the same id without ranges (Label Studio's issue 9744): that is passed
over.

Read are also results of type ``labels`` (a range in seconds, as the tags ``Audio`` and ``Labels``
give it, where the video is played beside its sound) and, in annotations without any of these,
``choices``: then the task is a trimmed clip, and the choice its class.

A choice or text of a region whose tag is named as ``index.split.group`` (``player``) says whose the
stroke is; one of the whole video, that of all regions without. With ``index.boxes: regions`` boxes
also say where that player is, in percent of the picture; one with such a label, or without any,
says only that.

A task belongs to the video that its ``data`` names. Annotations that were cancelled, drafts and
predictions are passed over, and so are tasks without annotations: nobody has looked at them yet.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twinstroke.annotations.boxes import PERCENT, Drawn, drawn, edge
from twinstroke.annotations.classes import tidy
from twinstroke.annotations.containers import VIDEO_SUFFIXES
from twinstroke.annotations.records import (
    LARGEST_FRAME,
    Annotation,
    Reading,
    Seconds,
    Time,
    split_of,
)
from twinstroke.findings import Findings, Place
from twinstroke.formats.json import parse_json
from twinstroke.settings.index import IndexSettings

SUFFIXES = (".json",)
UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
"""Name under which Label Studio keeps an uploaded file."""
MIN = '"annotation_id"'
"""Key of the export JSON-MIN, which is recognised to be refused: it does not tell results apart."""
CHOICES = "choices"
SIDES = ("x", "y", "width", "height")
NAMING = {CHOICES: "choices", "textarea": "text"}
"""Types of results that may name a player, and where."""
RATES = (1, 1000)
"""Frames a second: a rate beyond them was not written by the editor."""


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is an export of Label Studio."""
    own = '"annotations"' in start or MIN in start
    return re.match(r"\s*\[\s*\{", start) is not None and own


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the regions of all tasks."""
    names = _Names(reading.videos.values())
    for file in files:
        _Reader(file, raw, settings, reading, names).read()


class _Part(BaseModel):
    """A part of the export; keys that are not needed may be whatever they are."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=_Part)
Id = int | str | None
Frame = Annotated[int, Field(ge=1, le=LARGEST_FRAME)]


class _Task(_Part):
    id: Id = None
    data: dict[str, Any]
    annotations: list[Any]


class _User(_Part):
    id: Id = None
    email: str | None = None


class _Annotation(_Part):
    id: Id = None
    result: list[Any] | None = None
    completed_by: int | _User | None = None
    was_cancelled: bool | None = None

    @property
    def annotator(self) -> str:
        by = self.completed_by
        if isinstance(by, _User):
            if by.email:
                return by.email
            number = by.id
        else:
            number = by
        return "" if number is None else f"user {number}"


class _Result(_Part):
    id: Id = None
    type: str = ""
    to_name: str = ""
    from_name: Any = ""
    value: Any = None

    @property
    def is_shadow(self) -> bool:
        """Whether it has the form in which the editor repeats a box on the timeline."""
        return (
            self.id not in (None, "")
            and self.type == "timelinelabels"
            and isinstance(self.value, dict)
            and "ranges" not in self.value
        )


class _Range(_Part):
    start: Frame
    end: Frame


class _Choices(_Part):
    """Value of a result of type ``choices`` about a whole task."""

    choices: list[str]


class _KeyFrame(_Part):
    frame: Frame
    enabled: bool
    time: float | None = None
    auto: bool = False
    """Put in by an export with interpolation, which rounds the time."""


class _Timeline(_Part):
    """Value of a result of type ``timelinelabels``."""

    ranges: list[_Range]
    labels: list[str] = Field([], alias="timelinelabels")

    @property
    def spans(self) -> list[tuple[Time, Time]]:
        return [(item.start - 1, item.end) for item in self.ranges]

    @property
    def key_frames(self) -> list[_KeyFrame]:
        return []


class _Rectangle(_Part):
    """Value of a result of type ``videorectangle``."""

    sequence: list[_KeyFrame]
    frames: int | None = Field(None, alias="framesCount", ge=0, le=LARGEST_FRAME)
    labels: list[str] = []

    @model_validator(mode="after")
    def _has_ends(self) -> Self:
        if self.frames is None and any(key.enabled for key in self.key_frames[-1:]):
            raise ValueError("the last key frame ends no life span, and framesCount is missing")
        return self

    @property
    def spans(self) -> list[tuple[Time, Time]]:
        spans: list[tuple[Time, Time]] = []
        begin: int | None = None
        for key in self.key_frames:
            if begin is None:
                begin = key.frame - 1
            if not key.enabled:
                spans.append((begin, key.frame))
                begin = None
        if begin is not None and self.frames is not None:
            spans.append((begin, self.frames))
        return spans

    @property
    def key_frames(self) -> list[_KeyFrame]:
        return sorted(self.sequence, key=lambda key: key.frame)


class _Seconds(_Part):
    """Value of a result of type ``labels``."""

    start: Annotated[float, Field(ge=0)]
    end: float
    labels: list[str] = []

    @property
    def spans(self) -> list[tuple[Time, Time]]:
        # As decimals: 0.1 s is meant, not the binary number next to it.
        return [(Seconds(Fraction(str(self.start))), Seconds(Fraction(str(self.end))))]

    @property
    def key_frames(self) -> list[_KeyFrame]:
        return []


Region = _Timeline | _Rectangle | _Seconds
REGIONS: Mapping[str, type[_Timeline] | type[_Rectangle] | type[_Seconds]] = {
    "timelinelabels": _Timeline,
    "videorectangle": _Rectangle,
    "labels": _Seconds,
}


class _Reader:
    """Reads one file."""

    def __init__(
        self, file: Path, raw: Path, settings: IndexSettings, reading: Reading, names: _Names
    ) -> None:
        self._file = file
        self._split = split_of(file.relative_to(raw).parts[:-1])
        self._group = settings.split.group.strip().lower()
        self._has_regions = settings.boxes == "regions"
        self._finds_rates = settings.annotation_fps == "video"
        self._reading = reading
        self._findings = reading.findings
        self._names = names
        self._rateless = 0
        self._unread: Counter[str] = Counter()

    def read(self) -> None:
        items = _items(self._file, self._findings)
        if items and all(isinstance(item, dict) and _is_min(item) for item in items):
            self._findings.error(
                "json",
                self._place(),
                "is the export JSON-MIN, which does not tell whose and what its results are",
                "export the project as JSON",
            )
            return
        for number, item in enumerate(items, start=1):
            task = self._checked(_Task, item, f"task number {number}")
            if task is not None:
                self._read_task(task, _row("task", task.id, number))
        if self._rateless:
            self._findings.warning(
                "rate",
                self._place(),
                f"the export does not tell at which rate {self._rateless} ranges were counted, so "
                "their frames are taken for those of the video",
                "set index.annotation_fps to the frameRate of the tag Video, which is 24 if left "
                "out",
            )
        if self._unread:
            types = ", ".join(f"{name[:40]!r}" for name, _ in self._unread.most_common(5))
            self._findings.warning(
                "type",
                self._place(),
                f"{self._unread.total()} results are of other types than {', '.join(REGIONS)}: "
                f"{types}",
                "they are not read; mark strokes with TimelineLabels, VideoRectangle or Labels",
            )

    def _read_task(self, task: _Task, row: str) -> None:
        names = self._names.in_data(task.data)
        for number, item in enumerate(task.annotations, start=1):
            annotation = self._checked(_Annotation, item, f"{row}, annotation number {number}")
            if annotation is not None and not annotation.was_cancelled:
                own_row = f"{row}, {_row('annotation', annotation.id, number)}"
                self._read_annotation(annotation, names, own_row)

    def _read_annotation(self, annotation: _Annotation, names: dict[str, str], row: str) -> None:
        results = {
            number: result
            for number, item in enumerate(annotation.result or [], start=1)
            if (result := self._checked(_Result, item, f"{row}, result number {number}"))
        }
        players = self._players(results, row)
        regions = self._regions(results, row)
        if not regions and self._add_clip(annotation, results, players, names, row):
            return
        if not regions:
            # Somebody has looked at the video and found no stroke.
            self._video(names, "", self._place(row))
        rates = _rates(regions) if self._finds_rates else {}
        for own_row, result, region in regions:
            place = self._place(own_row)
            video = self._video(names, result.to_name, place)
            if video is None:
                continue
            player = players.get(result.id, players.get(None, ""))
            if self._has_regions and isinstance(region, _Rectangle):
                for box in self._boxes(region, result.value["sequence"], own_row):
                    self._reading.add_box(video, player, box, PERCENT)
                if [name.strip().lower() for name in region.labels] in ([], [self._group]):
                    continue
            label = region.labels[0] if len(region.labels) == 1 else None
            if len(region.labels) > 1:
                self._findings.error(
                    "label",
                    place,
                    f"has {len(region.labels)} labels, "
                    + ", ".join(f"{name[:40]!r}" for name in region.labels[:5]),
                    "leave the region one label",
                    video=video,
                )
            rate = rates.get(result.to_name)
            for begin, end in region.spans:
                if rate is None and self._finds_rates and isinstance(begin, int):
                    self._rateless += 1
                self._reading.add(
                    place,
                    video=video,
                    begin=_time(begin, rate),
                    end=_time(end, rate),
                    label=label,
                    split=self._split,
                    annotator=annotation.annotator,
                    group=player,
                )

    def _boxes(self, region: _Rectangle, sequence: list[Any], row: str) -> Iterator[Drawn]:
        """The boxes of all key frames: those between them lie within what these cover."""
        for key, item in zip(region.sequence, sequence, strict=True):
            left, top, width, height = (edge(item.get(name)) for name in SIDES)
            turned = edge(item.get("rotation", 0))
            place = self._place(f"{row}, frame {key.frame}")
            box = drawn((left, top, left + width, top + height), place, turned)
            if not box.problem and max(width, height) > 100:
                box = box._replace(problem="is more than 100 percent of the picture")
            yield box

    def _names_player(self, result: _Result) -> bool:
        return result.type in NAMING and str(result.from_name).strip().lower() == self._group

    def _players(self, results: Mapping[int, _Result], row: str) -> dict[Id, str]:
        """Who plays each region, by its id; under None: who plays all others."""
        ids = {result.id for result in results.values() if result.type in REGIONS}
        players: dict[Id, str] = {}
        for number, result in results.items():
            if not self._names_player(result):
                continue
            value = result.value if isinstance(result.value, dict) else {}
            given = value.get(NAMING[result.type])
            named = given if isinstance(given, list) else [given]
            if len(named) == 1 and isinstance(named[0], str):
                players[result.id if result.id in ids else None] = named[0]
                continue
            self._findings.error(
                "group",
                self._place(f"{row}, {_row('result', result.id, number)}"),
                f"names {len(named)} times a {self._group}, {repr(named)[:40]}",
                f"leave each region one {self._group}, as text",
            )
        return players

    def _regions(
        self, results: Mapping[int, _Result], row: str
    ) -> list[tuple[str, _Result, Region]]:
        """Row, result, and value of each region that may be strokes."""
        regions: list[tuple[str, _Result, Region]] = []
        others: Counter[str] = Counter()
        boxes = {result.id for result in results.values() if result.type == "videorectangle"}
        for number, result in results.items():
            if (result.id in boxes and result.is_shadow) or self._names_player(result):
                continue
            if result.type not in REGIONS:
                others[result.type] += 1
                continue
            own_row = f"{row}, {_row('result', result.id, number)}"
            region = self._checked(REGIONS[result.type], result.value, own_row)
            if region is not None:
                regions.append((own_row, result, region))
        if not regions:
            # Without ranges, a choice is about the whole task.
            del others[CHOICES]
        self._unread += others
        return regions

    def _add_clip(
        self,
        annotation: _Annotation,
        results: Mapping[int, _Result],
        players: Mapping[Id, str],
        names: dict[str, str],
        row: str,
    ) -> bool:
        """Add a task whose class was chosen as a whole; tell whether it is one."""
        choices = [
            result
            for result in results.values()
            if result.type == CHOICES and not self._names_player(result)
        ]
        if not choices:
            return False
        place = self._place(row)
        video = self._video(names, choices[0].to_name, place)
        values = [self._checked(_Choices, result.value, row) for result in choices]
        if video is None or None in values:
            return True
        chosen = [name for value in values if value is not None for name in value.choices]
        label, problem = None, None
        if len(chosen) == 1:
            label, problem = self._reading.classes.checked(chosen[0])
        else:
            named = ", ".join(f"{name[:40]!r}" for name in chosen[:5])
            problem = f"has {len(chosen)} choices, {named}", "leave the task one choice"
        if problem:
            self._findings.error("label", place, *problem, video=video)
        self._reading.annotations.append(
            Annotation(
                video,
                0,
                None,
                label,
                self._split,
                place,
                annotation.annotator,
                tidy(players.get(None, "")),
            )
        )
        return True

    def _video(self, names: dict[str, str], to_name: str, place: Place) -> str | None:
        # What data to_name shows stands in the project's settings, which are not exported; but
        # tags are often named after the data.
        for key in (to_name, "video"):
            if key in names:
                return self._reading.video_named(names[key], place)
        if len(names) == 1:
            (name,) = names.values()
            return self._reading.video_named(name, place)
        keys = ", ".join(repr(key[:40]) for key in list(names)[:5])
        self._findings.error(
            "video",
            place,
            f"data names several videos, with keys {keys}" if names else "data names no video",
            "keep the path of the video as 'video' in the data of the task",
        )
        return None

    def _checked(self, model: type[M], item: Any, row: str) -> M | None:
        try:
            return model.model_validate(item)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] in ("model_type", "dict_type"):
                problem = f"is {repr(first['input'])[:40]} where an object was expected"
            elif first["type"] == "missing":
                problem = "is missing"
            else:
                problem = f"{first['msg']}, found {repr(first['input'])[:40]}"
            self._findings.error(
                "json",
                self._place(row),
                f"{key}: {problem}" if key else problem,
                "export the project as JSON (not JSON-MIN) anew, or mend it",
            )
            return None

    def _place(self, row: str = "") -> Place:
        return Place(str(self._file), row)


class _Names:
    """Finds the names of videos in the data of tasks."""

    def __init__(self, videos: Iterable[Path]) -> None:
        self._known: set[str] = set()
        self._stored: dict[str, set[str]] = defaultdict(set)
        for path in videos:
            name = unicodedata.normalize("NFC", path.name)
            self._known |= {name, unicodedata.normalize("NFC", path.stem)}
            # What Label Studio makes of the name of an uploaded file.
            self._stored[re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))].add(path.name)

    def in_data(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Names of videos by the keys under which they stand."""
        names = {key: _decoded(value) for key, value in data.items() if isinstance(value, str)}
        return {
            key: self._without_prefix(name)
            for key, name in names.items()
            if key == "video" or PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES
        }

    def _without_prefix(self, path: str) -> str:
        name = unicodedata.normalize("NFC", re.split(r"[\\/]", path)[-1])
        uploaded = UPLOADED.fullmatch(name)
        if uploaded is None or name in self._known:
            return path
        stored = self._stored.get(uploaded[1], set())
        return next(iter(stored)) if len(stored) == 1 else uploaded[1]


def _items(file: Path, findings: Findings) -> list[Any]:
    items = parse_json(file, findings)
    if items is None or isinstance(items, list):
        return items or []
    findings.error(
        "json",
        Place(str(file)),
        "holds no list of tasks",
        "export the project as JSON (not JSON-MIN)",
    )
    return []


def _row(name: str, given: Id, number: int) -> str:
    return f"{name} number {number}" if given in (None, "") else f"{name} {str(given)[:40]}"


def _decoded(value: str) -> str:
    """Path of a medium: of a URL, of a file in a local storage (``?d=``), or itself."""
    if not re.match(r"https?://|/data/", value):
        return unquote(value)
    try:
        url = urlsplit(value)
    except ValueError:
        return value
    if url.path.rstrip("/").endswith("/data/local-files"):
        return parse_qs(url.query).get("d", [""])[0]
    return unquote(url.path)


def _is_min(item: Mapping[str, Any]) -> bool:
    return "annotations" not in item and "data" not in item and MIN.strip('"') in item


def _rates(regions: Iterable[tuple[str, _Result, Region]]) -> dict[str, Fraction]:
    """Frame rate of each tag ``Video``, where a key frame tells it; the last one tells it best."""
    last: dict[str, tuple[int, float]] = {}
    for _, result, region in regions:
        for key in region.key_frames:
            if key.time is not None and not key.auto:
                earlier = last.get(result.to_name, (0, 0.0))
                last[result.to_name] = max(earlier, (key.frame, key.time))
    rates = {}
    for to_name, (frame, time) in last.items():
        if time > 0 and RATES[0] <= frame / time <= RATES[1]:
            # A float that was 2997/100 or 30000/1001 becomes it again.
            rates[to_name] = (frame / Fraction(time)).limit_denominator(10**4)
    return rates


def _time(time: Time, rate: Fraction | None) -> Time:
    return time if rate is None or isinstance(time, Seconds) else Seconds(time / rate)
