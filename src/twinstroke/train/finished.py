"""Trainings that are through, kept for whoever asks for the very same.

A training may be through before anybody hears of it: DVC was killed meanwhile, or before it noted
the model. So what was trained is kept in a folder of its own, whole or not at all, and from there
goes to where it was asked for. The model becomes one file with two names where the disk allows it
(and with DVC's cache, three), so that it takes no room twice. It is read-only, since what is
written into it would be in all of them; its digest tells whether somebody did.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from twinstroke.files import PARTIAL, replacing, sha256_of
from twinstroke.train.history import TrainingSummary
from twinstroke.train.messages import damaged_training, say, taken

MOST = 8
"""Trainings that are kept; at the paper's scale one has 0.9 GB, unless DVC's cache has it too."""
NOTE = "kept.json"


class _Note(BaseModel):
    """What is known of a training that is kept."""

    summary: TrainingSummary
    files: dict[str, str]
    """SHA-256 of each, by name."""


@contextmanager
def keeping(folder: Path) -> Iterator[Path]:
    """Give a folder to write to, which has the name `folder` once :func:`note` was called."""
    partial = folder.with_name(f".{folder.name}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    kept = [path.parent for path in folder.parent.glob(f"*/{NOTE}")]
    for older in sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True)[MOST:]:
        shutil.rmtree(older)


def note(folder: Path, summary: TrainingSummary) -> None:
    """Say what the files of a training are, once all are written."""
    files = sorted(folder.iterdir())
    for file in files:
        file.chmod(0o444)
        with file.open("rb") as stream:
            # The state goes when the training has its name, whatever happens to the machine then.
            os.fsync(stream.fileno())
    content = _Note(summary=summary, files={file.name: sha256_of(file) for file in files})
    (folder / NOTE).write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")


def take(folder: Path, model: Path, tables: Sequence[Path]) -> TrainingSummary | None:
    """Take a training that is kept, if it is, and is whole.

    Args:
        folder: Where it would be.
        model: Gets its model.
        tables: Get its tables, each the one of its name.

    Returns:
        What was done when it was trained.
    """
    if not folder.is_dir():
        return None
    try:
        known = _Note.model_validate_json((folder / NOTE).read_bytes())
        whole = all(sha256_of(folder / name) == known.files[name] for name in known.files)
    except (FileNotFoundError, ValidationError):
        whole = False
    if not whole:
        say(damaged_training(folder))
        shutil.rmtree(folder)
        return None
    os.utime(folder)  # the one taken last is the last to go
    hand_over(folder, model, tables)
    say(taken(folder))
    return known.summary


def hand_over(folder: Path, model: Path, tables: Sequence[Path]) -> None:
    """Put the files of a training where they are asked for, each whole or not at all."""
    for table in tables:
        # Copied: it is small, and people may open and change it.
        with replacing(table) as partial:
            shutil.copyfile(folder / table.name, partial)
    with replacing(model) as partial:
        partial.unlink(missing_ok=True)
        try:
            partial.hardlink_to(folder / model.name)
        except OSError:  # another disk, or one without links
            shutil.copyfile(folder / model.name, partial)
