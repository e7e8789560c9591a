"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of the system for a disk that is full, or full for this user."""
PARTIAL = ".partial"


def project_folder() -> Path:
    """The project's folder: the current one, but for experiments that DVC runs in a copy of it.

    The copy lacks what is in no cache: raw videos, and what other runs left to be found again.
    """
    folder = Path(os.environ.get("DVC_ROOT", ""))
    return Path() if folder.resolve() == Path.cwd() else folder


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
    """Delete the files in `folder` that are not wanted: of removed videos, partial ones.

    Returns:
        The files that were deleted.
    """
    keep = set(wanted)
    gone = [path for path in sorted(folder.iterdir()) if path not in keep and path.is_file()]
    for path in gone:
        path.unlink()
    return gone


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
