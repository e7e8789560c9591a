"""A small part of `tests.formats.fuzz`, and that it would see what is wrong."""

from __future__ import annotations

import pytest

from tests.formats.fuzz import FORMS, drawn, outcome
from twinstroke.annotations import records
from twinstroke.formats import srt

SEEDS = range(120)


def test_changed_annotations_are_read_or_told() -> None:
    found = [outcome(seed) for seed in SEEDS]
    assert [shown for _, result, shown in found if result.isupper()] == []
    # Every format is tried both ways.
    for result in ("read", "told"):
        assert {form for form, own, _ in found if own == result} == set(FORMS)


def test_wrong_times_and_tracebacks_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    subtitles = [seed for seed in range(150) if drawn(seed)[0] == "srt"]
    tried = [seed for seed in subtitles if outcome(seed)[1] == "read"]

    def late(text: str) -> records.Seconds | None:
        time = records.seconds(text)
        return None if time is None else records.Seconds(time.value + 1)

    monkeypatch.setattr(srt, "seconds", late)
    results = {outcome(seed)[1] for seed in tried}
    assert results == {"HARMLESS BUT NOT READ", "SILENTLY WRONG"}
    monkeypatch.setattr(srt, "seconds", lambda text: 1 / 0)
    assert {outcome(seed)[1] for seed in tried} == {"TRACEBACK"}
