"""CVAT: XML of the exports "CVAT for video 1.1" and, for tags of frames, "CVAT for images 1.1".

Of a task, a job or a project (CVAT 1.0 to 2.x). In the first, strokes are tracks.

A track lists its shapes, one for each frame on which it is seen and one with ``outside="1"`` on the
frame on which it is seen no more: a stroke lasts from the first to before that. A track that is
never ended lasts to its last shape. Its label names the stroke, unless its shapes have an attribute
``label``, ``class`` or ``stroke``: then the track follows a player, and a stroke lasts as long as
the value of the attribute; no value (or ``__undefined__``) means no stroke.

CVAT writes tags of frames to the second only, which lists the frames as images: consecutive frames
with the same tag are one stroke. An attribute of the tag of one of these names counts before its
label. Shapes on images are no strokes; tracks are not told apart there.

An attribute that is called as ``index.split.group`` (``player``) says whose the stroke is. With
``index.boxes: regions`` the boxes of tracks, while they are seen, and those on images also say
where that player is, in pixels of ``original_size``, or of the video if the file names none. A
track with such a label, and no attribute that names the stroke, says only that.

Frames count those of the video from 0, even if the task holds every k-th only (``frame_filter``) or
begins later (``start_frame``). In the export of a project each task goes on counting where the one
before it in its subset ended, which is taken back here.

The video is ``source`` in the task's ``meta``. Exports of jobs have none: there the name of the
task or of the file counts, if it is that of a video. The assignee is the annotator.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from twinstroke.annotations.boxes import Boxes, Drawn, Measure, drawn
from twinstroke.annotations.records import Reading, frame_number, split_of
from twinstroke.findings import Findings, Place
from twinstroke.formats.xml import parse_xml, root_of
from twinstroke.settings.index import IndexSettings

SUFFIXES = (".xml",)
STROKE_ATTRIBUTES = ("label", "class", "stroke")
"""Names of attributes that name the stroke; case does not matter."""
NO_STROKE = ("", "__undefined__")
EDGES = ("xtl", "ytl", "xbr", "ybr")
"""Attributes of a box."""
TASK_FIELDS = (
    "id",
    "name",
    "size",
    "subset",
    "start_frame",
    "stop_frame",
    "frame_filter",
    "source",
)
FIELDS = {"task": TASK_FIELDS, "job": TASK_FIELDS, "original_size": ("width", "height")}
LONGEST_TEXT = 1000
"""Characters of a text that are kept."""


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is an export of CVAT."""
    return root_of(start) == "annotations"


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the strokes of all files; a file that is not well-formed gives none."""
    empty = []
    before = len(reading.annotations), len(reading.findings.errors)
    for file in files:
        handler = _Handler(file, reading.findings, settings)
        if not parse_xml(file, handler, reading.findings):
            continue
        if handler.root != "annotations":
            reading.findings.error(
                "xml",
                Place(str(file)),
                f"root {handler.root[:40]!r} where 'annotations' was expected",
                "export it as CVAT for video 1.1",
            )
            continue
        if handler.shapes and not handler.boxes:
            reading.findings.warning(
                "track",
                Place(str(file)),
                f"{handler.shapes} shapes on images are not read, only tags are",
                "if the strokes are tracks, export it as CVAT for video 1.1",
            )
        is_bare = (handler.has_images or not handler.task_of_tracks) and not handler.boxes
        if is_bare and not handler.runs and not handler.is_project:
            empty.append((file, handler))
        _add_runs(handler, file, raw, reading)
    nothing = before == (len(reading.annotations), len(reading.findings.errors))
    for file, handler in empty:
        (reading.findings.error if nothing else reading.findings.warning)(
            "track",
            Place(str(file)),
            "no tag of a frame names a stroke" if handler.has_images else "holds no track",
            "if the strokes are tracks, export it as CVAT for video 1.1"
            if handler.has_images
            else "if the strokes are tags of frames, export it as CVAT for images 1.1",
        )


@dataclass(slots=True)
class _Run:
    """Frames on which a track stands for one stroke."""

    label: str
    line: int
    begin: int
    last: int
    """Last frame that is listed."""
    end: int | None = None
    """Frame after the last one; None: the track ends without being ended."""
    task: str | None = None
    is_tagged: bool = False
    """Whether tags of frames say so, and no track."""
    player: str = ""


@dataclass(slots=True)
class _Track:
    """What is known of a track at one of its shapes; shapes themselves are not kept."""

    label: str
    task: str | None
    line: int
    runs: list[_Run] = field(default_factory=list)
    open: _Run | None = None
    last: int = -1
    has_attribute: bool = False

    def see(self, frame: int, label: str | None, player: str, line: int) -> None:
        """Take the next shape: on and after `frame` the track stands for `label`, or nothing."""
        self.last = frame
        if self.open is not None:
            if (self.open.label, self.open.player) == (label, player):
                self.open.last = frame
                return
            # Where a frame is listed twice, the later shape counts.
            if self.open.begin < frame:
                self.open.end = frame
                self.runs.append(self.open)
        self.open = None
        if label is not None:
            self.open = _Run(label, line, frame, frame, task=self.task, player=player)

    def finish(self) -> list[_Run]:
        """All runs, once there are no more shapes."""
        return self.runs if self.open is None else [*self.runs, self.open]


@dataclass(slots=True)
class _Shape:
    line: int
    frame: int | None
    is_outside: bool | None
    """None: as its parts say (a skeleton)."""
    value: str | None = None
    """Of the attribute that names the stroke."""
    label: str = ""
    """Of a tag."""
    player: str = ""
    box: Drawn | None = None


@dataclass(frozen=True, slots=True)
class _Image:
    """A frame in an export for images."""

    frame: int
    task: str | None
    step: int
    """Frames of the video from one image to the next."""


def _step(fields: Mapping[str, str]) -> int:
    """Frames of the video from one frame of a task to the next."""
    match = re.search(r"step\s*=\s*([0-9]{1,6})", fields.get("frame_filter", ""))
    return max(1, int(match[1])) if match else 1


class _Handler(ContentHandler):
    """Turns tracks into runs, shape by shape, and collects the fields of the tasks."""

    def __init__(self, file: Path, findings: Findings, settings: IndexSettings) -> None:
        super().__init__()
        self._group = settings.split.group.strip().lower()
        self._has_regions = settings.boxes == "regions"
        self.boxes: dict[tuple[str | None, str], Boxes] = defaultdict(Boxes)
        """What was drawn around each player, by task and player, if it says where he is."""
        self.root = ""
        self.has_images = False
        self.is_project = False
        self.source = ""
        """Source of the video beside the task, where CVAT 1 has it."""
        self.tasks: list[dict[str, str]] = []
        self.runs: list[_Run] = []
        self.task_of_tracks: set[str | None] = set()
        self._file = str(file)
        self._findings = findings
        self._locator: Locator
        self._path: list[str] = []
        self._text: str | None = None
        self._is_player = False
        """Whether the text is that of the attribute that names the player."""
        self._track: _Track | None = None
        self._shape: _Shape | None = None
        self.shapes = 0
        """How many shapes images have."""
        self._image: _Image | None = None
        self._frames: dict[str | None, int] = {}
        """Last image of each task."""
        self._steps: dict[str | None, int] = {}
        self._tags: dict[tuple[str | None, str, str], _Run] = {}
        """What the last image with such a tag belongs to."""

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 (name given by SAX)
        self._path.append(name)
        depth = len(self._path)
        self._text = None
        if depth == 1:
            self.root = name
        elif self._path[1] == "meta":
            self._text = ""
            if name in ("task", "job"):
                self.tasks.append({})
            elif name == "project" and depth == 3:
                self.is_project = True
        elif depth == 2:
            if name == "image":
                self._start_image(attrs)
            elif name == "track":
                task = attrs.get("task_id")
                self._track = _Track(attrs.get("label", ""), task, self._line)
                self.task_of_tracks.add(task)
        elif self._track is not None:
            self._start_in_track(name, attrs, depth)
        elif self._image is not None:
            self._start_in_image(name, attrs, depth)

    def endElement(self, name: str) -> None:  # noqa: N802 (as above)
        depth = len(self._path)
        text = (self._text or "").strip()
        if depth > 2 and self._path[1] == "meta":
            self._end_in_meta(name, text)
        elif depth == 4 and self._shape is not None and self._text is not None:
            if self._is_player:
                self._shape.player = "" if text in NO_STROKE else text
            elif self._shape.value is None:
                self._shape.value = text
        elif depth == 3 and self._image is not None:
            self._end_in_image(self._image)
        elif depth == 3:
            self._end_shape()
        elif depth == 2 and self._track is not None:
            self.runs += self._track.finish()
            if self._track.has_attribute and not self._track.finish():
                self._findings.warning(
                    "label",
                    Place(self._file, str(self._track.line)),
                    "no value of its attribute names a stroke on any frame of the track",
                    "name the strokes, or remove the attribute to let the track's label count",
                )
            self._track = None
        elif depth == 2:
            self._image = None
        self._text = None
        self._path.pop()

    def characters(self, content: str) -> None:
        if self._text is not None and len(self._text) < LONGEST_TEXT:
            self._text += content[:LONGEST_TEXT]

    @property
    def _line(self) -> int:
        return self._locator.getLineNumber() or 0

    def _end_in_meta(self, name: str, text: str) -> None:
        parents = self._path[-3:-1]
        if parents == ["annotations", "meta"] and name == "source":
            self.source = text
        elif self.tasks and name in FIELDS.get(parents[-1], ()):
            self.tasks[-1][name] = text
        elif parents in (["task", "assignee"], ["job", "assignee"]) and name == "username":
            self.tasks[-1]["assignee"] = text

    def _start_in_track(self, name: str, attrs: AttributesImpl, depth: int) -> None:
        if depth == 3:
            frame = frame_number(attrs.get("frame", ""))
            outside = attrs.get("outside", "")
            is_outside = {"0": False, "1": True}.get(outside)
            self._shape = _Shape(self._line, frame, is_outside, box=self._box(name, attrs))
            if frame is None:
                self._drop(f"frame is {attrs.get('frame', '')[:40]!r}, no whole number from 0")
            elif is_outside is None and name != "skeleton":
                self._drop(f"outside is {outside[:40]!r}, neither 0 nor 1")
            elif self._track is not None and frame < self._track.last:
                self._drop(f"frame {frame} follows frame {self._track.last}")
        elif depth == 4 and self._shape is not None:
            if self._takes(name, attrs):
                self._text = ""
            elif "outside" in attrs:
                # A skeleton is seen as long as one of its points is.
                hidden = attrs["outside"] == "1" and self._shape.is_outside is not False
                self._shape.is_outside = hidden

    def _start_image(self, attrs: AttributesImpl) -> None:
        self.has_images = True
        task = attrs.get("task_id")
        self.task_of_tracks.add(task)
        named = re.fullmatch(r"(?:.*/)?frame_([0-9]{6,12})(?:\.\w+)?", attrs.get("name", ""))
        frame = frame_number(named[1] if named else attrs.get("id", ""))
        last = self._frames.get(task, -1)
        if frame is None or frame <= last:
            self._findings.error(
                "frame",
                Place(self._file, str(self._line)),
                f"image {attrs.get('name', '')[:40]!r} is no frame of a video"
                if frame is None
                else f"frame {frame} follows frame {last}",
                "export the task of a video anew",
            )
            return
        self._frames[task] = frame
        if task not in self._steps:
            # What the file says of a task stands before its images.
            own = (fields for fields in self.tasks if task is None or fields.get("id") == task)
            self._steps[task] = _step(next(own, {}))
        self._image = _Image(frame, task, self._steps[task])

    def _start_in_image(self, name: str, attrs: AttributesImpl, depth: int) -> None:
        if depth == 3:
            self.shapes += name != "tag"
            box = self._box(name, attrs)
            self._shape = None
            if name == "tag" or box:
                label = attrs.get("label", "")
                self._shape = _Shape(self._line, None, None, label=label, box=box)
        elif depth == 4 and self._shape is not None and self._takes(name, attrs):
            self._text = ""

    def _end_in_image(self, image: _Image) -> None:
        shape, self._shape = self._shape, None
        if shape is not None and shape.box:
            self.boxes[image.task, shape.player].add(shape.box)
            return
        if shape is None or shape.value in NO_STROKE:
            return
        label = shape.label if shape.value is None else shape.value
        tag = image.task, label, shape.player
        run = self._tags.get(tag)
        if run is not None and image.frame <= run.last + image.step:
            run.last = image.frame
            return
        run = _Run(label, shape.line, image.frame, image.frame, task=image.task, is_tagged=True)
        run.player = shape.player
        self._tags[tag] = run
        self.runs.append(run)

    def _drop(self, problem: str) -> None:
        """Give up a track of which a shape is wrong: nobody knows where its strokes end."""
        self._findings.error(
            "track",
            Place(self._file, str(self._line)),
            f"{problem}; the track counts for nothing",
            "export it anew, or correct the shape",
        )
        self._track = None

    def _end_shape(self) -> None:
        shape, self._shape = self._shape, None
        track = self._track
        if shape is None or track is None or shape.frame is None:
            return
        track.has_attribute |= shape.value is not None
        label = track.label if shape.value is None else shape.value
        hidden = shape.is_outside or shape.value in NO_STROKE
        if self._has_regions:
            hidden |= shape.value is None and track.label.strip().lower() == self._group
        if shape.box and not shape.is_outside:
            self.boxes[track.task, shape.player].add(shape.box)
        track.see(shape.frame, None if hidden else label, shape.player, shape.line)

    def _takes(self, name: str, attrs: AttributesImpl) -> bool:
        """Tell whether an element is an attribute, in CVAT's sense, of the stroke or its player."""
        own = attrs.get("name", "").lower()
        self._is_player = own == self._group and own not in STROKE_ATTRIBUTES
        return name == "attribute" and (self._is_player or own in STROKE_ATTRIBUTES)

    def _box(self, name: str, attrs: AttributesImpl) -> Drawn | None:
        """The box that a shape is, if boxes say where players are."""
        if name != "box" or not self._has_regions:
            return None
        left, top, right, bottom = (_edge(attrs.get(key, "")) for key in EDGES)
        place = Place(self._file, str(self._line))
        return drawn((left, top, right, bottom), place, _edge(attrs.get("rotation", "0")))


def _edge(text: str) -> float:
    """A number; NaN if the text is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


class _Task:
    """One task or job, with its numbers."""

    def __init__(self, fields: Mapping[str, str], file: Path, findings: Findings) -> None:
        self.fields = fields
        self.offset: int | None = 0
        """What the export of a project adds to its frames; None: not known."""
        numbers = {}
        for name in ("size", "start_frame", "stop_frame"):
            text = fields.get(name, "")
            numbers[name] = frame_number(text)
            if text and numbers[name] is None:
                findings.error(
                    "xml",
                    Place(str(file)),
                    f"{name} of task {fields.get('id', '')!r} is {text[:40]!r}, no whole number",
                    "export it anew",
                )
        self.step = _step(fields)
        width, height = (frame_number(fields.get(name, "")) for name in ("width", "height"))
        self.picture: Measure = (width, height) if width and height else None
        """In whose pixels boxes are measured."""
        self.stop = numbers["stop_frame"]
        """Last frame of the video that may belong to the task."""
        size = numbers["size"]
        self.span = None if size is None else (numbers["start_frame"] or 0) + self.step * size

    def end_of(self, run: _Run) -> int:
        """Frame after the last one of a run, counted as `run` counts."""
        if run.end is not None:
            return run.end
        end = run.last + self.step
        offset = 0 if run.is_tagged else self.offset
        if self.stop is not None and offset is not None:
            end = max(run.last + 1, min(end, self.stop + offset + 1))
        return end

    def lists_too_few(self, run: _Run) -> bool:
        """Tell whether a track that is never ended lacks shapes up to the end of the task."""
        if run.end is not None or run.is_tagged or self.stop is None or self.offset is None:
            return False
        return run.last + self.step < self.stop + self.offset


def _add_runs(handler: _Handler, file: Path, raw: Path, reading: Reading) -> None:
    tasks = _tasks(handler, file, reading)
    split = split_of(file.relative_to(raw).parts[:-1])
    # Tasks of a project without a stroke may not be annotated yet; other files are about theirs.
    wanted = handler.task_of_tracks if handler.is_project else {None, *handler.task_of_tracks}
    by_id = {task.fields.get("id", ""): task for task in tasks}
    found: dict[str | None, tuple[_Task, str] | None] = {}
    for name in sorted(wanted, key=lambda name: name or ""):
        task = by_id.get(name) if name is not None else tasks[0] if len(tasks) == 1 else None
        if task is None or task.offset is None:
            reading.findings.error(
                "track",
                Place(str(file)),
                f"tracks belong to no task of the file (task_id: {name[:40] if name else name!r})"
                if task is None
                else f"the task before task {name!r} has no size, so its frames cannot be told",
                "export the project anew, or its tasks one by one",
            )
            found[name] = None
            continue
        video = _video(task, handler.source, file, reading)
        found[name] = None if video is None else (task, video)
    for (name, player), boxes in handler.boxes.items():
        known = found[name]
        if known is not None:
            for box in boxes.outermost:
                reading.add_box(known[1], player, box, known[0].picture)
    for run in handler.runs:
        known = found[run.task]
        if known is None:
            continue
        task, video = known
        offset = 0 if run.is_tagged else task.offset or 0
        place = Place(str(file), str(run.line))
        if task.lists_too_few(run):
            reading.findings.warning(
                "track",
                place,
                f"its track is never ended, but lists no frame after {run.last - offset} of "
                f"{task.stop}; the stroke is taken to end there",
                "let it end in CVAT (Outside), and export all frames",
                video=video,
            )
        reading.add(
            place,
            video=video,
            begin=run.begin - offset,
            end=task.end_of(run) - offset,
            label=run.label,
            split=split,
            annotator=task.fields.get("assignee", ""),
            group=run.player,
        )


def _tasks(handler: _Handler, file: Path, reading: Reading) -> list[_Task]:
    tasks = [_Task(fields, file, reading.findings) for fields in handler.tasks or [{}]]
    if handler.is_project:
        offset: int | None = 0
        subset = None
        for task in tasks:
            if task.fields.get("subset", "") != subset:
                offset, subset = 0, task.fields.get("subset", "")
            task.offset = offset
            offset = None if offset is None or task.span is None else offset + task.span
    return tasks


def _video(task: _Task, source: str, file: Path, reading: Reading) -> str | None:
    place = Place(str(file))
    name = task.fields.get("source") or source
    if name:
        return reading.video_named(name, place)
    known = _names(reading.videos.values())
    for name in (task.fields.get("name", ""), file.stem):
        if unicodedata.normalize("NFC", name) in known:
            return reading.video_named(name, place)
    reading.findings.error(
        "video",
        place,
        "names no video: there is no source, as in the export of a job",
        "export the task instead, or give the file the name of its video",
    )
    return None


def _names(paths: Iterable[Path]) -> set[str]:
    return {unicodedata.normalize("NFC", name) for path in paths for name in (path.name, path.stem)}
