"""What ``twinstroke bench`` runs: benchmarks by name, and the report ``docs/performance.md``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.footage import Bench
    from benchmarks.measuring import Section

REPORT = Path(__file__).parents[1] / "docs" / "performance.md"
BENCHMARKS = {
    "needed": "space:needed",
    "flow": "preparation:flow_rate",
    "decode": "preparation:decode_rate",
    "busy": "preparation:busy_cores",
    "phases": "preparation:phases",
    "disk": "space:disk",
    "windows": "feeding:random_access",
    "memory": "space:memory",
    "feeding": "feeding:feeding",
    "step": "training:step",
    "floor": "training:floor",
    "gpu_memory": "training:gpu_memory",
    "written": "training:written",
    "sliding": "recognition:sliding",
    "detection": "recognition:detection",
    "accuracy": "flow_accuracy:accuracy",
}
"""Module and function of each, in the order of the report. Whoever needs the names alone, such as
the help of the command line, does not wait for torch and OpenCV."""
NAMES = tuple(BENCHMARKS)


def run(name: str | None, video: Path | None) -> None:
    """Run one benchmark and print its section, or all of them and write ``docs/performance.md``.

    Args:
        name: One of `NAMES`; None for all.
        video: Footage to measure with; without it, a player is rendered.

    Raises:
        UserError: The video is missing, or cannot be read.
    """
    from benchmarks.footage import Bench
    from benchmarks.measuring import document
    from twinstroke.files import replacing
    from twinstroke.video.probe import probe_video

    if video:
        probe_video(video)  # says at once what is wrong with it
    with tempfile.TemporaryDirectory(prefix="twinstroke-bench-") as folder:
        bench = Bench(Path(folder), video)
        if name:
            print(function_of(name)(bench).markdown)
            return
        sections = []
        for own in NAMES:
            begun = time.monotonic()
            sections.append(function_of(own)(bench))
            print(f"bench: {own}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    with replacing(REPORT) as partial:
        partial.write_text(document(sections), encoding="utf-8")
    print(f"bench: {REPORT} is written")


def function_of(name: str) -> Callable[[Bench], Section]:
    """What measures."""
    module, function = BENCHMARKS[name].split(":")
    measure: Callable[[Bench], Section] = getattr(import_module(f"benchmarks.{module}"), function)
    return measure
