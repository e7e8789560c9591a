"""What `--help` and the shell's completion say, and what they load to say so."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from tests.command import NAMES
from twinstroke.cli.main import VERBS, verbs
from twinstroke.settings import detect
from twinstroke.settings.detect import DetectSettings

ROOT = Path(__file__).parents[2]
SLOW = {"torch", "cv2", "dask", "distributed", "sklearn", "scipy", "h5py", "matplotlib", "dvc"}
"""What no help of a verb may wait for."""
PROGRAM = """
import atexit, json, sys
before = set(sys.modules)
def tell():
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    print(json.dumps(sorted(new - sys.stdlib_module_names)), file=sys.stderr)
atexit.register(tell)
from twinstroke.cli.main import main
main()
"""
"""The command; its last line on standard error says what it loaded beside Python's own library."""


def run(*arguments: str, **environment: str) -> tuple[str, set[str]]:
    """Carry out a command line in a fresh interpreter; give what it printed, and what it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


def command(name: str) -> click.Command:
    """A verb, as its module has it."""
    found: click.Command = importlib.import_module(_module(name)).command
    return found


def _module(name: str) -> str:
    return f"twinstroke.cli.{name.replace('-', '_')}"


# --- Help ---


def test_the_list_of_verbs_needs_nothing_but_click() -> None:
    printed, loaded = run("--help")
    assert loaded == {"click", "twinstroke"}
    lines = printed.splitlines()
    # Each group with its verbs, in the order of a user's day, and no verb outside.
    shown = [line for line in lines if re.match(r"(  )?\S", line)]
    shown = shown[shown.index(f"{next(iter(VERBS))}:") :]
    expected = []
    for title, group in VERBS.items():
        expected += [f"{title}:", *(f"  {name:16}  {text}" for name, text in group.items())]
    assert shown[: len(expected)] == expected
    assert [
        *("check", "inspect", "export", "export-model", "attend"),
        *("detect", "view", "score", "submit", "check-submission"),
        *("compare", "grid", "store", "bench", "gpu-check"),
    ] == NAMES


def test_every_module_of_a_verb_is_in_the_list() -> None:
    modules = {path.stem for path in (ROOT / "src/twinstroke/cli").glob("*.py")}
    own = {"__init__", "main", "options"}
    assert modules - own == {name.replace("-", "_") for name in NAMES}
    assert verbs.list_commands(click.Context(verbs)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_verb_tells_of_itself_without_its_work(name: str) -> None:
    printed, loaded = run(name, "--help")
    assert not loaded & SLOW
    assert printed.startswith(f"Usage: twinstroke {name} ")
    assert f"  {_told(name)}\n" in printed


@pytest.mark.parametrize("name", NAMES)
def test_a_verb_says_of_itself_what_the_list_says(name: str) -> None:
    assert inspect.cleandoc(command(name).help or "").partition("\n\n")[0] == _told(name)


def _told(name: str) -> str:
    (text,) = (group[name] for group in VERBS.values() if name in group)
    return text


def test_the_version_is_that_of_the_package() -> None:
    printed, loaded = run("--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", printed)
    assert loaded == {"click", "twinstroke"}
    import twinstroke

    assert twinstroke.__version__ == printed.strip()
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        _ = twinstroke.version


# --- Options of settings ---


def _documented() -> dict[str, str]:
    """Docstrings of the fields, by reading the program."""
    model, _ = (
        node for node in ast.parse(inspect.getsource(detect)).body if isinstance(node, ast.ClassDef)
    )
    found = {}
    for node, after in zip(model.body, model.body[1:], strict=False):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assert isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            found[node.target.id] = " ".join(str(after.value.value).split())
    return found


@pytest.mark.parametrize("name", ["detect", "submit"])
def test_rules_are_those_of_the_settings(name: str) -> None:
    """Names, kinds, choices, defaults and words, none of them written twice."""
    options = {o.name: o for o in command(name).params if isinstance(o, click.Option)}
    documented = _documented()
    rules = set(DetectSettings.model_fields)
    assert set(documented) == rules <= set(options)
    assert "split" not in options
    values = DetectSettings(stride=3).model_dump()
    for rule in rules:
        option = options[rule]
        assert option.opts == [f"--{rule.replace('_', '-')}"]
        first, _, _ = documented[rule].partition(". ")
        assert (option.help or "").rstrip(".") == first.replace("`", "").rstrip(".")
        if rule == "stride":
            assert option.type is click.INT
            continue
        assert option.default == values[rule]
        if isinstance(values[rule], float):
            assert option.type is click.FLOAT
        else:
            assert isinstance(option.type, click.Choice)
            for choice in option.type.choices:
                DetectSettings(**{"stride": 3, rule: choice})


# --- Completion ---


def completed(*words: str) -> tuple[list[str], set[str]]:
    """What Bash would offer for the last word, and what was loaded for it."""
    printed, loaded = run(
        _TWINSTROKE_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(["twinstroke", *words]),
        COMP_CWORD=str(len(words)),
    )
    return [line.partition(",")[2] for line in printed.splitlines()], loaded


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["c"], ["check", "check-submission", "compare"]),
        (["--v"], ["--version"]),
        (["export", ""], ["csv", "mediaeval", "elan", "sportscode", "activitynet"]),
        (["export", "e"], ["elan"]),
        (["submit", "d"], ["detection"]),
        (["detect", "v.mp4", "--ru"], ["--rules", "--runs"]),
        (["detect", "--smoothing", "g"], ["gaussian"]),
        (["grid", "t"], ["table2", "table3"]),
        (["grid", "table2", "--p"], ["--preset"]),
        (["compare", "--split", "te"], ["test"]),
    ],
)
def test_completion(words: list[str], expected: list[str]) -> None:
    offered, loaded = completed(*words)
    assert offered == expected
    assert not loaded & SLOW
    if len(words) == 1:
        assert loaded == {"click", "twinstroke"}, "verbs are known by name"


def test_completion_of_grids_is_silent_where_there_are_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twinstroke"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "_TWINSTROKE_COMPLETE": "bash_complete",
            "COMP_WORDS": "twinstroke grid t",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_bash_completes_with_what_the_command_prints(tmp_path: Path) -> None:
    """As a user sets it up: the real shell, and a program `twinstroke` on the path."""
    program = tmp_path / "twinstroke"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m twinstroke "$@"\n')
    program.chmod(0o755)
    script = """
        set -e
        eval "$(_TWINSTROKE_COMPLETE=bash_source twinstroke)"
        complete -p twinstroke
        COMP_WORDS=(twinstroke gp) COMP_CWORD=1
        _twinstroke_completion twinstroke gp twinstroke
        echo "${COMPREPLY[@]}"
    """
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src")}
    printed: Any = subprocess.run(
        ["bash", "-c", script], env=environment, check=True, capture_output=True, text=True
    ).stdout
    registered, offered = printed.splitlines()
    assert registered.endswith("-F _twinstroke_completion twinstroke")
    assert offered == "gpu-check"
