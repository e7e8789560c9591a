"""Every module can be imported first, packages are small, `__init__` files hold no work."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import quick
from tests.structure.edges import PACKAGE, modules, named, tree

WITHOUT_TORCH = ("annotations", "formats", "index", "report", "results")
LARGEST_SHARE = 0.12
"""`formats` comes near it: fifteen formats, a module each, of which hardly one knows another."""


def loaded(path: Path) -> set[str]:
    """Modules of ours that run before a file does: not those that functions or types ask for."""
    found: set[str] = set()
    pending: list[ast.AST] = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found |= named(node, path)
            pending += ast.iter_child_nodes(node)
    return found


def test_every_module_can_be_imported_first() -> None:
    """There is an order in which each comes after all that it asks for, and in it all are there."""
    graph = {name: loaded(path) for name, path in modules().items()}
    assert sum(map(len, graph.values())) > len(graph)
    order = [*TopologicalSorter(graph).static_order()]
    command = [quick.python(), "-c", "\n".join(f"import {name}" for name in order)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_imports_that_run_later_are_told_from_those_that_run_at_once(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "import json, twinstroke.tables\n"
        "if TYPE_CHECKING:\n    from twinstroke import files\n"
        "else:\n    import twinstroke.errors\n"
        "class A:\n    from twinstroke.video import probe\n"
        "def f():\n    import twinstroke.hdf5\n"
        "try:\n    from twinstroke.models import TSTCNN\nexcept ImportError:\n    pass\n"
    )
    names = ("tables", "errors", "video.probe", "models")
    assert loaded(file) == {f"twinstroke.{name}" for name in names}


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
