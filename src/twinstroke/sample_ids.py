"""Samples that a person names by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Protocol, TypeVar

from twinstroke.errors import UserError


class _OfSample(Protocol):
    """A row of a table that is about one sample."""

    @property
    def sample(self) -> str: ...


R = TypeVar("R", bound=_OfSample)


def named(rows: Iterable[R], names: Sequence[str]) -> list[R]:
    """The rows about the samples with these ids, in this order, each once.

    Raises:
        UserError: One line for each id that no row is about.
    """
    by_name = {row.sample: row for row in rows}
    if unknown := [name for name in names if name not in by_name]:
        raise UserError(_unknown(name, list(by_name)) for name in unknown)
    return [by_name[name] for name in dict.fromkeys(names)]


def _unknown(name: str, known: Sequence[str]) -> str:
    close = ", ".join(get_close_matches(name, known, n=3, cutoff=0.5))
    hint = f"closest: {close}" if close else "samples.csv lists all ids"
    return f"{name!r}: no sample has this id; {hint}"
