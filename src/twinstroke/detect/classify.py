"""The classes of strokes of which one knows where they are: for submissions without `index`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.shown import Frame, Shown
from twinstroke.detect.timing import Stopwatch
from twinstroke.detect.video import open_video
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import Decision, decide, window_starts
from twinstroke.settings.limits import DEFAULT_LIMITS, Limits
from twinstroke.timeline import clip_range


def classify(
    video: Path,
    strokes: Sequence[tuple[int, int]],
    recogniser: Recogniser,
    *,
    decision: Decision,
    stride: int,
    limits: Limits = DEFAULT_LIMITS,
) -> list[dict[str, float]]:
    """Class probabilities of strokes, as `evaluate` would have them.

    Args:
        video: The video.
        strokes: Begin and end of each in source frames, in any order; they may overlap.
        recogniser: The network.
        decision: By which windows of a stroke.
        stride: Kept frames from window to window, for decisions that ask several.
        limits: Of the runs of FFmpeg.

    Returns:
        Probabilities by class, of each stroke.

    Raises:
        UserError: The video cannot be shown to the network, a stroke is not inside it, or a frame
            does not decode.
    """
    seen = open_video(video, recogniser.preparation, recogniser.window, limits)
    for begin, end in strokes:
        if not 0 <= begin < end <= seen.source.kept.frames:
            raise UserError(
                f"{video}: has {seen.source.kept.frames} frames, but a stroke is said to last from "
                f"{begin} to {end}; see that strokes and video belong together"
            )
    window, kept = recogniser.window[0], seen.source.kept
    clips = [clip_range(kept.place(begin), kept.place(end), 1, window) for begin, end in strokes]
    found: dict[int, dict[str, float]] = {}
    frames = seen.source.prepared(recogniser.preparation, recogniser.window[1:], Stopwatch(), None)
    with closing(frames):
        for number, rgb, flow in _cut(frames, clips, seen.source):
            slack = len(clips[number]) - window
            starts = window_starts(slack + window, window, stride)
            if decision == "single":
                starts = np.array([slack // 2])
            probabilities = recogniser.probabilities(rgb, flow, starts.tolist())
            own = decide(probabilities, starts, slack)[decision]
            found[number] = dict(zip(recogniser.description.classes, own.tolist(), strict=True))
    return [found[number] for number in range(len(strokes))]


def _cut(
    frames: Iterator[Frame], clips: Sequence[range], source: Shown
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int16]]]:
    """Gather the frames of each clip as they come by; at most those of open clips are held."""
    waiting = sorted(range(len(clips)), key=lambda number: clips[number].start)
    last = len(source.kept) - 1
    held: dict[int, Frame] = {}
    for place, frame in enumerate(frames):
        held[place] = frame
        while waiting and min(clips[waiting[0]].stop - 1, last) <= place:
            number = waiting.pop(0)
            own = [held[min(max(k, 0), last)] for k in clips[number]]
            flow = np.stack([frame.flow for frame in own])
            flow[[k < 0 or k > last for k in clips[number]]] = 0
            yield number, np.stack([frame.rgb for frame in own]), flow
        if not waiting:
            return
        begin = max(0, min(clips[number].start for number in waiting))
        for gone in [k for k in held if k < begin]:
            del held[gone]
