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

    csv is one table. mediaeval is an XML file for each video and split. elan is an .eaf file for
    each video and split, which opens its video. sportscode is the XML of Hudl Sportscode and its
    like for each video and split. activitynet is its JSON for each split. The stage index can read
    all of them again, and gets the same strokes. The files go to data/<preset>/export/<format>.
    Files of an earlier export that are no longer needed are deleted.

    A stroke without a class is written as Unknown. Negatives that index cut from the gaps are left
    out, because index cuts them again. csv and sportscode say who the player is, and so does elan,
    but of no other group. No format holds the votes of several annotators.
    """
    # Only now: --help need not wait for HDF5 and the reading of videos.
    from twinstroke.results.export import export_preset
    from twinstroke.settings.load import load_settings

    exported = export_preset(load_settings(), form)
    summarise("export", f"{exported.files} files below {exported.folder}")
    if exported.lost:
        summarise("export", f"{form} has no place for the column {exported.lost}; csv has")
