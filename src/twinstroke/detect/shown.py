"""What a network is shown: the frames of a whole video, in order, wherever they come from."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twinstroke.detect.timing import Stopwatch
from twinstroke.settings.preparation import Preparation
from twinstroke.timeline import Kept


class Frame(NamedTuple):
    """A kept frame, cut out around the region of interest."""

    rgb: NDArray[np.uint8]
    """(H, W, 3)."""
    flow: NDArray[np.int16]
    """(H, W, 2): masked (u, v) to the next kept frame, in units of 1/32 px; of the last one 0."""
    centre: NDArray[np.float64]
    """(x, y) in px around which things move, from the corner of the player's region, before
    smoothing in time: of the last frame in which they did; NaN before the first such frame."""


class Shown(Protocol):
    """A video of which a network can be shown the frames."""

    @property
    def name(self) -> str:
        """Of its file, for people."""

    @property
    def kept(self) -> Kept:
        """Its kept frames, among those of the file."""

    @property
    def counted(self) -> Kept:
        """Frames that the tables of its data set count, among those of the file."""

    def made_of(self) -> Mapping[str, Any]:
        """All that decides the frames, beside the preparation and the window."""

    def prepared(
        self,
        preparation: Preparation,
        window: tuple[int, int],
        timing: Stopwatch,
        centres: NDArray[np.float64] | None,
    ) -> Generator[Frame, None, None]:
        """Give the kept frames, in order.

        Args:
            preparation: As the network was trained.
            window: H and W of the network's window.
            timing: Gets the time of each step.
            centres: (n, 2), of the first n frames, which are not given again.

        Raises:
            UserError: The video is gone, or a frame cannot be read.
        """
