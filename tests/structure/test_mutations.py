"""The list of mutations fits the code; whether tests notice them is tried on demand."""

from __future__ import annotations

import pytest

from tests.clone import ROOT
from tests.mutations.listed import PACKAGE, mutations


@pytest.mark.parametrize("name", mutations())
def test_a_mutation_has_its_place_and_its_tests(name: str) -> None:
    mutation = mutations()[name]
    # Text that occurs once, and gives a module that can be imported: else any test would "notice".
    compile(mutation.mutated(ROOT), PACKAGE / mutation.file, "exec")
    assert mutation.after != mutation.before
    for test in mutation.tests:
        file, _, function = test.partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert not function or f"def {function}(" in text, test
