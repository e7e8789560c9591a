"""SubRip: what is written by its rules is read, and nothing else passes in silence."""

from __future__ import annotations

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
from twinstroke.formats import srt
from twinstroke.settings.index import IndexSettings


def _read(raw: Path, content: str | bytes, name: str = "train/a.srt") -> Reading:
    settings = IndexSettings.model_validate(
        {"classes": "found", "fps": 25.0, "split": {"rule": "given"}}
    )
    reading = Reading(ClassList(settings), Findings())
    reading.add_video("a", raw / "videos/a.mp4", PurePosixPath("a.mp4"))
    file = raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    srt.read([file], raw, settings, reading)
    return reading


def _rows(reading: Reading) -> list[tuple[Any, ...]]:
    assert all(isinstance(time, Seconds) for a in reading.annotations for time in (a.begin, a.end))
    return [(a.begin, a.end, a.label, a.place.row) for a in reading.annotations]


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{rest:03}"


TIME = st.integers(0, 9 * 10**6)
SUBTITLE = st.tuples(
    st.tuples(TIME, TIME).filter(lambda times: times[0] != times[1]).map(sorted),
    st.sampled_from([["Hit"], ["Serve Forehand", "Loop"], ["ü"]]),
)


@given(
    st.lists(SUBTITLE, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_what_is_written_is_read(
    subtitles: list[tuple[list[int], list[str]]], newline: str, encoding: str, is_numbered: bool
) -> None:
    lines: list[str] = []
    expected = []
    for number, ((begin, end), texts) in enumerate(subtitles, start=1):
        lines += [str(number)] if is_numbered else []
        lines += [f"{_clock(begin)} --> {_clock(end)}", *texts, "", *[""] * (number % 2)]
        row = str(len(lines) - number % 2 - len(texts) - 1)
        times = (Seconds(Fraction(begin, 1000)), Seconds(Fraction(end, 1000)))
        expected.append((*times, " ".join(texts), row))
    with TemporaryDirectory() as folder:
        reading = _read(Path(folder), newline.join(lines).encode(encoding))
    assert _rows(reading) == expected
    assert reading.findings.all == []
    assert reading.annotated == {"a"}
    assert {(a.video, a.split) for a in reading.annotations} <= {("a", "train")}


GOOD = "1\n00:00:01,000 --> 00:00:02,000\nHit\n\n"


@pytest.mark.parametrize(
    ("content", "row", "found"),
    [
        (f"{GOOD}2\n00:00:01 -> 00:00:02\nHit\n", "6", "where the times of a subtitle were"),
        (f"{GOOD}2\nx --> 00:00:02,000\nHit\n", "6", "where the times of a subtitle were"),
        (f"{GOOD}2\n00:00:61,000 --> 00:01:02,000\n", "6", "where the times of a subtitle were"),
        (f"{GOOD}2\n", "5", "'2' where the times"),
        (f"{GOOD}2\n00:00:02,000 --> 00:00:01,000\nHit\n", "6", "is not before end"),
        (GOOD.encode() + b"2\n00:00:02,000 --> 00:00:03,000\n\xe4\n", None, "not UTF-8"),
        (f"{GOOD}{'x' * 10**6}\n", "6", "where the times of a subtitle were"),
    ],
)
def test_what_is_none_is_told_with_its_line(
    tmp_path: Path, content: str | bytes, row: str | None, found: str
) -> None:
    reading = _read(tmp_path, content)
    (error,) = reading.findings.errors
    assert found in error.found
    assert len(error.found) < 200
    assert row is None or error.row == row
    assert {a.label for a in reading.annotations} <= {"Hit"}


def test_the_name_of_the_file_names_the_video(tmp_path: Path) -> None:
    (error,) = _read(tmp_path, GOOD, "b.srt").findings.errors
    assert "no video 'b'" in error.found


@given(st.binary(max_size=200) | st.text(alphabet="0123456789:,.->\n x", max_size=80))
def test_no_content_raises(content: bytes | str) -> None:
    with TemporaryDirectory() as folder:
        _read(Path(folder), content)


@pytest.mark.parametrize(
    ("start", "is_one"),
    [
        (GOOD, True),
        (f"\n{GOOD}", True),
        (GOOD.replace("\n", "\r\n"), True),
        ("1\n00:00:01,000", False),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nHit", False),
        ("", False),
    ],
)
def test_subtitles_are_recognised(start: str, is_one: bool) -> None:
    assert srt.recognises(start) == is_one
