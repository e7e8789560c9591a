"""YAML 1.2, as DVC writes it."""

from __future__ import annotations

from typing import Any, TextIO

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class NotYamlError(ValueError):
    """A text that cannot be read as YAML; the message is one line."""


def load_yaml(source: TextIO) -> Any:
    """Read a text, without carrying out anything of it.

    Raises:
        NotYamlError: It is no YAML, no UTF-8, or holds what looks like a value and is none.
    """
    try:
        return YAML(typ="safe", pure=True).load(source)
    except (YAMLError, UnicodeDecodeError) as error:
        raise NotYamlError(" ".join(str(error).split())) from None
    except RecursionError:
        raise NotYamlError("its values are nested too deeply") from None
    except (ValueError, LookupError) as error:
        # ruamel lets through what the thirteenth month or !!float x raise.
        raise NotYamlError(f"a value is none of its kind: {error}") from None
