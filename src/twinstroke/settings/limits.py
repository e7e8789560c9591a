"""What one run of FFmpeg may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one run of FFmpeg may take."""

    timeout_s: float = 120
    """Seconds without any output after which it is ended."""
    max_pixels: int = 8192 * 4320
    """Largest frame that is decoded."""


DEFAULT_LIMITS = Limits()
