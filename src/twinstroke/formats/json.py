"""JSON files from strangers: of bounded size, with finite numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from twinstroke.annotations.folders import is_too_large
from twinstroke.findings import Findings, Place


def parse_json(file: Path, findings: Findings) -> Any:
    """Read a file; None, with an error, if it is too large or no JSON.

    Args:
        file: UTF-8, with or without byte order mark.
        findings: Gets the error.
    """
    if is_too_large(file, findings):
        return None
    try:
        return from_json(file.read_bytes().removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        line = re.search(r"line (\d+)", str(error))
        place = Place(str(file), line[1] if line else "")
        findings.error("json", place, f"not readable as JSON ({error})", "export it anew")
        return None
