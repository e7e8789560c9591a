"""ELAN's tab-delimited text in any choice of columns."""

from __future__ import annotations

from collections.abc import Callable
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
from twinstroke.formats import elan_text
from twinstroke.settings.index import IndexSettings


def _read(raw: Path, content: str | bytes, name: str = "train/a.txt", **changes: Any) -> Reading:
    values = {"classes": "found", "fps": 25.0, "split": {"rule": "given"}}
    settings = IndexSettings.model_validate({**values, **changes})
    reading = Reading(ClassList(settings), Findings())
    reading.add_video("a", raw / "videos/a.mp4", PurePosixPath("a.mp4"))
    file = raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    elan_text.read([file], raw, settings, reading)
    return reading


def _rows(reading: Reading) -> list[tuple[Any, ...]]:
    assert reading.findings.errors == []
    found = []
    for a in reading.annotations:
        assert isinstance(a.begin, Seconds) and isinstance(a.end, Seconds)
        found.append((a.begin.value, a.end.value, a.label, a.group, a.annotator))
    return found


def _clock(ms: int) -> str:
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


WAYS: dict[str, Callable[[int], str]] = {
    "hh:mm:ss.ms": _clock,
    "ss.msec": lambda ms: f"{ms / 1000:.3f}",
    "msec": str,
}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["strokes", "Ada's", "ü"]),
            st.integers(0, 10**7),
            st.integers(1, 10**5),
            st.sampled_from(["Hit", "Serve Forehand", "7", 'say "so"', "1.5"]),
        ),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.sampled_from(sorted(WAYS)), unique=True, min_size=1),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_choice_of_columns_is_read(
    strokes: list[tuple[str, int, int, str]],
    ways: list[str],
    has_names: bool,
    has_duration: bool,
    has_tiers: bool,
    encoding: str,
) -> None:
    parts = ("Begin Time", "End Time", *(["Duration"] if has_duration else []))
    names = ["Tier", "Participant"] if has_tiers else []
    names += [f"{part} - {way}" for part in parts for way in ways]
    lines = ["\t".join([*names, "Annotation"])] if has_names else []
    for tier, begin, duration, label in strokes:
        times = [begin, begin + duration, duration][: len(parts)]
        cells = [tier, "p"] if has_tiers else []
        cells += [WAYS[way](time) for time in times for way in ways]
        lines.append("\t".join([*cells, label]))
    with TemporaryDirectory() as folder:
        content = "\n".join([*lines, ""])
        assert elan_text.recognises(content)
        reading = _read(Path(folder), content.encode(encoding))
    assert (
        _rows(reading)
        == [
            (
                Fraction(begin, 1000),
                Fraction(begin + duration, 1000),
                label,
                "p" if has_tiers else "",
                (tier if has_tiers else "Annotation" if has_names else ""),
            )
            for tier, begin, duration, label in strokes
        ]
        or not has_tiers
    )
    assert len(reading.annotations) == len(strokes)
    assert {a.split for a in reading.annotations} == {"train"}


def test_a_column_for_each_tier_and_one_of_files(tmp_path: Path) -> None:
    content = (
        '"#file:///C:/films/a.eaf"\n\n'
        "Begin Time - msec\tEnd Time - msec\tAda\tBen\tFile Path\n"
        "1000\t2000\tHit\t\tC:\\films\\a.eaf\n"
        "3000\t4000\tHit\tLob\tC:\\films\\a.eaf\n"
    )
    reading = _read(tmp_path, content, "all.txt")
    assert _rows(reading) == [
        (1, 2, "Hit", "", "Ada"),
        (3, 4, "Hit", "", "Ada"),
        (3, 4, "Lob", "", "Ben"),
    ]
    players = _read(tmp_path, content, "all.txt", elan={"tiers_are": "players"})
    assert [row[3:] for row in _rows(players)] == [("Ada", ""), ("Ada", ""), ("Ben", "")]
    assert len(_rows(_read(tmp_path, content, "all.txt", tiers=["B*"]))) == 1
    (error,) = _read(tmp_path, content, "all.txt", tiers=["x"]).findings.errors
    assert error.found == "index.tiers names none of its tiers; they are Ada, Ben"


def test_a_tier_may_be_called_as_a_column_of_elan_begins(tmp_path: Path) -> None:
    content = (
        "Begin Time - msec\tEnd Time - msec\tTier 2\tParticipant B\tFile talk\tDuration\n"
        "1000\t2000\tHit\t\t\t\n"
        "3000\t4000\t\tLob\t\t\n"
        "5000\t6000\t\t\tPush\t\n"
        "7000\t8000\t\t\t\tLoop\n"
    )
    reading = _read(tmp_path, content)
    assert [(row[0], row[2], row[4]) for row in _rows(reading)] == [
        (1, "Hit", "Tier 2"),
        (3, "Lob", "Participant B"),
        (5, "Push", "File talk"),
        (7, "Loop", "Duration"),
    ]
    none = "Begin Time - msec\tEnd Time - msec\tDuration - msec\n1000\t2000\t1000\n"
    assert _read(tmp_path, none).findings.errors


def test_tiers_that_are_classes_are_recognised_and_told(tmp_path: Path) -> None:
    content = "Hit\t\t1.000\t2.000\tHit\nLob\t\t3.000\t4.000\tLob\n"
    reading = _read(tmp_path, content)
    assert [row[2:] for row in _rows(reading)] == [("Hit", "", ""), ("Lob", "", "")]
    (warning,) = reading.findings.warnings
    assert "are read as classes" in warning.found
    # The advice, followed.
    told = _read(tmp_path, content, elan={"tiers_are": "classes"})
    assert (_rows(told), told.findings.all) == (_rows(reading), [])


ROW = "strokes\t\t1.000\t2.500\t1.500\tHit\n"


@pytest.mark.parametrize(
    ("content", "row", "found"),
    [
        (ROW + ROW.replace("2.500", "0.500"), "2", "is not before end"),
        (ROW + ROW.replace("\tHit", "\tHit\t9"), "2", "its columns do not fit, or hold no times"),
        (ROW + ROW.replace("1.000", "x"), "2", "its columns do not fit, or hold no times"),
        ("# remark\nnotes of the day\n", "2", "where tier, begin, end and value belong"),
        (ROW.encode() + b"\xe4\t\t\n", None, "not UTF-8"),
    ],
)
def test_what_is_none_is_told(
    tmp_path: Path, content: str | bytes, row: str | None, found: str
) -> None:
    reading = _read(tmp_path, content)
    (error,) = reading.findings.errors
    assert found in error.found
    assert row is None or error.row == row
    assert error.advice


def test_a_duration_that_does_not_fit_is_told_once(tmp_path: Path) -> None:
    reading = _read(tmp_path, ROW + ROW.replace("1.500", "1.000") + ROW.replace("1.500", "9.000"))
    assert len(_rows(reading)) == 3
    (warning,) = reading.findings.warnings
    assert (warning.row, warning.found.startswith("lasts 1.5 s from begin to end")) == ("2", True)
    # In the first row too.
    assert len(_rows(_read(tmp_path, ROW.replace("1.500", "9.000")))) == 1


@pytest.mark.parametrize(
    "row",
    ["5\t1000\t2500\t1500\tHit", "5\t6\t1000\t2500\t1500\t7", "5\t\t1000\t2500\tHit"],
)
def test_numbers_that_name_tiers_are_no_times(tmp_path: Path, row: str) -> None:
    reading = _read(tmp_path, row + "\n")
    assert _rows(reading)[0][:2] == (1, Fraction(5, 2))
    assert reading.annotations[0].annotator == "5"


def test_the_name_of_the_file_names_the_video(tmp_path: Path) -> None:
    (error,) = _read(tmp_path, ROW, "export.txt").findings.errors
    assert error.advice == "give the file the name of its video"
    # The advice, followed.
    assert len(_rows(_read(tmp_path, ROW, "a.txt"))) == 1


@given(st.binary(max_size=30) | st.text("0123456789:.\t\n #abeginTime", max_size=80))
def test_no_content_raises(content: bytes | str) -> None:
    with TemporaryDirectory() as folder:
        _read(Path(folder), content)
        _read(
            Path(folder), ROW.encode() + (content.encode() if isinstance(content, str) else content)
        )


@pytest.mark.parametrize(
    "start",
    ["", "video\tbegin\tend\tlabel\na\t1\t2\tHit", "1,2,Hit", "a\tb\tc", "1\t2", "notes"],
)
def test_other_text_is_not_recognised(start: str) -> None:
    assert not elan_text.recognises(start)
