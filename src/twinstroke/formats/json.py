"""JSON files from strangers: of bounded size, with finite numbers."""

from __future__ import annotations

import json
import re
from collections import Counter
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
    text = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        repeated.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)

    try:
        content = from_json(text, allow_inf_nan=False)
        # Once more, for it keeps the last of two equal keys and says nothing.
        json.loads(text, object_pairs_hook=note, parse_int=str, parse_float=str)
    except ValueError as error:
        line = re.search(r"line (\d+)", str(error))
        place = Place(str(file), line[1] if line else "")
        findings.error("json", place, f"not readable as JSON ({error})", "export it anew")
        return None
    if repeated:
        found = f"the key {repeated[0][:40]!r} stands twice in one object"
        findings.error("json", Place(str(file)), found, "give each its own, or put them together")
        return None
    return content


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
