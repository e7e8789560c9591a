"""A window, what the network made of it, and where it looked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from twinstroke.attend.masks import Place, attention_blocks, over_window, recorded_masks
from twinstroke.colours import flow_colours, full_colour
from twinstroke.evaluate.predictions import Prediction
from twinstroke.train.model_file import load_model
from twinstroke.train.reproducible import make_deterministic
from twinstroke.train.windows import StrokeWindows, collate, sent

Pictures = NDArray[np.uint8]
"""(T, H, W, 3), RGB."""

COLOURS = mpl.colormaps["inferno"]
"""Of masks over frames: from dark to bright, which colour-blind people see too."""
OPACITY = 0.6
"""Of these colours; the rest is the frame, in grey."""
SHADES = ListedColormap(np.linspace(0.15, 1, 256)[:, None].repeat(3, 1), "shades")
"""Of masks over flow, which is all equally bright: its colours stay what they are, but darker where
the mask is low."""


@dataclass(frozen=True)
class Attention:
    """Where one block looked: its mask, averaged over the channels."""

    relative: NDArray[np.float32]
    """(T, H, W): from 0, the least of this window, to 1, the most. 0 if it is the same all over."""
    low: float
    """The least …"""
    high: float
    """… and the most, as values of the mask."""


@dataclass(frozen=True)
class Subject:
    """All that is drawn of one sample."""

    prediction: Prediction
    fps: float
    """Kept frames a second."""
    rgb: Pictures
    flow: Pictures
    """The masked flow as colours: see `flow_colours`."""
    full: float
    """Motion in px that has the full colour."""
    attention: dict[Place, Attention]


def subjects(
    strokes: Path, model_file: Path, predictions: Sequence[Prediction]
) -> Iterator[Subject]:
    """Show samples to a network, one after the other; nothing if it has no attention blocks.

    Args:
        strokes: ``strokes.h5``.
        model_file: What `train` wrote.
        predictions: Of the samples.

    Raises:
        UserError: The model file is missing or damaged, or a sample is not in ``strokes.h5``.
    """
    device = make_deterministic(seed=0)
    description, model = load_model(model_file, device)
    if not attention_blocks(model):
        return
    windows = StrokeWindows(strokes, [row.sample for row in predictions])
    with h5py.File(strokes) as file:
        fps = float(file.attrs["fps"])
    format_ = windows.input_format(description.flow_scale)
    for number, prediction in enumerate(predictions):
        window = windows[number]
        with torch.inference_mode(), recorded_masks(model) as masks:
            model(format_.streams(sent(collate([window]), device), list(model.streams)))
        field = window.flow.numpy() * np.float32(windows.flow_unit_px)
        full = full_colour(np.hypot(*field[field.any(-1)].T))
        yield Subject(
            prediction=prediction,
            fps=fps,
            rgb=window.rgb.numpy(),
            flow=np.stack([flow_colours(one, full) for one in field]),
            full=full,
            attention={
                place: attention(mask[0].mean(0).cpu(), place, windows.window)
                for place, mask in masks.items()
            },
        )


def attention(mask: torch.Tensor, place: Place, window: tuple[int, int, int]) -> Attention:
    """Spread a mask ``(t, h, w)`` over its window, T × H × W."""
    low, high = float(mask.min()), float(mask.max())
    relative = (mask - low) / (high - low) if high > low else torch.zeros_like(mask)
    return Attention(over_window(relative, place.cell, window).numpy(), low, high)


def over_frames(frames: Pictures, relative: NDArray[np.float32]) -> Pictures:
    """Lay a mask over frames, in `COLOURS`.

    The frames are grey, so that all colour is the mask's.

    Args:
        frames: uint8 (N, H, W, 3), RGB.
        relative: (N, H, W), from 0 to 1.
    """
    grey = frames @ np.array([0.299, 0.587, 0.114])  # as the eye sees it: ITU-R BT.601
    colours = COLOURS(relative)[..., :3] * 255
    laid = (1 - OPACITY) * grey[..., None] + OPACITY * colours
    return np.asarray(np.rint(laid), np.uint8)


def over_flow(flow: Pictures, relative: NDArray[np.float32]) -> Pictures:
    """Lay a mask over flow, in `SHADES`; arguments as of `over_frames`."""
    return np.asarray(np.rint(flow * SHADES(relative)[..., :3]), np.uint8)
