"""Section ``evaluate`` of a preset."""

from __future__ import annotations

from twinstroke.settings.base import Positive, Section


class EvaluateSettings(Section):
    """How a trained network decides about a stroke."""

    stride: Positive
    """Kept frames from window to window, where a decision asks several; 1 asks all there are."""
