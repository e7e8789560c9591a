"""How fast are the strokes of an untrimmed video found, and where does the time go?"""

from __future__ import annotations

import statistics
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.feeding import CPU as SCALE
from benchmarks.feeding import description
from benchmarks.footage import footage, pattern, repeated, resized
from benchmarks.measuring import Result, Section, seconds_of, table
from benchmarks.memory import GROWTH, peak_memory
from twinstroke.detect.classify import classify
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.video import Found, detect, open_video
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.limits import DEFAULT_LIMITS
from twinstroke.settings.network import Modality
from twinstroke.settings.normalize import MaskSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import NEGATIVE
from twinstroke.train.model_file import save_model
from twinstroke.train.reproducible import make_deterministic

SIZE = (320, 180)
"""Of the videos of the built-in data set."""
FRAME_STEP, STRIDE = 4, 4
REPETITIONS = 3
ALONE = 5
"""Windows that are looked at by themselves."""
MINUTES = (1, 10)
NETWORKS: tuple[tuple[Modality, int], ...] = (("rgb", 0), ("flow", 0), ("twin", 0), ("twin", 3))
STEPS = ("network", "flow", "decoding", "masks", "regions of interest", "cutting out")


def measure(folder: Path) -> Section:
    """Find strokes as `twinstroke detect` does, with networks that were not trained."""
    large = footage(folder)
    small = resized(large, SIZE, folder / "small.mp4")
    rows, results = [], []
    numbers = count()
    for modality, blocks in NETWORKS:
        model = _network(folder, modality, blocks)
        for name, video in (("320×180", small), ("1080p", large)):
            if name == "1080p" and (modality, blocks) != ("twin", 0):
                continue
            runs = [_found(video, model, folder / f"{next(numbers)}") for _ in range(REPETITIONS)]
            paces = [run.seconds / run.timing.passed for run in runs]
            middle = sorted(zip(paces, runs, strict=True), key=lambda item: item[0])[len(runs) // 2]
            seconds = middle[1].timing.seconds
            what = f"{modality}, {blocks} attention blocks, {name}"
            if (modality, blocks) == ("twin", 0):
                results.append(
                    Result(f"{what}: times real time", statistics.median(paces), 1.0, "≥", "times")
                )
            shares = [f"{seconds[step] / middle[1].seconds:.2f}" for step in STEPS]
            rows.append([what, f"{statistics.median(paces):.2f}", *shares])
    results += [_shared(folder, small), _memory(folder)]
    return Section(
        "Strokes in untrimmed videos",
        results,
        f"`detect` on {large.stem} of 120 fps, of which every {FRAME_STEP}th frame is kept, "
        f"{STRIDE} kept frames from window to window, TSTCNN of "
        f"{'×'.join(map(str, SCALE.window))} in batches of {SCALE.batch_size}, Farnebäck at "
        f"{PREPARATION.width} pixels, masks by KNN; median of {REPETITIONS} runs. The columns of "
        "steps are seconds of work for a second of video: of one core, but for the network those "
        "that passed; preparation goes on beside the network, so that they add up to more than "
        f"passed. *Alone*: {ALONE} windows, each cut out and prepared by itself, the network being "
        "loaded. *Memory*: highest resident memory of a fresh process, RGB, a window every "
        f"{SCALE.window[0]} kept frames of a test pattern.",
        [table(["", "times real time", *STEPS], rows)],
        "decoding takes most of it at 1080p, 120 fps and 48 Mbit/s (each frame has to be decoded, "
        "though one in four is kept), the network in small videos; more cores help with the first, "
        "a larger detect.stride, one stream or a GPU with the second.",
    )


PREPARATION = Preparation(
    kept_fps=120 / FRAME_STEP,
    width=128,
    flow=FlowSettings(estimator="farneback"),
    mask=MaskSettings(),
    roi=RoiSettings(),
    margin=12,
)
RULES = DetectSettings(stride=STRIDE)


def _network(folder: Path, modality: Modality, blocks: int) -> Path:
    path = folder / f"{modality}{blocks}.safetensors"
    made = description(modality, SCALE, attention_blocks=blocks)
    classes = [NEGATIVE, *made.classes[1:]]
    made = made.model_copy(update={"classes": classes, "preparation": PREPARATION})
    save_model(path, made, made.build(make_deterministic(0)).state_dict())
    return path


def _found(video: Path, model: Path, folder: Path, rules: DetectSettings = RULES) -> Found:
    recogniser = Recogniser(model)
    folder.mkdir(exist_ok=True)
    seen = open_video(video, recogniser.preparation, recogniser.window, DEFAULT_LIMITS)
    return detect(seen, recogniser, rules, folder=folder)


def _shared(folder: Path, video: Path) -> Result:
    """What it gains that windows share frames, flow and batches."""
    model = _network(folder, "twin", 0)
    recogniser = Recogniser(model)
    frames = SCALE.window[0] * FRAME_STEP
    piece = resized(video, SIZE, folder / "window.mp4", frames)
    one = partial(classify, piece, [(0, frames)], recogniser, decision="single", stride=STRIDE)
    alone = statistics.median(seconds_of(one) for _ in range(ALONE))
    run = _found(video, model, folder / "shared")
    together = run.timing.passed / len(run.track.probabilities)
    return Result("windows together, against each alone", alone / together, 3.0, "≥", "times")


def _memory(folder: Path) -> Result:
    peaks = []
    model = _network(folder, "rgb", 0)
    piece = pattern(folder / "piece.mp4", SIZE, 600)
    rules = RULES.model_copy(update={"stride": SCALE.window[0]})
    for minutes in MINUTES:
        video = repeated(piece, 12 * minutes, folder / f"{minutes}min.mp4")
        peaks.append(peak_memory(partial(_found, video, model, folder / "long", rules))["main"])
    what = f"memory, {MINUTES[1]} min / {MINUTES[0]} min"
    return Result(what, peaks[1] / peaks[0], GROWTH, "≤")
