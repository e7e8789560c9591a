"""Is one network better than another? Paired comparison on the same samples."""

from twinstroke.compare.curves import draw_curves
from twinstroke.compare.markdown import markdown
from twinstroke.compare.pairs import Comparison, Experiment, compare
from twinstroke.compare.statistics import holm, mcnemar

__all__ = [
    "Comparison",
    "Experiment",
    "compare",
    "draw_curves",
    "holm",
    "markdown",
    "mcnemar",
]
