"""Build the index of a preset, and write ``findings.csv`` even if its data cannot be used."""

from __future__ import annotations

from pathlib import Path

from twinstroke.errors import UserError
from twinstroke.findings import Finding, Findings, Place
from twinstroke.formats.reading import NoVideosError
from twinstroke.index.build import BrokenDataError, Index, build_index
from twinstroke.index.split import Placement
from twinstroke.parallel.workers import available_workers
from twinstroke.settings.load import Settings
from twinstroke.tables import read_table, write_table


def raw_folder(settings: Settings) -> Path:
    """Folder of the raw data: the rendered data set, or the user's."""
    if settings.synthesize.players:
        return Path("data", settings.name, "synthetic")
    return Path("data", "raw", settings.name)


def checked_index(settings: Settings) -> Index:
    """Build the index of a preset, and write what was found, whether it can be used or not.

    Without videos nothing was checked, and ``findings.csv`` stays as it is: where the tables were
    pulled, it is theirs.

    Raises:
        BrokenDataError: It cannot be used.
        NoVideosError: There is nothing to check.
        UserError: The format is not known, there is one class only, or the kept splits are damaged.
    """
    raw, reports = raw_folder(settings), Path("reports", settings.name)
    step = settings.decode.frame_step
    placements = reports / "splits.csv"
    try:
        index = build_index(
            settings.index,
            raw=raw,
            root=Path(),
            seed=settings.data_seed,
            workers=available_workers(),
            window=settings.window.frames * step,
            # Flow leads to one frame more.
            context=settings.decode.context + step,
            kept=_kept(placements),
            decode=settings.decode,
        )
        _check_class_count(index, raw)
    except BrokenDataError as broken:
        write_table(reports / "findings.csv", broken.findings, Finding)
        raise
    except NoVideosError:
        raise
    except UserError as error:
        findings = Findings()
        for problem in error.problems:
            findings.error("data", Place(str(raw)), problem)
        write_table(reports / "findings.csv", findings.all, Finding)
        raise
    write_table(reports / "findings.csv", index.findings, Finding)
    return index


def _check_class_count(index: Index, raw: Path) -> None:
    if len(index.classes) < 2:
        raise UserError(
            f"{raw}: {index.classes[0].label!r} is the only class, and a network tells at least "
            "two apart; annotate another one, or let index.negatives.rule mine what is no stroke "
            "(gaps)"
        )


def _kept(placements: Path) -> list[Placement]:
    try:
        return read_table(placements, Placement) if placements.exists() else []
    except UserError as error:
        problem = error.problems[0].partition(";")[0]
        raise UserError(
            f"{problem}; bring the file back with git, or delete it to draw all splits anew"
        ) from None
