"""How all benchmarks measure, time in turns and memory at its peak, and how they tell it."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from twinstroke.parallel.workers import available_workers

HEAD = """# Performance

What pre-processing and training cost, measured by `twinstroke bench`, which writes this file.
Ratios come from runs that took turns on one machine, so they say more than times, which are for
orientation. A target that was missed says by how much.
"""
PACKAGES = (
    "dask",
    "h5py",
    "hdf5plugin",
    "imageio-ffmpeg",
    "numpy",
    "opencv-contrib-python-headless",
    "torch",
    "twinstroke",
)
GROWTH = 1.1
"""Memory that is equal, but for chance."""
LOOK_S = 0.02
"""From one look at the memory of processes to the next."""

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


def document(sections: Sequence[Section]) -> str:
    """The whole report: the machine, all targets, then the sections."""
    results = [
        replace(result, what=f"{section.title}: {result.what}")
        for section in sections
        for result in section.results
    ]
    parts = [HEAD, machine() + "\n", "## Targets\n", results_table(results) + "\n"]
    return "\n".join([*parts, *(section.markdown for section in sections)]).rstrip() + "\n"


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


def peak_memory(run: Callable[[], object]) -> dict[str, int]:
    """Carry a function out in a fresh process; give the peaks of it and its children, in bytes.

    Returns:
        The highest resident memory of one process, by its role.
    """
    process = get_context("spawn").Process(target=run)
    process.start()
    peaks: dict[str, int] = {}
    while process.is_alive():
        for role, peak in _peaks_of(process.pid or 0):
            peaks[role] = max(peak, peaks.get(role, 0))
        time.sleep(LOOK_S)
    if process.exitcode:
        raise RuntimeError(f"{run} ended with exit status {process.exitcode}")
    return peaks


def _peaks_of(root: int) -> list[tuple[str, int]]:
    found = []
    left = [(root, "")]
    while left:
        pid, command_of_parent = left.pop()
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_text()
            tasks = Path(f"/proc/{pid}/task").glob("*/children")
            left += [(int(child), command) for task in tasks for child in task.read_text().split()]
        except OSError:
            continue  # it has ended meanwhile
        peak = peak_in(status)
        # A process that is still a copy of its parent has that one's memory.
        if peak is not None and command != command_of_parent:
            role = "FFmpeg" if status.startswith("Name:\tffmpeg") else "worker"
            found.append(("main" if pid == root else role, peak))
    return found


def peak_in(status: str) -> int | None:
    """Highest resident memory in bytes, in the text of ``/proc/<pid>/status``; None at its end."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def machine() -> str:
    """Processor, memory, system and versions, as a table."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rows = [
        ["cores", str(available_workers())],
        ["processor", processor(Path("/proc/cpuinfo").read_text())],
        ["memory", f"{memory / 2**30:.0f} GiB"],
        ["system", f"{system}, Linux {platform.release()}"],
        ["Python", platform.python_version()],
        *([name, version(name)] for name in PACKAGES),
    ]
    return table(["", "this machine"], rows)


def processor(cpuinfo: str) -> str:
    """Name of the processor in the text of ``/proc/cpuinfo``."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()
