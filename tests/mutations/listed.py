"""The list of mutations: changes of the code that would alter results, each for the worse."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

LIST = Path(__file__).with_name("mutations.toml")
PACKAGE = Path("src", "twinstroke")


class Mutation(BaseModel):
    """A change of one place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    """In the package."""
    before: str
    """Text that stands there exactly once."""
    after: str
    effect: str
    """What it does to results."""
    tests: list[str] = Field(min_length=1)
    """Which should notice: files in ``tests/``, or single tests of them."""
    survives: str = ""
    """Why none can, if so."""

    def mutated(self, root: Path) -> str:
        """The text of the file in a checkout with the change made.

        Raises:
            ValueError: The text to change is not there exactly once.
        """
        text = (root / PACKAGE / self.file).read_text(encoding="utf-8")
        if (found := text.count(self.before)) != 1:
            raise ValueError(f"{self.file}: found {found} times, not once: {self.before!r}")
        return text.replace(self.before, self.after)


@cache
def mutations() -> dict[str, Mutation]:
    """All of them by name: ``<area>.<what>``, as in the table's headings."""
    with LIST.open("rb") as file:
        areas = tomllib.load(file)
    return {
        f"{area}.{name}": Mutation.model_validate(values)
        for area, own in areas.items()
        for name, values in own.items()
    }
