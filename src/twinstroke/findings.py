"""What checks find wrong or odd in a data set, before any hour is spent on it.

An error belongs to something that cannot be used as it is: a file, a video or a stroke. A warning
is for a person to know, and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Severity = Literal["error", "warning"]
LIMIT = 1000
"""Findings of one check in one file that are kept; a wrong column must not make a million."""
NAMED = 20
"""How many things are named in one line."""


class Place(NamedTuple):
    """Where an annotation stands, for a person who looks it up."""

    file: str
    """Path of the annotation file, or of the folder of a clip."""
    row: str = ""
    """Line, or the name that the format gives its parts (``annotation a12``); may be empty."""

    def __str__(self) -> str:
        return f"{self.file}:{self.row}" if self.row else self.file


class Finding(BaseModel):
    """One row of ``findings.csv``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Severity
    check: str
    """Short name of the check: ``label``, ``overlap``, ``md5`` …"""
    file: str
    row: str
    video: str
    """Id of the video it is about; empty if there is none."""
    found: str
    """What was found, and what was expected."""
    advice: str
    """What to do."""
    times: int = 1
    """How many findings this one stands for: more than one if there are too many to tell."""

    def __str__(self) -> str:
        where = Place(self.file, self.row)
        return f"{where}: {self.found}; {self.advice}" if self.advice else f"{where}: {self.found}"


class Findings:
    """Collects findings; at most `LIMIT` of one check in one file, and counts the rest."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._times: Counter[tuple[Severity, str, str]] = Counter()

    def error(
        self, check: str, place: Place, found: str, advice: str = "", *, video: str = ""
    ) -> None:
        """Note that something cannot be used.

        Args:
            check: Short name of the check.
            place: File and row.
            found: What was found, and what was expected; no full stop.
            advice: What to do; no full stop.
            video: Id of the video it is about.
        """
        self._add("error", check, place, found, advice, video)

    def warning(
        self, check: str, place: Place, found: str, advice: str = "", *, video: str = ""
    ) -> None:
        """Note something odd; arguments as for :meth:`error`."""
        self._add("warning", check, place, found, advice, video)

    def extend(self, others: Iterable[Finding]) -> None:
        """Add findings that were made elsewhere, for instance in another process."""
        for item in others:
            place = Place(item.file, item.row)
            self._add(
                item.severity, item.check, place, item.found, item.advice, item.video, item.times
            )

    @property
    def errors(self) -> list[Finding]:
        """All errors, in the order in which they were found."""
        return self._of("error")

    @property
    def warnings(self) -> list[Finding]:
        """All warnings, in the order in which they were found."""
        return self._of("warning")

    @property
    def all(self) -> list[Finding]:
        """Errors, then warnings."""
        return self.errors + self.warnings

    @property
    def as_warnings(self) -> list[Finding]:
        """All, with every error as a warning: what is wrong with things that nobody uses."""
        return [item.model_copy(update={"severity": "warning"}) for item in self.all]

    def count(self, severity: Severity) -> int:
        """How many there were, those beyond the limit included."""
        return sum(times for (own, _, _), times in self._times.items() if own == severity)

    def _add(
        self,
        severity: Severity,
        check: str,
        place: Place,
        found: str,
        advice: str,
        video: str,
        times: int = 1,
    ) -> None:
        self._times[severity, check, place.file] += times
        if self._times[severity, check, place.file] <= LIMIT:
            # Names and labels come from files: what breaks a line there must not break it here.
            file, row, found, advice = (_one_line(t) for t in (*place, found, advice))
            self._kept.append(
                Finding(
                    severity=severity,
                    check=check,
                    file=file,
                    row=row,
                    video=video,
                    found=found,
                    advice=advice,
                )
            )

    def _of(self, severity: Severity) -> list[Finding]:
        found = [item for item in self._kept if item.severity == severity]
        for (own, check, file), times in self._times.items():
            if own == severity and times > LIMIT:
                found.append(
                    Finding(
                        severity=severity,
                        check=check,
                        file=_one_line(file),
                        row="",
                        video="",
                        found=f"{times - LIMIT:,} more of the same kind",
                        advice="mend the first ones and look again",
                        times=times - LIMIT,
                    )
                )
        return found


def named_list(names: Iterable[str]) -> str:
    """Up to `NAMED` names in order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return ", ".join(ordered[:NAMED]) + more


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
