"""Rows of tables that people keep in spreadsheets, one at a time."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from twinstroke.annotations import excel
from twinstroke.findings import Findings, Place

SUFFIXES = (".csv", ".tsv", ".txt", *excel.SUFFIXES)
DELIMITERS = ",;\t"
SYNONYMS = {"file": "video", "start": "begin", "stop": "end", "class": "label", "move": "label"}
"""Other names of columns, for tables that lack the one they stand for."""
LONGEST_LINE = 2**16
"""Characters of a header; more is no table."""


def read_rows(
    file: Path, columns: Sequence[str], findings: Findings, sheet: str = ""
) -> Iterator[tuple[Place, dict[str, str]]]:
    """Read a table with a header, row by row: memory does not grow with their number.

    Commas, semicolons and tabs separate; UTF-8 with or without byte order mark, or UTF-16 with one
    (what spreadsheets call Unicode text). Or a sheet of a workbook of Excel. Columns may stand in
    any order and others beside them, and some may have other names (`SYNONYMS`), of which a warning
    tells. What spreadsheets leave is forgiven: a line ``sep=;`` before the header, columns without
    name and cells, and rows that lack empty cells at their end, as long as they reach all needed
    columns.

    Args:
        file: The table.
        columns: Names that the header must have, in lower case.
        findings: Gets an error for what cannot be read.
        sheet: Name of the sheet of a workbook; empty: the first one.

    Yields:
        Place and cells of each row, without white space around them; keys are in lower case.
    """
    if file.suffix.lower() in excel.SUFFIXES:
        yield from _rows_of_sheet(file, sheet, columns, findings)
        return
    try:
        with file.open(encoding=encoding_of(file), newline="") as text:
            yield from _rows(text, file, columns, findings)
    except UnicodeError:
        findings.error(
            "table", Place(str(file), _undecodable(file)), "not UTF-8", "save the file as CSV UTF-8"
        )


def start_of(file: Path, length: int, sheet: str = "") -> str:
    """The beginning of a file as text, to recognise it by; of a workbook, the row of its header.

    Args:
        file: Any file.
        length: Bytes of it.
        sheet: As for :func:`read_rows`.
    """
    if file.suffix.lower() in excel.SUFFIXES:
        return excel.start_of(file, sheet)
    with file.open("rb") as stream:
        content = stream.read(length)
    encoding = _encoding(content[:2])
    return content.decode(encoding, errors="replace")


class Header(NamedTuple):
    """How a table begins."""

    delimiter: str
    names: list[str]
    """Of all columns, in lower case; empty where a column has none."""
    renamed: dict[str, str]
    """What columns are called in the file, by what they are read as, if that differs."""
    line: int
    """Where the names stand, from 1."""


def header_of(start: str, columns: Sequence[str]) -> Header | None:
    """Read the first line or two of a table; None without the needed columns."""
    lines = re.split(r"\r\n|\r|\n", start.removeprefix("\ufeff"), maxsplit=2)
    said = _separator(lines[0])
    line = 2 if said else 1
    for delimiter in said or DELIMITERS:
        try:
            names = next(csv.reader(lines[line - 1 : line], delimiter=delimiter), [])
        except csv.Error:
            continue
        header = _header(names, columns, delimiter, line)
        if header is not None:
            return header
    return None


def _header(
    names: Sequence[str], columns: Sequence[str], delimiter: str, line: int
) -> Header | None:
    names = [name.strip().lower() for name in names]
    times = Counter(SYNONYMS.get(name, name) for name in names)
    renamed = {
        SYNONYMS[name]: name
        for name in names
        if name in SYNONYMS and SYNONYMS[name] in columns and times[SYNONYMS[name]] == 1
    }
    back = {name: column for column, name in renamed.items()}
    names = [back.get(name, name) for name in names]
    return Header(delimiter, names, renamed, line) if set(columns) <= set(names) else None


def _separator(line: str) -> str:
    """The separator that a first line ``sep=;`` tells spreadsheets; empty if it is none."""
    match = re.fullmatch(f'"?sep=([{DELIMITERS}])"?[{DELIMITERS}]*', line, re.IGNORECASE)
    return match[1] if match else ""


def encoding_of(file: Path) -> str:
    """Encoding of a text: UTF-16 if its byte order mark says so, or else UTF-8."""
    with file.open("rb") as stream:
        return _encoding(stream.read(2))


def _encoding(start: bytes) -> str:
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _rows(
    text: TextIO, file: Path, columns: Sequence[str], findings: Findings
) -> Iterator[tuple[Place, dict[str, str]]]:
    start = text.readline(LONGEST_LINE)
    if _separator(start.strip("\r\n")):
        start += text.readline(LONGEST_LINE)
    found = header_of(start, columns)
    if found is None:
        findings.error(
            "table",
            Place(str(file), "1"),
            f"the header is {start.strip()[:80]!r}; it needs the columns {', '.join(columns)}, "
            "separated by commas, semicolons or tabs",
            "mend the header, or see that the right file is read",
        )
        return
    header, name = found.names, str(file)
    if not _is_usable(found, file, findings):
        return
    needed = 1 + max(header.index(column) for column in columns)
    reader = csv.reader(text, delimiter=found.delimiter, strict=True)
    try:
        for fields in reader:
            place = Place(name, str(found.line + reader.line_num))
            values = [field.strip() for field in fields]
            if not any(values):
                continue
            values += [""] * (len(header) - len(values))
            if len(fields) < needed or any(values[len(header) :]):
                findings.error(
                    "table",
                    place,
                    f"{len(fields)} fields, but the header has {len(header)}",
                    "a separator is missing or too many (decimal commas need semicolons between)",
                )
            elif (row := _named(found, values, place, findings)) is not None:
                yield place, row
    except csv.Error as error:
        place = Place(name, str(found.line + reader.line_num))
        findings.error("table", place, f"malformed CSV ({error})", "mend the quotes")


def _rows_of_sheet(
    file: Path, sheet: str, columns: Sequence[str], findings: Findings
) -> Iterator[tuple[Place, dict[str, str]]]:
    found = None
    for number, cells, problem, advice in excel.sheet_rows(file, sheet, findings):
        place = Place(str(file), str(number))
        if problem:
            findings.error("table", place, problem, advice)
            if found is None:
                return
            continue
        if found is None:
            found = _header(cells, columns, "", number)
            if found is None:
                findings.error(
                    "table",
                    place,
                    f"the header is {', '.join(cells)[:80]!r}; it needs the columns "
                    f"{', '.join(columns)}",
                    "mend the header, see that the right file is read, or name its sheet with "
                    "index.sheet",
                )
            if found is None or not _is_usable(found, file, findings):
                return
            continue
        wider = [""] * (len(cells) - len(found.names))
        found.names.extend(wider)
        values = cells + [""] * (len(found.names) - len(cells))
        row = _named(found, values, place, findings)
        if row is not None:
            yield place, row
    if found is None and not findings.errors:
        findings.error(
            "table", Place(str(file)), "holds no row", "see that the right sheet is read"
        )


def _is_usable(header: Header, file: Path, findings: Findings) -> bool:
    """Tell whether each column is there once, and warn of those that are called otherwise."""
    place = Place(str(file), str(header.line))
    named = [column for column in header.names if column]
    if len(set(named)) < len(named):
        findings.error("table", place, "a column stands there twice", "keep one of them")
        return False
    if header.renamed:
        findings.warning(
            "table",
            place,
            ", ".join(f"{theirs!r} is read as {ours!r}" for ours, theirs in header.renamed.items()),
            "name the columns so, to be sure",
        )
    return True


def _named(
    header: Header, values: Sequence[str], place: Place, findings: Findings
) -> dict[str, str] | None:
    """Cells by their columns; None, with an error, if one stands in a column without name."""
    row = dict(zip(header.names, values, strict=False))
    nameless = [
        value for column, value in zip(header.names, values, strict=False) if value and not column
    ]
    if nameless:
        findings.error(
            "table",
            place,
            f"{nameless[0][:40]!r} stands in a column without name",
            f"name the column in line {header.line}, or empty the cell",
        )
        return None
    row.pop("", None)
    return row


def _undecodable(file: Path) -> str:
    with file.open("rb") as stream:
        # Line by line, with a limit: a file without line ends is one line of any length.
        for number, line in enumerate(iter(lambda: stream.readline(2**24), b""), start=1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return str(number)
    return ""
