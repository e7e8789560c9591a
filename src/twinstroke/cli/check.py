"""Check a data set before any hour is spent on it: ``make check-data``.

Does what the stage `index` does, but writes none of its tables: reads every annotation, opens every
video, decodes the first, middle and last frame that some stroke needs (with
``index.full_decode: true``, all frames), compares checksums, lengths, overlaps, classes and splits.
Prints all that it finds, errors first, and the number of samples by class and split; the same, for
machines, goes to ``reports/<preset>/findings.csv``. Exits with status 1 if the data cannot be used.
"""

from __future__ import annotations

from twinstroke.errors import UserError, exits_cleanly
from twinstroke.index.build import BrokenDataError
from twinstroke.index.checked import checked_index, raw_folder
from twinstroke.index.checks import class_sizes
from twinstroke.index.report import report
from twinstroke.settings.load import load_settings


@exits_cleanly
def main() -> None:
    """Check the data of the preset that ``params.yaml`` names."""
    settings = load_settings()
    try:
        index = checked_index(settings)
    except BrokenDataError as broken:
        for line in report(broken.findings):
            print(line)
        raise UserError(f"{raw_folder(settings)}: cannot be used as it is") from None
    print(f"format: {index.format}")
    for line in report(index.findings):
        print(line)
    if index.agreement:
        print(index.agreement)
    print(class_sizes(index.samples, [row.label for row in index.classes]))


if __name__ == "__main__":
    main()
