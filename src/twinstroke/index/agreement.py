"""How well the annotators of the same videos agree.

Two questions are kept apart: whether people find the same strokes (how many strokes all of them
marked, and how close the marks of a stroke are), and whether they give the same name to a stroke
that at least two of them named (kappa, which is 1 if they always do and 0 if no more often than by
chance).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean, median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sklearn.metrics import cohen_kappa_score

from twinstroke.annotations.strokes import Stroke
from twinstroke.index.consensus import iou
from twinstroke.regions import Lane

Kappas = tuple[float | None, dict[str, float | None]]
"""Of all classes together, and of each class against the others; None: there is nothing to tell
apart, as where everybody always names one class."""


class ClassAgreement(BaseModel):
    """Agreement about one class: one row of ``agreement.csv``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    strokes: int
    """Merged strokes that at least one annotator named so."""
    kappa: float | None
    """This class against all others."""
    mean_iou: float | None
    """Temporal intersection over union of two people's marks of these strokes."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement in the videos that several people annotated; None where nothing can be said."""

    videos: int
    """Videos of several annotators; everything else is about these."""
    annotators: int
    """People who annotated at least one of them."""
    strokes: int
    """Strokes after merging."""
    marked_by_all: int
    """Strokes that every annotator of the video marked …"""
    marked_by_one: int
    """… and that only one marked."""
    named_by_several: int
    """Strokes to which at least two people gave a class: what kappa is about."""
    kappa_by: Literal["Cohen", "Fleiss"]
    """Cohen's for two annotators, otherwise Fleiss'."""
    kappa: float | None
    """Agreement about classes beyond chance, at most 1."""
    mean_iou: float | None
    """Temporal intersection over union, mean over each two marks of one stroke."""
    begin_difference: float | None
    """Frames between the begins of two marks of one stroke, median."""
    end_difference: float | None
    """The same of their ends."""
    classes: list[ClassAgreement]
    """By name."""

    def __str__(self) -> str:
        """One line for people."""
        said = f"{self.annotators} annotators, {self.videos} videos of several: "
        said += f"{self.marked_by_all} of {self.strokes} strokes marked by all of a video"
        if self.kappa is not None:
            said += (
                f"; of the {self.named_by_several} that at least two named, {self.kappa_by}'s κ "
            )
            said += f"is {self.kappa:.2f}"
        if self.mean_iou is not None:
            said += f"; their marks overlap by {self.mean_iou:.0%} (mean IoU), begins differ by "
            said += f"{self.begin_difference:g} and ends by {self.end_difference:g} frames (median)"
        return said

    @property
    def facts(self) -> dict[str, Any]:
        """All but the classes as plain values, for ``data.json``."""
        return {key: value for key, value in asdict(self).items() if key != "classes"}


def measure_agreement(strokes: Iterable[Stroke]) -> Agreement | None:
    """Measure agreement.

    Args:
        strokes: What `consensus.merge` made; videos of one annotator are passed over.

    Returns:
        None if no video has several annotators.
    """
    merged = [stroke for stroke in strokes if stroke.members]
    if not merged:
        return None
    people: dict[Lane, set[str]] = defaultdict(set)
    for stroke in merged:
        people[stroke.lane].update(mark.annotator for mark in stroke.members)
    names = [[mark.label for mark in s.members if mark.label is not None] for s in merged]
    pairs = [list(combinations(stroke.members, 2)) for stroke in merged]
    ious = [[iou(a, b) for a, b in own] for own in pairs]
    matched = [pair for own in pairs for pair in own]

    compared = [own for own in names if len(own) > 1]
    annotators = len(set().union(*people.values()))
    kappa, class_kappas = (cohen if annotators == 2 else fleiss)(compared)
    class_ious: dict[str, list[list[float]]] = defaultdict(list)
    for own, values in zip(names, ious, strict=True):
        for name in set(own):
            class_ious[name].append(values)
    return Agreement(
        videos=len({video for video, _ in people}),
        annotators=annotators,
        strokes=len(merged),
        marked_by_all=sum(len(s.members) == len(people[s.lane]) for s in merged),
        marked_by_one=sum(len(s.members) == 1 for s in merged),
        named_by_several=len(compared),
        kappa_by="Cohen" if annotators == 2 else "Fleiss",
        kappa=kappa,
        mean_iou=_mean(ious),
        begin_difference=median(abs(a.begin - b.begin) for a, b in matched) if matched else None,
        end_difference=median(abs(a.end - b.end) for a, b in matched) if matched else None,
        classes=[
            ClassAgreement(
                label=name,
                strokes=len(values),
                kappa=class_kappas.get(name),
                mean_iou=_mean(values),
            )
            for name, values in sorted(class_ious.items())
        ],
    )


def _mean(groups: Iterable[Iterable[float]]) -> float | None:
    values = [value for group in groups for value in group]
    return fmean(values) if values else None


def cohen(strokes: Iterable[Sequence[str]]) -> Kappas:
    """Cohen's kappa (1960).

    Args:
        strokes: The class that each of the two annotators names, always in the same order.
    """
    pairs = Counter((first, second) for first, second in strokes)
    classes = {name for pair in pairs for name in pair}
    each = {}
    for name in classes:
        against: Counter[tuple[bool, bool]] = Counter()
        for (first, second), number in pairs.items():
            against[first == name, second == name] += number
        each[name] = _cohen(against)
    return _cohen(pairs), each


def _cohen(pairs: Counter[tuple[str, str]] | Counter[tuple[bool, bool]]) -> float | None:
    if len({value for pair in pairs for value in pair}) < 2:
        return None
    first, second = zip(*pairs, strict=True)
    return float(cohen_kappa_score(first, second, sample_weight=list(pairs.values())))


def fleiss(strokes: Sequence[Sequence[str]]) -> Kappas:
    """Fleiss' kappa (1971), with as many annotators a stroke as there are.

    Of each class, the disagreement is the probability that one of two annotators of a stroke names
    it and the other does not. Kappa is 1 - observed / expected disagreement; all classes together
    have the sum of theirs. Every stroke counts the same, however many annotators it has (Gwet,
    Handbook of Inter-Rater Reliability, 2014).

    Args:
        strokes: Classes that the annotators name, at least two of each stroke.
    """
    sums: dict[str, float] = defaultdict(float)
    observed: dict[str, float] = defaultdict(float)
    for names in strokes:
        people = len(names)
        for name, votes in Counter(names).items():
            sums[name] += votes / people
            observed[name] += 2 * votes * (people - votes) / (people * (people - 1))
    # Both are sums over the strokes; the only class must come out as exactly 0 expected.
    expected = {name: 2 * own * (1 - own / len(strokes)) for name, own in sums.items()}
    each = {name: _beyond_chance(observed[name], expected[name]) for name in sums}
    return _beyond_chance(sum(observed.values()), sum(expected.values())), each


def _beyond_chance(observed: float, expected: float) -> float | None:
    return 1 - observed / expected if expected else None
