"""Measure pre-processing and training, and write ``docs/performance.md``: ``make bench``.

``python -m benchmarks`` runs everything, ``python -m benchmarks decode`` one benchmark, whose
section it prints. With ``VIDEO=path`` the footage is yours.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import (
    busy,
    decode_rate,
    detection,
    disk,
    feeding,
    floor,
    flow_accuracy,
    flow_rate,
    gpu_memory,
    machine,
    memory,
    needed,
    phases,
    sliding,
    step,
    windows,
)
from benchmarks.measuring import Section, results_table
from twinstroke.errors import exits_cleanly
from twinstroke.files import replacing

REPORT = Path("docs", "performance.md")
BENCHMARKS: dict[str, Callable[[Path], Section]] = {
    "needed": needed.measure,
    "flow": flow_rate.measure,
    "decode": decode_rate.measure,
    "busy": busy.measure,
    "phases": phases.measure,
    "disk": disk.measure,
    "windows": windows.measure,
    "memory": memory.measure,
    "feeding": feeding.measure,
    "step": step.measure,
    "floor": floor.measure,
    "gpu_memory": gpu_memory.measure,
    "sliding": sliding.measure,
    "detection": detection.measure,
}
ACCURACY = "accuracy"

HEAD = """# Performance

What pre-processing and training cost, measured by `make bench`, which writes this file. Ratios come
from runs that took turns on one machine, so they say more than times, which are for orientation. A
target that was missed says by how much.
"""


def document(sections: Sequence[Section], more: Sequence[str], computer: str) -> str:
    """The whole report: the machine, all targets, then the sections.

    Args:
        sections: Of the benchmarks.
        more: Sections that are written already.
        computer: On what it was measured.
    """
    results = [
        replace(result, what=f"{section.title}: {result.what}")
        for section in sections
        for result in section.results
    ]
    parts = [HEAD, computer + "\n", "## Targets\n", results_table(results) + "\n"]
    return "\n".join([*parts, *(section.markdown for section in sections), *more]).rstrip() + "\n"


@exits_cleanly
def main() -> None:
    """Run all benchmarks, or the one that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[*BENCHMARKS, ACCURACY], help="only this one")
    name = parser.parse_args().name
    with tempfile.TemporaryDirectory(prefix="twinstroke-bench-") as folder:
        if name == ACCURACY:
            print(flow_accuracy.report())
        elif name:
            print(BENCHMARKS[name](Path(folder)).markdown)
        else:
            sections = [_told(own, Path(folder)) for own in BENCHMARKS]
            report = document(sections, [flow_accuracy.report()], machine.described())
            with replacing(REPORT) as partial:
                partial.write_text(report, encoding="utf-8")
            print(f"bench: {REPORT} is written")


def _told(name: str, folder: Path) -> Section:
    begun = time.monotonic()
    section = BENCHMARKS[name](folder)
    print(f"bench: {name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return section


if __name__ == "__main__":
    main()
