"""``twinstroke check``."""

from __future__ import annotations

import click

from twinstroke.errors import UserError


@click.command()
def command() -> None:
    """Check a data set before any hour is spent on it.

    Does what the stage index does, but writes none of its tables: reads every annotation, opens
    every video, decodes the first, middle and last frame that some stroke needs (with
    index.full_decode: true, all frames), compares checksums, lengths, overlaps, classes and splits.

    Prints all that it finds, errors first, and the number of samples by class and split; the same,
    for machines, goes to reports/<preset>/findings.csv. Exits with status 1 if the data cannot be
    used. The preset is that of params.yaml.
    """
    # Only now: --help need not wait for OpenCV and Dask.
    from twinstroke.index.build import BrokenDataError
    from twinstroke.index.checks import class_sizes
    from twinstroke.index.report import report
    from twinstroke.index.run import checked_index, raw_folder
    from twinstroke.settings.load import load_settings

    settings = load_settings()
    try:
        index = checked_index(settings)
    except BrokenDataError as broken:
        for line in report(broken.findings):
            click.echo(line)
        raise UserError(f"{raw_folder(settings)}: cannot be used as it is") from None
    click.echo(f"format: {index.format}")
    for line in report(index.findings):
        click.echo(line)
    if index.agreement:
        click.echo(index.agreement)
    click.echo(class_sizes(index.samples, [row.label for row in index.classes]))
