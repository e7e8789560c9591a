"""From a folder of raw videos and annotations to the checked tables of videos and samples.

Frames are numbered in decoding order from 0, and ``end`` is exclusive: a stroke ``[begin, end)``
lasts ``end − begin`` frames. TTStroke-21 does not say which it is (published code reads it both
ways); its scoring fills ``[begin, end)``, and so do we, everywhere. Times in seconds become frames
by each video's own timestamps.
"""

from twinstroke.index.agreement import ClassAgreement
from twinstroke.index.build import BrokenDataError, Index, build_index
from twinstroke.index.checks import class_sizes
from twinstroke.index.classes import StrokeClass
from twinstroke.index.findings import Finding
from twinstroke.index.report import report
from twinstroke.index.samples import Mark
from twinstroke.index.split import Placement

__all__ = [
    "BrokenDataError",
    "ClassAgreement",
    "Finding",
    "Index",
    "Mark",
    "Placement",
    "StrokeClass",
    "build_index",
    "class_sizes",
    "report",
]
