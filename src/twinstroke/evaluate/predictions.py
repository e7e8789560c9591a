"""The tables of predictions, from which every figure can be computed again.

``predictions/<split>.csv`` holds one row for each sample and decision rule:

=========== =========================================================================
column      meaning
=========== =========================================================================
sample      as in ``samples.csv``
video       the sample's
begin, end  frames of the video, ``end`` exclusive
group       what must not be in two splits, such as the player; may be empty
decision    ``single``, ``vote``, ``mean`` or ``gaussian``: see `evaluate.decisions`
windows     how many windows were asked
actual      class
predicted   class
p(<class>)  probability of each class by this decision, six significant digits
=========== =========================================================================
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import Decision
from twinstroke.files import replacing
from twinstroke.tables import SPLITS, Split

Probability = Annotated[float, Field(ge=0, le=1)]


class Prediction(BaseModel):
    """One row: a sample and a decision about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    video: str
    begin: int
    end: int
    group: str
    decision: Decision
    windows: Annotated[int, Field(ge=1)]
    actual: str
    predicted: str
    probabilities: dict[str, Probability]
    """Of each class, in the order of the network's outputs."""

    @model_validator(mode="after")
    def _of_known_classes(self) -> Prediction:
        for name in (self.actual, self.predicted):
            if name not in self.probabilities:
                raise ValueError(f"no column p({name}) for class {name!r}")
        return self

    @property
    def right(self) -> bool:
        """The decision is the truth."""
        return self.actual == self.predicted

    @property
    def confidence(self) -> float:
        """Probability of the predicted class."""
        return self.probabilities[self.predicted]


FIELDS = tuple(name for name in Prediction.model_fields if name != "probabilities")


@dataclass(frozen=True)
class PredictionTable:
    """All predictions of a split."""

    classes: tuple[str, ...]
    rows: tuple[Prediction, ...]

    def by(self, decision: Decision) -> list[Prediction]:
        """The rows of one decision rule, in the order of the samples."""
        return [row for row in self.rows if row.decision == decision]


def write_predictions(path: Path, classes: Sequence[str], rows: Iterable[Prediction]) -> None:
    """Write a table, whole or not at all."""
    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*FIELDS, *map(_column, classes)])
        for row in rows:
            probabilities = [f"{row.probabilities[name]:.6g}" for name in classes]
            writer.writerow([*(getattr(row, name) for name in FIELDS), *probabilities])


def load_predictions(path: Path) -> PredictionTable:
    """Read and check the table in a file.

    Raises:
        UserError: The file is missing, or not as `write_predictions` writes it.
    """
    try:
        # Ends of lines as they are: the reader of CSV knows them.
        with path.open(newline="", encoding="utf-8") as stream:
            text = stream.read()
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run dvc repro evaluate") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: no table of predictions ({error}); run dvc repro evaluate"
        ) from None
    return read_predictions(text, str(path))


def shown_split(measured: Collection[str]) -> Split:
    """The split that pictures are of: the last one of train, validation, test that was measured.

    Strokes to be tested on may be unlabelled: then it is the validation split.

    Raises:
        UserError: None was.
    """
    for split in reversed(SPLITS):
        if split in measured:
            return split
    raise UserError("no split has samples that could be shown; run dvc repro")


def units_of(rows: Sequence[Prediction]) -> tuple[Literal["group", "video"], list[str]]:
    """What samples are not independent of each other: those of one player or other group.

    Returns:
        The kind, and each sample's: its group if all samples have one, otherwise its video.
    """
    if all(row.group for row in rows):
        return "group", [row.group for row in rows]
    return "video", [row.video for row in rows]


def read_predictions(text: str, source: str) -> PredictionTable:
    """Read and check a table.

    Args:
        text: Content of the file.
        source: Its name, for messages.

    Raises:
        UserError: The text is not a table as `write_predictions` writes it.
    """
    try:
        reader = csv.DictReader(StringIO(text, newline=""), strict=True)
        columns = reader.fieldnames or []
        classes = tuple(name[2:-1] for name in columns if name[:2] == "p(" and name[-1] == ")")
        if tuple(columns) != (*FIELDS, *map(_column, classes)) or len(set(classes)) < 2:
            raise UserError(
                f"{source}: its columns are not those of a table of predictions; make it anew "
                "with dvc repro"
            )
        rows = tuple(_checked(row, classes, f"{source}: line {reader.line_num}") for row in reader)
    except csv.Error as error:
        raise UserError(f"{source}: no table of predictions ({error})") from None
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key = row.sample, row.decision
        if key in seen:
            raise UserError(f"{source}: sample {row.sample} has two rows of {row.decision}")
        seen.add(key)
    return PredictionTable(classes, rows)


def _checked(row: dict[str, str], classes: Sequence[str], place: str) -> Prediction:
    if None in row or None in row.values():
        raise UserError(f"{place}: more or fewer cells than the header has; make the table anew")
    values = {name: row[name] for name in FIELDS}
    probabilities = {name: row[_column(name)] for name in classes}
    try:
        return Prediction.model_validate({**values, "probabilities": probabilities})
    except ValidationError as error:
        item = error.errors()[0]
        where = ".".join(map(str, item["loc"]))
        text = item["msg"].removeprefix("Value error, ")
        raise UserError(f"{place}: {where + ': ' if where else ''}{text}") from None


def _column(name: str) -> str:
    return f"p({name})"
