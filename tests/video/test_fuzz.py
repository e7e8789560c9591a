"""A few random videos; more on demand, by `tests.video.fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.video.fuzz import tried


@pytest.mark.parametrize("seed", range(8))
def test_stored_frames_are_those_of_a_plain_decode_or_there_is_an_error(
    tmp_path: Path, seed: int
) -> None:
    outcome, choices = tried(tmp_path, seed)
    assert outcome != "WRONG", choices
