"""BORIS: tables of aggregated events, and projects."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading, Seconds
from twinstroke.findings import Findings
from twinstroke.formats import boris
from twinstroke.settings.index import IndexSettings


def _read(
    raw: Path, content: str | bytes, name: str = "train/events.tsv", **changes: Any
) -> Reading:
    values = {"classes": "found", "fps": 25.0, "split": {"rule": "given"}}
    settings = IndexSettings.model_validate({**values, **changes})
    reading = Reading(ClassList(settings), Findings())
    for video in "ab":
        reading.add_video(video, raw / f"videos/{video}.mp4", PurePosixPath(f"{video}.mp4"))
    file = raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    boris.read([file], raw, settings, reading)
    return reading


def _rows(reading: Reading) -> list[tuple[Any, ...]]:
    assert reading.findings.errors == []
    found = []
    for a in reading.annotations:
        assert isinstance(a.begin, Seconds) and isinstance(a.end, Seconds)
        found.append((a.video, a.begin.value, a.end.value, a.label, a.group, a.annotator))
    return sorted(found)


NEW = {
    "Observation id": "o1",
    "Observation type": "Media file",
    "Source": "player #1:C:/films/a.mp4",
    "Time offset (s)": "0.0",
    "club": "TTC",
    "Subject": "Ada",
    "Behavior": "Hit",
    "Behavioral category": "Not defined",
    "Behavior type": "STATE",
    "Start (s)": "1.250",
    "Stop (s)": "2.500",
    "Duration (s)": "1.250",
    "Media file name": "C:/films/a.mp4",
    "Comment start": "",
}
"""A row of BORIS 8 and 9."""
OLD = {
    "Observation id": "o1",
    "Media file": "a.mp4",
    "Total length": "60.0",
    "Subject": "No focal subject",
    "Behavior": "Hit",
    "Behavior type": "STATE",
    "Start (s)": "1.250",
    "Stop (s)": "2.500",
}
"""A row of BORIS 7."""


def _table(*rows: dict[str, str], separator: str = "\t") -> str:
    lines = [separator.join(rows[0]), *(separator.join(row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("separator", ["\t", ","])
def test_state_events_of_a_table_are_strokes(tmp_path: Path, separator: str) -> None:
    content = _table(NEW, NEW | {"Subject": "No focal subject"}, separator=separator)
    assert boris.recognises(content)
    reading = _read(tmp_path, content)
    times = Fraction(5, 4), Fraction(5, 2)
    assert _rows(reading) == [("a", *times, "Hit", "", "o1"), ("a", *times, "Hit", "Ada", "o1")]
    assert {a.split for a in reading.annotations} == {"train"}
    assert reading.findings.warnings == []
    assert _rows(_read(tmp_path, _table(OLD))) == [("a", *times, "Hit", "", "o1")]
    # Another group than the player is a variable of the observation.
    split = {"rule": "group", "group": "Club"}
    assert _rows(_read(tmp_path, content, split=split))[0][4] == "TTC"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"Source": "player #1:a.mp4;b.mp4"}, "2 videos follow each other in the observation"),
        ({"Time offset (s)": "-1.5"}, "the observation has a time offset of -1.5"),
        ({"Media file name": "NA"}, "the observation names no video"),
        ({"Stop (s)": "NA"}, "stop (s) is 'NA', no time"),
        ({"Stop (s)": "1.250"}, "is not before end"),
        ({"Media file name": "c.mp4"}, "no video 'c.mp4'"),
    ],
)
def test_what_is_no_stroke_of_a_video_is_told(
    tmp_path: Path, change: dict[str, str], found: str
) -> None:
    reading = _read(tmp_path, _table(NEW, NEW | change))
    (error,) = reading.findings.errors
    assert found in error.found
    assert error.row == "3"
    assert len(reading.annotations) == 1


def test_a_second_player_shows_the_same_moment(tmp_path: Path) -> None:
    two = NEW | {"Source": "player #1:a.mp4|player #2:b.mp4"}
    assert [row[0] for row in _rows(_read(tmp_path, _table(two)))] == ["a"]


def test_point_events_are_told_and_alone_they_are_an_error(tmp_path: Path) -> None:
    point = NEW | {"Behavior type": "POINT", "Stop (s)": "1.250", "Duration (s)": "NA"}
    reading = _read(tmp_path, _table(NEW, point, point))
    assert len(_rows(reading)) == 1
    (warning,) = reading.findings.warnings
    assert warning.found == "2 point events have no length, and are no strokes"
    (error,) = _read(tmp_path, _table(point)).findings.errors
    assert error.advice == "code strokes as state events"
    # The advice, followed.
    assert len(_rows(_read(tmp_path, _table(NEW)))) == 1


def _project(events: list[list[Any]], **changes: Any) -> str:
    observation = {
        "type": "MEDIA",
        "file": {"1": ["films/a.mp4"], "2": []},
        "time offset": 0.0,
        "independent_variables": {"club": "TTC"},
        "events": events,
    }
    behaviours = {
        "0": {"type": "State event", "code": "Hit"},
        "1": {"type": "State event with coding map", "code": "Lob"},
        "2": {"type": "Point event", "code": "p"},
    }
    content = {
        "time_format": "s",
        "behaviors_conf": behaviours,
        "observations": {"o1": observation | changes},
    }
    return json.dumps(content)


STROKE = st.tuples(
    st.integers(0, 10**6),
    st.integers(1, 10**4),
    st.sampled_from(["", "Ada", "Ben"]),
    st.sampled_from(["Hit", "Lob"]),
    st.sampled_from(["", "hard|left"]),
)


@given(st.lists(STROKE, max_size=6), st.integers(3, 7), st.integers(0, 9))
def test_pairs_of_events_are_strokes(
    strokes: list[tuple[int, int, str, str, str]], length: int, seed: int
) -> None:
    # Of one subject, behaviour and modifiers, events cannot overlap.
    ends: dict[tuple[str, ...], int] = {}
    events, expected = [], []
    for gap, duration, *own in strokes:
        begin = ends.get(tuple(own), 0) + gap + 1
        ends[tuple(own)] = begin + duration
        times = begin / 1000, (begin + duration) / 1000
        if length == 3:
            own[2] = ""
        events += [[time, *own, "", 7, "x"][:length] for time in times]
        expected.append(("a", *(Fraction(str(t)) for t in times), own[1], own[0], "o1"))
    if length == 3 and len({tuple(s[2:]) for s in strokes}) != len(
        {tuple(s[2:4]) for s in strokes}
    ):
        return
    random.Random(seed).shuffle(events)  # noqa: S311 (no secret)
    with TemporaryDirectory() as folder:
        reading = _read(Path(folder), _project(events), "p.boris")
    assert _rows(reading) == sorted(expected)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (_project([[1.0, "Ada", "Hit", ""]]), "state event 'Hit' of 'Ada' at 1 s begins or ends"),
        (_project([], **{"time offset": 2.0}), "has a time offset of 2"),
        (_project([], file={"1": ["a.mp4", "b.mp4"]}), "2 videos follow each other"),
        (_project([], file={}), "names no video"),
        (_project([["x", "", "Hit", ""]]), "no project of BORIS (events.0"),
        ("[]", "no project of BORIS"),
        ("{", "not readable as JSON"),
    ],
)
def test_what_is_wrong_with_a_project_is_told(tmp_path: Path, content: str, found: str) -> None:
    (error,) = _read(tmp_path, content, "p.boris").findings.errors
    assert found in error.found
    assert error.advice


def test_points_of_a_project_and_its_player(tmp_path: Path) -> None:
    events = [[1.0, "Ada", "Hit", ""], [1.5, "Ada", "p", ""], [2.0, "Ada", "Hit", ""]]
    reading = _read(tmp_path, _project(events), "p.boris")
    assert _rows(reading) == [("a", 1, 2, "Hit", "Ada", "o1")]
    assert "1 point events" in reading.findings.warnings[0].found
    split = {"rule": "group", "group": "club"}
    assert _rows(_read(tmp_path, _project(events), "p.boris", split=split))[0][4] == "TTC"
    assert boris.recognises(_project(events))
    assert not boris.recognises('{"database": {}}')
    assert not boris.recognises("video,begin,end,label\n")


PROJECT = _project([[1.0, "Ada", "Hit", ""], [2.0, "Ada", "Hit", ""]]).encode()


@given(st.binary(max_size=20), st.integers(0, len(PROJECT)), st.integers(0, 60))
def test_no_content_raises(inserted: bytes, begin: int, length: int) -> None:
    with TemporaryDirectory() as folder:
        for name, whole in (("p.boris", PROJECT), ("e.tsv", _table(NEW, OLD | NEW).encode())):
            _read(Path(folder), whole[:begin] + inserted + whole[begin + length :], name)
