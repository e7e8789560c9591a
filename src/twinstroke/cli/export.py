"""``twinstroke export``."""

from __future__ import annotations

from typing import get_args

import click

from twinstroke.progress import summarise
from twinstroke.settings.choices import ExportFormat


@click.command()
@click.argument("form", type=click.Choice(get_args(ExportFormat)))
def command(form: ExportFormat) -> None:
    """Write the strokes of the data set for other programs.

    csv is one table, mediaeval an XML for each video and split, elan an .eaf for each video and
    split, which opens its video; the stage index reads all of them back unchanged. Files go to
    data/<preset>/export/<format>, and those of an earlier export that are no longer needed are
    deleted.

    Strokes without a class are written as Unknown. Mined negatives are left out, since they are
    mined again. Only csv has a column for the player; votes of several annotators are in none.
    """
    # Only now: --help need not wait for HDF5 and the reading of videos.
    from twinstroke.results.export import export_preset
    from twinstroke.settings.load import load_settings

    exported = export_preset(load_settings(), form)
    summarise("export", f"{exported.files} files below {exported.folder}")
    if exported.lost:
        summarise("export", f"{form} has no place for the column {exported.lost}; csv has")
