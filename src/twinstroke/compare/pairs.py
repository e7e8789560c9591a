"""Experiments on the same samples, paired sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from twinstroke.compare.statistics import holm, mcnemar
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import Decision
from twinstroke.evaluate.intervals import Interval, clustered_interval, wilson
from twinstroke.evaluate.predictions import Prediction, PredictionTable, units_of

SHOWN = 3


@dataclass(frozen=True)
class Experiment:
    """What is compared."""

    name: str
    commit: str
    """Abbreviated; empty for files that belong to none."""
    settings: str
    """What tells it from the others."""
    source: str
    """The table's name, for messages."""
    table: PredictionTable


class Paired(BaseModel):
    """An experiment against the first one."""

    difference: float
    """Its accuracy less the first one's, parts of 1."""
    over_units: Interval | None
    """For other players (or videos); None if there is only one."""
    over_samples: Interval | None
    """For other strokes of the same ones, if strokes were independent; None for one sample."""
    only_this: int
    """Samples that only it has right."""
    only_first: int
    p: float
    """Exact, of McNemar's test."""
    p_holm: float
    """Adjusted for the number of experiments."""


class Row(BaseModel):
    """One experiment."""

    name: str
    commit: str
    settings: str
    right: int
    accuracy: float
    """Parts of 1, with its 95 % interval (Wilson)."""
    low: float
    high: float
    against_first: Paired | None = None


class ClassCounts(BaseModel):
    """A class of which the experiments recognise different numbers."""

    label: str
    n: int
    right: list[int]
    """Of each experiment."""


class ChangedSample(BaseModel):
    """A sample that the experiments name differently."""

    sample: str
    actual: str
    predicted: list[str]
    """By each experiment."""

    @property
    def turned(self) -> bool:
        """Some experiments have it right and some do not."""
        return len({name == self.actual for name in self.predicted}) == 2


class Comparison(BaseModel):
    """Everything that is found."""

    decision: Decision
    n: int
    units: int
    unit: str
    """``group``, which is the player as a rule; ``video`` where none is named."""
    rows: list[Row]
    classes: list[ClassCounts]
    samples: list[ChangedSample]


def compare(experiments: Sequence[Experiment], decision: Decision) -> Comparison:
    """Compare each experiment with the first.

    Args:
        experiments: At least two, predictions of the same samples in any order.
        decision: The rule whose predictions are compared.

    Raises:
        UserError: A table has no predictions by this rule, or samples differ.
    """
    first, *others = experiments
    by_name = [_predictions(experiment, decision) for experiment in experiments]
    for other, own in zip(others, by_name[1:], strict=True):
        _check_same(first, by_name[0], other, own)
    samples = list(by_name[0])
    truth = [by_name[0][name] for name in samples]
    right = np.array([[own[name].right for name in samples] for own in by_name])
    unit, units = units_of(truth)

    rows = []
    for experiment, own_right in zip(experiments, right, strict=True):
        low, high = wilson(int(own_right.sum()), len(samples))
        row = Row(
            name=experiment.name,
            commit=experiment.commit,
            settings=experiment.settings,
            right=int(own_right.sum()),
            accuracy=float(own_right.mean()),
            low=low,
            high=high,
        )
        rows.append(row)
    p = [mcnemar(int((right[0] & ~own).sum()), int((own & ~right[0]).sum())) for own in right[1:]]
    for row, own, value, adjusted in zip(rows[1:], right[1:], p, holm(p), strict=True):
        difference = own.astype(int) - right[0]
        row.against_first = Paired(
            difference=float(difference.mean()),
            over_units=clustered_interval(difference, units),
            over_samples=clustered_interval(difference, np.arange(len(samples))),
            only_this=int((difference > 0).sum()),
            only_first=int((difference < 0).sum()),
            p=value,
            p_holm=adjusted,
        )
    return Comparison(
        decision=decision,
        n=len(samples),
        units=len(set(units)),
        unit=unit,
        rows=rows,
        classes=_classes(first.table.classes, truth, right),
        samples=_changed(truth, by_name),
    )


def _predictions(experiment: Experiment, decision: Decision) -> dict[str, Prediction]:
    rows = {row.sample: row for row in experiment.table.by(decision)}
    if not experiment.table.rows:
        raise UserError(
            f"{experiment.source}: holds no samples, so there is nothing to compare; choose "
            "another split (samples without a class are in none)"
        )
    if not rows:
        there = ", ".join(sorted({row.decision for row in experiment.table.rows}))
        raise UserError(
            f"{experiment.source}: holds no predictions by the rule {decision!r}; it has: {there}"
        )
    return rows


def _check_same(
    first: Experiment,
    expected: dict[str, Prediction],
    other: Experiment,
    own: dict[str, Prediction],
) -> None:
    """Pairs are of the same samples, or mean nothing.

    Raises:
        UserError: They are not.
    """
    advice = (
        "a paired comparison needs the same samples, so run the older one again on the present "
        "data (dvc exp run), or compare with one that had the same"
    )
    apart = sorted(set(first.table.classes) ^ set(other.table.classes))
    if apart:
        raise UserError(
            f"{first.name} and {other.name}: {len(apart)} classes are in one of them only "
            f"({_some(apart)}); {advice}"
        )
    problems = []
    for name in [*expected, *(name for name in own if name not in expected)]:
        if name not in own:
            problems.append(f"{name} is not in {other.name}")
        elif name not in expected:
            problems.append(f"{name} is not in {first.name}")
        else:
            for field in ("video", "begin", "end", "actual"):
                a, b = getattr(expected[name], field), getattr(own[name], field)
                if a != b:
                    problems.append(f"{name}: {field} {a!r} and {b!r}")
                    break
    if problems:
        total = len(expected.keys() | own.keys())
        raise UserError(
            f"{first.name} and {other.name}: {len(problems)} of {total} samples differ "
            f"({_some(problems, '; ')}); {advice}"
        )


def _classes(
    classes: Sequence[str], truth: Sequence[Prediction], right: np.ndarray
) -> list[ClassCounts]:
    actual = np.array([row.actual for row in truth])
    found = []
    for label in classes:
        counts = right[:, actual == label].sum(1).tolist()
        if len(set(counts)) > 1:
            found.append(ClassCounts(label=label, n=int((actual == label).sum()), right=counts))
    return found


def _changed(
    truth: Sequence[Prediction], by_name: Sequence[dict[str, Prediction]]
) -> list[ChangedSample]:
    found = []
    for row in truth:
        predicted = [own[row.sample].predicted for own in by_name]
        if len(set(predicted)) > 1:
            found.append(ChangedSample(sample=row.sample, actual=row.actual, predicted=predicted))
    return found


def _some(texts: Sequence[str], separator: str = ", ") -> str:
    shown = separator.join(texts[:SHOWN])
    return shown if len(texts) <= SHOWN else f"{shown}{separator}{len(texts) - SHOWN} more"
