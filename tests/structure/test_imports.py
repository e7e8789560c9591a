"""Every module can be imported first, packages are small, `__init__` files hold no work."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.structure.edges import PACKAGE, modules, tree

EACH_FIRST = """
import gc, importlib, os, sys

libraries, names = (argument.split(",") for argument in sys.argv[1:])
for library in libraries:
    importlib.import_module(library)
assert not [name for name in sys.modules if name.startswith("twinstroke")]
gc.freeze()  # else children would copy the memory of libraries to count references
failed = []
for name in names:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
sys.exit(len(failed) > 0)
"""
"""A child begins with other people's libraries and without any module of ours: what a fresh
interpreter would do differently is to load these libraries again, which know nothing of us."""
WITHOUT_TORCH = ("annotations", "formats", "index", "report", "results")
LARGEST_SHARE = 0.1


def libraries() -> list[str]:
    """Everything of others that some module imports as it is loaded."""
    found = set()
    for path in modules().values():
        for node in tree(path).body:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module or "")
    own = {name for name in found if name.partition(".")[0] in {"twinstroke", "__future__"}}
    return sorted(found - own)


def test_every_module_can_be_imported_first() -> None:
    command = [sys.executable, "-c", EACH_FIRST, ",".join(libraries()), ",".join(modules())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_module_that_cannot_be_imported_is_found() -> None:
    command = [sys.executable, "-c", EACH_FIRST, "json", "twinstroke.tables,twinstroke.no_such"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == (
        "twinstroke.no_such: ModuleNotFoundError: No module named 'twinstroke.no_such'\n"
    )


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_data_and_results_do_without_torch(package: str) -> None:
    names = [name for name in modules() if name.startswith(f"twinstroke.{package}")]
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"{package} loads torch {done.stderr}"


def test_no_package_is_a_large_part_of_all() -> None:
    lines: Counter[str] = Counter()
    for path in modules().values():
        first = path.relative_to(PACKAGE).parts[0]
        lines[first] += len(path.read_text(encoding="utf-8").splitlines())
    shares = {name: count / lines.total() for name, count in lines.items()}
    assert {name: share for name, share in shares.items() if share > LARGEST_SHARE} == {}


def test_the_docstring_of_a_package_names_its_modules() -> None:
    for path in PACKAGE.glob("**/__init__.py"):
        # Verbs, sections of presets and re-exported networks are found by their names.
        if path.parent == PACKAGE or path.parent.name in {"cli", "settings", "models"}:
            continue
        named = set(re.findall(r"`(\w+)", ast.get_docstring(tree(path)) or ""))
        own = {module.stem for module in path.parent.glob("*.py")} - {"__init__"}
        assert own <= named, f"{path.parent.name}: {sorted(own - named)}"


def test_init_files_hold_a_docstring_and_no_work() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        docstring, *rest = tree(path).body
        assert ast.get_docstring(tree(path)) and isinstance(docstring, ast.Expr), path
        if path.parent == PACKAGE:
            continue  # the version, and what torch must find before it is loaded
        if path.parent.name == "models":  # stands by itself, so it has a face of its own
            assert all(isinstance(node, ast.ImportFrom | ast.Assign) for node in rest)
            continue
        assert rest == [], path
