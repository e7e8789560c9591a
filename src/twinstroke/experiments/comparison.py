"""Experiments compared sample by sample, by the names that people call them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twinstroke.compare.curves import draw_curves
from twinstroke.compare.markdown import markdown
from twinstroke.compare.pairs import Experiment, compare
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import Decision
from twinstroke.evaluate.predictions import PredictionTable, read_predictions
from twinstroke.experiments.revisions import WORKSPACE, Revision, resolve
from twinstroke.files import replacing
from twinstroke.settings.yaml import NotYamlError, load_yaml
from twinstroke.tables import Split, parse_table
from twinstroke.train.history import Epoch


class Compared(NamedTuple):
    """A comparison, as people read it."""

    text: str
    """Markdown."""
    written: Sequence[Path]
    """Files, relative to the project's folder."""


def compare_experiments(
    root: Path, names: Sequence[str], preset: str, split: Split, decision: Decision
) -> Compared:
    """Compare each experiment with the first one, and write ``reports/<preset>/comparison``.

    Args:
        root: The project's folder.
        names: Commits, branches or tags, names of experiments, or ``workspace``. One alone is
            compared with the workspace, and none at all means HEAD and the workspace.
        preset: Of the predictions.
        split: Of the samples.
        decision: By which windows of a stroke.

    Raises:
        UserError: Names that mean nothing, predictions that are missing or damaged, or experiments
            that were tested on different samples.
    """
    names = list(names) or ["HEAD"]
    if len(names) == 1:
        names.append(WORKSPACE)
    revisions = resolve(root, names)
    tables = _tables(revisions, preset, split)
    settings, notes = _differing(revisions, preset)
    comparison = compare(
        [
            Experiment(
                revision.name,
                revision.commit[:7],
                own,
                f"{revision}: {_predictions(preset, split)}",
                table,
            )
            for revision, own, table in zip(revisions, settings, tables, strict=True)
        ],
        decision,
    )
    histories, missing = _histories(revisions, preset)
    text = markdown(comparison, preset, split, [*notes, *missing])
    folder = Path("reports", preset, "comparison")
    figures = {"preset": preset, "split": split, **comparison.model_dump()}
    contents = {
        "comparison.md": text,
        "comparison.json": json.dumps(figures, indent=2, ensure_ascii=False) + "\n",
    }
    for name, content in contents.items():
        with replacing(root / folder / name) as partial:
            partial.write_text(content, encoding="utf-8")
    written = [folder / name for name in contents]
    picture = folder / "curves.png"
    # No picture of an earlier comparison.
    (root / picture).unlink(missing_ok=True)
    if histories:
        draw_curves(histories, f"Preset {preset}", root / picture)
        written.append(picture)
    return Compared(text, written)


def _predictions(preset: str, split: str) -> str:
    return f"reports/{preset}/predictions/{split}.csv"


def _tables(revisions: Sequence[Revision], preset: str, split: str) -> list[PredictionTable]:
    file = _predictions(preset, split)
    tables, problems = [], []
    for revision in revisions:
        try:
            text = revision.read(file)
            if text is None:
                advice = (
                    f"its code was older, or preset {preset} was never run there; run it again "
                    "with dvc exp run"
                    if revision.commit
                    else f"run the pipeline first, with preset: {preset} in params.yaml: dvc repro"
                )
                raise UserError(f"{revision}: {file}: not found; {advice}")
            tables.append(read_predictions(text, f"{revision}: {file}"))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return tables


def _differing(revisions: Sequence[Revision], preset: str) -> tuple[list[str], list[str]]:
    """What tells each state from the others, in the notation of ``-S``; and what else to know."""
    every, notes = [], []
    for revision in revisions:
        params = _settings(revision, "params.yaml")
        if params.get("preset", preset) != preset:
            notes.append(
                f"params.yaml of {revision} is set to preset {params['preset']}, so its settings "
                f"may not be those that the predictions of {preset} were made with."
            )
        file = f"presets/{preset}.yaml"
        own = _settings(revision, file)
        params |= {f"{file}:{key}": value for key, value in own.items()}
        used = _used(revision, preset)
        # Results of other presets lie beside, whatever `preset` says.
        stale = [k for k in used if k != "preset" and k in params and params[k] != used[k]]
        if stale:
            notes.append(
                f"The results of {revision} were made before "
                f"{', '.join(f'{key}={_value(params[key])}' for key in stale)} was set; the table "
                "says what they were made with (dvc.lock), and dvc repro makes them anew."
            )
        every.append(params | used)
    keys = list(dict.fromkeys(key for own in every for key in own))
    keys = [key for key in keys if len({repr(own.get(key)) for own in every}) > 1]
    texts = [", ".join(f"{key}={_value(own.get(key))}" for key in keys) for own in every]
    others = [str(own) for own in revisions[1:] if not own.same_code(revisions[0])]
    if others:
        notes.append(
            f"The code in src/ or stages/ differs, too: that of {revisions[0]} and that of "
            f"{', '.join(others)}."
        )
    return texts, notes


def _settings(revision: Revision, file: str) -> dict[str, Any]:
    """A file of parameters with dotted keys; none, if it is not there."""
    text = revision.read(file)
    try:
        content = load_yaml(io.StringIO(text or ""))
    except NotYamlError as error:
        raise UserError(f"{revision}: {file}: not readable as YAML: {error}") from None
    return dict(_flat(content)) if isinstance(content, dict) else {}


def _used(revision: Revision, preset: str) -> dict[str, Any]:
    """The parameters that results were made with, as DVC wrote them down."""
    used: dict[str, Any] = {}
    for key, value in _settings(revision, "dvc.lock").items():
        # stages.train.params.params.yaml.seed, and …presets/demo.yaml.train.epochs
        # The report, made last, names all there are, used or not.
        if key.startswith("stages.report."):
            continue
        if match := re.fullmatch(r"stages\.\w+\.params\.(params|presets/[^/]+)\.yaml\.(.+)", key):
            file, name = match.groups()
            used[name if file == "params" else f"{file}.yaml:{name}"] = value
    return used if used.get("preset", preset) == preset else {}


def _flat(content: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, dict):
            found += _flat(value, f"{before}{key}.")
        else:
            found.append((f"{before}{key}", value))
    return found


def _value(value: object) -> str:
    if value is None:
        return "–"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _histories(
    revisions: Sequence[Revision], preset: str
) -> tuple[dict[str, list[Epoch]], list[str]]:
    """The epochs of each training that is known, and a note about each that is not."""
    file = f"reports/{preset}/history.csv"
    histories, notes = {}, []
    for revision in revisions:
        reason = "neither git nor DVC's cache holds it"
        try:
            text = revision.read(file)
            if text is not None:
                histories[str(revision)] = parse_table(text, file, Epoch)
                continue
        except UserError as error:
            reason = str(error)
        notes.append(f"The picture lacks the curve of {revision}: as to {file}, {reason}.")
    return histories, notes
