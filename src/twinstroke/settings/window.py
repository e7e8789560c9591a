"""Section ``window`` of a preset."""

from __future__ import annotations

from twinstroke.settings.base import Positive, Section


class WindowSettings(Section):
    """What the network sees: T × H × W."""

    frames: Positive
    """T, in kept frames."""
    height: Positive
    """H of the crop, in pixels of the kept frame."""
    width: Positive
    """W of the crop, in pixels of the kept frame."""
