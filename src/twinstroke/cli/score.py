"""``twinstroke score``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from twinstroke.cli.options import FILE
from twinstroke.progress import summarise


@click.command()
@click.argument("found", metavar="FOUND...", nargs=-1, required=True, type=FILE)
@click.option(
    "--truth",
    metavar="CSV",
    type=FILE,
    multiple=True,
    required=True,
    help="The marked strokes: a table with the columns video,begin,end,label, in frames, which the "
    "page of detect or view saved, or twinstroke export csv wrote. May be repeated.",
)
@click.option("--out", metavar="JSON", type=FILE, help="Also write all figures to this file.")
def command(found: Sequence[Path], truth: Sequence[Path], out: Path | None) -> None:
    """Measure detections against strokes that somebody marked.

    FOUND is a folder that twinstroke detect wrote, or a <video>.json in it. The marked strokes may
    be detections that somebody corrected.
    """
    # Only now: --help need not wait for torch and scikit-learn.
    from twinstroke.detect.data_set import figures_in_words
    from twinstroke.detect.score import score
    from twinstroke.files import replacing

    measured = score(found, truth)
    figures = measured.figures
    for warning in measured.warnings:
        summarise("score", f"warning: {warning}")
    summarise("score", figures_in_words(figures))
    if figures["n_matched"]:
        summarise(
            "score",
            f"of {figures['n_matched']} matched strokes, the begin is {figures['begin_error']:g} "
            f"frames off and the end {figures['end_error']:g} (medians; a frame is "
            f"{measured.frame_s:.3g} s; {_late(figures['begin_bias'])} and "
            f"{_late(figures['end_bias'])}){_right(figures['label_accuracy'])}",
        )
    if out:
        with replacing(out) as partial:
            partial.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        summarise("score", f"all figures are in {out}")


def _late(bias: float | int | None) -> str:
    return f"{abs(bias or 0):g} {'late' if (bias or 0) > 0 else 'early'}"


def _right(share: float | int | None) -> str:
    return "" if share is None else f"; {share:.0%} have the right class"
