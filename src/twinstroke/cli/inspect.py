"""Look at what the crops hold: ``make inspect``, or with samples of your choice by their ids.

Run it when `segment` is done, before training. See the package for what it writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from twinstroke.choice import named
from twinstroke.errors import UserError, exits_cleanly
from twinstroke.inspection.choice import spread
from twinstroke.inspection.draw import Inspection, inspect
from twinstroke.inspection.measure import SampleRow, VideoRow
from twinstroke.inspection.source import open_source
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings

LISTED = 8
"""Videos, and samples, named on the terminal."""


@exits_cleanly
def main() -> None:
    """Inspect the preset that ``params.yaml`` names."""
    parser = argparse.ArgumentParser(prog="python -m twinstroke.inspection", description=__doc__)
    parser.add_argument("samples", nargs="*", help="ids of the samples to draw")
    parser.add_argument("--count", type=int, default=8, help="how many to draw otherwise")
    arguments = parser.parse_args()
    if arguments.count < 0:
        raise UserError(f"COUNT: {arguments.count} samples cannot be drawn; 0 or more can")
    settings = load_settings()
    source = open_source(Path("data", settings.name))
    if arguments.samples:
        drawn = named(source.samples, arguments.samples)
    else:
        drawn = spread(source.samples, arguments.count)
    folder = Path("reports", settings.name, "inspect")
    normal = settings.normalize.rule == "normal"
    min_motion = settings.normalize.min_motion if normal else None
    found = inspect(source, drawn, min_motion=min_motion, folder=folder)
    _tell(found, len(drawn), folder)


def _tell(found: Inspection, drawn: int, folder: Path) -> None:
    videos = [row for row in found.videos if row.why]
    samples = [row for row in found.samples if row.why]
    summarise(
        "inspect",
        f"{len(videos)} of {len(found.videos)} videos and {len(samples)} of "
        f"{len(found.samples)} samples look suspicious; {drawn} samples are drawn; open "
        f"{folder / 'index.html'}",
    )
    if found.stale:
        print(
            f"inspect: strokes.h5 is old: the stored crops of {', '.join(found.stale)} are not "
            "what the frames show there; run dvc repro segment"
        )
    _list("video", [(row.video, row) for row in videos])
    _list("sample", [(f"{row.sample} ({row.label})", row) for row in samples])


def _list(kind: str, rows: Sequence[tuple[str, VideoRow | SampleRow]]) -> None:
    for name, row in rows[:LISTED]:
        print(f"inspect: {kind} {name}: {row.why}")
    if len(rows) > LISTED:
        print(f"inspect: and {len(rows) - LISTED} more, see {kind}s.csv there")


if __name__ == "__main__":
    main()
