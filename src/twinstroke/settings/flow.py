"""Section ``flow`` of a preset."""

from __future__ import annotations

from typing import Literal

from twinstroke.settings.base import Section

Estimator = Literal["deepflow", "farneback", "dis", "tvl1"]


class FlowSettings(Section):
    """Dense optical flow between neighbouring kept frames."""

    estimator: Estimator
    blur: Literal[0, 3, 5] = 3
    """Side of the Gaussian blur applied to the field, in pixels; 0 leaves it as estimated."""
