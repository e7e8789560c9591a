"""Training of networks on the balanced samples of ``strokes.h5``."""

from twinstroke.train.augmentation import View, draw_view
from twinstroke.train.fit import Outputs, TrainingSummary
from twinstroke.train.history import Epoch
from twinstroke.train.launch import train
from twinstroke.train.model_file import TrainedModel, load_model, save_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.schedule import WarmRestarts
from twinstroke.train.windows import InputFormat, StrokeWindows, WindowBatch

__all__ = [
    "Epoch",
    "InputFormat",
    "Outputs",
    "StrokeWindows",
    "TrainedModel",
    "TrainingSummary",
    "View",
    "WarmRestarts",
    "WindowBatch",
    "draw_view",
    "load_model",
    "make_deterministic",
    "save_model",
    "train",
]
