"""ELAN: ``.eaf`` files by the schemas EAF 2.8 and 3.0, which ELAN has saved since 2014.

A tier holds the strokes of one annotator: its ``ANNOTATOR`` if filled in, else its ``TIER_ID``. Its
``PARTICIPANT`` is the player. By ``index.elan.tiers_are`` the ``TIER_ID`` may name the class of its
strokes instead, or their player; then ``ANNOTATOR`` alone tells who marked them. Where nothing is
said, that is so in a file whose tiers name no annotator, if all values are the names of their tiers
(classes), or if all tiers have participants, and several (players).

Tiers that ``index.tiers`` does not name are left alone. An annotation is a stroke, and its value
the label; one on a child tier by symbolic association has the times of what it refers to.

Times are milliseconds on a time line that all media of the file share. ELAN shows at its time t the
position t + ``TIME_ORIGIN`` of a video that was synchronised with others, so that is added.

pympi-ling 1.71 is not used: it expands entities, and one damaged time or id loses it the whole file
without a word on where; what it writes holds the time of day.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import escape, quoteattr
from xml.sax.xmlreader import AttributesImpl, Locator

from twinstroke.annotations.classes import tidy
from twinstroke.annotations.containers import VIDEO_SUFFIXES
from twinstroke.annotations.folders import is_too_large
from twinstroke.annotations.records import Reading, Seconds, split_of
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.files import replacing
from twinstroke.findings import Findings, Place
from twinstroke.formats.xml import ILLEGAL, parse_xml, root_of
from twinstroke.settings.index import PLAYER, IndexSettings
from twinstroke.video.clock import Clock

Tiers = Literal["annotators", "classes", "players"]
"""What tiers stand for."""
SUFFIXES = (".eaf",)
ROOT = "ANNOTATION_DOCUMENT"
NOBODY = "strokes"
"""Tier of strokes of which nobody is named as the annotator."""
AUTHOR = "twinstroke"
"""Annotator of what this program writes: one name for all, so that tiers of overlapping strokes are
not several people's."""


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is one of ELAN's."""
    return root_of(start) == ROOT


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the tiers that the settings name, of all files."""
    recognised: dict[Tiers, list[Place]] = defaultdict(list)
    for file in files:
        if is_too_large(file, reading.findings):
            continue
        document = _Document(file, reading.findings)
        if parse_xml(file, document, reading.findings) and document.is_usable:
            kind = _add_strokes(document, file.relative_to(raw), settings, reading)
            if kind not in (settings.elan.tiers_are, "annotators"):
                recognised[kind].append(document.place())
    tell_recognised(recognised, reading)


def tell_recognised(recognised: Mapping[Tiers, Sequence[Place]], reading: Reading) -> None:
    """Warn of files whose tiers were taken for something that no setting says."""
    for kind, places in recognised.items():
        others = f", and of {len(places) - 1} others," if len(places) > 1 else ""
        reading.findings.warning(
            "tier",
            places[0],
            f"the tiers of this file{others} are read as {kind}",
            f"if that is right, say index.elan.tiers_are: {kind}; if not, annotators",
        )


def write(path: Path, video: str, strokes: Iterable[Stroke], clock: Clock) -> None:
    """Write the strokes of one video as a file that ELAN opens and :func:`read` reads.

    Times are rounded to milliseconds. There is one tier an annotator and group, the group being its
    participant, and further ones where strokes of one tier overlap, since annotations must not.
    Strokes of which nobody is named as the annotator are those of ``strokes``.

    Args:
        path: Where to.
        video: Where ELAN finds the video, relative to the folder of `path`.
        strokes: In any order.
        clock: When the frames of the video begin.

    Raises:
        UserError: A name or label holds characters that XML cannot.
    """
    tiers = _layered(strokes)
    members = [stroke for tier in tiers.values() for stroke in tier]
    for text in (video, *(text for s in members for text in (s.label or "", s.annotator, s.group))):
        if ILLEGAL.search(text):
            raise UserError(f"{path}: {text!r} holds characters that XML cannot; rename it")
    times = [milliseconds(clock.time_of(frame)) for s in members for frame in (s.begin, s.end)]
    # ELAN wants the time slots in the order of time.
    order = sorted(range(len(times)), key=times.__getitem__)
    slots = {number: f"ts{rank}" for rank, number in enumerate(order, start=1)}
    name = quoteattr("./" + video)
    kind = "video/mp4" if video.lower().endswith(".mp4") else "video/*"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        # EAF demands a date, but the same strokes have to give the same bytes.
        f'<{ROOT} AUTHOR="" DATE="1970-01-01T00:00:00Z" FORMAT="3.0" VERSION="3.0" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
        '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
        f'<MEDIA_DESCRIPTOR MEDIA_URL={name} MIME_TYPE="{kind}" RELATIVE_MEDIA_URL={name}/>',
        f'<PROPERTY NAME="lastUsedAnnotationId">{len(members)}</PROPERTY>',
        "</HEADER>",
        "<TIME_ORDER>",
        *(f'<TIME_SLOT TIME_SLOT_ID="{slots[n]}" TIME_VALUE="{times[n]}"/>' for n in order),
        "</TIME_ORDER>",
    ]
    numbers = count()
    for tier, own in tiers.items():
        player = f"PARTICIPANT={quoteattr(own[0].group)} " if own[0].group else ""
        lines.append(
            f"<TIER ANNOTATOR={quoteattr(own[0].annotator)} "
            f'LINGUISTIC_TYPE_REF="strokes" {player}TIER_ID={quoteattr(tier)}>'
        )
        lines += [
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number + 1}" '
            f'TIME_SLOT_REF1="{slots[2 * number]}" TIME_SLOT_REF2="{slots[2 * number + 1]}">'
            f"<ANNOTATION_VALUE>{escape(stroke.label or '')}</ANNOTATION_VALUE>"
            "</ALIGNABLE_ANNOTATION></ANNOTATION>"
            for stroke, number in zip(own, numbers, strict=False)
        ]
        lines.append("</TIER>")
    lines.append('<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="strokes" TIME_ALIGNABLE="true"/>')
    with replacing(path) as partial:
        partial.write_text("\n".join([*lines, f"</{ROOT}>\n"]), encoding="utf-8")


def _layered(strokes: Iterable[Stroke]) -> dict[str, list[Stroke]]:
    """Strokes by the id of their tier, so that none overlaps another of its tier."""
    named = [
        replace(s, annotator=s.annotator.strip() or NOBODY, group=s.group.strip()) for s in strokes
    ]
    layers: dict[str, list[list[Stroke]]] = defaultdict(list)
    for stroke in sorted(
        named, key=lambda s: (s.annotator, s.group, s.begin, s.end, s.label or "")
    ):
        # As ELAN's users name the tiers of several participants.
        own = layers[f"{stroke.annotator}@{stroke.group}" if stroke.group else stroke.annotator]
        free = (
            layer
            for layer in own
            if layer[-1].end <= stroke.begin
            and (layer[-1].annotator, layer[-1].group) == (stroke.annotator, stroke.group)
        )
        layer = next(free, None)
        if layer is None:
            own.append([stroke])
        else:
            layer.append(stroke)
    tiers = {name: own[0] for name, own in layers.items()}
    for name, own in layers.items():
        for layer in own[1:]:
            number = 2
            while f"{name} {number}" in tiers:
                number += 1
            tiers[f"{name} {number}"] = layer
    return tiers


def milliseconds(seconds: Fraction) -> int:
    """Whole milliseconds of a time; halves go up."""
    # To even, a stroke from 0.5 to 1.5 ms and one from 1.5 to 2.5 ms would differ.
    return math.floor(seconds * 1000 + Fraction(1, 2))


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation as it stands in the file."""

    name: str
    tier: Mapping[str, str]
    """Attributes of its tier."""
    bounds: tuple[str, str] | None
    """Time slots; None if it refers to another annotation."""
    refers_to: str
    label: str

    @property
    def tier_name(self) -> str:
        """Its ``TIER_ID``."""
        return self.tier.get("TIER_ID", "")

    @property
    def annotator(self) -> str:
        """Its ``ANNOTATOR``; may be empty."""
        return self.tier.get("ANNOTATOR", "").strip()

    @property
    def participant(self) -> str:
        """Its ``PARTICIPANT``; may be empty."""
        return self.tier.get("PARTICIPANT", "").strip()


def _add_strokes(
    document: _Document, relative: Path, settings: IndexSettings, reading: Reading
) -> Tiers:
    """Add the strokes of one file; tell what its tiers were taken for."""
    patterns = settings.tiers
    kind: Tiers = "annotators"
    media = document.video()
    name = _name_of(media, relative.with_suffix("").as_posix(), reading)
    origin = "0" if media is None else media.get("TIME_ORIGIN", "0")
    if not re.fullmatch("-?[0-9]{1,12}", origin):
        reading.findings.error(
            "time",
            document.place(),
            f"TIME_ORIGIN of {name[:80]!r} is {origin[:40]!r}",
            "write whole milliseconds",
        )
        return kind
    wanted = [
        mark
        for mark in document.marks
        if not patterns or any(fnmatchcase(mark.tier_name, p) for p in patterns)
    ]
    if document.marks and not wanted:
        tiers = sorted({mark.tier_name for mark in document.marks})
        reading.findings.error(
            "tier",
            document.place(),
            f"index.tiers names none of its tiers; they are {', '.join(tiers)[:200]}",
            "rename a tier, or change index.tiers",
        )
        return kind
    video = reading.video_named(name, document.place())
    if video is None:
        return kind
    told = settings.elan.tiers_are
    kind = tiers_meant(wanted, reading) if told == "auto" else told
    has_players = settings.split.group.lower() == PLAYER
    for mark in wanted:
        times = document.times(mark)
        if isinstance(times, str):
            reading.findings.error(
                "time",
                document.place(mark),
                times,
                "mend it in ELAN, or leave its tier out with index.tiers",
                video=video,
            )
            continue
        begin, end = (Seconds(Fraction(time + int(origin), 1000)) for time in times)
        player = mark.participant or (mark.tier_name if kind == "players" else "")
        reading.add(
            document.place(mark),
            video=video,
            begin=begin,
            end=end,
            label=mark.tier_name if kind == "classes" else mark.label,
            split=split_of(relative.parts[:-1]),
            annotator=mark.annotator or (mark.tier_name if kind == "annotators" else ""),
            group=player if has_players else "",
        )
    return kind


def tiers_meant(marks: Sequence[Mark], reading: Reading) -> Tiers:
    """What the tiers of one file stand for, by its strokes."""
    values = defaultdict(set)
    for mark in marks:
        values[tidy(mark.tier_name)].add(tidy(mark.label))
    if not marks or any(mark.annotator for mark in marks):
        return "annotators"
    if all(own - {""} == {tier} for tier, own in values.items()):
        return "classes"
    listed = not reading.classes.are_found and set(values) <= set(reading.classes.names)
    if listed and all(own <= {"", tier} for tier, own in values.items()):
        return "classes"
    players = {mark.participant for mark in marks}
    return "players" if len(players) > 1 and "" not in players else "annotators"


def _name_of(media: Mapping[str, str] | None, own: str, reading: Reading) -> str:
    """How to call the video of a file, whose own name is `own`."""
    if media is None:
        return own
    url = _url(media)
    # ELAN writes names as they are, other tools as URLs: "50%20" may be either.
    files = {path.name for path in reading.videos.values()}
    name = url if PurePosixPath(url).name in files else unquote(url)
    # The video may have been converted since, and got another suffix.
    bare = re.sub(r"\.[A-Za-z][A-Za-z0-9]{1,4}$", "", name)
    is_usual = PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES
    for candidate in (name, bare, *([] if is_usual else [own])):
        if reading.knows(candidate):
            return candidate
    return name


def _url(media: Mapping[str, str]) -> str:
    return media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL", "")


class _Document(ContentHandler):
    """Collects annotations, time slots and media, and notes what does not belong."""

    def __init__(self, file: Path, findings: Findings) -> None:
        super().__init__()
        self.is_usable = True
        self.marks: list[Mark] = []
        self._file = str(file)
        self._findings = findings
        self._media: list[Mapping[str, str]] = []
        self._slots: dict[str, str] = {}
        self._by_name: dict[str, Mark] = {}
        self._subdivisions: set[str] = set()
        self._sources: dict[str, Mark | str] = {}
        self._locator: Locator
        self._is_root = True
        self._tier: Mapping[str, str] = {}
        self._open: dict[str, str] = {}
        self._text: list[str] | None = None

    def place(self, mark: Mark | None = None) -> Place:
        """The file, or an annotation in it."""
        return Place(self._file, f"annotation {mark.name}" if mark else "")

    def video(self) -> Mapping[str, str] | None:
        """Attributes of the first medium that is a video by its suffix, or else by its kind."""
        for media in self._media:
            if PurePosixPath(_url(media)).suffix.lower() in VIDEO_SUFFIXES:
                return media
        videos = (m for m in self._media if m.get("MIME_TYPE", "").startswith("video/"))
        return next(videos, None)

    def times(self, mark: Mark) -> tuple[int, int] | str:
        """Begin and end in milliseconds, or why there are none."""
        source = self._source(mark)
        if isinstance(source, str):
            return source
        times = []
        for slot in source.bounds or ():
            value = self._slots.get(slot)
            if value is None:
                return f"its time slot {slot[:40]!r} is not in the file"
            if not value:
                return f"is not aligned: its time slot {slot[:40]!r} has no time"
            if not re.fullmatch("[0-9]{1,12}", value):
                return f"its time slot {slot[:40]!r} is at {value[:40]!r}, no whole milliseconds"
            times.append(int(value))
        return times[0], times[1]

    def _source(self, mark: Mark) -> Mark | str:
        """The annotation that has the times of another one, or why there is none."""
        chain: list[str] = []
        source: Mark | str = mark
        while isinstance(source, Mark) and source.bounds is None:
            name, target = source.name, source.refers_to
            if name in self._sources:
                source = self._sources[name]
                break
            # What a chain finds that comes by here again.
            self._sources[name] = "refers to itself, by way of others or not"
            chain.append(name)
            if source.tier.get("LINGUISTIC_TYPE_REF") in self._subdivisions:
                source = "is part of a symbolic subdivision, whose parts have no times"
            else:
                source = self._by_name.get(
                    target, f"refers to annotation {target[:40]!r}, which is not in the file"
                )
        self._sources.update(dict.fromkeys(chain, source))
        return source

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 (name given by SAX)
        attributes = dict(attrs.items())
        if self._is_root:
            self._is_root = False
            if name != ROOT:
                self._refuse(
                    f"element {name[:40]!r} where {ROOT!r} was expected", "is it a file of ELAN?"
                )
        elif name == "HEADER" and attributes.get("TIME_UNITS", "milliseconds") != "milliseconds":
            units = attributes["TIME_UNITS"][:40]
            self._refuse(f"TIME_UNITS is {units!r}; milliseconds are read", "save it with ELAN")
        elif name == "MEDIA_DESCRIPTOR":
            self._media.append(attributes)
        elif name == "TIME_SLOT":
            slot = attributes.get("TIME_SLOT_ID", "")
            if slot in self._slots:
                self._refuse(f"time slot {slot[:40]!r} is there twice", "save it with ELAN")
            self._slots[slot] = attributes.get("TIME_VALUE", "")
        elif name == "TIER":
            self._tier = attributes
        elif name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            self._open = attributes
            if not attributes.get("ANNOTATION_ID"):
                attributes["ANNOTATION_ID"] = f"at line {self._line()}"
            self._text = []
        elif name == "LINGUISTIC_TYPE" and attributes.get("CONSTRAINTS") == "Symbolic_Subdivision":
            self._subdivisions.add(attributes.get("LINGUISTIC_TYPE_ID", ""))

    def characters(self, content: str) -> None:
        if self._text is not None:
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 (as above)
        if name not in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") or self._text is None:
            return
        own = self._open
        mark = Mark(
            own["ANNOTATION_ID"],
            self._tier,
            (own.get("TIME_SLOT_REF1", ""), own.get("TIME_SLOT_REF2", ""))
            if name == "ALIGNABLE_ANNOTATION"
            else None,
            own.get("ANNOTATION_REF", ""),
            "".join(self._text),
        )
        self._text = None
        if mark.name in self._by_name:
            self._refuse(f"annotation {mark.name[:40]!r} is there twice", "save it with ELAN")
        self._by_name[mark.name] = mark
        self.marks.append(mark)

    def _line(self) -> int:
        return self._locator.getLineNumber() or 0

    def _refuse(self, found: str, advice: str) -> None:
        self.is_usable = False
        self._findings.error("xml", Place(self._file, str(self._line())), found, advice)
