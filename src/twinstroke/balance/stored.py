"""What `balance` stores: ``balanced.csv``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from twinstroke.tables import Split


class UsedSample(BaseModel):
    """One row of ``balanced.csv``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    split: Split
