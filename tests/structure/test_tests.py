"""Tests share helpers, never what another file of tests holds; and their programs start quickly."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import quick

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


@pytest.mark.skipif(quick.FOLDER not in os.environ, reason="programs are quick beside xdist only")
def test_programs_start_quickly_whatever_was_loaded_here() -> None:
    """What some library, or we, set for it to read at its start must not make them slow again."""
    importlib.import_module("twinstroke.parallel.workers")
    importlib.import_module("twinstroke.train.fit")
    command = [quick.python(), "-c", "import sys; print('torch' in sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
