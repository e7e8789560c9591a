"""What preparation takes: frames of the video, bytes on the disk, memory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import ffmpeg
import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import (
    BLUR,
    CONTEXT,
    WINDOW,
    Bench,
    Footage,
    command,
    decoded,
    grey_frames,
    pattern,
    repeated,
    samples_of,
    with_flow,
    with_motion,
)
from benchmarks.measuring import GROWTH, Result, Section, peak_memory, table
from twinstroke.annotations.strokes import Stroke
from twinstroke.decode.needed import needed_frames
from twinstroke.errors import UserError
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.stored import FLOW_UNIT_PX, dequantised
from twinstroke.index.negatives import drawn, mine_negatives
from twinstroke.parallel.workers import Workers, available_workers, each_of
from twinstroke.settings.flow import Estimator, FlowSettings
from twinstroke.settings.index import NegativeSettings
from twinstroke.settings.limits import DEFAULT_LIMITS
from twinstroke.synthesize.timing import DURATIONS, FPS, GAPS, QUANTILES
from twinstroke.tables import Video
from twinstroke.timeline import every
from twinstroke.video.seek import Pass, plan_passes

# --- frames that the samples need, on a time-table like that of TTStroke-21 ----------------------

VIDEOS = 129
STROKES = 1048
FRAMES = 5232
"""Of each video: together about 675,000."""
FIRST_GAP = (250, 560)
"""Frames before a video's first stroke: so that, with the gaps, about 681 negatives can be cut."""
POOLS = {"all mined negatives": 681, "balanced pool": 106}
TARGETS = {"all mined negatives": 1 / 2, "balanced pool": 1 / 3}
MINED = NegativeSettings(rule="mediaeval", frames=200)
PLANNED = 4
"""Passes are planned for one video in so many."""


@dataclass(frozen=True)
class Need:
    """Shares of all frames."""

    inside: float
    """Within strokes and negatives."""
    without_context: float
    """In windows."""
    kept: float
    pairs: float
    decoded: float
    """With what lies between a key frame and the first kept frame after it."""


def needed(bench: Bench) -> Section:
    """Count frames for both pools."""
    # One file stands for all videos: passes depend on the packets alone.
    calendar = Footage.of(pattern(bench.folder / "calendar.mp4", (64, 36), FRAMES))
    strokes = time_table()
    rows, results = [], []
    with Workers() as workers:
        for name, pool in POOLS.items():
            own = needs(calendar, with_negatives(strokes, pool), workers)
            rows.append([name, str(pool), *(f"{share:.1%}" for share in vars(own).values())])
            results += [
                Result(f"{what}, {name}", share, TARGETS[name], "≤")
                for what, share in (("kept", own.kept), ("decoded", own.decoded))
            ]
    head = ["", "negatives", "in samples", "in windows", "kept", "with flow", "decoded"]
    return Section(
        "Only what is needed",
        results,
        f"Shares of all {VIDEOS * FRAMES:,} frames of {VIDEOS} videos with {STROKES:,} strokes, "
        "which is the size of the paper's subset. Lengths of strokes and gaps are drawn from the "
        "quantiles of MediaEval 2020, negatives are cut by its rule (200 frames each). A window "
        f"of {WINDOW.frames} frames, every frame, {CONTEXT} frames of context on each side. "
        "*Decoded* counts the frames that the planner makes FFmpeg go through, the lead-in from "
        f"the last key frame included, in one video of {PLANNED}; key frames are taken to come "
        "every second. Nothing is timed here, so one repetition is enough.",
        [table(head, rows)],
        "the samples alone leave 2 to 3 points; the context on both sides, half the kernel by "
        "which the region of interest is smoothed, takes six, and the way from the last key frame "
        "to the first kept one as many or more. Context could be kept only before a clip, where "
        "masks learn, and the track be mirrored at its end; a key frame is where the camera put "
        "it.",
    )


def time_table(seed: int = 0) -> list[list[Stroke]]:
    """Strokes of each video."""
    rng = np.random.default_rng(seed)

    def any_of(values: Sequence[int], count: int) -> list[int]:
        return [round(length) for length in np.interp(rng.random(count), QUANTILES, values)]

    videos = []
    for number in range(VIDEOS):
        count = STROKES // VIDEOS + (number < STROKES % VIDEOS)
        gaps = any_of(GAPS, count)
        gaps[0] = int(rng.integers(*FIRST_GAP))
        durations = any_of(DURATIONS, count)
        ends = np.cumsum(np.add(gaps, durations)).tolist()
        videos.append(
            [
                Stroke(str(number), end - length, end)
                for end, length in zip(ends, durations, strict=True)
            ]
        )
    return videos


def with_negatives(videos: Sequence[Sequence[Stroke]], pool: int) -> list[list[tuple[int, int]]]:
    """Ranges of frames of each video: its strokes, and those of all negatives that are drawn."""
    mined = {
        f"{number}:{gap.begin}": (number, gap)
        for number, strokes in enumerate(videos)
        for gap in mine_negatives(strokes, MINED)
    }
    ranges = [[(stroke.begin, stroke.end) for stroke in strokes] for strokes in videos]
    for name in sorted(drawn(sorted(mined), pool, 1)):
        number, gap = mined[name]
        ranges[number].append((gap.begin, gap.end))
    return ranges


def needs(footage: Footage, ranges: Sequence[Sequence[tuple[int, int]]], workers: Workers) -> Need:
    """Sum over videos of equal packets."""
    frames = footage.video.frames
    kept = [_kept(footage.video, own, CONTEXT) for own in ranges]
    without = [_kept(footage.video, own, 0) for own in ranges]
    plan = partial(_decoded_frames, file=footage.file, frames=frames)
    numbers = []
    for _, outcome in workers.outcomes(plan, each_of(kept[::PLANNED])):
        if isinstance(outcome, UserError):
            raise outcome
        numbers.append(outcome)
    everything = len(ranges) * frames
    return Need(
        inside=sum(len(set().union(*(range(*one) for one in own))) for own in ranges) / everything,
        without_context=_count(without) / everything,
        kept=_count(kept) / everything,
        pairs=(_count(kept) - sum(map(len, kept))) / everything,
        decoded=sum(numbers) / (len(numbers) * frames),
    )


def _kept(video: Video, ranges: Iterable[tuple[int, int]], context: int) -> list[range]:
    return needed_frames(
        samples_of(video, ranges),
        frames=video.frames,
        window=WINDOW.frames,
        frame_step=1,
        context=context,
    )


def _count(kept: Iterable[Iterable[range]]) -> int:
    return sum(len(r) for own in kept for r in own)


def _decoded_frames(kept: Sequence[range], file: Path, frames: int) -> int:
    passes = plan_passes(file, kept, every(1, frames), DEFAULT_LIMITS)
    return sum(lengths(passes))


def lengths(passes: Sequence[Pass]) -> Iterator[int]:
    """Frames that each pass decodes, where every frame is kept."""
    for one in passes:
        yield one.kept[-1].stop - (one.entry.frame if one.entry else 0)


# --- bytes a frame on the disk, and whether it is still what it was ------------------------------

DISK_CLIPS, DISK_FRAMES = 4, 32
ESTIMATORS: tuple[Estimator, ...] = ("farneback", "deepflow")
CHECKED = 8
"""One pair in so many is estimated once more."""
TARGET_BYTES = 90_000


def disk(bench: Bench) -> Section:
    """Decode some clips, estimate their flow, and weigh the files."""
    footage = bench.footage
    clips = footage.spread(DISK_CLIPS, DISK_FRAMES)
    with Workers() as workers:
        frames = decoded(footage, clips, bench.folder / "clips", workers)
        flows = {
            estimator: with_flow(frames, bench.folder / estimator, workers, estimator=estimator)
            for estimator in ESTIMATORS
        }
        fps, folder = float(footage.video.fps), bench.folder / "motion"
        motion = with_motion(frames, flows["farneback"], folder, workers, fps=fps)
    with h5py.File(frames) as opened:
        rgb = opened["rgb"][:]
        numbers = opened["frame"][:].tolist()
    count, (height, width) = len(rgb), rgb.shape[2:]
    pictures, masks = (file.stat().st_size / count for file in (frames, motion))
    before = plain_bytes(rgb)
    rows, results = [["PNG and float32 NPY", "", "", "", f"{before / 1e3:.1f} kB", "1"]], []
    for estimator, flow in flows.items():
        fields = flow.stat().st_size / count
        total = pictures + fields + masks
        error = flow_error(frames, flow, estimator)
        results += [
            Result(f"{estimator}: a frame with all", total, TARGET_BYTES, "≤", "kB"),
            Result(f"{estimator}: largest error of the flow", error, FLOW_UNIT_PX / 2, "≤", "px"),
        ]
        cells = [f"{size / 1e3:.1f} kB" for size in (pictures, fields, masks, total)]
        rows.append([estimator, *cells, f"{total / before:.2f}"])
    different = int((_by_ffmpeg(footage, numbers, rgb.shape) != rgb).any(axis=1).sum())
    results.append(Result("colours other than FFmpeg gives", different, 0, "≤", "pixels"))
    return Section(
        "Disk",
        results,
        f"{count} frames of {width}×{height} in {len(clips)} clips, {available_workers()} "
        f"cores, one repetition. {footage}. PNG is OpenCV's at its default level. "
        "The error of the flow is that against the estimate as OpenCV gives it. Rendered footage "
        "says little about sizes: a real hall has more detail; `twinstroke bench --video PATH` "
        "measures with yours.",
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
    footage: Footage, numbers: Sequence[int], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """The same frames, by a plain run of FFmpeg from the beginning of the video."""
    # As ranges: FFmpeg refuses a sum of a hundred terms.
    runs = np.split(np.asarray(numbers), np.flatnonzero(np.diff(numbers) > 1) + 1)
    wanted = "+".join(f"between(n,{run[0]},{run[-1]})" for run in runs)
    output = ffmpeg.input(str(footage.file))["V:0"].output(
        "-",
        vf=f"select='{wanted}',{footage.scaling}",
        fps_mode="passthrough",
        pix_fmt="gbrp",
        format="rawvideo",
    )
    done = subprocess.run(command(output), check=True, capture_output=True)
    green_blue_red = np.frombuffer(done.stdout, np.uint8).reshape(shape)
    return np.ascontiguousarray(green_blue_red[:, [2, 0, 1]])


# --- does a longer video take more memory? -------------------------------------------------------

MINUTES = (1, 10, 60)
LARGE, SMALL = (1920, 1080), (64, 36)
MEMORY_CLIPS, MEMORY_FRAMES = 6, 40
"""Of 1080p; everywhere in the video."""
DENSE_FPS = 1
"""Of the small video, of which all frames are taken."""
PIECE_S = 5
LIMIT = 2**30
ROLES = ("main", "worker", "FFmpeg")


def memory(bench: Bench) -> Section:
    """Carry the stages out on longer and longer videos, each in a process of its own."""
    rows, results = [], []
    peaks: dict[tuple[str, int], dict[str, int]] = {}
    for minutes in MINUTES:
        for name, run in _runs(bench.folder / f"{minutes} min", minutes).items():
            peaks[name, minutes] = own = peak_memory(partial(_by_workers, run))
            cells = (f"{own[role] / 2**20:.0f} MiB" if role in own else "" for role in ROLES)
            rows.append([name, f"{minutes} min", *cells])
    first, last = min(MINUTES), max(MINUTES)
    stages = {name for name, _ in peaks}
    for role in ROLES:
        highest = max(own.get(role, 0) for own in peaks.values())
        growth = max(
            peaks[name, last][role] / peaks[name, first][role]
            for name in stages
            if role in peaks[name, first] and role in peaks[name, last]
        )
        results += [
            Result(f"peak of {role}", highest, LIMIT, "≤", "MiB"),
            Result(f"{role}, {last} min / {first} min, worst stage", growth, GROWTH, "≤"),
        ]
    return Section(
        "Memory",
        results,
        "Highest resident memory (`VmHWM`) of the main process, of a worker, and of an FFmpeg, in "
        f"a fresh process for each row; {available_workers()} workers, one repetition. *1080p*: "
        f"{MEMORY_CLIPS} clips of {MEMORY_FRAMES} frames all over a video of 1920×1080 at {FPS} "
        f"fps, and what follows on their frames. *Whole*: all frames of a video of "
        f"{SMALL[0]}×{SMALL[1]} at {DENSE_FPS} fps. Test patterns, repeated packet by packet; flow "
        "by DIS.",
        [table(["", "video", *ROLES], rows)],
        "FFmpeg holds the index of an MP4 file in memory, some 35 bytes a frame: 15 MiB for an "
        "hour at 120 fps. All roles stay far below the limit.",
    )


def _runs(folder: Path, minutes: int) -> Mapping[str, Callable[[Workers], object]]:
    """What to look at; one after the other, since each needs the one before."""
    folder.mkdir(parents=True)
    # Looking at the videos is the work of `index`.
    large = _pattern_of(minutes, folder / "large.mp4", LARGE, FPS)
    small = _pattern_of(minutes, folder / "small.mp4", SMALL, DENSE_FPS)
    clips, whole = large.spread(MEMORY_CLIPS, MEMORY_FRAMES), [(0, small.video.frames)]
    frames, small_frames = folder / "frames large", folder / "frames small"
    flow, small_flow = folder / "flow large", folder / "flow small"
    estimated = partial(with_flow, estimator="dis")
    return {
        "decode, 1080p": partial(decoded, large, clips, frames),
        "flow, 1080p": partial(estimated, frames / "large.h5", flow),
        "normalize, 1080p": partial(
            with_motion, frames / "large.h5", flow / "large.h5", folder / "motion", fps=FPS
        ),
        "decode, whole": partial(decoded, small, whole, small_frames, width=SMALL[0]),
        "flow, whole": partial(estimated, small_frames / "small.h5", small_flow),
    }


def _pattern_of(minutes: int, file: Path, size: tuple[int, int], fps: int) -> Footage:
    piece = pattern(file.with_stem(f"{file.stem} piece"), size, PIECE_S * fps, fps)
    return Footage.of(repeated(piece, 60 * minutes // PIECE_S, file))


def _by_workers(stage: Callable[[Workers], object]) -> None:
    with Workers() as workers:
        stage(workers)
