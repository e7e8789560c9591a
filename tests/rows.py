"""Rows of tables, of which a test says only what matters to it."""

from __future__ import annotations

from twinstroke.evaluate.predictions import Prediction
from twinstroke.tables import Sample


def sample(begin: int, end: int, video: str = "v") -> Sample:
    """A serve of the training split."""
    return Sample(
        sample=f"{video}:{begin}-{end}",
        video=video,
        begin=begin,
        end=end,
        label="Serve",
        class_index=0,
        split="train",
        origin="annotated",
    )


def prediction(**changes: object) -> Prediction:
    """A sample of class A that is taken for B."""
    values: dict[str, object] = {
        "sample": "v:0-9",
        "video": "v",
        "begin": 0,
        "end": 9,
        "group": "",
        "decision": "single",
        "windows": 1,
        "actual": "A",
        "predicted": "B",
        "probabilities": {"A": 0.25, "B": 0.75},
    }
    return Prediction.model_validate({**values, **changes})
