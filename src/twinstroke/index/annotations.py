"""What every annotation format is read into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twinstroke.index.classes import UNKNOWN, unknown_label
from twinstroke.tables import Split

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""Names of folders, and values of a column, that mean a split; case does not matter."""


@dataclass(frozen=True)
class Annotation:
    """One stroke of one video, as a file states it."""

    video: str
    """Id of the video."""
    begin: int
    """First frame."""
    end: int | None
    """Frame after the last one; None: the whole video."""
    label: str | None
    """A class; None: a stroke of unknown class."""
    split: Split | None
    """What the file or its folder says; None: nothing."""
    where: str
    """``file:line``, or the folder of a clip, for messages."""


@dataclass
class Reading:
    """Everything that one format finds below the raw folder; filled while reading."""

    videos: dict[str, Path] = field(default_factory=dict)
    """Files by id, ascending."""
    annotations: list[Annotation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(
        self,
        *,
        where: str,
        video: str,
        begin: str,
        end: str,
        label: str | None,
        split: Split | None,
        classes: Sequence[str],
    ) -> None:
        """Check the texts of one annotation; keep it, or note what is wrong with it.

        Args:
            where: ``file:line``.
            video: Id of the video.
            begin: A frame number from 0.
            end: A frame number greater than `begin`.
            label: A class; ``Unknown``, nothing or None if the class is not known.
            split: What the file or its folder says.
            classes: All classes.
        """
        first, after = _frame_number(begin), _frame_number(end)
        for name, text, number in (("begin", begin, first), ("end", end, after)):
            if number is None:
                self.problems.append(
                    f"{where}: {name} is {text!r}; write a whole frame number, 0 or more"
                )
        known, problem = checked_label(label, classes)
        if problem:
            self.problems.append(f"{where}: {problem}")
        if first is None or after is None or problem:
            return
        if first >= after:
            self.problems.append(
                f"{where}: begin {first} is not before end {after}; end is the frame after the "
                "last one"
            )
            return
        self.annotations.append(Annotation(video, first, after, known, split, where))


def _frame_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\s*[0-9]{1,12}\s*", text) else None


def checked_label(label: str | None, classes: Sequence[str]) -> tuple[str | None, str]:
    """Give the class that a label means (None: unknown), and what is wrong with it, if anything.

    White space at the ends and doubled inside is forgiven.
    """
    name = " ".join((label or "").split())
    if name in classes:
        return name, ""
    if name in ("", UNKNOWN):
        return None, ""
    return None, unknown_label(name, classes)


def split_of(folders: Sequence[str]) -> Split | None:
    """Split that the innermost folder named after one stands for; None if there is none."""
    for folder in reversed(folders):
        if folder.lower() in SPLIT_NAMES:
            return SPLIT_NAMES[folder.lower()]
    return None
