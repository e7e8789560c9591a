r"""Whether files are what their sender sent: lists of MD5 sums that come with a package.

Read as ``md5sum`` of GNU coreutils 9 writes them, ``<sum>  <name>``, or ``<sum> *<name>`` in binary
mode; a line that begins with a backslash writes line breaks and backslashes of the name as ``\n``,
``\r`` and ``\\``. Also with ``--tag``, as BSD does: ``MD5 (<name>) = <sum>``. Names are relative
to the folder of the list.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import BinaryIO, NamedTuple

from twinstroke.findings import Findings, Place
from twinstroke.progress import progress_bar

_NAMES = ("md5sums", "md5sums.txt")
_LARGEST_LIST = 2**27
"""Bytes: a million files need less."""
_LONGEST_LINE = 2**14
"""Bytes: no path is that long, even with every character escaped."""
_BLOCK = 2**20
_GNU = re.compile(r"(\\?)([0-9a-f]{32}) [ *](.+)", re.IGNORECASE | re.DOTALL)
_BSD = re.compile(r"(\\?)MD5 ?\((.+)\) ?= ?([0-9a-f]{32})", re.IGNORECASE | re.DOTALL)
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


class _Expected(NamedTuple):
    place: Place
    sum: str


def verify_md5sums(raw: Path, findings: Findings, workers: int) -> set[Path]:
    """Compare files with the lists ``MD5SUMS`` in the raw folder and in the folders in it.

    A difference is an error, and so is a line that cannot be read or whose file lies outside the
    raw folder, which is not opened. All listed files of one list that are not there are one
    warning: of a large package one may have unpacked a part.

    Args:
        raw: Folder of the raw data.
        findings: Gets what is wrong.
        workers: Files that are read at the same time.

    Returns:
        Files that differ, as paths below `raw`.
    """
    wanted: dict[Path, _Expected] = {}
    for file in _lists(raw):
        try:
            _read_list(file, raw.resolve(), wanted, findings)
        except OSError as error:
            findings.error(
                "md5", Place(str(file)), f"cannot be read ({error.strerror})", "copy it again"
            )
    paths = sorted(wanted)
    if not paths:
        return set()
    differ = set()
    lock = Lock()
    total = sum(path.stat().st_size for path in paths)
    with progress_bar("md5", total, "B") as bar, ThreadPool(workers) as pool:
        bar.unit_scale = True

        def advance(count: int) -> None:
            with lock:
                bar.update(count)

        sums = pool.imap(lambda path: _md5_of(path, advance), paths)
        for path, found in zip(paths, sums, strict=True):
            place, expected = wanted[path]
            if found != expected:
                differ.add(path)
                what = f"{path} has the MD5 sum {found}, expected {expected}"
                if isinstance(found, OSError):
                    what = f"{path} cannot be read ({found.strerror})"
                findings.error("md5", place, what, "copy the file again")
    return differ


def _lists(raw: Path) -> list[Path]:
    """Lists in the raw folder or one below it, hidden ones and links to folders left out."""
    folders = [raw] + [
        path
        for path in sorted(raw.iterdir())
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    ]
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.name.lower() in _NAMES and path.is_file()
    ]


def _read_list(file: Path, home: Path, wanted: dict[Path, _Expected], findings: Findings) -> None:
    """Add those files of a list that are there."""
    whole = Place(str(file))
    if not file.resolve().is_relative_to(home):
        findings.error("md5", whole, f"leads out of {home}", "put the file itself there")
        return
    if file.stat().st_size > _LARGEST_LIST:
        findings.error("md5", whole, "is too large for a list of sums", "rename or remove it")
        return
    absent = 0
    first_absent = []
    with file.open("rb") as stream:
        for row, line in enumerate(_lines(stream), 1):
            place = Place(str(file), str(row))
            if not line or line.startswith("#"):
                continue
            entry = _entry(line)
            if entry is None:
                findings.error(
                    "md5",
                    place,
                    f"{line[:80]!r} is not `<32 hexadecimal digits>  <name>`",
                    "mend the line, or make the list anew with md5sum",
                )
                continue
            digest, name = entry
            path = file.parent / name
            if name.is_absolute() or ".." in name.parts or not _stays(path, home):
                findings.error(
                    "md5",
                    place,
                    f"{str(name)!r} is no plain path below {file.parent}",
                    "nothing else is opened; remove the line",
                )
            elif not _is_file(path):
                absent += 1
                if absent <= 3:
                    first_absent.append(repr(str(name)))
            elif wanted.get(path, (None, digest))[1] != digest:
                findings.error(
                    "md5",
                    place,
                    f"{str(name)!r} has another sum in {wanted[path].place}",
                    "remove one of the lines",
                )
            # `md5sum * > MD5SUMS` lists the list too, as it was before anything was written.
            elif path != file:
                wanted.setdefault(path, _Expected(place, digest))
    if absent:
        names = ", ".join(first_absent) + (" …" if absent > len(first_absent) else "")
        findings.warning(
            "md5",
            whole,
            f"{absent:,} of the listed files are not there: {names}",
            "nothing to do if only a part was unpacked on purpose",
        )


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Lines without their ends; bytes that are no UTF-8 come as they do in names of files."""
    while line := stream.readline(_LONGEST_LINE):
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(_LONGEST_LINE)
        yield os.fsdecode(line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n"))


def _entry(line: str) -> tuple[str, PurePosixPath] | None:
    """Sum and name that a line holds; None if it is not written as it should be."""
    if match := _GNU.fullmatch(line):
        escaped, digest, name = match.groups()
    elif match := _BSD.fullmatch(line):
        escaped, name, digest = match.groups()
    else:
        return None
    if escaped:
        if re.sub(r"\\[\\nr]", "", name).count("\\"):
            return None
        name = re.sub(r"\\.", lambda found: _ESCAPES[found[0]], name)
    return None if "\0" in name else (digest.lower(), PurePosixPath(name))


def _stays(path: Path, home: Path) -> bool:
    try:
        return path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):
        # A loop of links, or a name that is too long: nothing that could be opened.
        return True


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _md5_of(path: Path, advance: Callable[[int], None]) -> str | OSError:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                advance(len(block))
    except OSError as error:
        return error
    return digest.hexdigest()
