"""What all benchmarks share: repetitions that take turns, targets, tables in Markdown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from twinstroke.parallel.workers import Workers, available_workers, each_of

_SHOWN: dict[str, Callable[[float], str]] = {
    "share": lambda value: f"{value:.1%}",
    "kB": lambda value: f"{value / 1e3:,.1f} kB",
    "MiB": lambda value: f"{value / 2**20:,.0f} MiB",
    "px": lambda value: f"{value:.5f} px",
    "times": lambda value: f"{value:.2f} ×",
    "GiB": lambda value: f"{value / 2**30:.1f} GiB",
    "pixels": lambda value: f"{value:,.0f} pixels",
}
Unit = Literal["share", "times", "kB", "MiB", "GiB", "px", "pixels"]


@dataclass(frozen=True)
class Result:
    """A measured figure and what it should be."""

    what: str
    measured: float
    target: float
    bound: Literal["≤", "≥"]
    unit: Unit = "share"
    """What `measured` and `target` are shown in; they are plain shares, bytes, or pixels."""

    @property
    def met(self) -> bool:
        """The target is reached."""
        if self.bound == "≤":
            return self.measured <= self.target
        return self.measured >= self.target

    @property
    def verdict(self) -> str:
        """``met``, or by how much not."""
        if self.met:
            return "met"
        short = abs(self.measured - self.target)
        if self.unit == "share":
            return f"missed by {100 * short:.1f} points"
        return f"missed by {_SHOWN[self.unit](short)}"

    @property
    def cells(self) -> list[str]:
        """What, target, measured, verdict."""
        show = _SHOWN[self.unit]
        return [self.what, f"{self.bound} {show(self.target)}", show(self.measured), self.verdict]


@dataclass(frozen=True)
class Section:
    """What one benchmark found."""

    title: str
    results: Sequence[Result]
    text: str
    """How it was measured, one paragraph."""
    tables: Sequence[str] = ()
    if_missed: str = ""
    """Why a target is missed, and what could be done; told only if one is."""

    @property
    def markdown(self) -> str:
        """The section of the report."""
        missed = not all(result.met for result in self.results)
        why = (
            f"**Missed, why and what next:** {self.if_missed}" if missed and self.if_missed else ""
        )
        parts = [f"## {self.title}", results_table(self.results), why, self.text, *self.tables]
        return "\n\n".join(part for part in parts if part) + "\n"


def results_table(results: Iterable[Result]) -> str:
    """Targets and what became of them; nothing if there are none."""
    rows = [result.cells for result in results]
    return table(["", "target", "measured", ""], rows) if rows else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right.

    Raises:
        ValueError: A row has more or fewer cells than the head.
    """
    rows = list(rows)
    if any(len(row) != len(head) for row in rows):
        raise ValueError(f"rows of another length than the head {head}")
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ruler, *rows])


def alternating(
    repetitions: int, runs: Mapping[str, Callable[[], object]]
) -> dict[str, list[float]]:
    """Seconds of each run, by its name.

    The runs take turns, so that what disturbs the machine hits all alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            seconds[name].append(seconds_of(run))
    return seconds


def seconds_of(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Share of the rate of `fast` that `slow` reaches: the median over neighbouring runs."""
    return statistics.median(own / other for own, other in zip(fast, slow, strict=True))


def started(workers: Workers) -> float:
    """Start the processes; give the seconds that it took."""
    items = list(range(available_workers()))
    return seconds_of(lambda: list(workers.outcomes(_nothing, each_of(items))))


def _nothing(item: int) -> None:
    # Imported here as the stages' functions are: a process that has done this is warm.
    import twinstroke.decode
    import twinstroke.flow
    import twinstroke.normalize
    import twinstroke.segment  # noqa: F401

    time.sleep(0.3)  # so that each process gets one
