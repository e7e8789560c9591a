"""Class names and the labels that annotations use for them."""

from __future__ import annotations

import csv
import difflib
import unicodedata
from collections.abc import Iterable
from importlib import resources
from itertools import combinations

from twinstroke.settings.index import IndexSettings
from twinstroke.tables import NEGATIVE, StrokeClass

UNKNOWN = "Unknown"
"""MediaEval's label of a test stroke that is to be classified by the participants."""
MOST_CLASSES = 200
"""More different labels than this are no classes: a wrong column, or comments."""
ALIKE = 0.93
"""Ratio of `difflib` above which two names may be meant to be one."""


def ttstroke21() -> list[StrokeClass]:
    """The 20 strokes in the order of the MediaEval baseline, after the rejection class (index 0).

    They stand in ``ttstroke21.csv`` beside this module.
    """
    table = resources.files("twinstroke.annotations").joinpath("ttstroke21.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return [StrokeClass.model_validate(row) for row in rows]


def with_superclasses(names: Iterable[str]) -> list[StrokeClass]:
    """Classes by their names, with their superclasses where these are known."""
    known = {row.label: row for row in ttstroke21()}
    return [known.get(name, StrokeClass(label=name)) for name in names]


def tidy(name: str) -> str:
    """A name without white space to spare, in Unicode's composed form, so that equals are equal."""
    return " ".join(unicodedata.normalize("NFC", name).split())


class ClassList:
    """The classes of a data set: given by the preset, or found in its annotations."""

    def __init__(self, settings: IndexSettings) -> None:
        self._known = {row.label: row for row in ttstroke21()}
        self._aliases = {tidy(alias): tidy(name) for alias, name in settings.aliases.items()}
        self.are_found = settings.classes == "found"
        """Whether every label that occurs is a class."""
        self._mines = settings.negatives.rule != "none"
        self._given: list[str] = []
        if settings.classes == "ttstroke21":
            self._given = list(self._known)
        elif isinstance(settings.classes, list):
            self._given = [tidy(name) for name in settings.classes]
        self._found: set[str] = set()
        self._refused: dict[str, tuple[str, str]] = {}

    @property
    def names(self) -> list[str]:
        """In the order of their index: as the preset says, or the found ones by name.

        Found ones follow the rejection class, if there is one.
        """
        if not self.are_found:
            return self._given
        found = self._found | ({NEGATIVE} if self._mines else set())
        return sorted(found, key=lambda name: (name != NEGATIVE, name))

    @property
    def table(self) -> list[StrokeClass]:
        """The classes with their superclasses."""
        return with_superclasses(self.names)

    def __contains__(self, name: str) -> bool:
        return self.are_found or name in self._given

    def checked(self, label: str | None) -> tuple[str | None, tuple[str, str] | None]:
        """Give the class that a label means (None: unknown), and what is wrong with it.

        White space at the ends and doubled inside is forgiven, and aliases are replaced. Where
        classes are found rather than given, every label is one.

        Returns:
            The class or None, and what was found with what to do, or None.
        """
        name = tidy(label or "")
        name = self._aliases.get(name, name)
        if name in self._given or name in self._found:
            return name, None
        if name in ("", UNKNOWN):
            return None, None
        if not self.are_found:
            if name not in self._refused and len(self._refused) < MOST_CLASSES:
                self._refused[name] = self._unknown(name)
            # Looking for what may be meant takes long: not for a million different labels.
            return None, self._refused.get(
                name, (f"label {name[:100]!r} is no class", "correct it")
            )
        if len(self._found) >= MOST_CLASSES or len(name) > 100 or not name.isprintable():
            return None, (
                f"label {name[:100]!r} is long, holds odd characters, or is one of more than "
                f"{MOST_CLASSES} different ones",
                "see that the right column or tier is read, or list the classes in the preset",
            )
        self._found.add(name)
        return name, None

    def _unknown(self, name: str) -> tuple[str, str]:
        candidates = {known.lower(): known for known in (*self._given, *self._aliases)}
        close = difflib.get_close_matches(name.lower()[:200], candidates, n=1)
        known = ", ".join(self._given[:8]) + (", …" if len(self._given) > 8 else "")
        count = len(self._given)
        return (
            f"label {name[:200]!r} is no class; the {count} classes are: {known}",
            f"did you mean {candidates[close[0]]!r}?"
            if close
            else "correct it, or add it to index.classes or index.aliases",
        )


def close_pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ so little that one may be a misspelling of the other."""
    pairs = []
    for name, other in combinations(sorted(names, key=str.casefold), 2):
        matcher = difflib.SequenceMatcher(None, name.casefold(), other.casefold())
        # Upper bounds first: they take a hundredth of the time.
        bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
        if all(bound() > ALIKE for bound in bounds):
            pairs.append((name, other))
    return pairs
