"""How good a trained network is on every split: predictions, figures, and pictures of both."""

from twinstroke.evaluate.decisions import DECISIONS, Decision
from twinstroke.evaluate.evaluation import Evaluation, evaluate
from twinstroke.evaluate.metrics import ClassRecall, ReliabilityBin, reliability
from twinstroke.evaluate.mistakes import draw_mistakes
from twinstroke.evaluate.pictures import write_pictures
from twinstroke.evaluate.plots import (
    plot_confusion,
    plot_history,
    plot_recalls,
    plot_reliability,
)
from twinstroke.evaluate.predictions import (
    Prediction,
    PredictionTable,
    load_predictions,
    read_predictions,
    shown_split,
    units_of,
    write_predictions,
)
from twinstroke.evaluate.superclasses import groupings

__all__ = [
    "DECISIONS",
    "ClassRecall",
    "Decision",
    "Evaluation",
    "Prediction",
    "PredictionTable",
    "ReliabilityBin",
    "draw_mistakes",
    "evaluate",
    "groupings",
    "load_predictions",
    "plot_confusion",
    "plot_history",
    "plot_recalls",
    "plot_reliability",
    "read_predictions",
    "reliability",
    "shown_split",
    "units_of",
    "write_pictures",
    "write_predictions",
]
