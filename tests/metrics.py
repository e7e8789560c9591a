"""Figures that DVC shows of experiments."""

from typing import Any

METRICS: dict[str, dict[str, Any]] = {
    "leaks.json": {"leaks": 0},
    "pace.json": {"sec": 27.3},
    "metrics.json": {
        "train": 93.7,
        "val": 84.1,
        "test": 63.5,
        "±": 11.6,
        "bal": 63.5,
        "n": {"train": 221, "val": 63, "test": 63},
    },
    "detection.json": {"f1": 50.3, "map": 28.8},
}
"""Metrics of a preset, with numbers as long as they get; tests/stages/test_pipeline.py compares the
names with those that the stages write."""
