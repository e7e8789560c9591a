"""XML files from strangers: no document types, no entities, nothing fetched."""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler, ErrorHandler

import defusedxml.sax
from defusedxml import DefusedXmlException

from twinstroke.findings import Findings, Place

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even as references."""


def parse_xml(file: Path, handler: ContentHandler, findings: Findings) -> bool:
    """Let `handler` see the elements of a file, one after the other.

    Args:
        file: The file.
        handler: May have seen a part of a file that turns out to be malformed.
        findings: Gets an error if the file is not well-formed or declares entities.

    Returns:
        Whether the whole file was read.
    """
    try:
        with file.open("rb") as stream:
            defusedxml.sax.parse(stream, handler, ErrorHandler(), forbid_dtd=True)
    except SAXParseException as error:
        place = Place(str(file), str(error.getLineNumber()))
        findings.error("xml", place, f"not well-formed XML ({error.getMessage()})", "mend it")
    except DefusedXmlException:
        findings.error(
            "xml",
            Place(str(file)),
            "declares a document type or entities",
            "remove the declaration",
        )
    except (SAXException, ValueError, LookupError) as error:
        findings.error(
            "xml", Place(str(file)), f"not readable as XML ({error})", "save it as UTF-8"
        )
    else:
        return True
    return False


def root_of(start: str) -> str:
    """Name of the first element of a file that starts so; empty if there is none."""
    at = start.find("<")
    while at >= 0:
        if start.startswith("<!--", at):
            end = start.find("-->", at)
            at = start.find("<", end) if end >= 0 else end
        elif match := re.compile(r"<([A-Za-z_][\w.-]*)").match(start, at):
            return match[1]
        else:
            at = start.find("<", at + 1)
    return ""
