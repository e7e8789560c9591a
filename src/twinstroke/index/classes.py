"""Class names and the labels that annotations use for them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from twinstroke.settings import IndexSettings
from twinstroke.tables import NEGATIVE

TTSTROKE21 = (
    NEGATIVE,
    *(
        f"{kind} {hand} {stroke}"
        for kind, strokes in (
            ("Serve", ("Backspin", "Loop", "Sidespin", "Topspin")),
            ("Offensive", ("Hit", "Loop", "Flip")),
            ("Defensive", ("Push", "Block", "Backspin")),
        )
        for hand in ("Forehand", "Backhand")
        for stroke in strokes
    ),
)
"""The 20 strokes in the order of the MediaEval baseline, after the rejection class (index 0)."""

STROKE = "Stroke"
"""Class of an annotation that tells when a stroke happens but not which (MediaEval detection)."""
UNKNOWN = "Unknown"
"""MediaEval's label of a test stroke that is to be classified by the participants."""


def class_names(settings: IndexSettings) -> list[str]:
    """Class names in the order of their index, which is that of the network's outputs."""
    return list(TTSTROKE21) if settings.classes == "ttstroke21" else list(settings.classes)


def unknown_label(label: str, classes: Sequence[str]) -> str:
    """Say that `label` is no class, which one may be meant, and which there are."""
    lowered = {name.lower(): name for name in classes}
    close = difflib.get_close_matches(label.lower(), lowered, n=1)
    hint = f"did you mean {lowered[close[0]]!r}? " if close else ""
    known = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
    return f"label {label!r} is no class; {hint}the {len(classes)} classes are: {known}"
