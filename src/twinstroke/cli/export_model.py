"""``twinstroke export-model``."""

from __future__ import annotations

from pathlib import Path

import click

from twinstroke.progress import summarise


@click.command()
def command() -> None:
    """Write the trained network as ONNX, for other programs.

    It reads data/<preset>/model.safetensors, which the stage train writes, and writes model.onnx
    beside it, for programs without Python. Then it compares both networks on random windows. It
    needs the extra onnx of the package, which make installs.
    """
    # Only now: --help need not wait for torch.
    from twinstroke.export_model import export_model
    from twinstroke.models.network import STREAMS
    from twinstroke.settings.load import load_settings

    folder = Path("data", load_settings().name)
    target = folder / "model.onnx"
    export = export_model(folder / "model.safetensors", target)
    streams = " and ".join(STREAMS[export.description.modality])
    summarise(
        "export-model",
        f"{target} ({export.size / 1e6:.1f} MB) takes {streams}; on {export.windows} random "
        f"windows logits of up to {export.largest:.3g} differ from torch's by at most "
        f"{export.difference:.1e}",
    )
