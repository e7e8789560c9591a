"""Check a data set before any hour is spent on it: ``make check-data``.

Does what the stage `index` does, but writes none of its tables: reads every annotation, opens every
video, decodes the first, middle and last frame that some stroke needs (with
``index.full_decode: true``, all frames), compares checksums, lengths, overlaps, classes and splits.
Prints all that it finds, errors first, and the number of samples by class and split; the same, for
machines, goes to ``reports/<preset>/findings.csv``. Exits with status 1 if the data cannot be used.
"""

from __future__ import annotations

from pathlib import Path

from twinstroke.errors import UserError, exits_cleanly
from twinstroke.findings import Finding, Findings, Place
from twinstroke.index.build import BrokenDataError, Index, build_index
from twinstroke.index.checks import class_sizes
from twinstroke.index.report import report
from twinstroke.index.split import Placement
from twinstroke.parallel.workers import available_workers
from twinstroke.settings.load import Settings, load_settings
from twinstroke.tables import read_table, write_table


def checked_index(settings: Settings) -> Index:
    """Build the index of a preset, and write what was found, whether it can be used or not.

    Raises:
        BrokenDataError: It cannot be used.
        UserError: There is nothing to check, or the kept splits are damaged.
    """
    reports = Path("reports", settings.name)
    step = settings.decode.frame_step
    placements = reports / "splits.csv"
    try:
        index = build_index(
            settings.index,
            raw=settings.raw,
            root=Path(),
            seed=settings.data_seed,
            workers=available_workers(),
            window=settings.window.frames * step,
            # Flow leads to one frame more.
            context=settings.decode.context + step,
            kept=_kept(placements),
            limits=settings.decode.limits,
        )
    except BrokenDataError as broken:
        write_table(reports / "findings.csv", broken.findings, Finding)
        raise
    except UserError as error:
        findings = Findings()
        for problem in error.problems:
            findings.error("data", Place(str(settings.raw)), problem)
        write_table(reports / "findings.csv", findings.all, Finding)
        raise
    write_table(reports / "findings.csv", index.findings, Finding)
    return index


def _kept(placements: Path) -> list[Placement]:
    try:
        return read_table(placements, Placement) if placements.exists() else []
    except UserError as error:
        problem = error.problems[0].partition(";")[0]
        raise UserError(
            f"{problem}; bring the file back with git, or delete it to draw all splits anew"
        ) from None


@exits_cleanly
def main() -> None:
    """Check the data of the preset that ``params.yaml`` names."""
    settings = load_settings()
    try:
        index = checked_index(settings)
    except BrokenDataError as broken:
        for line in report(broken.findings):
            print(line)
        raise UserError(f"{settings.raw}: cannot be used as it is") from None
    print(f"format: {index.format}")
    for line in report(index.findings):
        print(line)
    if index.agreement:
        print(index.agreement)
    print(class_sizes(index.samples, [row.label for row in index.classes]))


if __name__ == "__main__":
    main()
