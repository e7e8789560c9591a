"""JSON files from strangers: of bounded size, with finite numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from twinstroke.annotations.folders import is_too_large
from twinstroke.findings import Findings, Place

M = TypeVar("M", bound=BaseModel)


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


def checked(
    model: type[M], item: Any, place: Place, findings: Findings, advice: str, what: str = ""
) -> M | None:
    """Check a part of a file; None, with an error, if it is not of the model.

    Args:
        model: What it should be.
        item: The part.
        place: Where it stands.
        findings: Gets the error.
        advice: What to do then.
        what: What it is not, for the message; may be empty.
    """
    try:
        return model.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        message = "no JSON object" if first["type"] == "model_type" else first["msg"]
        found = f"{where}: {message}" if where else message
        findings.error("json", place, f"{what} ({found})" if what else found, advice)
        return None
