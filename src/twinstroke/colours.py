"""Colours of the pictures, told apart by colour-blind people too, and the wheel of the flow."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Of Okabe and Ito, "Color universal design" (2008).
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
# On footage: light lines on dark ones are seen on any ground.
WINDOW, OUTLINE, OUTSIDE = "#F0E442", "#FF40FF", "#D55E00"
BEYOND = "#DDDDDD"
"""What lies outside the picture."""


def flow_colours(field: NDArray[np.float32], full: float) -> NDArray[np.uint8]:
    """Flow as colours: the hue is the direction, white is rest.

    Right is red, down is yellow-green, left is cyan, up is violet.

    Args:
        field: float32 (H, W, 2): (u, v) in px, y down.
        full: Magnitude in px from which on a colour is fully saturated.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    u, v = np.ascontiguousarray(field[..., 0]), np.ascontiguousarray(field[..., 1])
    magnitude, degrees = cv2.cartToPolar(u, v, angleInDegrees=True)
    hsv = np.stack([degrees, np.minimum(magnitude / full, 1), np.ones_like(magnitude)], -1)
    rgb = cv2.cvtColor(hsv.astype(np.float32), cv2.COLOR_HSV2RGB)
    return np.rint(rgb * 255).astype(np.uint8)


def full_colour(lengths: NDArray[np.floating]) -> float:
    """Magnitude in px that gets the full colour: few pixels that move are above it.

    Args:
        lengths: Magnitudes of what moves, in px, of any number; at least 1 px is given.
    """
    return max(1.0, float(np.quantile(lengths, 0.99))) if len(lengths) else 1.0


def colour_wheel(radius: int = 60) -> NDArray[np.uint8]:
    """The legend of `flow_colours`: its rim is fully saturated, uint8 (2r + 1, 2r + 1, 3)."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    wheel = flow_colours(np.stack([x, y], -1), radius)
    wheel[np.hypot(x, y) > radius] = 255
    return wheel
