"""VGG Image Annotator 3 (VIA 3): projects with temporal segments, data formats 3.1.0 and 3.1.1.

Its export CSV holds the same, a row for each mark, and is read as such a project.

``metadata`` holds what was marked: a stroke has two times ``z`` in seconds and no region ``xy``.
Its ``vid`` names a ``view``, that one a ``file``, and that one the video. Its values ``av`` belong
to what ``attribute`` describes; the label is the value of the only attribute that strokes carry, or
of the one called ``label``, ``class`` or ``stroke``. Where options are chosen, the value is the id
of an option, or the name of a timeline that was added while annotating.

Of several attributes, the one that is called as ``index.split.group`` (``player``) says whose the
stroke is. With ``index.boxes: regions`` rectangles ``xy`` say where that player is, in pixels of
the video; they are never strokes.

The format names no annotator. The name of the project file stands for one, so that people who each
saved a project about the same videos are told apart.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import islice, takewhile
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, FailFast, FiniteFloat

from twinstroke.annotations.boxes import Drawn, drawn, edge
from twinstroke.annotations.folders import is_too_large
from twinstroke.annotations.records import Reading, Seconds, split_of
from twinstroke.annotations.rows import encoding_of
from twinstroke.findings import Findings, Place
from twinstroke.formats.json import checked, parse_json
from twinstroke.settings.index import IndexSettings

SUFFIXES = (".csv", ".json")
TABLE = re.compile(r"#\s*CSV_HEADER\s*=\s*metadata_id,")
"""Line of an export CSV."""
LABEL_NAMES = ("label", "class", "stroke")
CHECKBOX, RADIO, SELECT = 2, 3, 4
"""Kinds of attributes whose value is the id of an option; several with commas for the first."""
RECTANGLE = 2
"""Kind of region ``xy``: then come x, y, width and height."""
UNNAMED = "_DEFAULT"
"""Timeline that VIA shows as long as nobody has named one."""
VIDEO = 4
"""Kind of file."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Project(_Part):
    attribute: dict[str, Any]
    file: dict[str, Any]
    metadata: dict[str, Any]
    view: dict[str, Any]


class _Attribute(_Part):
    aname: str
    type: int
    options: dict[str, Any] = {}


class _File(_Part):
    fname: str
    type: int = VIDEO


class _View(_Part):
    fid_list: Annotated[list[str | int], FailFast()]


class _Segment(_Part):
    vid: str | int
    z: Annotated[list[FiniteFloat], FailFast()]
    xy: list[Any]
    av: dict[str, Any]


_AnyPart = TypeVar("_AnyPart", bound=_Part)


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is a project: an object of which some parts are VIA's."""
    if re.search(rf"^{TABLE.pattern}", start, re.MULTILINE):
        return True
    parts = "project|config|attribute|file|metadata|view|vid_list"
    own = "vid_list|fid_list|fid|loc_prefix|anchor_id|default_option_id|flg"
    return (
        re.match(rf'\ufeff?\s*\{{\s*"({parts})"\s*:', start) is not None
        and re.search(rf'"({own})"\s*:', start) is not None
    )


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the strokes of all projects."""
    stems = Counter(file.stem for file in files)
    for file in files:
        relative = file.relative_to(raw)
        is_table = file.suffix.lower() == ".csv"
        project = (_project_of_table if is_table else _project)(file, reading.findings)
        if project is not None:
            # anna/strokes.json and ben/strokes.json are of two people.
            annotator = relative.with_suffix("") if stems[file.stem] > 1 else Path(file.stem)
            strokes = _Strokes(file, project, settings, reading)
            strokes.add_to_reading(relative, annotator.as_posix())


def _project(file: Path, findings: Findings) -> _Project | None:
    content = parse_json(file, findings)
    if content is None:
        return None
    advice = "see that index.annotations holds only annotations"
    return checked(_Project, content, Place(str(file)), findings, advice, "no project of VIA 3")


def _project_of_table(file: Path, findings: Findings) -> _Project | None:
    """What an export CSV tells, in the form of a project."""
    if is_too_large(file, findings):
        return None
    line = 0
    views: dict[str, Any] = {}
    marks: dict[str, Any] = {}
    try:
        with file.open(encoding=encoding_of(file), newline="") as text:
            remarks = list(takewhile(lambda own: own.startswith("#"), text))
            line = len(remarks)
            header, attributes = _told(remarks)
            text.seek(0)
            reader = csv.reader(islice(text, line, None), strict=True)
            for row in reader:
                line = len(remarks) + reader.line_num
                if any(row):
                    name, view, mark = _mark(dict(zip(header, row, strict=True)))
                    if name in marks:
                        raise ValueError(f"{name} is there twice")
                    views[view] = json.loads(view)
                    marks[name] = mark
        return _Project(
            attribute=attributes,
            file={name: {"fname": name} for names in views.values() for name in names},
            metadata=marks,
            view={view: {"fid_list": names} for view, names in views.items()},
        )
    except UnicodeError:
        findings.error("table", Place(str(file)), "not UTF-8", "save the file as UTF-8")
    except (csv.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        findings.error(
            "table",
            Place(str(file), str(line + 1)),
            f"no export CSV of VIA 3 ({str(error)[:80]})",
            "export it anew, or read the project (JSON)",
        )
    return None


def _told(remarks: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Names of the columns, and attributes, as the remarks before an export CSV tell them."""
    told = dict(re.findall(r"(?m)^#\s*(\w+)\s*=\s*(.*?)\s*$", "".join(remarks)))
    header = [name.strip() for name in told["CSV_HEADER"].split(",")]
    attributes = json.loads(told["ATTRIBUTE"] if "ATTRIBUTE" in told else told["ATTRIBUTES"])
    # Older versions tell names of attributes only.
    return header, {
        name: {"aname": own, "type": 1} if isinstance(own, str) else own
        for name, own in attributes.items()
    }


def _mark(cells: Mapping[str, str]) -> tuple[str, str, dict[str, Any]]:
    """Name and view of a row, and what a project would hold."""
    if "temporal_segment_start" in cells:
        times = [float(cells[f"temporal_segment_{part}"]) for part in ("start", "end")]
    else:
        times = json.loads(cells["temporal_coordinates"])
    view = cells["file_list"]
    mark = {
        "vid": view,
        "z": times,
        "xy": json.loads(cells.get("spatial_coordinates") or "[]"),
        "av": json.loads(cells["metadata"]),
    }
    return cells["metadata_id"], view, mark


class _Strokes:
    """The strokes of one project."""

    def __init__(
        self, file: Path, project: _Project, settings: IndexSettings, reading: Reading
    ) -> None:
        self._group = settings.split.group.strip().lower()
        self._file = str(file)
        self._reading = reading
        self._findings = reading.findings
        self._attributes = self._parts("attribute", _Attribute, project.attribute)
        self._files = self._parts("file", _File, project.file)
        self._views = self._parts("view", _View, project.view)
        segments = self._parts("metadata", _Segment, project.metadata)
        self._segments = {
            name: segment
            for name, segment in segments.items()
            if len(segment.z) == 2 and not segment.xy
        }
        self._rectangles = {
            name: segment
            for name, segment in segments.items()
            if settings.boxes == "regions" and segment.xy[:1] == [RECTANGLE]
        }

    def add_to_reading(self, relative: Path, annotator: str) -> None:
        """Add all strokes to the reading, and the videos that were looked at."""
        stills = set()
        for name, view in self._views.items():
            files = [self._files.get(str(file)) for file in view.fid_list]
            if len(files) == 1 and files[0] is not None:
                if files[0].type == VIDEO:
                    self._video(name, Place(self._file, f"view {name}"))
                else:
                    stills.add(name)
        for name, mark in self._rectangles.items():
            place = Place(self._file, name)
            video = None if str(mark.vid) in stills else self._video(str(mark.vid), place)
            if video is not None:
                self._reading.add_box(video, self._player(mark, place), _box(mark.xy, place), None)
        attribute, is_known = self._label_attribute()
        for name, stroke in self._segments.items():
            place = Place(self._file, name)
            video = self._video(str(stroke.vid), place)
            if video is None:
                continue
            # Nothing at all is told below as a stroke without a label.
            label, problem = "" if is_known else None, ""
            if attribute is not None:
                value = stroke.av.get(attribute, "")
                label, problem = _label(self._attributes[attribute], value)
            if problem:
                self._findings.error("label", place, problem, "mend it in VIA", video=video)
            # As decimals: 0.1 s is meant, not the binary number next to it.
            begin, end = (Seconds(Fraction(str(time))) for time in stroke.z)
            self._reading.add(
                place,
                video=video,
                begin=begin,
                end=end,
                label=label,
                split=split_of(relative.parts[:-1]),
                annotator=annotator,
                group=self._player(stroke, place, attribute),
            )

    def _is_player(self, attribute: str) -> bool:
        return self._attributes[attribute].aname.strip().lower() == self._group

    def _player(self, mark: _Segment, place: Place, label: str | None = None) -> str:
        """Whose a mark is; empty if nobody is named, or if the attribute holds the label."""
        for name, value in mark.av.items():
            is_empty = name == label or name not in self._attributes or value in ("", None)
            if not is_empty and self._is_player(name):
                player, problem = _label(self._attributes[name], value)
                if problem:
                    self._findings.error("group", place, problem, "mend it in VIA")
                return player or ""
        return ""

    def _parts(
        self, kind: str, model: type[_AnyPart], items: Mapping[str, Any]
    ) -> dict[str, _AnyPart]:
        parts = {}
        for name, item in items.items():
            place = Place(self._file, name if kind == "metadata" else f"{kind} {name}")
            part = checked(model, item, place, self._findings, "save it with VIA again")
            if part is not None:
                parts[name] = part
        return parts

    def _video(self, view: str, place: Place) -> str | None:
        if view not in self._views:
            self._findings.error(
                "video",
                place,
                f"view {view[:40]!r} is not in the project",
                "save it with VIA again",
            )
            return None
        names = [str(name) for name in self._views[view].fid_list]
        files = [self._files[name] for name in names if name in self._files]
        if len(names) != 1 or len(files) != 1:
            self._findings.error(
                "video",
                place,
                f"view {view[:40]!r} shows {len(names)} files, {len(files)} of which the project "
                "knows",
                "a stroke needs a view with one video",
            )
            return None
        return self._reading.video_named(_file_name(files[0].fname), place)

    def _label_attribute(self) -> tuple[str | None, bool]:
        """The attribute that holds the class (None: none does), and whether that is sure."""
        used = {
            name: self._attributes[name].aname
            for stroke in self._segments.values()
            for name, value in stroke.av.items()
            if name in self._attributes and value not in ("", None)
        }
        if len(used) > 1:
            used = {name: own for name, own in used.items() if not self._is_player(name)}
        named = [name for name in used if used[name].strip().lower() in LABEL_NAMES]
        if len(used) > 1 and len(named) != 1:
            self._findings.error(
                "label",
                Place(self._file, "attribute"),
                f"strokes carry {', '.join(map(repr, sorted(used.values())))[:200]}, and "
                f"{len(named) or 'none'} of them is called label, class or stroke",
                "give that name to the one that holds the class",
            )
            return None, False
        return next(iter(named or used), None), True


def _label(attribute: _Attribute, value: Any) -> tuple[str | None, str]:
    """Label that a value stands for (None: unknown), and what is wrong with it."""
    text = str(value) if isinstance(value, int) else value
    if attribute.type in (CHECKBOX, RADIO, SELECT) and isinstance(text, str):
        chosen = [text]
        if attribute.type == CHECKBOX:
            chosen = [option for option in text.split(",") if option] or [""]
        if len(chosen) > 1:
            return None, f"{len(chosen)} options of {attribute.aname[:80]!r} are ticked"
        text = attribute.options.get(chosen[0], chosen[0])
    if not isinstance(text, str):
        return None, f"the value of {attribute.aname[:80]!r} is no text"
    return None if text == UNNAMED else text, ""


def _box(xy: Sequence[Any], place: Place) -> Drawn:
    # What is missing is no number either.
    x, y, width, height = (edge(number) for number in [*xy[1:5], *[None] * 4][:4])
    return drawn((x, y, x + width, y + height), place)


def _file_name(name: str) -> str:
    """Path of a file, or of what a web address leads to."""
    return unquote(re.split("[?#]", name)[0]) if "://" in name else name
