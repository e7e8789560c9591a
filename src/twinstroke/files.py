"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of the system for a disk that is full, or full for this user."""
PARTIAL = ".partial"
PARTS = ".parts"
"""Ends the name of a hidden folder with parts of the file that it is named after."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, beside `path`; rename it to `path` when the block succeeds.

    A block that raises leaves nothing behind, and a killed program leaves only the partial file,
    which the next attempt at the same path overwrites.

    Raises:
        OSError: The disk is full; it names `path`, which the system does not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        partial.unlink(missing_ok=True)


def prune(folder: Path, wanted: Iterable[Path]) -> list[Path]:
    """Delete what is in `folder` and not wanted: files of removed videos, partial ones, old parts.

    Returns:
        The files that were deleted.
    """
    keep = set(wanted)
    gone = []
    for path in sorted(folder.iterdir()):
        if path in keep:
            continue
        if path.name.endswith(PARTS):
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
            gone.append(path)
    return gone


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
