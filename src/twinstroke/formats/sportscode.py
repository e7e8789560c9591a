"""Sportscode's XML, which Hudl, Nacsport, Metrica, LongoMatch and others exchange.

Below ``file`` and ``ALL_INSTANCES`` stand elements ``instance`` with ``start`` and ``end`` in
seconds, a ``code`` (the row of the timeline) and any number of ``label`` with a ``group`` and a
``text``. A stroke is an instance; its class is the label of the group ``label``, ``class`` or
``stroke``, or else the code. The labels of the groups ``annotator`` and of that which
``index.split.group`` names (``player``) say who marked and who played it. ``index.tiers`` chooses
instances by their codes.

The format names no video: a file has the name of its video.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import escape
from xml.sax.xmlreader import AttributesImpl, Locator

from twinstroke.annotations.folders import is_too_large
from twinstroke.annotations.records import Reading, seconds, split_of
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.files import replacing
from twinstroke.findings import Findings, Place
from twinstroke.formats.xml import ILLEGAL, parse_xml, root_of
from twinstroke.settings.index import IndexSettings
from twinstroke.video.clock import Clock

SUFFIXES = (".xml",)
NAME = "sportscode"
ROOT = "file"
LABEL_GROUPS = ("label", "class", "stroke")
"""Groups of labels that name the class; case does not matter."""
DIGITS = 6
"""Of the seconds that are written: microseconds, which no video's frames are as short as."""
LONGEST_TEXT = 1000
"""Characters of a text that are kept."""


def recognises(start: str) -> bool:
    """Tell whether a file that starts so holds instances."""
    return root_of(start) == ROOT and "<ALL_INSTANCES" in start


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the instances of all files."""
    for file in files:
        handler = _Handler(file, reading.findings)
        if is_too_large(file, reading.findings) or not parse_xml(file, handler, reading.findings):
            continue
        if handler.root != ROOT:
            reading.findings.error(
                "xml",
                Place(str(file)),
                f"root {handler.root[:40]!r} where {ROOT!r} was expected",
                "export it as Sportscode XML",
            )
            continue
        relative = file.relative_to(raw)
        # As `twinstroke detect` calls it beside its other XML.
        name = relative.with_suffix("").as_posix().removesuffix(f".{NAME}")
        video = reading.video_named(
            name, Place(str(file)), advice="give the file the name of its video"
        )
        if video is not None:
            _add_instances(handler, video, relative, settings, reading)


def write(path: Path, strokes: Iterable[Stroke], clock: Clock, group: str) -> None:
    """Write the strokes of one video as a file that :func:`read` reads.

    Args:
        path: Where to; its stem is that of the video.
        strokes: In the order of the file.
        clock: When the frames of the video begin.
        group: Name of the group of labels that says to what a stroke's group belongs.

    Raises:
        UserError: A name or label holds characters that XML cannot.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<{ROOT}>", "<ALL_INSTANCES>"]
    for number, stroke in enumerate(strokes, start=1):
        for text in (stroke.label or "", stroke.group):
            if ILLEGAL.search(text):
                raise UserError(f"{path}: {text!r} holds characters that XML cannot; rename it")
        label = ""
        if stroke.group:
            label = (
                f"<label><group>{escape(group)}</group><text>{escape(stroke.group)}</text></label>"
            )
        lines.append(
            f"<instance><ID>{number}</ID><start>{_written(clock.time_of(stroke.begin))}</start>"
            f"<end>{_written(clock.time_of(stroke.end))}</end>"
            f"<code>{escape(stroke.label or '')}</code>{label}</instance>"
        )
    with replacing(path) as partial:
        text = "\n".join([*lines, "</ALL_INSTANCES>", f"</{ROOT}>\n"])
        partial.write_text(text, encoding="utf-8")


def _written(time: Fraction) -> str:
    return f"{float(round(max(time, Fraction(0)), DIGITS)):.{DIGITS}f}"


@dataclass(slots=True)
class _Instance:
    """An instance as it stands in the file."""

    line: int
    texts: dict[str, str] = field(default_factory=dict)
    """Of the elements in it, by their names in lower case."""
    labels: list[tuple[str, str]] = field(default_factory=list)
    """Group in lower case and text of each label."""

    def texts_of(self, *groups: str) -> list[str]:
        """Texts of the labels of some groups, each once."""
        return sorted({text for group, text in self.labels if group in groups})


def _add_instances(
    handler: _Handler, video: str, relative: Path, settings: IndexSettings, reading: Reading
) -> None:
    findings = reading.findings
    patterns = settings.tiers
    wanted = [
        instance
        for instance in handler.instances
        if not patterns or any(fnmatchcase(instance.texts.get("code", ""), p) for p in patterns)
    ]
    if handler.instances and not wanted:
        codes = sorted({instance.texts.get("code", "") for instance in handler.instances})
        findings.error(
            "tier",
            handler.place(),
            f"index.tiers names none of its codes; they are {', '.join(codes)[:200]}",
            "change index.tiers",
        )
    for instance in wanted:
        place = handler.place(instance)
        group = settings.split.group.strip().lower()
        told = {
            "classes": instance.texts_of(*LABEL_GROUPS),
            "annotators": instance.texts_of("annotator"),
            f"{group}s": instance.texts_of(group),
        }
        for what, names in told.items():
            if len(names) > 1:
                findings.error(
                    "label",
                    place,
                    f"its labels name {len(names)} {what}, "
                    + ", ".join(repr(name[:40]) for name in names[:5]),
                    "leave the instance one of them",
                    video=video,
                )
        label, annotator, player = (names[0] if len(names) == 1 else "" for names in told.values())
        times = [seconds(instance.texts.get(name, "")) for name in ("start", "end")]
        for name, time in zip(("start", "end"), times, strict=True):
            if time is None:
                findings.error(
                    "time",
                    place,
                    f"{name} is {instance.texts.get(name, '')[:40]!r}, no time",
                    "write seconds as 62.5",
                    video=video,
                )
        begin, end = times
        if begin is not None and end is not None:
            several = len(told["classes"]) > 1
            reading.add(
                place,
                video=video,
                begin=begin,
                end=end,
                label=None if several else label or instance.texts.get("code", ""),
                split=split_of(relative.parts[:-1]),
                annotator=annotator,
                group=player,
            )


class _Handler(ContentHandler):
    """Collects the instances of one file."""

    def __init__(self, file: Path, findings: Findings) -> None:
        super().__init__()
        self.root = ""
        self.instances: list[_Instance] = []
        self._file = str(file)
        self._locator: Locator
        self._path: list[str] = []
        self._text: list[str] = []
        self._label: dict[str, str] = {}

    def place(self, instance: _Instance | None = None) -> Place:
        """The file, or an instance in it."""
        return Place(self._file, str(instance.line) if instance else "")

    @property
    def _is_inside(self) -> bool:
        return self._path[1:3] == ["all_instances", "instance"]

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 (name given by SAX)
        if not self._path and not self.root:
            self.root = name
        self._path.append(name.lower())
        self._text = []
        if self._is_inside and len(self._path) == 3:
            self.instances.append(_Instance(self._locator.getLineNumber() or 0))
        elif self._is_inside and len(self._path) == 4:
            self._label = {}

    def characters(self, content: str) -> None:
        if self._is_inside and sum(map(len, self._text)) < LONGEST_TEXT:
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 (as above)
        text = "".join(self._text).strip()
        if self._is_inside:
            own = self._path[3:]
            if own == ["label"]:
                # Some programs write the text of a label without an element around it.
                label = self._label.get("text", text)
                self.instances[-1].labels.append((self._label.get("group", "").lower(), label))
            elif len(own) == 1:
                self.instances[-1].texts.setdefault(own[0], text)
            elif own[:1] == ["label"] and len(own) == 2:
                self._label[own[1]] = text
        self._path.pop()
        self._text = []
