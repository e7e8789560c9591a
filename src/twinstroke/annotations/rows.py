"""Rows of tables that people keep in spreadsheets, one at a time."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from twinstroke.findings import Findings, Place

SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t"
LONGEST_LINE = 2**16
"""Characters of a header; more is no table."""


def read_rows(
    file: Path, columns: Sequence[str], findings: Findings
) -> Iterator[tuple[Place, dict[str, str]]]:
    """Read a table with a header, row by row: memory does not grow with their number.

    Commas, semicolons and tabs separate; UTF-8 with or without byte order mark, or UTF-16 with one
    (what spreadsheets call Unicode text). Columns may stand in any order and others beside them.

    Args:
        file: The table.
        columns: Names that the header must have, in lower case.
        findings: Gets an error for what cannot be read.

    Yields:
        Place and cells of each row, without white space around them; keys are in lower case.
    """
    with file.open("rb") as stream:
        encoding = _encoding(stream.read(2))
    try:
        with file.open(encoding=encoding, newline="") as text:
            yield from _rows(text, file, columns, findings)
    except UnicodeError:
        findings.error(
            "table", Place(str(file), _undecodable(file)), "not UTF-8", "save the file as CSV UTF-8"
        )


def header_of(start: str, columns: Sequence[str]) -> tuple[str, list[str]] | None:
    """Delimiter and column names (in lower case) of a table; None without the needed columns."""
    first_line = re.split(r"[\r\n]", start.removeprefix("\ufeff"), maxsplit=1)[0]
    for delimiter in DELIMITERS:
        try:
            names = next(csv.reader([first_line], delimiter=delimiter), [])
        except csv.Error:
            continue
        header = [name.strip().lower() for name in names]
        if set(columns) <= set(header):
            return delimiter, header
    return None


def _encoding(start: bytes) -> str:
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _rows(
    text: TextIO, file: Path, columns: Sequence[str], findings: Findings
) -> Iterator[tuple[Place, dict[str, str]]]:
    start = text.readline(LONGEST_LINE)
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
    delimiter, header = found
    if len(set(header)) < len(header):
        findings.error(
            "table", Place(str(file), "1"), "a column stands there twice", "keep one of them"
        )
        return
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    name = str(file)
    try:
        for fields in reader:
            place = Place(name, str(1 + reader.line_num))
            values = [field.strip() for field in fields]
            if not any(values):
                continue
            if len(values) == len(header):
                yield place, dict(zip(header, values, strict=True))
            else:
                findings.error(
                    "table",
                    place,
                    f"{len(fields)} fields, but the header has {len(header)}",
                    "a separator is missing or too many (decimal commas need semicolons between)",
                )
    except csv.Error as error:
        place = Place(str(file), str(1 + reader.line_num))
        findings.error("table", place, f"malformed CSV ({error})", "mend the quotes")


def _undecodable(file: Path) -> str:
    with file.open("rb") as stream:
        # Line by line, with a limit: a file without line ends is one line of any length.
        for number, line in enumerate(iter(lambda: stream.readline(2**24), b""), start=1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return str(number)
    return ""
