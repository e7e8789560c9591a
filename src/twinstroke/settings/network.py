"""Which network is trained: keys of ``params.yaml``."""

from __future__ import annotations

from typing import Literal

Architecture = Literal["tstcnn", "i3d"]
Modality = Literal["rgb", "flow", "twin"]
Targets = Literal["classes", "strokes"]
POOLINGS = 3
"""Each branch of the network halves T, H and W three times."""
