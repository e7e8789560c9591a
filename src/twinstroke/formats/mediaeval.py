"""MediaEval sport task, 2019 to 2022: XML files with the strokes of untrimmed videos, or clips.

The root ``video`` holds elements ``action`` with attributes ``begin``, ``end`` (frames) and
``move``. Video and XML share their stem, wherever each lies below its folder:

- 2019, 2020: a folder of videos and a folder of XML files;
- 2021: ``videos/``, and ``classificationTask/{train,valid,test}/`` and
  ``detectionTask/{train,valid,test}/``; one video may have an XML in several of them, each with the
  strokes of that split; those for detection have no ``move``;
- 2022: ``detectionTask/{train,validation,test}/`` with videos and XML files (no ``move``) side by
  side; ``classificationTask/{train,validation}/<Class Name>/`` with trimmed clips, and ``test/``
  with clips that ``test.xml`` lists: root ``videos``, elements ``video`` with ``name`` and
  ``class``.

The label ``Unknown`` stands for a test stroke that was to be classified by the participants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import quoteattr
from xml.sax.xmlreader import AttributesImpl, Locator

from twinstroke.annotations.classes import UNKNOWN
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.records import SPLIT_NAMES, Annotation, Reading, frame_number, split_of
from twinstroke.annotations.strokes import Stroke
from twinstroke.files import replacing
from twinstroke.findings import Findings, Place
from twinstroke.formats.clips import add_clips
from twinstroke.formats.xml import parse_xml, root_of
from twinstroke.settings.index import IndexSettings
from twinstroke.tables import STROKE

SUFFIXES = (".xml",)
CHILDREN = {"video": "action", "videos": "video"}
"""By the root of the file."""


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is an XML file of the task."""
    return root_of(start) in ("video", "videos")


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read all XML files, and the clips that lie in folders of classes."""
    listed: list[Element] = []
    for file in files:
        root, elements, _ = elements_of(file, reading.findings)
        if root == "videos":
            listed += elements
        elif root == "video":
            name = file.relative_to(raw).with_suffix("").as_posix()
            video = reading.video_named(name, Place(str(file)))
            if video is not None:
                split = split_of(file.relative_to(raw).parts[:-1])
                for element in elements:
                    _add_action(element, video, split, reading)
    clips = [video for video in reading.videos if _is_clip(video, raw, reading)]
    add_clips(clips, raw, reading)
    for element in listed:
        _add_listed(element, raw, reading)


def elements_of(file: Path, findings: Findings) -> tuple[str, list[Element], bool]:
    """Name of the root of a file, what is below it, and whether it could be read to its end.

    Args:
        file: An XML file of the task.
        findings: Gets what is wrong with it.
    """
    handler = _Handler(file, findings)
    is_whole = parse_xml(file, handler, findings)
    return handler.root, handler.elements, is_whole


def write(path: Path, strokes: Iterable[Stroke | Detection]) -> None:
    """Write the XML file of one video.

    Args:
        path: Where to; its stem is that of the video.
        strokes: In the order of the file; one without a class has no ``move``, as for detection.
    """
    actions = []
    for stroke in strokes:
        move = "" if stroke.label is None else f" move={quoteattr(stroke.label)}"
        actions.append(f'  <action begin="{stroke.begin}" end="{stroke.end}"{move} />\n')
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<video>\n'
    with replacing(path) as partial:
        partial.write_text(f"{head}{''.join(actions)}</video>\n", encoding="utf-8")


class Element(NamedTuple):
    """A stroke of an untrimmed video, or a clip, as it stands in a file."""

    place: Place
    attributes: Mapping[str, str]


def _add_action(element: Element, video: str, split: str | None, reading: Reading) -> None:
    place, attributes = element
    label = attributes.get("move", STROKE)
    if "move" not in attributes and STROKE not in reading.classes:
        # Kept without a class, so that nothing is mined from it.
        label = UNKNOWN
        reading.findings.error(
            "label",
            place,
            "action without move",
            f"name the class, or add {STROKE!r} to index.classes to tell strokes from negatives "
            "only",
            video=video,
        )
    begin, end = (frame_number(attributes.get(name, "")) for name in ("begin", "end"))
    for name, number in (("begin", begin), ("end", end)):
        if number is None:
            reading.findings.error(
                "time",
                place,
                f"{name} is {attributes.get(name, '')[:40]!r}",
                "write a whole frame number, 0 or more",
                video=video,
            )
    if begin is not None and end is not None:
        reading.add(
            place,
            video=video,
            begin=begin,
            end=end,
            label=label,
            split=SPLIT_NAMES[split] if split else None,
        )


def _is_clip(video: str, raw: Path, reading: Reading) -> bool:
    """A video that no XML is about, in the folder of a class, in the folder of a split."""
    folders = reading.videos[video].relative_to(raw).parts[:-1]
    return (
        video not in reading.annotated
        and len(folders) > 1
        and folders[-1].lower() not in SPLIT_NAMES
        and split_of(folders) is not None
    )


def _add_listed(element: Element, raw: Path, reading: Reading) -> None:
    place, attributes = element
    video = reading.video_named(attributes.get("name", ""), place)
    if video is None:
        return
    label, problem = reading.classes.checked(attributes.get("class"))
    if problem:
        reading.findings.error("label", place, *problem, video=video)
    split = split_of(reading.videos[video].relative_to(raw).parts[:-1])
    reading.annotations.append(Annotation(video, 0, None, label, split, place))


class _Handler(ContentHandler):
    """Collects the elements below the root with their lines, and notes what does not belong."""

    def __init__(self, file: Path, findings: Findings) -> None:
        super().__init__()
        self.root = ""
        self.elements: list[Element] = []
        self._file = str(file)
        self._findings = findings
        self._locator: Locator
        self._depth = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 (name given by SAX)
        place = Place(self._file, str(self._locator.getLineNumber() or 0))
        if self._depth == 0:
            self.root = name
            expected = name if name in CHILDREN else "video"
        else:
            expected = CHILDREN.get(self.root, "nothing") if self._depth == 1 else "nothing"
        self._depth += 1
        if name != expected:
            self._findings.error(
                "xml",
                place,
                f"element {name[:40]!r} where {expected!r} was expected",
                "see that the file is of the format that is read",
            )
        elif self._depth == 2:
            self.elements.append(Element(place, dict(attrs.items())))

    def endElement(self, name: str) -> None:  # noqa: N802 (as above)
        self._depth -= 1
