"""Section ``feed`` of a preset."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twinstroke.settings.base import Count, Section


class FeedSettings(Section):
    """Where training samples lie while a network is trained. Results do not depend on it."""

    memory_gb: Annotated[float, Field(ge=0)] = 4.0
    """Samples that take no more than so many GB (10^9 bytes) are read once and held in memory, or
    on the GPU if they take no more than a quarter of what is free there. Uncompressed they take
    thrice what they do in ``strokes.h5``; of those for validation, only the middle windows are
    held. Each process holds its own."""
    loader_workers: Count = 0
    """Processes that read windows ahead where samples are not held, as many for training as for
    validation; with 0, training waits for each batch."""
