"""The command `twinstroke`, as a user types it, but in this process."""

from __future__ import annotations

import pytest

from twinstroke.cli.main import VERBS, main

NAMES = [name for group in VERBS.values() for name in group]
"""Of all verbs."""


def twinstroke(*arguments: object) -> int:
    """Carry out a verb; give the exit status."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code
