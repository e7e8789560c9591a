"""Each stage depends on what decides its result, no more and no less."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure import edges
from tests.structure.edges import (
    DATA,
    DECIDES_NOTHING,
    NOT_TAKEN,
    PACKAGE,
    PRESET,
    ROOT,
    imported,
    modules,
    stages,
    tree,
    wanted_files,
    wanted_modules,
    wanted_parameters,
)
from twinstroke.train.unfinished import code

STAGES = list(stages())
COPIES = {"segment"}
"""Stages whose numbers no library decides; ``dvc.yaml`` says why."""
WORDS = re.compile(r"[a-z]+ [a-z]+")


def script(stage: str) -> Path:
    return ROOT / "stages" / f"{stage}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_yaml_names_the_modules_that_a_stage_reaches(stage: str) -> None:
    wanted = wanted_files(script(stage))
    listed = {name for name in stages()[stage]["deps"] if name.startswith("src/")}
    assert listed == wanted, (
        f"dvc.yaml, stage {stage}: add {sorted(wanted - listed)}, take out "
        f"{sorted(listed - wanted)}; python -m tests.structure.edges does"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_yaml_names_the_settings_that_a_stage_uses(stage: str) -> None:
    listed: dict[str, set[str]] = {"params.yaml": set(), PRESET: set()}
    for item in stages()[stage]["params"]:
        for file, keys in (item if isinstance(item, dict) else {"params.yaml": [item]}).items():
            listed[file] |= {*keys}
    assert listed == wanted_parameters(script(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_library_versions_count_where_a_library_computes(stage: str) -> None:
    assert ("requirements.lock" in stages()[stage]["deps"]) == (stage not in COPIES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_script_is_short_and_its_own_dependency(stage: str) -> None:
    text = script(stage).read_text(encoding="utf-8")
    assert f"stages/{stage}.py" in stages()[stage]["deps"]
    assert len(text.splitlines()) <= 60
    # By this name its use is found.
    assert text.count("load_settings()") == text.count(" settings = load_settings()") == 1


def test_whoever_takes_all_settings_calls_them_so() -> None:
    decisive = set().union(*(wanted_modules(script(stage)) for stage in STAGES))
    for name in decisive:
        for node in ast.walk(tree(modules()[name])):
            if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name):
                is_all = node.annotation.id in {"Settings", "Preset"}
                assert not is_all or node.arg == "settings", f"{name}: {node.arg}"


def test_the_lists_of_exceptions_are_needed() -> None:
    present = {(name, other) for name, path in modules().items() for other in imported(path)}
    assert NOT_TAKEN.keys() <= present
    reached = {other for name, other in present} | {"twinstroke"}
    assert DECIDES_NOTHING.keys() <= reached
    # Without it, some stage would have to depend on it.
    for name in DECIDES_NOTHING:
        importers = {a for a, b in present if b == name}
        used = {s for s in STAGES if importers & wanted_modules(script(s))}
        used |= {s for s in STAGES if name in imported(script(s))}
        inside = {n for n in DECIDES_NOTHING if n in importers}
        assert used or inside, f"{name} is reached by no stage"


def test_every_file_of_the_package_belongs_to_the_module_that_reads_it() -> None:
    data = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".typed"}
    }
    assert {file for files in DATA.values() for file in files} == data
    for name, files in DATA.items():
        own = [modules()[name], *(PACKAGE / file for file in files)]
        text = "".join(path.read_text(encoding="utf-8") for path in own)
        assert all(Path(file).name in text for file in files), name


def spoken(node: ast.AST) -> Iterator[str]:
    """Sentences that a module says to people, by an error or on the screen."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute):
            name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            if name in {"UserError", "print", "say", "summarise", "set_postfix_str", "write"}:
                for part in ast.walk(call):
                    if isinstance(part, ast.Constant) and WORDS.search(str(part.value)):
                        yield str(part.value)


def test_a_sentence_for_people_trains_nothing_again() -> None:
    paths = [script("train"), *(modules()[name] for name in wanted_modules(script("train")))]
    assert {path.name: said for path in paths if (said := list(spoken(tree(path))))} == {}


def test_a_state_belongs_to_the_code_that_decides_a_training() -> None:
    wanted = {
        modules()[name]
        for name in wanted_modules(script("train"))
        if name.startswith(("twinstroke.train.", "twinstroke.models"))
    }
    assert {path for path in code() if path != PACKAGE / "train" / "__init__.py"} == wanted


def test_networks_import_torch_and_nothing_else() -> None:
    for path in (PACKAGE / "models").glob("*.py"):
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            roots = {name.partition(".")[0] for name in names}
            assert roots <= {"torch", *sys.stdlib_module_names}, path


def test_the_walk_finds_imports_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(
        "import twinstroke.tables\n"
        "from twinstroke.flow import stored\n"
        "from twinstroke.flow.estimators import estimate_flow\n"
        "def later():\n    from twinstroke.segment.crop import crop_around\n"
        "import json\n"
    )
    assert imported(file) == {
        *("twinstroke.tables", "twinstroke.flow.stored", "twinstroke.flow.estimators"),
        "twinstroke.segment.crop",
    }
    assert edges.reached(file) == imported(file) | {"twinstroke.files", "twinstroke.regions"}
