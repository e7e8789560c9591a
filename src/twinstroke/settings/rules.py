"""The rules of detection out of a preset, for videos of no data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from twinstroke.errors import UserError
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.yaml import NotYamlError, load_yaml


def read_rules(preset: Path) -> DetectSettings:
    """Read the section ``detect`` of a preset; its split and the rest of the file do not matter.

    Raises:
        UserError: There is no such file or section, or a key of it makes no sense; a line each.
    """
    try:
        with preset.open(encoding="utf-8") as stream:
            content: Any = load_yaml(stream)
    except FileNotFoundError:
        raise UserError(f"{preset}: no such file; name a preset, presets/<name>.yaml") from None
    except NotYamlError as error:
        raise UserError(f"{preset}: not readable as YAML: {str(error)[:200]}") from None
    section = content.get("detect") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        raise UserError(f"{preset}: has no section detect; see presets/demo.yaml for one")
    try:
        return DetectSettings.model_validate({k: v for k, v in section.items() if k != "split"})
    except ValidationError as error:
        raise UserError(problems_of(error, f"{preset}: detect.")) from None


def problems_of(error: ValidationError, where: str) -> list[str]:
    """A line for each rule that makes no sense.

    Args:
        error: What pydantic says.
        where: What stands before the name of the rule.
    """
    return [
        f"{where}{'.'.join(map(str, item['loc']))}: {item['msg']} (found {item['input']!r})"
        for item in error.errors()
    ]
