"""Everything that is written about one video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twinstroke.annotations.strokes import Stroke
from twinstroke.detect.found import Found
from twinstroke.detect.recogniser import Recogniser
from twinstroke.results.tables import write_outputs
from twinstroke.results.viewer.page import write_viewer
from twinstroke.settings.detect import DetectSettings


def write_found(
    found: Sequence[Found],
    recogniser: Recogniser,
    settings: DetectSettings,
    *,
    folder: Path,
    video: Path,
    annotations: Sequence[Stroke] = (),
) -> dict[str, Path]:
    """Write tables, files for other programs, and the page to watch and correct it.

    Args:
        found: What was found in a video, of each of its players.
        recogniser: By which network.
        settings: By which rules.
        folder: Gets ``<video>.csv`` and so on.
        video: The file of the video, to which they refer relative to their folder.
        annotations: Strokes that somebody marked, for the page.

    Returns:
        The files, by form; the page is ``html``.

    Raises:
        UserError: A label holds characters that XML cannot.
        OSError: A file cannot be written.
    """
    seen, classes = found[0].seen, recogniser.description.classes
    detections = [stroke for own in found for stroke in own.detections]
    players = [(own.seen.player, own.seen.region) for own in found if own.seen.region]
    paths = write_outputs(
        folder,
        video,
        detections,
        seen.clock,
        classes,
        _facts(recogniser, settings),
        name=seen.video,
        players=players,
    )
    paths["html"] = write_viewer(
        folder / f"{seen.video}.html",
        video=video,
        clock=seen.clock,
        classes=classes,
        annotations=annotations,
        detections=detections,
        players=players,
        about=f"Found by {recogniser.name}.",
    )
    return paths


def _facts(recogniser: Recogniser, settings: DetectSettings) -> dict[str, Any]:
    made = recogniser.description
    rules = {name: getattr(settings, name) for name in DetectSettings.model_fields}
    return {
        "network": recogniser.name,
        "sha256": recogniser.digest,
        "window": list(made.window),
        "kept_fps": recogniser.preparation.kept_fps,
        "twinstroke": made.twinstroke_version,
        "rules": rules,
    }
