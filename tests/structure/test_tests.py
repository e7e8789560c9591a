"""Tests share helpers, and never what another file of tests holds."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
IMPORT = re.compile(r"^\s*(?:from|import) (tests\b[^\n(]*(?:\([^)]*\))?)", re.MULTILINE)
"""In programs too, which tests write down as text and run."""


def taken_from_tests(text: str) -> list[str]:
    """The imports that name a module of tests."""
    return [found for found in IMPORT.findall(text) if re.search(r"\btest_\w+", found)]


def test_no_module_imports_from_a_module_of_tests() -> None:
    """A change of one test must change no other, and one file must run without its neighbours."""
    taken = {
        str(path.relative_to(TESTS)): found
        for path in TESTS.rglob("*.py")
        if (found := taken_from_tests(path.read_text(encoding="utf-8")))
    }
    assert taken == {}


def test_such_an_import_is_found() -> None:
    bad = ["from tests.train.test_train import run", "    import tests.test_wheel as wheel"]
    bad += ["from tests import rows, test_wheel", "from tests.train import (\n    test_train,\n)"]
    good = ["from tests.trainings import run", "import tests.prepared", "from tests import rows"]
    assert taken_from_tests("\n".join([*bad, *good])) == [line.split(maxsplit=1)[1] for line in bad]
