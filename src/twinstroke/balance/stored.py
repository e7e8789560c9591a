"""What `balance` stores: ``balanced.csv``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from twinstroke.tables import SPLITS, Split, read_table


class UsedSample(BaseModel):
    """One row of ``balanced.csv``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    split: Split


def used_samples(path: Path) -> dict[str, list[str]]:
    """Names of the samples that each split uses, in the order of the table.

    Raises:
        UserError: The table is missing or damaged.
    """
    used = read_table(path, UsedSample)
    return {split: [row.sample for row in used if row.split == split] for split in SPLITS}
