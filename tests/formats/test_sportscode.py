"""Sportscode's XML: what its programs write is read, and nothing else passes in silence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.classes import ClassList, tidy
from twinstroke.annotations.records import Reading, Seconds
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.findings import Findings
from twinstroke.formats import sportscode
from twinstroke.settings.index import IndexSettings
from twinstroke.video.clock import Clock


def _read(raw: Path, content: str | bytes, name: str = "train/a.xml", **changes: Any) -> Reading:
    values = {"classes": "found", "fps": 25.0, "split": {"rule": "given"}}
    settings = IndexSettings.model_validate({**values, **changes})
    reading = Reading(ClassList(settings), Findings())
    reading.add_video("a", raw / "videos/a.mp4", PurePosixPath("a.mp4"))
    file = raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    sportscode.read([file], raw, settings, reading)
    return reading


def _rows(reading: Reading) -> list[tuple[Any, ...]]:
    assert reading.findings.errors == []
    return [
        (str(a.begin.value), str(a.end.value), a.label, a.group)
        for a in reading.annotations
        if isinstance(a.begin, Seconds) and isinstance(a.end, Seconds)
    ]


def _file(*instances: str) -> str:
    inside = "".join(f"<instance>{instance}</instance>\n" for instance in instances)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<file><SESSION_INFO><start_time>2026-01-01 '
        "10:00</start_time></SESSION_INFO><SORT_INFO><sort_type>sort</sort_type></SORT_INFO>\n"
        f"<ALL_INSTANCES>\n{inside}</ALL_INSTANCES><ROWS><row><code>Hit</code><R>1</R></row></ROWS>"
        "</file>"
    )


HIT = "<ID>1</ID><start>1.25</start><end>2.5</end><code>Hit</code>"
LABELS = (
    "<label><group>Team</group><text>Lions</text></label><label><text>free</text></label>"
    "<label>bare</label><label><group>Player</group><text>Ada &amp; Co</text></label>"
)


def test_code_labels_and_player_are_read(tmp_path: Path) -> None:
    reading = _read(tmp_path, _file(HIT, HIT.replace("1.25", "2") + LABELS))
    assert _rows(reading) == [("5/4", "5/2", "Hit", ""), ("2", "5/2", "Hit", "Ada & Co")]
    assert {a.split for a in reading.annotations} == {"train"}
    assert [a.place.row for a in reading.annotations] == ["4", "5"]
    # Another group than the player.
    split = {"rule": "group", "group": "Team"}
    assert _rows(_read(tmp_path, _file(HIT + LABELS), split=split))[0][3] == "Lions"


@pytest.mark.parametrize("group", ["Stroke", "class", "LABEL"])
def test_a_label_may_name_the_class_where_codes_are_players(tmp_path: Path, group: str) -> None:
    label = f"<label><group>{group}</group><text>Loop</text></label>"
    content = _file(HIT + label, HIT)
    assert [row[2] for row in _rows(_read(tmp_path, content))] == ["Loop", "Hit"]
    (error,) = _read(tmp_path, _file(HIT + label + label.replace("Loop", "Lob"))).findings.errors
    assert "its labels name 2 classes, 'Lob', 'Loop'" in error.found


@pytest.mark.parametrize("group", ["player", "annotator"])
def test_an_instance_of_two_players_or_annotators_is_told(tmp_path: Path, group: str) -> None:
    label = f"<label><group>{group.title()}</group><text>Ada</text></label>"
    other = label.replace("Ada", "Ben").replace(group.title(), group)
    (error,) = _read(tmp_path, _file(HIT + label + other)).findings.errors
    assert f"its labels name 2 {group}s, 'Ada', 'Ben'" in error.found
    # Named twice, it is one.
    assert _read(tmp_path, _file(HIT + label + label)).findings.errors == []


def test_codes_are_chosen_by_tiers(tmp_path: Path) -> None:
    content = _file(HIT, HIT.replace("Hit", "Rally"))
    assert [row[2] for row in _rows(_read(tmp_path, content, tiers=["H*"]))] == ["Hit"]
    reading = _read(tmp_path, content, tiers=["Lob"])
    (error,) = reading.findings.errors
    assert error.found == "index.tiers names none of its codes; they are Hit, Rally"
    # The advice, followed.
    assert len(_rows(_read(tmp_path, content, tiers=["Hit", "Rally"]))) == 2


@pytest.mark.parametrize(
    ("content", "row", "found"),
    [
        (_file(HIT.replace("1.25", "x")), "4", "start is 'x', no time"),
        (_file(HIT.replace("<start>1.25</start>", "")), "4", "start is '', no time"),
        (_file(HIT.replace("2.5", "-2.5")), "4", "end is '-2.5', no time"),
        (_file(HIT.replace("2.5", "1")), "4", "is not before end"),
        (_file(HIT.replace("2.5", "9" * 5000)), "4", f"end is '{'9' * 40}', no time"),
        ("<annotations/>", "", "root 'annotations' where 'file' was expected"),
        (_file(HIT)[:-30], None, "not well-formed XML"),
        ('<!DOCTYPE file [<!ENTITY a "b">]>' + _file(HIT)[38:], None, "document type or entities"),
    ],
)
def test_what_is_none_is_told(tmp_path: Path, content: str, row: str | None, found: str) -> None:
    reading = _read(tmp_path, content)
    (error,) = reading.findings.errors
    assert found in error.found
    assert row is None or error.row == row
    assert reading.annotations == []


def test_the_name_of_the_file_names_the_video(tmp_path: Path) -> None:
    (error,) = _read(tmp_path, _file(HIT), "export.xml").findings.errors
    assert "no video 'export'" in error.found
    assert error.advice == "give the file the name of its video"
    # The advice, followed.
    assert len(_rows(_read(tmp_path, _file(HIT), "a.xml"))) == 1
    assert len(_rows(_read(tmp_path, _file(HIT), "a.sportscode.xml"))) == 1


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20).map(str.strip)


@given(
    st.lists(
        st.tuples(
            st.tuples(st.integers(0, 400), st.integers(0, 400)).filter(lambda t: t[0] < t[1]),
            TEXT.filter(bool),
            TEXT,
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read(rows: list[tuple[tuple[int, int], str, str]]) -> None:
    clock = Clock(np.arange(401) * 1001, Fraction(1, 120_000))
    strokes = [Stroke("a", *times, label, group=group) for times, label, group in rows]
    with TemporaryDirectory() as folder:
        sportscode.write(Path(folder, "written.xml"), strokes, clock, "Player")
        content = Path(folder, "written.xml").read_bytes()
        reading = _read(Path(folder), content)
    assert reading.findings.errors == []
    assert sportscode.recognises(content.decode())
    for stroke, read in zip(strokes, reading.annotations, strict=True):
        assert isinstance(read.begin, Seconds) and isinstance(read.end, Seconds)
        times = clock.frame_at(read.begin.value), clock.frame_at(read.end.value)
        assert times == (stroke.begin, stroke.end)
        assert read.label in (tidy(stroke.label or ""), None)
        assert (read.label is None) == (tidy(stroke.label or "") in ("", "Unknown"))
        assert read.group == tidy(stroke.group)


def test_names_that_xml_cannot_hold_are_refused(tmp_path: Path) -> None:
    clock = Clock(np.arange(11), Fraction(1, 10))
    for stroke in (Stroke("a", 0, 5, "a\0"), Stroke("a", 0, 5, "a", group="\x07")):
        with pytest.raises(UserError, match="characters that XML cannot"):
            sportscode.write(tmp_path / "a.xml", [stroke], clock, "player")


@given(st.binary(max_size=100), st.integers(0, len(_file(HIT))), st.integers(0, 60))
def test_no_content_raises(inserted: bytes, begin: int, length: int) -> None:
    content = _file(HIT + LABELS).encode()
    with TemporaryDirectory() as folder:
        _read(Path(folder), content[:begin] + inserted + content[begin + length :])


@pytest.mark.parametrize(
    ("start", "is_one"),
    [
        (_file(HIT), True),
        ("<file>\n<ALL_INSTANCES/></file>", True),
        ("<file><other/></file>", False),
        ("<video><ALL_INSTANCES/></video>", False),
        ("", False),
    ],
)
def test_instances_are_recognised(start: str, is_one: bool) -> None:
    assert sportscode.recognises(start) == is_one
