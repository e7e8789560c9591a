"""Section ``attend`` of a preset."""

from __future__ import annotations

from twinstroke.settings.base import Count, Section


class AttendSettings(Section):
    """Of which samples the attention is drawn."""

    samples: Count
    """Half of them the most confident mistakes, half the most confident right ones."""
