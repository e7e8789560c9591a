"""Section ``detect`` of a preset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from twinstroke.settings.base import Positive, Section


class DetectSettings(Section):
    """How strokes are found in untrimmed videos, by what a network says of all their windows.

    The first sentence on each field is what ``twinstroke detect --help`` says of its option.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    stride: Positive
    """Kept frames from window to window."""
    smoothing: Literal["none", "vote", "mean", "gaussian"] = "gaussian"
    """How the windows around a moment are put together: not at all (``none``), by the share that
    prefers each class (``vote``), by their mean, or by a mean in which nearer windows count more
    (``gaussian``)."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.8
    """Seconds over which windows are smoothed, half before the moment and half after it."""
    rejection: Literal["all", "sum"] = "all"
    """When a moment is no stroke: if Negative is more probable than each stroke class (``all``), or
    than all of them together (``sum``)."""
    negative_weight: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the odds of Negative before that decision: a larger one finds fewer strokes. Take
    more than 1 where Negative is rarer among the training samples than in a video, as after
    `balance`."""
    runs: Literal["stroke", "class"] = "stroke"
    """Which neighbouring moments make one stroke: those of any stroke class, named by their mean
    (``stroke``), or those of the same class (``class``)."""
    shortest_s: Annotated[float, Field(ge=0)] = 0.25
    """Seconds; shorter strokes are dropped (MediaEval's baseline: 30 frames at 120 a second)."""
    gap_s: Annotated[float, Field(ge=0)] = 0.1
    """Seconds; shorter interruptions of a stroke are bridged."""


class HeldOutSettings(DetectSettings):
    """The same for the stage, which measures it on videos of the data set."""

    split: Literal["validation", "test", "none"]
    """Of which videos the stage finds the strokes: choose the rules above on ``validation``. All
    their frames are decoded, and their flow estimated, once; ``none``: where even that takes longer
    than it is worth. It must be said, since stages depend on it that no other rule concerns."""
