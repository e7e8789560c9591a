"""Whether the tests notice what would alter results: ``python -m tests.mutations [name …]``.

Makes each change of ``mutations.toml`` in a copy of this checkout, runs the tests there that should
notice, and says whether one failed. The same tests must pass before, or it would mean nothing.
Takes some minutes, one change after the other; nothing of this checkout is touched.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.clone import ROOT
from tests.mutations.listed import PACKAGE, Mutation, mutations

TIMEOUT_S = 600
"""Of the tests of one mutation."""
PRINTED = ".printed"
"""What the tests printed, in the copy."""
FORK = multiprocessing.get_context("fork")
LIBRARIES = ("cv2", "h5py", "hypothesis", "scipy.stats", "sklearn.metrics", "torch", "torchmetrics")
"""Imported once, and not for every mutation: that takes longer than most tests."""


def main() -> int:
    """Try the mutations that were named, or all; 1 if one survives without a reason."""
    parser = argparse.ArgumentParser("python -m tests.mutations", description=__doc__)
    parser.add_argument("name", nargs="*", help="of a mutation; all, if left out")
    known = mutations()
    chosen = parser.parse_args().name or list(known)
    if strange := [name for name in chosen if name not in known]:
        parser.error(f"no such mutation: {', '.join(strange)}; see tests/mutations/mutations.toml")
    # As tests/conftest.py does, for tensors so small, and before torch comes.
    os.environ["OMP_NUM_THREADS"] = "1"
    for library in LIBRARIES:
        importlib.import_module(library)
    wrong = []
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_checkout(copy)
        code, printed = run_tests(copy, {test for name in chosen for test in known[name].tests})
        if code:
            sys.exit(f"{printed}\nThe tests fail without any mutation: mend them first.")
        for name in chosen:
            begun = time.monotonic()
            outcome = tried(known[name], copy)
            print(f"{name:<40} {time.monotonic() - begun:5.1f} s  {outcome}", flush=True)
            if not outcome.startswith(("caught", "survives")):
                wrong.append(name)
    print(f"{len(chosen)} mutations; to look at: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


def copy_checkout(target: Path) -> None:
    """Copy all that git knows or would take in, with changes that are not committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def tried(mutation: Mutation, copy: Path) -> str:
    """Make the change in the copy, run its tests, take the change back; say what happened."""
    file = copy / PACKAGE / mutation.file
    try:
        file.write_text(mutation.mutated(copy), encoding="utf-8")
    except ValueError as error:
        return f"the list is stale: {error}"
    try:
        code, printed = run_tests(copy, mutation.tests, compiled=False)
    finally:
        # With its old time, by which Python knows that what it compiled before is still right.
        shutil.copy2(ROOT / PACKAGE / mutation.file, file)
    if code == 1:
        if mutation.survives:
            return "noticed after all: take the reason for surviving out of the list"
        (failed,) = re.findall(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)[:1] or ("",)
        return f"caught by {failed}"
    if code == 0:
        return f"survives: {mutation.survives}" if mutation.survives else "SURVIVED"
    # Neither a test that failed nor tests that passed: nothing is known.
    return f"pytest ended with {code}:\n{printed}"


def run_tests(copy: Path, tests: Iterable[str], *, compiled: bool = True) -> tuple[int, str]:
    """Run some tests of the copy until the first failure; its exit code and what it printed.

    Python may keep what it compiled only where that is no mutation.
    """
    process = FORK.Process(target=_pytest, args=(copy, sorted(tests), compiled))
    process.start()
    process.join(TIMEOUT_S)
    if process.is_alive():
        # With the processes that a test may have started.
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
    return process.exitcode or 0, (copy / PRINTED).read_text(encoding="utf-8", errors="replace")


def _pytest(copy: Path, tests: Sequence[str], compiled: bool) -> None:
    """In a process of its own, which has the libraries already."""
    os.setsid()
    with (copy / PRINTED).open("wb") as printed:
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy / "src")
    sys.path[:0] = [str(copy), str(copy / "src")]
    sys.dont_write_bytecode = not compiled
    # Those of this checkout.
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    arguments = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=line"]
    sys.exit(pytest.main([*arguments, *(f"tests/{test}" for test in tests)]))


if __name__ == "__main__":
    sys.exit(main())
