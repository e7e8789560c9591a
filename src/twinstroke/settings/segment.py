"""Section ``segment`` of a preset."""

from __future__ import annotations

from twinstroke.settings.base import Count, Section


class SegmentSettings(Section):
    """What is cut out around the region of interest."""

    margin: Count
    """Pixels kept around the window on each side, for augmentation."""
