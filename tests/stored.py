"""Files as the stages write them, made by hand, so that their contents are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinstroke.hdf5 import COMPRESSION, new_hdf5

WINDOW = (8, 8, 10)
"""T, H, W of :func:`strokes_file`."""
MARGIN = 2
LENGTHS = [8, 9, 14, 11, 8, 20] * 2
"""Frames of its samples ``s0``, ``s1`` …"""


def frames_file(
    path: Path, rgb: NDArray[np.uint8], frame: NDArray[np.int64], step: int = 1
) -> Path:
    """What `decode` writes: frames (N, H, W, 3), and their numbers in the video."""
    with new_hdf5(path, "made by hand") as file:
        planes = rgb.transpose(0, 3, 1, 2)
        file.create_dataset("rgb", data=planes, chunks=(1, *planes.shape[1:]), **COMPRESSION)
        file["frame"] = frame
        file.attrs["frame_step"] = step
        file.attrs["content"] = str(hash((rgb.tobytes(), frame.tobytes())))
        file.attrs["origin"] = "a video"
    return path


def strokes_file(path: Path) -> Path:
    """What `segment` writes: twelve samples of noise, of three classes in turn."""
    random = np.random.default_rng(0)
    lengths = np.array(LENGTHS)
    total = int(lengths.sum())
    height, width = WINDOW[1] + 2 * MARGIN, WINDOW[2] + 2 * MARGIN
    with new_hdf5(path, "made by hand") as file:
        rgb = random.integers(0, 256, (total, height, width, 3), np.uint8)
        flow = random.integers(-200, 200, (total, height, width, 2)).astype(np.int16)
        file.create_dataset("rgb", data=rgb, chunks=(8, height, width, 3), **COMPRESSION)
        file.create_dataset("flow", data=flow, chunks=(8, height, width, 2), **COMPRESSION)
        file["samples/sample"] = [f"s{i}" for i in range(len(lengths))]
        file["samples/video"] = ["v"] * len(lengths)
        file["samples/group"] = [f"player {i % 4}" for i in range(len(lengths))]
        file["samples/begin"], file["samples/end"] = lengths * 0, lengths
        file["samples/class_index"] = [0, 1, 2] * 4
        file["samples/length"] = lengths
        file["samples/offset"] = np.cumsum(lengths) - lengths
        file.attrs["window"] = WINDOW
        file.attrs["margin"] = MARGIN
        file.attrs["flow_unit_px"] = 1 / 32
        file.attrs["fps"] = 30.0
        file.attrs["classes"] = json.dumps(["Negative", "Left", "Right"])
    return path
