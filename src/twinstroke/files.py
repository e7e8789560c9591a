"""Files that appear whole or not at all, and per-video outputs that are made only once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin

PARTIAL = ".partial"
FINGERPRINT = "fingerprint"
COMPRESSION = hdf5plugin.Blosc2(cname="zstd", clevel=3, filters=hdf5plugin.Blosc2.SHUFFLE)
"""For every bulk dataset. Reading needs ``import hdf5plugin``."""

# Blosc2 with several threads orders its blocks as they finish, which would change the bytes.
os.environ["BLOSC_NTHREADS"] = "1"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, beside `path`; rename it to `path` when the block succeeds.

    A block that raises leaves nothing behind, and a killed program leaves only the partial file,
    which the next attempt overwrites.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}{PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def new_hdf5(path: Path, fingerprint: str) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears under its name only when complete.

    Equal contents written in the same order give equal bytes: HDF5 stores no time here.
    """
    with replacing(path) as partial, h5py.File(partial, "w", libver="v110") as file:
        file.attrs[FINGERPRINT] = fingerprint
        yield file


def fingerprint_of(**parts: Any) -> str:
    """Digest of everything that an output depends on: content, parameters, versions."""
    canonical = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def is_finished(path: Path, fingerprint: str) -> bool:
    """Tell whether `path` is a complete HDF5 file that was made from exactly these inputs."""
    try:
        with h5py.File(path) as file:
            return bool(file.attrs.get(FINGERPRINT) == fingerprint)
    except OSError:
        return False


def prune(folder: Path, wanted: Iterable[Path]) -> list[Path]:
    """Delete the files of `folder` that are not wanted: of removed videos, and partial ones.

    Returns:
        What was deleted.
    """
    keep = set(wanted)
    gone = [path for path in sorted(folder.iterdir()) if path.is_file() and path not in keep]
    for path in gone:
        path.unlink()
    return gone


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
