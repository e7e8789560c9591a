"""Draw where the trained network looks in samples of your choice, by their ids.

Run it when `evaluate` is done. Pictures and films go to ``reports/<preset>/attend``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from twinstroke.attend.choice import single_predictions
from twinstroke.attend.draw import draw
from twinstroke.choice import named
from twinstroke.errors import UserError, exits_cleanly
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings


@exits_cleanly
def main() -> None:
    """Draw samples of the preset that ``params.yaml`` names."""
    parser = argparse.ArgumentParser(prog="python -m twinstroke.attend", description=__doc__)
    parser.add_argument("samples", nargs="+", metavar="SAMPLE", help="ids of the samples to draw")
    arguments = parser.parse_args()
    settings = load_settings()
    folder, reports = Path("data", settings.name), Path("reports", settings.name)
    known = single_predictions(reports / "predictions")
    chosen = named([row for rows in known.values() for row in rows], arguments.samples)
    drawn = draw(folder / "strokes.h5", folder / "model.safetensors", chosen, reports / "attend")
    if not drawn:
        raise UserError(
            f"{folder / 'model.safetensors'}: this network has no attention blocks, so there is "
            "nothing to draw; train one: dvc exp run -S attention_blocks=3"
        )
    summarise("attend", f"{len(drawn)} samples are drawn in {reports / 'attend'}")


if __name__ == "__main__":
    main()
