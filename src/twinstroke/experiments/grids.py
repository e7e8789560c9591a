"""The grids of ``grids.yaml``, checked, and the parameters of each of their experiments."""

from __future__ import annotations

import difflib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML

from twinstroke.errors import UserError
from twinstroke.settings.base import Seed
from twinstroke.settings.experiment import Experiment
from twinstroke.settings.load import Settings, load_settings
from twinstroke.settings.yaml import NotYamlError, load_yaml

GRIDS = Path("experiments", "grids.yaml")
NETWORK = ("architecture", "modality", "attention_blocks", "residual_blocks")
"""What a row must say, so that it means the same whatever params.yaml says."""
DECIDED = ("preset", "seed", "epochs")
"""What a row must not say: the command line and the grid do."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
"""Becomes a part of the experiment's name, and with it of a git reference."""
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class PaperFigures(_Strict):
    """Accuracies that the paper reports, in percent, and of how many samples, if known."""

    train: Percent | None = None
    validation: Percent | None = None
    test: Percent | None = None
    validation_n: Count | None = None
    test_n: Count | None = None

    @model_validator(mode="after")
    def _counts_of_samples(self) -> PaperFigures:
        """A number of samples is a claim, which the printed figure must bear out."""
        for name in ("validation", "test"):
            figure, n = getattr(self, name), getattr(self, f"{name}_n")
            if n is None:
                continue
            if figure is None:
                raise ValueError(f"{name}_n is given without {name}; leave it out")
            right = right_of(figure, n)
            # Printed with one decimal; the rest is for floating point.
            if abs(100 * right / n - figure) > 0.05 + 1e-9:
                raise ValueError(
                    f"{name}: {figure} % is no share of {n} samples: {right} of them are "
                    f"{100 * right / n:.2f} %; correct one of the two, or leave {name}_n out"
                )
        return self


def right_of(percent: float, n: int) -> int:
    """How many of n samples a printed accuracy says are right."""
    return round(percent * n / 100)


class Row(_Strict):
    """One experiment of a grid."""

    name: Name
    settings: dict[str, bool | int | float | str]
    """Keys of params.yaml."""
    paper: PaperFigures = PaperFigures()

    @field_validator("settings")
    @classmethod
    def _known_and_complete(cls, settings: dict[str, Any]) -> dict[str, Any]:
        problems = []
        for key in settings:
            if key in DECIDED:
                problems.append(f"{key!r} is not a row's to set: the command line or the grid does")
            elif key not in Experiment.model_fields:
                close = difflib.get_close_matches(key, Experiment.model_fields, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                problems.append(f"{key!r} is no key of params.yaml{hint}")
        problems += [f"{key!r} is missing" for key in NETWORK if key not in settings]
        if problems:
            raise ValueError("; ".join(problems))
        return settings


class Grid(_Strict):
    """Experiments that make one table."""

    title: Annotated[str, Field(pattern=r"^\S[^\n]*$")]
    """Heading of the table."""
    seed: Seed
    """Of training."""
    epochs_divisor: Annotated[int, Field(ge=1)] = 1
    """The preset's number of epochs is divided by it."""
    rows: Annotated[list[Row], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_row_twice(self) -> Grid:
        seen: list[Row] = []
        for row in self.rows:
            for other in seen:
                if row.name == other.name:
                    raise ValueError(f"two rows are named {row.name!r}; names must differ")
                if row.settings == other.settings:
                    raise ValueError(f"rows {other.name!r} and {row.name!r} have the same settings")
            seen.append(row)
        return self


@dataclass(frozen=True)
class Planned:
    """One experiment to be run, with everything that decides it."""

    experiment: str
    """Its name in DVC: ``<grid>-<preset>-<row>``, with ``-e<epochs>`` where asked for."""
    row: Row
    changes: dict[str, Any]
    """What differs from params.yaml or is merely stated: the arguments of ``-S``."""
    params: dict[str, Any]
    """All of params.yaml as the experiment will have it."""
    settings: Settings


def load_grids(root: Path) -> dict[str, Grid]:
    """Read and check ``experiments/grids.yaml``.

    Raises:
        UserError: One line for each problem.
    """
    content = _yaml(root / GRIDS, GRIDS)
    try:
        return TypeAdapter(dict[Name, Grid]).validate_python(content)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            where = _where(content, item["loc"])
            found = (
                "" if item["type"] in ("missing", "value_error") else f" (found {item['input']!r})"
            )
            text = item["msg"].removeprefix("Value error, ")
            problems.append(f"{GRIDS}: {where}: {text}{found}")
        raise UserError(problems) from None


def plan(root: Path, name: str, grid: Grid, preset: str, epochs: int | None) -> list[Planned]:
    """Work out the parameters of every row and check them as the pipeline itself would.

    Args:
        root: The project's folder, with ``params.yaml`` and ``presets/``.
        name: The grid's.
        grid: Its rows.
        preset: Name of a file in ``presets/``.
        epochs: Instead of the grid's own number.

    Returns:
        One entry a row, in the grid's order.

    Raises:
        UserError: One line for each problem of any row.
    """
    base = _yaml(root / "params.yaml", Path("params.yaml"))
    # First without any row: what is wrong with the preset would be wrong with each of them.
    whole = _settings(root, base | {"preset": preset}).train.epochs
    default = "preset" if grid.epochs_divisor == 1 else max(1, round(whole / grid.epochs_divisor))
    planned, problems = [], []
    for row in grid.rows:
        changes: dict[str, Any] = {"preset": preset, "seed": grid.seed, **row.settings}
        changes["epochs"] = epochs or default
        try:
            settings = _settings(root, base | changes)
        except UserError as error:
            problems += [f"{GRIDS}: {name}: {row.name}: {text}" for text in error.problems]
            continue
        experiment = f"{name}-{preset}-{row.name}" + (f"-e{epochs}" if epochs else "")
        planned.append(Planned(experiment, row, changes, base | changes, settings))
    if problems:
        raise UserError(problems)
    return planned


def _settings(root: Path, params: dict[str, Any]) -> Settings:
    """Let the pipeline's own checks read these parameters, without touching params.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "presets").symlink_to((root / "presets").resolve())
        with (Path(folder) / "params.yaml").open("w", encoding="utf-8") as stream:
            YAML(typ="safe", pure=True).dump(params, stream)
        try:
            return load_settings(Path(folder))
        except UserError as error:
            raise UserError([text.replace(f"{folder}/", "") for text in error.problems]) from None


def _yaml(file: Path, name: Path) -> dict[str, Any]:
    try:
        content = load_yaml(io.StringIO(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{name}: not found; run from the project's folder") from None
    except (NotYamlError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: not readable as YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{name}: holds no keys; write `key: value` lines")
    return content


def _where(content: Any, location: tuple[int | str, ...]) -> str:
    """Name the place of a problem; a row by its name where it has one."""
    parts = []
    for key in location:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            content = None
        named = isinstance(key, int) and isinstance(content, dict) and content.get("name")
        parts.append(str(named or key))
    return ".".join(parts)
