"""The tables that `index` writes and later stages read, as CSV with a header.

``videos.csv``: one row a video. ``samples.csv``: one row a sample (an annotated stroke, a mined
negative, or a trimmed clip). ``unlabelled.csv``: one row a stroke that is no sample. Frame numbers
are those of the source video in decoding order, counted from 0; ``end`` is exclusive.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinstroke.errors import missing_table, no_table, odd_row
from twinstroke.files import replacing

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
M = TypeVar("M", bound=BaseModel)
NEGATIVE = "Negative"
"""Name of the rejection class."""
STROKE = "Stroke"
"""Class of a stroke that is told apart from none, but from no other (MediaEval detection)."""
STROKE_OR_NOT = (NEGATIVE, STROKE)
"""Classes of a network that only tells strokes from none."""

VideoId = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$")]
"""Names files below ``data/<preset>``, so it holds no separator and no leading dot."""


class Video(BaseModel):
    """One source video, as probed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: VideoId
    path: str
    """Relative to the project's folder, with forward slashes."""
    sha256: str
    frames: Annotated[int, Field(ge=1)]
    """Of the video; with ``decode.rate``, of that rate."""
    fps: Fraction
    """Average frame rate in frames a second, as a fraction: ``120/1``; with ``decode.rate`` that,
    and of slow motion that at which it was recorded."""
    width: Annotated[int, Field(ge=1)]
    """Pixels, as displayed: a rotation flag is already applied."""
    height: Annotated[int, Field(ge=1)]
    variable_frame_rate: bool
    slow_motion: Annotated[Fraction, Field(gt=0)] = Fraction(1)
    """How many times as long the video lasts as what it shows took; 1 at the right speed."""


class StrokeClass(BaseModel):
    """One row of ``classes.csv``, in the order of the network's outputs.

    The superclasses are those of MediaEval's scoring, for the names of TTStroke-21; empty for
    other names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    hand: str = ""
    type: str = ""
    type_hand: str = ""


class Sample(BaseModel):
    """One stroke, negative or clip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    """Unique: ``<video>:<begin>-<end>``, with ``#2`` … where one video has the same twice."""
    video: VideoId
    begin: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    label: str
    class_index: Annotated[int, Field(ge=0)]
    """Index of the label in the list of classes; the network's output."""
    split: Split
    origin: Literal["annotated", "mined"]
    """``mined``: a negative cut from a gap between strokes."""
    group: str = ""
    """What must not be in two splits at once, such as the player; empty if nothing is named."""
    agreement: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the video's annotators that named this class here; 1 where nobody else did."""
    votes: str = ""
    """Of several annotators: the classes they named and how often, as JSON; else empty."""


class Unlabelled(BaseModel):
    """A stroke that is no sample, because its class is unknown; nothing is mined there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: str
    begin: int
    end: int
    split: Split | Literal[""]
    group: str


def write_table(path: Path, rows: Sequence[BaseModel], model: type[BaseModel]) -> None:
    """Write rows as CSV, whole or not at all."""
    # It brings HDF5, and names of splits stand in the options of the command line, which does not.

    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, list(model.model_fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.model_dump(mode="json") for row in rows)


def read_table(path: Path, model: type[M]) -> list[M]:
    """Read and check a table.

    Raises:
        UserError: The file is missing or one or more rows are not as `write_table` writes them.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return parse_table(stream.read(), str(path), model)
    except UnicodeDecodeError as error:
        raise no_table(path, error) from None
    except FileNotFoundError:
        raise missing_table(path) from None


def parse_table(text: str, source: str, model: type[M]) -> list[M]:
    """Read and check the content of a table.

    Args:
        text: Content of the file, with its line ends as they are.
        source: Its name, for messages.
        model: Of a row.

    Raises:
        UserError: One or more rows are not as `write_table` writes them.
    """
    try:
        return list(_checked(csv.DictReader(StringIO(text, newline="")), source, model))
    except csv.Error as error:
        raise no_table(source, error) from None


def _checked(rows: Iterable[dict[str, str]], source: str, model: type[M]) -> Iterable[M]:
    for number, row in enumerate(rows, start=2):
        try:
            yield model.model_validate(row)
        except ValidationError as error:
            item = error.errors()[0]
            key = ".".join(map(str, item["loc"]))
            raise odd_row(source, number, key, item["msg"]) from None
