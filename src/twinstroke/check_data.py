"""Check a data set before any hour is spent on it: ``make check-data``.

Does what the stage `index` does, but changes none of its tables: reads every annotation, opens
every video, decodes the first, middle and last frame that some stroke needs (with
``index.full_decode: true``, all frames), compares checksums, lengths, overlaps, classes and splits.
Prints all that it finds, errors first, and the number of samples by class and split; the same, for
machines, goes to ``reports/<preset>/findings.csv``. Exits with status 1 if there is an error.
"""

from __future__ import annotations

from pathlib import Path

from twinstroke.errors import UserError, exits_cleanly
from twinstroke.index import BrokenDataError, Finding, Placement, build_index, class_sizes, report
from twinstroke.settings import load_settings
from twinstroke.tables import read_table, write_table
from twinstroke.workers import available_workers


@exits_cleanly
def main() -> None:
    """Check the data of the preset that ``params.yaml`` names."""
    settings = load_settings()
    reports = Path("reports", settings.name)
    placements = reports / "splits.csv"
    try:
        index = build_index(
            settings.index,
            raw=settings.raw,
            root=Path(),
            seed=settings.data_seed,
            workers=available_workers(),
            window=settings.window.frames * settings.decode.frame_step,
            kept=read_table(placements, Placement) if placements.exists() else (),
        )
    except BrokenDataError as broken:
        write_table(reports / "findings.csv", broken.findings, Finding)
        for line in report(broken.findings):
            print(line)
        raise UserError(f"{settings.raw}: cannot be used as it is") from None
    write_table(reports / "findings.csv", index.findings, Finding)
    print(f"format: {index.format}")
    for line in report(index.findings):
        print(line)
    print(class_sizes(index.samples, [row.label for row in index.classes]))


if __name__ == "__main__":
    main()
