"""What the store holds, what of it is used, how to get rid of the rest, and how to fill it."""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from twinstroke.errors import UNREADABLE
from twinstroke.hdf5 import FINGERPRINT
from twinstroke.parallel.parts import CONTENT, PARAMETERS
from twinstroke.parallel.store import PARTS, alone, link

UNFINISHED = "unfinished"
DAMAGED = "damaged"
FILLED_FROM = {
    "*/frames/*.h5": "decode",
    "*/flow/*.h5": "flow",
    "*/motion/**/*.h5": "normalize",
    "*/strokes.h5": "segment",
    "*/untrimmed/*.h5": "segment",
    "*/detections/*.h5": "detect",
}
"""Files of the output folders, and to which stage's folder of the store they belong."""


@dataclass(frozen=True)
class Holding:
    """Files of one stage that were made by the same parameters."""

    stage: str
    parameters: str
    """In words; or that they are unfinished or damaged."""
    paths: Sequence[Path]
    """Files, or folders of parts: one a video."""
    size: int
    """Bytes."""
    used: bool
    """Whether anything else refers to them."""


def holdings(store: Path) -> list[Holding]:
    """Say what the store holds, by stage, parameters and use.

    A file is used if it has another name, in the output folder of a stage or in DVC's cache; or if
    an output folder has a copy of it, where links are not possible.

    Args:
        store: The store, in the folder with the data of all presets.
    """
    copied = _copied(store)
    return [own for folder in _stages(store) for own in _holdings(folder, copied)]


def freed(store: Path) -> Iterator[Holding]:
    """Delete what is not used, each holding after it was given; a run that is at work goes first.

    Raises:
        OSError: The store cannot be written.
    """
    for folder in _stages(store):
        with alone(folder):
            for own in _holdings(folder, _copied(store)):
                if own.used:
                    continue
                yield own
                for path in own.paths:
                    if path.suffix == PARTS:
                        shutil.rmtree(path)
                    else:
                        path.unlink()


def taken_in(store: Path) -> list[Path]:
    """Give a name in the store to what only output folders hold, such as files that were pulled.

    What is no file of the stages, or cannot be read, is passed over. Whether the content of a file
    is what was written, is looked at when a stage takes it out, like that of any other.

    Args:
        store: The store, in the folder with the data of all presets.

    Returns:
        Their names in the store.

    Raises:
        OSError: The store cannot be written.
    """
    taken = []
    for pattern, stage in FILLED_FROM.items():
        for file in sorted(store.parent.glob(pattern)):
            fingerprint = _fingerprint(file)
            kept = store / stage / f"{fingerprint}.h5"
            if fingerprint and not kept.exists():
                link(file, kept)
                taken.append(kept)
    return taken


def _fingerprint(path: Path) -> str:
    """That of a finished file of a stage; empty if it is none."""
    with suppress(*UNREADABLE), h5py.File(path) as file:
        # Others may be damaged, and hang.
        if file.attrs.get_id(FINGERPRINT).dtype.kind == "S" and CONTENT in file.attrs:
            found = str(file.attrs[FINGERPRINT].decode())
            return found if re.fullmatch("[0-9a-f]{64}", found) else ""
    return ""


def _stages(store: Path) -> list[Path]:
    return sorted(path for path in store.glob("*") if path.is_dir())


def _holdings(folder: Path, copied: set[str]) -> list[Holding]:
    groups: dict[tuple[str, bool], list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix == PARTS:
            groups[UNFINISHED, False].append(path)
        elif path.suffix == ".h5":
            used = path.stat().st_nlink > 1 or path.stem in copied
            groups[_parameters(path), used].append(path)
    return [
        Holding(folder.name, parameters, paths, sum(map(_size, paths)), used)
        for (parameters, used), paths in sorted(groups.items())
    ]


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _parameters(path: Path) -> str:
    try:
        with h5py.File(path) as file:
            return ", ".join(_in_words(json.loads(file.attrs[PARAMETERS])))
    except UNREADABLE:
        return DAMAGED


def _in_words(parameters: dict[str, Any]) -> Iterator[str]:
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield f"{name} ({', '.join(_in_words(value))})"
        elif value is not None:
            shown = "×".join(map(str, value)) if isinstance(value, list) else f"{value}"
            yield f"{name} {shown}"


def _copied(store: Path) -> set[str]:
    """Fingerprints of what output folders hold as copies."""
    found = set()
    for path in store.parent.glob("*/**/*.h5"):
        if store not in path.parents and path.stat().st_nlink == 1:
            with suppress(*UNREADABLE), h5py.File(path) as file:
                found.add(file.attrs[FINGERPRINT].decode())
    return found
