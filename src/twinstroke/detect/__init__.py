"""Strokes in untrimmed videos: found, named, measured, and written for people and programs.

From top to bottom: `prepare` makes of a video what `segment` makes of strokes; `recogniser` shows
it to a network; `track` does so window by window and keeps what was said; `segments` turns that
into strokes. `video` is all of it for one video, `data_set` for the held-out ones, `command` for
those that somebody names.
"""

from twinstroke.detect.classify import classify
from twinstroke.detect.data_set import (
    HeldOut,
    detect_held_out,
    held_out,
    in_words,
    pace,
    write_measured,
)
from twinstroke.detect.detection import Detection
from twinstroke.detect.metrics import DetectionScores, Truth, detection_scores
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.segments import find_strokes
from twinstroke.detect.video import Found, Seen, detect, look_at
from twinstroke.detect.written import write_found

__all__ = [
    "Detection",
    "DetectionScores",
    "Found",
    "HeldOut",
    "Recogniser",
    "Seen",
    "Truth",
    "classify",
    "detect",
    "detect_held_out",
    "detection_scores",
    "find_strokes",
    "held_out",
    "in_words",
    "look_at",
    "pace",
    "write_found",
    "write_measured",
]
