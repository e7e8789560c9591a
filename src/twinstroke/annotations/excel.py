"""Sheets of Excel's workbooks (``.xlsx``, ``.xlsm``), which are not trusted, as rows of text.

Cells become what a table of text would hold: whole numbers without decimals, times of day as clock
times. What has no such text (an error, a date, a formula that nobody has calculated) is told.
"""

from __future__ import annotations

import datetime
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import openpyxl
from openpyxl.utils import get_column_letter

from twinstroke.annotations.folders import is_too_large
from twinstroke.findings import Findings, Place

SUFFIXES = (".xlsm", ".xlsx")
LARGEST_UNPACKED = 2**26
"""Bytes of all parts of a workbook; a million rows are smaller."""
MOST_ROWS, MOST_COLUMNS = 2**20, 200
"""Of a sheet. Excel has no more rows; what stands further right is no table of strokes."""


class Row(NamedTuple):
    """A row of a sheet that is not blank."""

    number: int
    """From 1."""
    cells: list[str]
    """Without white space around them, up to the last one that is not empty."""
    problem: str = ""
    """What one of them holds instead of text; empty if all are text."""
    advice: str = ""


def sheet_rows(file: Path, sheet: str, findings: Findings) -> Iterator[Row]:
    """Read a sheet, row by row.

    Args:
        file: A workbook.
        sheet: Name of the sheet; empty: the first one that is not hidden.
        findings: Gets an error if the file is no workbook, or lacks the sheet.
    """
    if is_too_large(file, findings):
        return
    place = Place(str(file))
    try:
        with _quiet(), ZipFile(file) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > LARGEST_UNPACKED:
            findings.error(
                "size",
                place,
                f"unpacks to more than {LARGEST_UNPACKED // 2**20} MiB",
                "see that it holds annotations, or save them as CSV",
            )
            return
        with _quiet(), _workbook(file, values=True) as book, _workbook(file, values=False) as raw:
            name = _chosen(book, sheet)
            if name is None:
                names = ", ".join(repr(own.title[:40]) for own in book.worksheets[:10])
                findings.error(
                    "table", place, f"has no sheet {sheet[:40]!r}, but {names}", "see index.sheet"
                )
                return
            yield from _rows(book[name], raw[name])
    except Exception as error:  # What openpyxl raises for damaged parts is of any kind.
        findings.error(
            "table",
            place,
            f"not readable as a workbook ({str(error)[:80] or type(error).__name__})",
            "open it in a spreadsheet program, and save it anew without a password, or as CSV",
        )


def start_of(file: Path, sheet: str) -> str:
    """First row of a sheet as a line of a table separated by tabs; empty if it cannot be read."""
    for row in sheet_rows(file, sheet, Findings()):
        return "\t".join('"' + cell.replace('"', '""') + '"' for cell in row.cells)
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Of extensions and rules that do not matter here.
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _workbook(file: Path, *, values: bool) -> Iterator[Any]:
    """A workbook, whose formulas stand for their results if `values`."""
    book = openpyxl.load_workbook(file, read_only=True, data_only=values, keep_links=False)
    try:
        yield book
    finally:
        book.close()


def _chosen(book: Any, sheet: str) -> str | None:
    names = [own.title for own in book.worksheets]
    if sheet:
        return sheet if sheet in names else None
    shown = [own.title for own in book.worksheets if own.sheet_state == "visible"]
    return next(iter(shown or names), None)


def _rows(values: Any, formulas: Any) -> Iterator[Row]:
    # What a sheet says of its own size may be wrong.
    size = {"max_row": MOST_ROWS, "max_col": MOST_COLUMNS}
    pairs = zip(values.iter_rows(**size), formulas.iter_rows(**size), strict=True)
    before = None
    for number, (cells, sources) in enumerate(pairs, start=1):
        if sources is before:  # the one that openpyxl gives wherever the file has no row
            continue
        before = sources
        row = Row(number, [])
        filled = 0
        for column, (cell, source) in enumerate(zip(cells, sources, strict=True), start=1):
            if source.value is None:
                row.cells.append("")
                continue
            text, problem, advice = _text(cell, source)
            row.cells.append(text.strip())
            if problem and not row.problem:
                where = f"{get_column_letter(column)}{number}"
                row = row._replace(problem=f"cell {where} {problem}", advice=advice)
            if row.cells[-1] or problem:
                filled = column
        if filled:
            yield row._replace(cells=row.cells[:filled])


def _text(cell: Any, source: Any) -> tuple[str, str, str]:
    """Text of a cell that is not empty, what is wrong with it, and what to do."""
    value = cell.value
    if value is None:
        found = "holds a formula without its result"
        return "", found, "open the file in a spreadsheet program and save it"
    if cell.data_type == "e":
        return "", f"holds the error {str(value)[:20]}", "correct its formula, or empty it"
    if isinstance(value, bool):
        return str(value).upper(), "", ""
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            return "", "holds no finite number", "correct it"
        return (str(int(value)) if value == int(value) else f"{value:.9f}".rstrip("0")), "", ""
    if isinstance(value, (datetime.time, datetime.timedelta)):
        shown = str(cell.number_format).lower()
        if "s" not in shown:
            # Who types 1:02 means a minute and two seconds; Excel takes it for 62 minutes.
            found = f"is a time of hours and minutes ({shown[:20]})"
            return "", found, "write it with seconds, as 0:01:02.5, or as seconds, 62.5"
        return _clock(value), "", ""
    if isinstance(value, datetime.date):
        return "", "is a date", "write what is meant, after formatting the cell as text"
    return str(value), "", ""


def _clock(value: datetime.time | datetime.timedelta) -> str:
    if isinstance(value, datetime.time):
        value = datetime.timedelta(
            hours=value.hour,
            minutes=value.minute,
            seconds=value.second,
            microseconds=value.microsecond,
        )
    whole, rest = divmod(value // datetime.timedelta(microseconds=1), 10**6)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}.{rest:06}"
