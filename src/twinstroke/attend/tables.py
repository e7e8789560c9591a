"""Rows of the tables that `attend` writes, for whoever reads them without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from twinstroke.tables import Split

Weights = Literal["trained", "random"]
MaybeFloat = Annotated[float | None, BeforeValidator(lambda value: None if value == "" else value)]
"""An empty cell of a table is None."""


class AttentionRow(BaseModel):
    """One row of ``attention.csv``: an attention block, over all windows of a split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Split
    weights: Weights
    """``random``: those with which training begins, for comparison; see the module."""
    branch: str
    """``rgb`` or ``flow``."""
    block: int
    """From 1."""
    n: int
    """Samples, one centred window each."""
    units: int
    """Groups, such as players, or else videos, that the samples are of."""
    minimum: float
    """Of all mask values, of every channel; then their quantiles."""
    p05: float
    p25: float
    median: float
    p75: float
    p95: float
    maximum: float
    motion: MaybeFloat
    """Mean correlation of mask and motion, from -1 to 1, with its 95 % interval: see
    `clustered_mean`. Empty if it is undefined everywhere."""
    motion_low: MaybeFloat
    motion_high: MaybeFloat
    motion_undefined: int
    """Samples left out, since nothing moves or the mask is the same everywhere."""
    middle: MaybeFloat
    """The same for nearness to the middle of the crop."""
    middle_low: MaybeFloat
    middle_high: MaybeFloat
    middle_undefined: int


class DrawnSample(BaseModel):
    """One row of ``attention/samples.csv``: a sample that was drawn, in the order of drawing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    actual: str
    predicted: str
    probability: float
    """Of the predicted class, by the centred window."""
    picture: str
    """Name of the PNG file beside the table."""
    video: str
    """Name of the MP4 file beside the table."""
