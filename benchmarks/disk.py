"""How many bytes a frame takes, and whether it is still what it was."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import h5py
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import WIDTH, decoded, described, footage, grey_frames, row_of, spread
from benchmarks.measuring import Result, Section, table
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.fields import compute_flow
from twinstroke.flow.stored import FLOW_UNIT_PX, dequantised
from twinstroke.normalize.motion import describe_motion
from twinstroke.parallel.workers import Workers, available_workers
from twinstroke.settings.flow import Estimator, FlowSettings
from twinstroke.settings.normalize import NormalizeSettings
from twinstroke.settings.window import WindowSettings

CLIPS, CLIP_FRAMES = 4, 32
ESTIMATORS: tuple[Estimator, ...] = ("farneback", "deepflow")
BLUR: Literal[3] = 3
CHECKED = 8
"""One pair in so many is estimated once more."""
TARGET_BYTES = 90_000


def measure(folder: Path) -> Section:
    """Decode some clips, estimate their flow, and weigh the files."""
    file = footage(folder)
    video = row_of(file)
    clips = spread(video, CLIPS, CLIP_FRAMES)
    motion = folder / "motion"
    flows = {}
    with Workers() as workers:
        frames = decoded(file, video, clips, folder / "clips", workers)
        for estimator in ESTIMATORS:
            own = folder / estimator
            settings = FlowSettings(estimator=estimator, blur=BLUR)
            compute_flow([frames], settings, folder=own, workers=workers)
            flows[estimator] = own / frames.name
        with h5py.File(frames) as opened:
            rgb = opened["rgb"][:]
            numbers = opened["frame"][:].tolist()
        size = rgb.shape[2:]
        describe_motion(
            [flows["farneback"]],
            NormalizeSettings(),
            WindowSettings(frames=1, height=min(120, size[0]), width=min(120, size[1])),
            frames_folder=frames.parent,
            fps=float(video.fps),
            folder=motion,
            workers=workers,
        )
    count = len(rgb)
    masks = (motion / frames.name).stat().st_size / count
    pictures = frames.stat().st_size / count
    before = plain_bytes(rgb)
    rows, results = [["PNG and float32 NPY", "", "", "", f"{before / 1e3:.1f} kB", "1"]], []
    for estimator, flow in flows.items():
        fields = flow.stat().st_size / count
        total = pictures + fields + masks
        results += [
            Result(f"{estimator}: a frame with all", total, TARGET_BYTES, "≤", "kB"),
            Result(
                f"{estimator}: largest error of the flow",
                flow_error(frames, flow, estimator),
                FLOW_UNIT_PX / 2,
                "≤",
                "px",
            ),
        ]
        cells = [f"{size / 1e3:.1f} kB" for size in (pictures, fields, masks, total)]
        rows.append([estimator, *cells, f"{total / before:.2f}"])
    exact = _by_ffmpeg(file, numbers, video.width >= WIDTH, rgb.shape)
    different = int((exact != rgb).any(axis=1).sum())
    results.append(Result("colours other than FFmpeg gives", different, 0, "≤", "pixels"))
    return Section(
        "Disk",
        results,
        f"{count} frames of {size[1]}×{size[0]} in {len(clips)} clips, {available_workers()} "
        f"cores, one repetition. {described(video, file)}. PNG is OpenCV's at its default level. "
        "The error of the flow is that against the estimate as OpenCV gives it. Rendered footage "
        "says little about sizes: a real hall has more detail; `VIDEO=path make bench` measures "
        "with yours.",
        [table(["bytes a frame", "frames", "flow", "motion", "together", "ratio"], rows)],
        "the frames take it, and of them the noise, which has no lossless short form. On 192 "
        "frames of real tennis at 320×180 frames and flow took 82.4 kB (Farnebäck). Smaller frames "
        "need a smaller size, or a loss.",
    )


def plain_bytes(rgb: NDArray[np.uint8]) -> float:
    """Bytes a frame as PNG, with its flow as float32 in an NPY file.

    Args:
        rgb: (N, 3, H, W).
    """
    height, width = rgb.shape[2:]
    npy = 128 + 4 * 2 * int(height) * int(width)
    return sum(map(_png_bytes, rgb)) / len(rgb) + npy


def _png_bytes(planes: NDArray[np.uint8]) -> int:
    done, data = cv2.imencode(".png", cv2.merge(list(planes[::-1])))
    if not done:
        raise RuntimeError("OpenCV could not encode a PNG")
    return int(data.nbytes)


def flow_error(frames: Path, flow: Path, estimator: Estimator) -> float:
    """Largest difference of the stored flow from the estimate, in pixels."""
    grey = grey_frames(frames)
    settings = FlowSettings(estimator=estimator, blur=BLUR)
    with h5py.File(frames) as one, h5py.File(flow) as other:
        place_of = {number: place for place, number in enumerate(one["frame"][:].tolist())}
        errors = []
        for row in range(0, len(other["frame"]), CHECKED):
            at = place_of[int(other["frame"][row])]
            exact = estimate_flow(grey[at], grey[at + 1], settings).transpose(2, 0, 1)
            errors.append(np.abs(dequantised(other["flow"][row]) - exact).max())
    return float(max(errors))


def _by_ffmpeg(
    file: Path, numbers: Sequence[int], shrinks: bool, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """The same frames, by a plain run of FFmpeg from the beginning of the video."""
    # As ranges: FFmpeg refuses a sum of a hundred terms.
    runs = np.split(np.asarray(numbers), np.flatnonzero(np.diff(numbers) > 1) + 1)
    wanted = "+".join(f"between(n,{run[0]},{run[-1]})" for run in runs)
    flags = f"{'area' if shrinks else 'bicubic'}+accurate_rnd+full_chroma_int+bitexact"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-nostdin", "-i", str(file)]
    command += ["-vf", f"select='{wanted}',scale={shape[3]}:{shape[2]}:flags={flags}"]
    command += ["-map", "V:0", "-fps_mode", "passthrough", "-pix_fmt", "gbrp", "-f", "rawvideo"]
    done = subprocess.run([*command, "-"], check=True, capture_output=True)
    green_blue_red = np.frombuffer(done.stdout, np.uint8).reshape(shape)
    return np.ascontiguousarray(green_blue_red[:, [2, 0, 1]])
