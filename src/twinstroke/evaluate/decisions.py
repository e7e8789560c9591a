"""From the probabilities of many windows to one decision about a stroke.

The rules are those of the authors' published baselines, put right: all windows inside the stroke
count (the published code leaves one out, and fails on strokes as short as the window), the Gaussian
has its middle in the middle of the stroke, and ties of a vote do not depend on the order of a set.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Decision = Literal["single", "vote", "mean", "gaussian"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
"""``single``: one window in the middle, which is what the paper reports. The others ask all
windows: ``vote``: the class that most of them prefer; ``mean``: the largest mean probability;
``gaussian``: the same, but windows count the more the nearer they are to the middle of the stroke.
"""


def window_starts(length: int, window: int, stride: int) -> NDArray[np.int64]:
    """First frames of the windows inside a clip, a stride apart, ascending.

    The window in the middle, at (length - window) // 2, is always one of them; the others lie at
    whole strides before and after it, as far as they fit.

    Args:
        length: Frames of the clip, at least `window`.
        window: T, frames.
        stride: Frames from window to window, at least 1; with 1 there are ``length - window + 1``.

    Raises:
        ValueError: The clip is shorter than the window.
    """
    slack = length - window
    if slack < 0:
        raise ValueError(f"a clip of {length} frames has no window of {window}")
    return np.arange((slack // 2) % stride, slack + 1, stride, dtype=np.int64)


def decide(
    probabilities: NDArray[np.float64], starts: NDArray[np.int64], slack: int
) -> dict[Decision, NDArray[np.float64]]:
    """Class probabilities of one stroke by each rule; the decision is the largest.

    Args:
        probabilities: (n, classes) of the windows, each row with sum 1.
        starts: (n,) first frame of each window within the clip, from `window_starts`.
        slack: Frames of the clip less T: the last possible start.

    Returns:
        (classes,) with sum 1 for each rule. For ``vote`` it is the share of votes, where the mean
        probability counts as one vote more: so no class is impossible, and among classes with
        equally many votes the more probable one wins.
    """
    mean = probabilities.mean(0)
    votes = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
    weights = gaussian_weights(starts, slack)
    return {
        "single": probabilities[int(np.flatnonzero(starts == slack // 2)[0])],
        "vote": (votes + mean) / (len(starts) + 1),
        "mean": mean,
        # Rounding may put a sum of probabilities above 1.
        "gaussian": np.minimum(weights @ probabilities, 1),
    }


def gaussian_weights(starts: NDArray[np.int64], slack: int) -> NDArray[np.float64]:
    """Weights of windows, with sum 1, largest in the middle of the stroke.

    With n windows, the deviation is OpenCV's for a kernel of 2 · (n // 2) + 1 of them, σ = 0.3 ·
    (n // 2 - 1) + 0.8 windows, as in the published code.

    Args:
        starts: (n,) first frame of each window, evenly spaced.
        slack: The last possible start; the middle is half of it.
    """
    count = len(starts)
    stride = int(starts[1] - starts[0]) if count > 1 else 1
    deviation = (0.3 * (count // 2 - 1) + 0.8) * stride
    weights = np.exp(-0.5 * ((starts - slack / 2) / deviation) ** 2)
    result: NDArray[np.float64] = weights / weights.sum()
    return result
