"""Which format a folder holds, and when folders name the classes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading
from twinstroke.errors import UserError
from twinstroke.findings import Findings
from twinstroke.formats.reading import read_annotations
from twinstroke.settings.index import IndexSettings

TABLE = "video,begin,end,label\na,0,5,drive\n"


def _put(raw: Path, *names: str) -> None:
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(b"\0")


def _read(raw: Path, **changes: Any) -> tuple[str, list[str | None]]:
    """The format as it is told, and the labels."""
    values = {"classes": "found", "fps": 25.0, "split": {"rule": "stroke"}, "videos": "videos"}
    settings = IndexSettings.model_validate({**values, **changes})
    reading = Reading(ClassList(settings), Findings())
    told = read_annotations(raw, settings, reading)
    assert reading.findings.errors == []
    return told, [item.label for item in reading.annotations]


def _refused(raw: Path, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        _read(raw, **changes)
    (problem,) = caught.value.problems
    return problem


UNREAD = ("strokes.xls", "strokes.ODS", "a.TextGrid", "notes.zip", "sub/a.vtt", "a.txt")


@pytest.mark.parametrize("name", UNREAD)
def test_annotations_that_are_not_read_are_no_folders_of_clips(tmp_path: Path, name: str) -> None:
    _put(tmp_path, "videos/a.mp4", "videos/b.mp4", f"marks/{name}")
    for where in (".", "marks", f"marks/{name}"):
        problem = _refused(tmp_path, annotations=where)
        assert problem.startswith(f"{tmp_path / 'marks' / name}: annotations that are not read; ")
        assert ".eaf" in problem
        assert "clips" not in problem
    # The advice, followed.
    (tmp_path / "marks" / name).unlink()
    (tmp_path / "marks/strokes.csv").write_text(TABLE)
    assert _read(tmp_path, annotations="marks")[1] == ["drive"]


def test_a_file_that_the_preset_names_is_never_passed_over(tmp_path: Path) -> None:
    _put(tmp_path, "videos/drive/a.mp4", "videos/push/b.mp4", "strokes.dat")
    assert "strokes.dat: annotations that are not read" in _refused(
        tmp_path, annotations="strokes.dat"
    )
    assert (
        "strokes.dat: no annotation file (.csv, .tsv, .txt, .xlsm, .xlsx) of format csv"
        in _refused(tmp_path, annotations="strokes.dat", format="csv")
    )


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    _put(tmp_path, "videos/a.mp4")
    assert "gone.csv: no such file or folder" in _refused(tmp_path, annotations="gone.csv")


def test_folders_name_classes_if_there_are_two_and_nothing_else(tmp_path: Path) -> None:
    _put(tmp_path, "videos/train/drive/a.mp4", "videos/test/drive/b.mp4", "readme.txt")
    assert "no two folders of videos that name classes" in _refused(tmp_path)
    _put(tmp_path, "videos/test/push/c.mp4")
    told, labels = _read(tmp_path)
    assert told == "clips (there is no annotation file, so 2 folders name the classes)"
    assert sorted(label or "" for label in labels) == ["drive", "drive", "push"]


def test_with_annotations_beside_them_folders_are_classes_if_the_preset_says_so(
    tmp_path: Path,
) -> None:
    _put(tmp_path, "videos/drive/a.mp4", "videos/push/b.mp4", "strokes.zip", "marks.xls")
    problem = _refused(tmp_path)
    assert "marks.xls: annotations that are not read, and so is 1 other file" in problem
    assert "index.format: clips" in problem
    assert _read(tmp_path, format="clips") == ("clips", ["drive", "push"])


def test_a_workbook_is_recognised_and_one_that_is_no_table_is_told(tmp_path: Path) -> None:
    _put(tmp_path, "videos/a.mp4", "~$strokes.xlsx", "strokes.xlsx")
    assert "strokes.xlsx: not readable as a workbook" in _unread(tmp_path)
    book = openpyxl.Workbook()
    book.create_sheet("Strokes")
    for row in csv.reader(TABLE.splitlines()):
        book["Strokes"].append(row)
    book.save(tmp_path / "strokes.xlsx")
    assert "strokes.xlsx: holds no row; see that the right sheet" in _unread(tmp_path)
    # The advice, followed.
    told, labels = _read(tmp_path, sheet="Strokes")
    assert told.startswith("csv (recognised by 1 of its files")
    assert labels == ["drive"]


def _unread(raw: Path) -> str:
    values = {"classes": "found", "fps": 25.0, "split": {"rule": "stroke"}, "videos": "videos"}
    settings = IndexSettings.model_validate(values)
    reading = Reading(ClassList(settings), Findings())
    read_annotations(raw, settings, reading)
    (error,) = reading.findings.errors
    return str(error)
