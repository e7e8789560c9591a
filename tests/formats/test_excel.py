"""Workbooks of Excel: what they show is read, and what is none of it is told."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstroke.annotations import excel
from twinstroke.annotations.rows import read_rows
from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings, Place
from twinstroke.formats.csv import COLUMNS, read_strokes

HEAD = list(COLUMNS)


def _written(file: Path, rows: list[list[Any]], formats: dict[str, str] | None = None) -> Path:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in rows:
        page.append(row)
    for cell, form in (formats or {}).items():
        page[cell].number_format = form
    book.save(file)
    return file


def _changed(file: Path, part: str, old: str, new: str) -> None:
    """Change the text of a part of a workbook, as other programs write it."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def _read(file: Path, sheet: str = "") -> tuple[list[list[str]], list[str]]:
    findings = Findings()
    rows = [[row[c] for c in COLUMNS] for _, row in read_rows(file, COLUMNS, findings, sheet)]
    return rows, [str(item).removeprefix(f"{file}:").strip() for item in findings.all]


SHEET = "xl/worksheets/sheet1.xml"
CELL = st.one_of(
    st.integers(0, 10**9),
    st.integers(0, 10**5).map(lambda n: n / 1000),
    st.sampled_from(["Hit", "20", "1,5", "ä 压", "=HYPERLINK", "x_x000D_y", "#REF!"]),
    st.integers(0, 86_399_999).map(
        lambda n: (datetime.datetime.min + datetime.timedelta(milliseconds=n)).time()
    ),
)


def _shown(value: Any) -> str:
    """What a cell shows, said plainly."""
    if isinstance(value, datetime.time):
        return f"{value.hour}:{value.minute:02}:{value.second:02}.{value.microsecond:06}"
    if isinstance(value, float):
        return re.sub(r"\.?0*$", "", f"{value:.3f}")
    return str(value)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(CELL, min_size=4, max_size=4), max_size=6),
    st.integers(0, 2),
    st.permutations([*HEAD, "", "remark"]),
)
def test_cells_are_read_as_they_are_shown(
    rows: list[list[Any]], blank: int, header: list[str]
) -> None:
    content: list[list[Any]] = [[] for _ in range(blank)]
    content.append([name.title() or None for name in header])
    for row in rows:
        own = dict(zip(HEAD, row, strict=True))
        content += [[own.get(name) for name in header], []]
    with TemporaryDirectory() as folder:
        file = _written(Path(folder, "s.xlsx"), content)
        # Text that looks like a formula is text here: a quote before it says so in Excel.
        for line in openpyxl.load_workbook(file).active or []:
            assert len(line) <= 6
        expected = [
            [_shown(v) for v in row]
            for row in rows
            if "=HYPERLINK" not in row and "#REF!" not in row
        ]
        read, told = _read(file)
    odd = len(rows) - len(expected)
    assert read == expected
    assert len(told) == odd
    assert all("holds a formula without its result" in t or "the error #REF!" in t for t in told)


@pytest.mark.parametrize(
    ("value", "form", "found"),
    [
        ("=1+1", "General", "cell B2 holds a formula without its result"),
        (0.75 / 24, "h:mm", "cell B2 is a time of hours and minutes (h:mm)"),
        (datetime.datetime(2026, 1, 2), "yyyy-mm-dd", "cell B2 is a date"),
        (datetime.date(2026, 1, 2), "d.m.yyyy", "cell B2 is a date"),
        ("#DIV/0!", "General", "cell B2 holds the error #DIV/0!"),
        ("#N/A", "General", "cell B2 holds the error #N/A"),
    ],
)
def test_what_is_no_text_is_told_with_its_cell(
    tmp_path: Path, value: Any, form: str, found: str
) -> None:
    file = tmp_path / "s.xlsx"
    rows = [HEAD, ["a", value, 20, "Hit"], ["a", 30, 40, "Hit"]]
    read, told = _read(_written(file, rows, {"B2": form}))
    assert read == [["a", "30", "40", "Hit"]]
    (line,) = told
    assert line.startswith(f"2: {found}; ")


def test_a_formula_counts_by_its_result(tmp_path: Path) -> None:
    file = _written(tmp_path / "s.xlsx", [HEAD, ["a", "=5+5", 20, "Hit"]])
    assert "without its result" in _read(file)[1][0]
    # The advice, followed: a spreadsheet program writes results beside formulas.
    _changed(file, SHEET, "<f>5+5</f><v />", "<f>5+5</f><v>10</v>")
    assert _read(file) == ([["a", "10", "20", "Hit"]], [])
    place = Place(str(file), "2")
    assert read_strokes(file) == {"a": [Stroke("a", 10, 20, "Hit", place=place)]}


@pytest.mark.parametrize(
    ("form", "shown"),
    [("mm:ss.0", "0:01:02.500000"), ("[h]:mm:ss", "0:01:02.500000"), ("h:mm:ss", "0:01:02.500000")],
)
def test_clock_times_typed_into_excel(tmp_path: Path, form: str, shown: str) -> None:
    # Excel keeps 1:02.5 as a fraction of a day.
    file = _written(tmp_path / "s.xlsx", [HEAD, ["a", 62.5 / 86400, 70, "Hit"]], {"B2": form})
    assert _read(file) == ([["a", shown, "70", "Hit"]], [])


def test_the_first_sheet_that_is_shown_counts_or_the_named_one(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    hidden, first, second = book.active, book.create_sheet("Notes"), book.create_sheet("Strokes")
    assert hidden is not None
    hidden.sheet_state = "hidden"
    first.append(["hello"])
    second.append(HEAD)
    second.append(["a", 1, 2, "Hit"])
    file = tmp_path / "s.xlsx"
    book.save(file)
    rows, (told,) = _read(file)
    assert rows == []
    assert told.startswith(
        "1: the header is 'hello'; it needs the columns video, begin, end, label"
    )
    assert "index.sheet" in told
    # The advice, followed.
    assert _read(file, "Strokes") == ([["a", "1", "2", "Hit"]], [])
    assert "has no sheet 'Gone', but 'Sheet', 'Notes', 'Strokes'" in _read(file, "Gone")[1][0]


def test_merged_cells_count_where_they_begin(tmp_path: Path) -> None:
    file = _written(tmp_path / "s.xlsx", [HEAD, ["a", 1, 2, "Hit"], ["a", 3, 4, "Hit"]])
    book = openpyxl.load_workbook(file)
    assert book.active is not None
    book.active.merge_cells("A2:A3")
    book.save(file)
    assert _read(file) == ([["a", "1", "2", "Hit"], ["", "3", "4", "Hit"]], [])


def test_what_a_sheet_says_of_its_size_does_not_count(tmp_path: Path) -> None:
    file = _written(tmp_path / "s.xlsx", [HEAD, ["a", 1, 2, "Hit"]])
    for told in ("A1", "A1:XFD1048576"):
        before = re.search(rb'dimension ref="[^"]*"', zipfile.ZipFile(file).read(SHEET))
        assert before
        _changed(file, SHEET, before[0].decode(), f'dimension ref="{told}"')
        assert _read(file) == ([["a", "1", "2", "Hit"]], [])
    # A row far beyond what Excel has does not fill the memory.
    _changed(file, SHEET, '<row r="2">', f'<row r="{10**15}">')
    assert _read(file)[0] == []


def test_no_bomb_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _written(tmp_path / "s.xlsx", [HEAD, ["a", 1, 2, "Hit"]])
    monkeypatch.setattr(excel, "LARGEST_UNPACKED", 2**20)
    assert _read(file)[1] == []
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/bomb", bytes(2**21))
    assert file.stat().st_size < 2**15
    assert "unpacks to more than 1 MiB" in _read(file)[1][0]


def test_no_entity_is_expanded(tmp_path: Path) -> None:
    file = _written(tmp_path / "s.xlsx", [HEAD, ["a", 1, 2, "Hit"]])
    entity = '<!DOCTYPE s [<!ENTITY a "1">]><worksheet'
    _changed(file, SHEET, "<worksheet", entity)
    rows, (told,) = _read(file)
    assert rows == []
    assert told.startswith("not readable as a workbook")


def _packed() -> bytes:
    stream = io.BytesIO()
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (HEAD, ["a", 1, 2, "Hit"]):
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


PACKED = _packed()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(PACKED)), st.binary(max_size=8), st.integers(0, 40))
def test_damage_raises_nothing_and_changes_nothing(begin: int, new: bytes, length: int) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "s.xlsx")
        file.write_bytes(PACKED[:begin] + new + PACKED[begin + length :])
        rows, told = _read(file)
    # Sums over all parts tell damage, but for what describes the file.
    assert rows == [["a", "1", "2", "Hit"]] if not told else rows in ([], [["a", "1", "2", "Hit"]])


def test_no_workbook_is_told_with_what_helps(tmp_path: Path) -> None:
    file = tmp_path / "s.xlsx"
    file.write_bytes(b"\xd0\xcf\x11\xe0 with a password")
    assert _read(file)[1][0].startswith("not readable as a workbook (File is not a zip file); open")
    _written(file, [])
    assert _read(file)[1] == ["holds no row; see that the right sheet is read"]
