"""What each stage depends on, read from its imports; ``dvc.yaml`` must say the same.

A stage depends on its script and on the modules that it reaches by imports. The walk is exact,
since ``__init__`` files hold no work and every import names the module that defines what it wants.
It stops at what decides no result: modules in `DECIDES_NOTHING`, imports in `NOT_TAKEN`. Sections
of the settings come to a stage by their values, not by their types: those count of which its code
uses something that ``params.yaml`` and the preset may leave to a default.

``python -m tests.structure.edges`` brings the modules in ``dvc.yaml`` to what is found here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from twinstroke.settings.experiment import Experiment
from twinstroke.settings.load import Settings
from twinstroke.settings.preset import Preset
from twinstroke.settings.train import TrainSettings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "twinstroke"
PRESET = "presets/${preset}.yaml"

DECIDES_NOTHING = {
    "twinstroke": "the version, which tells what made a file and changes no number in it; how long "
    "threads that wait turn round",
    "twinstroke.errors": "words about what went wrong; whoever meets an error writes nothing",
    "twinstroke.progress": "bars and the line of summary",
    "twinstroke.parallel.gpu_locks": "which GPU, and when; never what is computed on it",
    "twinstroke.parallel.prefetch": "gives what an iterator gives, in its order, only earlier",
    "twinstroke.parallel.store": "keeps and links whole files; what is in them is made elsewhere",
    "twinstroke.parallel.workers": "where work is done; each item has the same bits everywhere",
    "twinstroke.index.report": "findings as lines on the screen; findings.csv is written elsewhere",
    "twinstroke.detect.timing": "a stopwatch, whose times are printed and not stored",
    "twinstroke.train.messages": "words of training; what it raises or prints it does not store",
    "twinstroke.train.finished": "gives what a training of the very same wrote, to the byte",
    "twinstroke.train.gpus": "which GPU, and what memory it must have; not what it computes",
    "twinstroke.train.machine": "tells machines apart; what they compute is not changed",
    "twinstroke.train.saving": "when a state is written; going on from it gives the same bits",
    "twinstroke.train.unfinished": "names folders of trainings, and keeps those of others apart",
    "twinstroke.settings.base": "refuses values, and changes none",
    "twinstroke.settings.load": "reads both files; what it derives stands in the sections",
    "twinstroke.settings.preset": "lists the sections",
    "twinstroke.settings.yaml": "says what is no YAML; what is, ruamel reads",
}
"""Modules whose change changes no output of any stage, and why."""

NOT_TAKEN = {
    ("twinstroke.detect.recogniser", "twinstroke.export_model"): (
        "the stage names model.safetensors, which torch runs; model.onnx is for the command"
    ),
}
"""Imports of which no stage makes use, and why."""

DATA = {
    "twinstroke.annotations.classes": ["annotations/ttstroke21.csv"],
    "twinstroke.report.page": ["report/page.html", "report/attention.html"],
    "twinstroke.results.viewer.page": [
        "results/viewer/viewer.html",
        "results/viewer/viewer.css",
        "results/viewer/viewer.js",
    ],
}
"""Files that modules read out of the package."""

NO_PARAMETER = {"scheduler", "state_minutes", "feed"}
"""Where work is done, when states are saved, where samples lie: results do not depend on it."""
FROM_EXPERIMENT = {
    "name": {"preset"},
    "optimisation": {
        *(TrainSettings.model_fields.keys() & Experiment.model_fields.keys()),
        # Twin with attention blocks has a batch size of its own.
        *("modality", "attention_blocks"),
    },
    "execution": {"precision", "compile", "checkpointing", "processes"},
}
"""Keys of ``params.yaml`` from which attributes of `Settings` come that have another name."""
FROM_PRESET = {"optimisation": "train"}


def stages() -> dict[str, dict[str, Any]]:
    """The stages of ``dvc.yaml``."""
    content = YAML(typ="safe").load(ROOT / "dvc.yaml")
    found: dict[str, dict[str, Any]] = content["stages"]
    return found


@cache
def modules() -> dict[str, Path]:
    """Every module of the package and its file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> frozenset[str]:
    """Modules of the package that a file imports, wherever in it the import stands."""
    return frozenset(name for node in ast.walk(tree(path)) for name in named(node, path))


def named(node: ast.AST, path: Path) -> set[str]:
    """Modules of the package that one statement of a file imports; none if it is no import."""
    found = set()
    if isinstance(node, ast.Import):
        found = {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = path.relative_to(PACKAGE.parent).parts[: -node.level]
            base = ".".join([*above, *filter(None, [base])])
        inner = {f"{base}.{alias.name}" for alias in node.names}
        found = {name if name in modules() else base for name in inner}
    return found & modules().keys()


def reached(script: Path) -> set[str]:
    """Modules that a script reaches and that decide its result, but for sections of settings."""
    found: set[str] = set()
    waiting = [("", name) for name in imported(script)]
    while waiting:
        importer, name = waiting.pop()
        if name in found | DECIDES_NOTHING.keys() or (importer, name) in NOT_TAKEN:
            continue
        # The type of a value decides nothing; a function that a script calls does.
        if _is_settings(name) and importer and not _is_settings(importer):
            continue
        found.add(name)
        waiting += [(name, other) for other in imported(modules()[name])]
    return found


def _is_settings(name: str) -> bool:
    return name.startswith("twinstroke.settings.")


def used_settings(script: Path) -> set[tuple[str, ...]]:
    """What a script and the modules that it reaches take out of all settings, as attributes."""
    found = set(_chains(tree(script)))
    for name in reached(script):
        for node in ast.walk(tree(modules()[name])):
            if isinstance(node, ast.FunctionDef) and _takes_all_settings(node):
                found |= set(_chains(node))
        for file in DATA.get(name, []):
            text = (PACKAGE / file).read_text(encoding="utf-8")
            found |= {tuple(path.split(".")) for path in re.findall(r"\bsettings\.([\w.]+)", text)}
    return {chain for chain in found if chain[0] not in NO_PARAMETER}


def _takes_all_settings(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(argument.annotation, ast.Name)
        and argument.annotation.id in {"Settings", "Preset"}
        for argument in function.args.args
    )


def _chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """``settings.index.fps`` as ("index", "fps")."""
    inner = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    for found in ast.walk(node):
        if isinstance(found, ast.Attribute) and id(found) not in inner:
            names: list[str] = []
            value: ast.expr = found
            while isinstance(value, ast.Attribute):
                names.insert(0, value.attr)
                value = value.value
            if isinstance(value, ast.Name) and value.id == "settings":
                yield tuple(names)


def _followed(chain: tuple[str, ...]) -> tuple[tuple[str, ...], type[BaseModel] | None]:
    """How far a chain goes without a default, and the section where one may stand."""
    model: type[BaseModel] = Settings
    for place, name in enumerate(chain):
        field = model.model_fields.get(name)
        if field is None or not field.is_required():
            return chain[:place], model
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return chain[: place + 1], None
        model = field.annotation
    return chain, model


def wanted_modules(script: Path) -> set[str]:
    """Modules on which a stage depends."""
    sections = {_followed(chain)[1] for chain in used_settings(script)} - {None}
    found = reached(script) | {section.__module__ for section in sections if section}
    waiting = [name for name in found if _is_settings(name)]
    while waiting:  # a section's own imports: limits, parts of other sections
        for name in imported(modules()[waiting.pop()]):
            if _is_settings(name) and name not in found | DECIDES_NOTHING.keys():
                found.add(name)
                waiting.append(name)
    return found


def wanted_files(script: Path) -> set[str]:
    """Files of the package on which a stage depends, below the project's folder; whole folders."""
    names = wanted_modules(script)
    files = {modules()[name] for name in names}
    files |= {PACKAGE / file for name in names for file in DATA.get(name, [])}
    for folder in sorted({file.parent for file in files} - {PACKAGE}, reverse=True):
        inside = {
            path
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc" and path.name != "__init__.py"
        }
        if inside <= files:
            files = {file for file in files if folder not in file.parents} | {folder}
    return {file.relative_to(ROOT).as_posix() for file in files}


def wanted_parameters(script: Path) -> dict[str, set[str]]:
    """Keys of ``params.yaml`` and of the preset on which a stage depends."""
    experiment: set[str] = set()
    preset: set[str] = set()
    for chain in used_settings(script):
        first = chain[0]
        if first in FROM_EXPERIMENT or first in Experiment.model_fields:
            experiment |= FROM_EXPERIMENT.get(first, {first})
        if first in FROM_PRESET or first in Preset.model_fields:
            # A key that may be left out cannot be named in dvc.yaml, but its section can.
            path, _ = _followed((FROM_PRESET.get(first, first), *chain[1:]))
            preset.add(".".join(path) or first)
    covered = {key for key in preset for other in preset if key.startswith(f"{other}.")}
    return {"params.yaml": experiment, PRESET: preset - covered}


def main() -> None:
    """Bring ``dvc.yaml`` to what the imports say."""
    file = ROOT / "dvc.yaml"
    text = file.read_text(encoding="utf-8")
    for stage in stages():
        script = ROOT / "stages" / f"{stage}.py"
        lines = "".join(f"      - {name}\n" for name in sorted(wanted_files(script)))
        head, begin, rest = text.partition(f"      - stages/{stage}.py\n")
        own, data, rest = rest.partition("    params:\n")
        kept = re.sub(r"      - src/.*\n", "", own)
        lock = "      - requirements.lock\n"
        first = lock if lock in kept else ""
        text = head + begin + first + lines + kept.replace(lock, "") + data + rest
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
