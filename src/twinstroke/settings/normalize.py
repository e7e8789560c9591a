"""Section ``normalize`` of a preset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twinstroke.settings.base import Fraction01, Positive, Section


class MaskSettings(Section):
    """Foreground mask that multiplies the flow."""

    method: Literal["knn", "mog2", "none"] = "knn"
    """Background subtractor of OpenCV (both after Zivkovic), or no mask at all."""
    history: Positive = 500
    """Frames over which the background is learnt."""
    threshold: Annotated[float, Field(gt=0)] | None = None
    """Squared distance (KNN; 400 if left out) or squared Mahalanobis distance (MOG2; 16)."""
    dilate: Literal[0, 3, 5, 7] = 3
    """Side of the square by which the mask is dilated, in pixels; 0: not at all."""


class RoiSettings(Section):
    """Region of interest: where the crop is centred, frame by frame."""

    max_weight: Fraction01 = 0.6
    """Weight of the point of largest flow; the centroid of the moving pixels gets the rest."""
    smoothing_s: Annotated[float, Field(ge=0)] = 1 / 3
    """Length of the Gaussian smoothing kernel in seconds: 1/3 s is 41 frames at 120 fps."""


class NormalizeSettings(Section):
    """Masks, region of interest, and the scale by which flow is normalised."""

    mask: MaskSettings = MaskSettings()
    roi: RoiSettings = RoiSettings()
    rule: Literal["normal", "max"] = "normal"
    """``normal``: v / (μ + 3σ) of the per-frame maxima; ``max``: v / largest maximum."""
    min_motion: Annotated[float, Field(ge=0)] = 5.0
    """Rule ``normal`` uses only per-frame maxima above this, in pixels a frame."""
