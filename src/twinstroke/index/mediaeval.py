"""MediaEval sport task, 2019 to 2022: untrimmed videos and one XML file for each.

The root ``video`` holds elements ``action`` with attributes ``begin``, ``end`` and ``move``. Video
and XML share their stem, wherever each lies below its folder, which covers

- 2019, 2020: a folder of videos and a folder of XML files;
- 2021: ``videos/`` and ``classificationTask/{train,valid,test}/``; one video may have an XML in
  several of them, each with the strokes of that split;
- 2022: ``detectionTask/{train,validation,test}/`` with videos and XML files side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler, ErrorHandler
from xml.sax.xmlreader import AttributesImpl, Locator

import defusedxml.sax
from defusedxml import DefusedXmlException

from twinstroke.index.annotations import Reading, split_of
from twinstroke.index.classes import STROKE
from twinstroke.index.folders import find_files, find_videos
from twinstroke.settings import IndexSettings


def read(raw: Path, settings: IndexSettings, classes: Sequence[str]) -> Reading:
    """Read all videos and XML files; an action without ``move`` is of class ``Stroke``."""
    reading = Reading()
    find_videos(raw, settings.videos, lambda path: path.stem, reading)
    files = find_files(raw, settings.annotations, (".xml",), reading.problems)
    for file in files:
        split = split_of(file.relative_to(raw).parts[:-1])
        for action in _actions(file, reading.problems):
            where = f"{file}:{action.line}"
            if action.move is None and STROKE not in classes:
                reading.problems.append(
                    f"{where}: action without move; name the class, or add {STROKE!r} to "
                    "index.classes to tell strokes from negatives only"
                )
                continue
            reading.add(
                where=where,
                video=file.stem,
                begin=action.begin,
                end=action.end,
                label=STROKE if action.move is None else action.move,
                split=split,
                classes=classes,
            )
    stems = {file.stem for file in files}
    for stem in sorted(stems - set(reading.videos)):
        named = [str(file) for file in files if file.stem == stem]
        reading.problems.append(
            f"{', '.join(named)}: no video {stem!r} below {raw / settings.videos}; add the video, "
            "or remove the XML"
        )
    return reading


class _Action(NamedTuple):
    begin: str
    end: str
    move: str | None
    line: int


def _actions(file: Path, problems: list[str]) -> list[_Action]:
    handler = _ActionHandler()
    try:
        with file.open("rb") as stream:
            defusedxml.sax.parse(stream, handler, ErrorHandler(), forbid_dtd=True)
    except SAXParseException as error:
        problems.append(
            f"{file}:{error.getLineNumber()}: not well-formed XML ({error.getMessage()}); mend it"
        )
        return []
    except DefusedXmlException:
        problems.append(f"{file}: declares a document type or entities; remove the declaration")
        return []
    except (SAXException, ValueError, LookupError) as error:
        problems.append(f"{file}: not readable as XML ({error}); save it as UTF-8")
        return []
    problems += [f"{file}:{text}" for text in handler.problems]
    return handler.actions


class _ActionHandler(ContentHandler):
    """Collects the actions with their lines, and what does not belong."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[_Action] = []
        self.problems: list[str] = []
        self._locator: Locator
        self._depth = 0

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 (name given by SAX)
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 (as above)
        line = self._locator.getLineNumber() or 0
        expected = ("video", "action")[self._depth] if self._depth < 2 else "nothing"
        self._depth += 1
        if name != expected:
            self.problems.append(f"{line}: element {name!r} where {expected!r} was expected")
        elif name == "action":
            self.actions.append(
                _Action(attrs.get("begin", ""), attrs.get("end", ""), attrs.get("move"), line)
            )

    def endElement(self, name: str) -> None:  # noqa: N802 (as above)
        self._depth -= 1
