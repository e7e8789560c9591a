"""Training of one network on the balanced samples of ``strokes.h5``."""

from twinstroke.train.fit import Epoch, TrainingSummary, train
from twinstroke.train.model_file import TrainedModel, load_model, save_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import Augmentation, StrokeWindows, streams_of

__all__ = [
    "Augmentation",
    "Epoch",
    "StrokeWindows",
    "TrainedModel",
    "TrainingSummary",
    "load_model",
    "make_deterministic",
    "save_model",
    "streams_of",
    "train",
]
