"""``twinstroke check``."""

from __future__ import annotations

import click

from twinstroke.errors import UserError


@click.command()
def command() -> None:
    """Find mistakes in a data set before the pipeline runs.

    It does what the stage index does, but does not write the tables of videos and samples. It reads
    every annotation and opens every video. It decodes the first, middle and last frame that a
    stroke needs, or all frames with index.full_decode: true. It checks checksums, lengths,
    overlaps, classes and splits.

    It prints what it found, errors first, and the number of samples by class and split. The
    findings are also in reports/<preset>/findings.csv, as a table. It exits with status 1 if the
    data cannot be used.
    """
    # Only now: --help need not wait for OpenCV and Dask.
    from twinstroke.index.build import BrokenDataError
    from twinstroke.index.checks import class_sizes
    from twinstroke.index.report import report
    from twinstroke.index.run import checked_index, raw_folder
    from twinstroke.settings.load import load_settings

    settings = load_settings()
    if "split" not in settings.detect.model_fields_set:
        click.echo(
            f"warning: presets/{settings.name}.yaml: detect.split is not said; dvc repro wants it, "
            "so write split: test there"
        )
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
