"""``twinstroke attend``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from twinstroke.errors import UserError
from twinstroke.progress import summarise


@click.command()
@click.argument("samples", metavar="SAMPLE...", nargs=-1, required=True)
def command(samples: Sequence[str]) -> None:
    """Draw where the trained network looks in some samples.

    Run it after the stage evaluate, for a network with attention blocks. SAMPLE is the id of a
    sample, <video>:<begin>-<end>. Pictures and films go to reports/<preset>/attend.
    """
    # Only now: --help need not wait for torch.
    from twinstroke.attend.choice import single_predictions
    from twinstroke.attend.draw import draw
    from twinstroke.sample_ids import named
    from twinstroke.settings.load import load_settings
    from twinstroke.train.gpus import on_a_gpu

    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    known = single_predictions(reports / "predictions")
    chosen = named([row for rows in known.values() for row in rows], samples)
    model_file = folder / "model.safetensors"
    with on_a_gpu("attend", model_file):
        drawn = draw(folder / "strokes.h5", model_file, chosen, reports / "attend")
    if not drawn:
        raise UserError(
            f"{model_file}: this network has no attention blocks, so there is "
            "nothing to draw; train one: dvc exp run -S attention_blocks=3"
        )
    summarise("attend", f"{len(drawn)} samples are drawn in {reports / 'attend'}")
