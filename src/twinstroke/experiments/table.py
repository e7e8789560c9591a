"""Results of a grid: from the experiments' own commits to a CSV, and from the CSV to Markdown.

``docs/results/<grid>-<preset>.csv`` holds one row for each row of the grid, with empty fields where
its experiment is missing. The table in ``docs/results.md`` is made from that file alone, between
``<!-- table: <grid>-<preset> -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import dvc.api
from dvc.exceptions import PathMissingError
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from ruamel.yaml import YAML

from twinstroke.errors import UserError
from twinstroke.evaluate.intervals import wilson
from twinstroke.experiments.grids import Planned, right_of
from twinstroke.experiments.workspace import Workspace
from twinstroke.files import replacing
from twinstroke.settings.network import Architecture, Modality
from twinstroke.tables import read_table, write_table

RESULTS = Path("docs", "results.md")
TABLES = Path("docs", "results")
END = "<!-- end -->"
HEAD = """\
# Results of the experiment grids

`twinstroke grid` writes these tables from the files in [results/](results/); nothing in them is
typed.
"""


def _nothing(value: Any) -> Any:
    return None if value == "" else value


Number = Annotated[int | None, BeforeValidator(_nothing)]
Real = Annotated[float | None, BeforeValidator(_nothing)]
Text = Annotated[str | None, BeforeValidator(_nothing)]


class Split(BaseModel):
    """Accuracy on one split, as ``evaluate`` writes it; parts of 1."""

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float


class Parameters(BaseModel):
    """Numbers of trainable parameters."""

    all: int
    without_fully_connected: int


class Metrics(BaseModel):
    """``reports/<preset>/scores.json``, as far as the table needs it, nested."""

    train: Split
    validation: Split
    test: Split | None = None
    """None: the test strokes are unlabelled."""
    parameters: Parameters
    best_epoch: int

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, scores: Any) -> Any:
        """The file is flat: ``test.single.accuracy``."""
        if not isinstance(scores, dict):
            return scores
        parts = {name: f"{name}.single." for name in ("train", "validation", "test")}
        nested: dict[str, Any] = {"best_epoch": scores.get("best_epoch")}
        for name, prefix in (parts | {"parameters": "parameters."}).items():
            keys = [key for key in scores if key.startswith(prefix)]
            if keys:
                nested[name] = {key.removeprefix(prefix): scores[key] for key in keys}
        return nested


class Timing(BaseModel):
    """``reports/<preset>/training.json``, as far as the table needs it."""

    seconds_per_epoch: float | None = None
    device: str | None = None


class Result(BaseModel):
    """One row of the CSV. Accuracies are parts of 1, with Wilson's 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: str
    preset: str
    architecture: Architecture
    modality: Modality
    attention_blocks: int
    residual_blocks: int
    seed: int
    epochs: int
    commit: Text = None
    """The code that was run; empty, as all that follows but the paper's, if the row is missing."""
    train: Real = None
    train_low: Real = None
    train_high: Real = None
    train_n: Number = None
    validation: Real = None
    validation_low: Real = None
    validation_high: Real = None
    validation_n: Number = None
    test: Real = None
    test_low: Real = None
    test_high: Real = None
    test_n: Number = None
    parameters: Number = None
    parameters_without_fully_connected: Number = None
    best_epoch: Number = None
    seconds_per_epoch: Real = None
    """Of training, as measured; empty if the measurement is no longer in DVC's cache."""
    device: Text = None
    paper_train: Real = None
    """What the paper reports, in percent."""
    paper_validation: Real = None
    paper_test: Real = None
    paper_validation_n: Number = None
    """Of how many samples, where that is known."""
    paper_test_n: Number = None


def table_name(grid: str, preset: str, epochs: int | None) -> str:
    """Name of a table: of its CSV and of its place in ``docs/results.md``."""
    return f"{grid}-{preset}" + (f"-e{epochs}" if epochs else "")


def found(workspace: Workspace, row: Planned) -> str | None:
    """The commit of a row's experiment, or None if there is none yet.

    Raises:
        UserError: An experiment of that name has other parameters or other code.
    """
    commit = workspace.experiments().get(row.experiment)
    if commit is None:
        return None
    params = YAML(typ="safe", pure=True).load(workspace.git("show", f"{commit}:params.yaml"))
    differing = [key for key, value in row.params.items() if params.get(key) != value]
    differing += [key for key in params if key not in row.params]
    differing += workspace.changed_by(commit)
    if differing:
        raise UserError(
            f"experiment {row.experiment} exists but differs in {', '.join(differing)}; see it "
            f"with dvc exp show, and remove it with dvc exp remove {row.experiment}"
        )
    return commit


def metrics_of(workspace: Workspace, row: Planned, commit: str) -> Metrics:
    """What an experiment's own commit holds.

    Raises:
        UserError: There is no such file in it, or it is not as ``evaluate`` writes it.
    """
    file = f"reports/{row.settings.name}/scores.json"
    try:
        return Metrics.model_validate_json(workspace.git("show", f"{commit}:{file}"))
    except ValidationError as error:
        item = error.errors()[0]
        where = ".".join(map(str, item["loc"])) or "the file"
        raise UserError(
            f"experiment {row.experiment}: {file}: {where}: {item['msg']}; remove it with dvc exp "
            f"remove {row.experiment}, so that it is run again"
        ) from None


def one_line(workspace: Workspace, row: Planned) -> str:
    """A finished row's result, for people who watch."""
    commit = found(workspace, row)
    if commit is None:
        raise UserError(f"{row.experiment}: dvc exp run ended well but left no such experiment")
    metrics = metrics_of(workspace, row, commit)
    name = "test" if metrics.test else "validation"
    split = metrics.test or metrics.validation
    return f"{name} {_accuracy(split.accuracy, split.accuracy_low, split.accuracy_high, split.n)}"


def collect(workspace: Workspace, rows: Sequence[Planned]) -> list[Result]:
    """One result for each row of a grid; those without an experiment keep empty fields."""
    return [_result(workspace, row, found(workspace, row)) for row in rows]


def write(
    workspace: Workspace, rows: Sequence[Planned], name: str, title: str
) -> tuple[Path, Path]:
    """Write the CSV of a grid, and from it the table in ``docs/results.md``.

    Args:
        workspace: Where the experiments are.
        rows: Of the grid.
        name: Of the table, see :func:`table_name`.
        title: Heading, if the table is new.

    Returns:
        Both files.

    Raises:
        UserError: The document's markers are damaged.
    """
    table, document = workspace.root / TABLES / f"{name}.csv", workspace.root / RESULTS
    write_table(table, collect(workspace, rows), Result)
    before = document.read_text(encoding="utf-8") if document.is_file() else HEAD
    heading = f"{title} (preset {rows[0].settings.name})"
    after = inserted(before, name, heading, markdown(read_table(table, Result)))
    with replacing(document) as partial:
        partial.write_text(after, encoding="utf-8")
    return table, document


def inserted(document: str, name: str, heading: str, table: str) -> str:
    """Put a table between its markers, or at the end of the document, under a heading of its own.

    Raises:
        UserError: The markers are there twice, or one of them is missing.
    """
    begin = f"<!-- table: {name} -->"
    if begin not in document:
        return f"{document.rstrip()}\n\n## {heading}\n\n{begin}\n\n{table}\n{END}\n"
    before, _, rest = document.partition(begin)
    _, end, after = rest.partition(END)
    if begin in rest or not end or "<!-- table: " in rest.partition(END)[0]:
        raise UserError(
            f"{RESULTS}: {begin} must stand there once, with {END} after it and before the next "
            "table; mend the markers, or delete them to have the table appended"
        )
    return f"{before}{begin}\n\n{table}\n{END}{after}"


def markdown(rows: Sequence[Result]) -> str:
    """The table of these results, with one line about what they share, ending in a newline."""
    paper = [name for name in ("train", "validation", "test") if _any(rows, f"paper_{name}")]
    head = ["network", "parameters*", "train", "validation", "test", "best epoch", "s an epoch"]
    head += [f"paper: {name}" for name in paper]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = [_network(row)]
        if row.commit is None:
            cells += ["missing", *["–"] * 5]
        else:
            cells += [f"{row.parameters_without_fully_connected:,}"]
            cells += [_split(row, name) for name in ("train", "validation", "test")]
            cells += [str(row.best_epoch)]
            cells += ["–" if row.seconds_per_epoch is None else f"{row.seconds_per_epoch:.1f}"]
        cells += [_published(row, name) for name in paper]
        lines.append(_line(cells))
    notes = "".join(f"\n{note}\n" for note in _notes(rows))
    return f"{_shared(rows)}\n\n" + "".join(f"{line}\n" for line in lines) + notes


def _result(workspace: Workspace, row: Planned, commit: str | None) -> Result:
    settings = row.settings
    described: dict[str, Any] = {
        "row": row.row.name,
        "preset": settings.name,
        "architecture": row.params["architecture"],
        "modality": settings.modality,
        "attention_blocks": settings.attention_blocks,
        "residual_blocks": settings.residual_blocks,
        "seed": settings.seed,
        "epochs": settings.optimisation.epochs,
        **{f"paper_{name}": figure for name, figure in row.row.paper},
    }
    if commit is None:
        return Result(**described)
    metrics = metrics_of(workspace, row, commit)
    for name in ("train", "validation", "test"):
        split: Split | None = getattr(metrics, name)
        if split is None:
            continue
        described |= {
            name: split.accuracy,
            f"{name}_low": split.accuracy_low,
            f"{name}_high": split.accuracy_high,
            f"{name}_n": split.n,
        }
    timing = _timing(workspace, settings.name, commit)
    return Result(
        **described,
        commit=workspace.head,
        parameters=metrics.parameters.all,
        parameters_without_fully_connected=metrics.parameters.without_fully_connected,
        best_epoch=metrics.best_epoch,
        seconds_per_epoch=timing.seconds_per_epoch,
        device=timing.device,
    )


def _timing(workspace: Workspace, preset: str, commit: str) -> Timing:
    """Read a measurement that is in DVC's cache, not in git; nothing, if it is in neither."""
    try:
        text = dvc.api.read(f"reports/{preset}/training.json", repo=str(workspace.root), rev=commit)
    except PathMissingError:
        return Timing()
    return Timing.model_validate(json.loads(text))


def _network(row: Result) -> str:
    if row.architecture == "i3d":
        return {"rgb": "RGB I3D", "flow": "Flow I3D", "twin": "RGB + Flow I3D"}[row.modality]
    stream = {"rgb": "RGB", "flow": "Flow", "twin": "Twin"}[row.modality]
    for kind, count in (("attention", row.attention_blocks), ("residual", row.residual_blocks)):
        if count:
            stream += f", {count} {kind} block" + ("s" if count > 1 else "")
    return stream


def _shared(rows: Sequence[Result]) -> str:
    """Say what all rows have in common, which is all but the network, and how to read the table."""
    first = rows[0]
    done = [row for row in rows if row.commit]
    code = f", code of `{done[0].commit[:7]}`" if done and done[0].commit else ""
    devices = sorted({row.device for row in done if row.device})
    trained = f", trained on {' and '.join(devices)}" if devices else ""
    return (
        f"Seed {first.seed}, {first.epochs:,} epochs{code}{trained}. Accuracy of n samples, with "
        "its 95 % interval (Wilson).\n\\* without fully connected layers"
    )


def _split(row: Result, name: str) -> str:
    values = [getattr(row, f"{name}{part}") for part in ("", "_low", "_high", "_n")]
    return "–" if values[0] is None else _accuracy(*values)


def _published(row: Result, name: str) -> str:
    figure: float | None = getattr(row, f"paper_{name}")
    if figure is None:
        return "–"
    interval = _published_interval(row, name)
    if interval is None:
        return f"{figure:.1f} %"
    return _accuracy(figure / 100, *interval, getattr(row, f"paper_{name}_n"))


def _published_interval(row: Result, name: str) -> tuple[float, float] | None:
    """Wilson's interval of a published accuracy, parts of 1, if it is known of how many samples."""
    n: int | None = getattr(row, f"paper_{name}_n", None)
    return None if n is None else wilson(right_of(getattr(row, f"paper_{name}"), n), n)


def _notes(rows: Sequence[Result]) -> list[str]:
    notes = [note for name in ("validation", "test") for note in _care(rows, name)]
    if any(row.paper_validation_n or row.paper_test_n for row in rows):
        notes.append(
            "The paper does not say of how many samples its accuracies are; they are whole numbers "
            "of those given here."
        )
    return notes


def _care(rows: Sequence[Result], name: str) -> list[str]:
    """What to keep in mind when comparing the published figures of one split."""
    sizes: dict[int, list[str]] = {}
    intervals: dict[str, tuple[float, float]] = {}
    for row in sorted(rows, key=lambda row: -(getattr(row, f"paper_{name}") or 0)):
        interval = _published_interval(row, name)
        if interval is not None:
            intervals[_network(row)] = interval
            sizes.setdefault(getattr(row, f"paper_{name}_n"), []).append(_network(row))
    notes = []
    if len(sizes) > 1:
        which = " and ".join(f"{n} ({'; '.join(sizes[n])})" for n in sorted(sizes))
        notes.append(
            f"Published {name} sizes differ: {which}. So these rows are not of one set of samples; "
            "compare them with care."
        )
    if len(intervals) > 1:
        best, *others = intervals
        alike = [other for other in others if intervals[other][1] >= intervals[best][0]]
        if alike:
            notes.append(
                f"The interval of the best published {name} accuracy ({best}) overlaps "
                f"{len(alike)} of {len(others)} others: {'; '.join(alike)}. Overlap alone neither "
                "shows nor excludes a difference."
            )
    return notes


def _accuracy(accuracy: float, low: float, high: float, n: int) -> str:
    return f"{100 * accuracy:.1f} % of {n} ({100 * low:.1f} to {100 * high:.1f})"


def _any(rows: Sequence[Result], field: str) -> bool:
    return any(getattr(row, field) is not None for row in rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
