"""How far the estimators of optical flow are from the truth.

``python -m benchmarks.flow_accuracy`` prints the section of the report. ``--pair FOLDER`` adds a
pair of frames with measured flow, laid out as those of Middlebury
(https://vision.middlebury.edu/flow/data/).
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.exact_flow import ExactPair, player_pairs, texture_pairs
from twinstroke.errors import UserError, exits_cleanly
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.stored import FLOW_UNIT_PX, dequantised, quantised
from twinstroke.settings.flow import Estimator, FlowSettings

Frame = NDArray[np.uint8]
Flow = NDArray[np.float32]

PAIRS = 4
"""Pairs of each kind."""
BLUR = 3
"""That of the authors."""
FAR_PX = 1.0
UNKNOWN_PX = 1e9
"""Middlebury's files mark pixels without measured flow by larger values."""
FLO_MAGIC = b"PIEH"


@dataclass
class Errors:
    """End-point errors of one estimator in pixels, an array a pair, and its times."""

    visible: list[Flow] = field(default_factory=list)
    moving: list[Flow] = field(default_factory=list)
    stored: list[Flow] = field(default_factory=list)
    """Of `moving`, after the rounding with which flow is stored."""
    seconds: list[float] = field(default_factory=list)

    def add(self, estimated: Flow, pair: ExactPair, seconds: float) -> None:
        """Hold one estimate against the truth."""
        error = _end_point_error(estimated, pair)
        self.visible.append(error[pair.visible])
        self.moving.append(error[pair.moving])
        self.stored.append(_end_point_error(dequantised(quantised(estimated)), pair)[pair.moving])
        self.seconds.append(seconds)


def report() -> str:
    """Measure on players and textures, in about a minute, and write the Markdown section."""
    kinds = {
        "players, 120 fps": player_pairs(PAIRS, step=1),
        "players, every 4th frame": player_pairs(PAIRS, step=4),
        "textures": texture_pairs(PAIRS),
    }
    return "\n".join(
        [
            "## Accuracy of optical flow",
            "",
            f"Estimators of OpenCV {cv2.__version__} against exactly known flow at 320×180, "
            f"{PAIRS} pairs of frames of each kind: players of the built-in data set in "
            "mid-stroke, before video compression, and smooth textures that turn, zoom and shift "
            "by up to 10 px. Errors are mean end-point errors in pixels over *all* pixels that are "
            "seen in both frames, and over those of them that are *moving*; *stored* is after "
            "rounding to "
            f"1/{round(1 / FLOW_UNIT_PX)} px. The time of a pair is the median on one thread, "
            "without blur. The players' clothes are plain, so that inside them an estimator has "
            "only the outlines to go by; on real ones, as on textures, it has more.",
            "",
            *table(kinds),
            "",
        ]
    )


def table(kinds: Mapping[str, Iterable[ExactPair]]) -> list[str]:
    """Measure each kind of pairs; give the lines of one Markdown table."""
    lines = [
        "| pairs | estimator | blur | all | moving | moving, stored | moving, off by > 1 px | ms |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, pairs in kinds.items():
        for (estimator, blur), errors in measure(pairs).items():
            visible, moving, stored = (
                np.concatenate(part) for part in (errors.visible, errors.moving, errors.stored)
            )
            lines.append(
                f"| {kind} | {estimator} | {blur} | {visible.mean():.3f} | {moving.mean():.3f} "
                f"| {stored.mean():.3f} | {np.mean(moving > FAR_PX):.1%} "
                f"| {1000 * np.median(errors.seconds):.0f} |"
            )
    return lines


def measure(pairs: Iterable[ExactPair]) -> dict[tuple[str, int], Errors]:
    """Errors for each estimator and blur; the first estimator is that nothing moves.

    The estimators take turns on each pair, so that what disturbs the machine hits all alike.
    """
    measured: defaultdict[tuple[str, int], Errors] = defaultdict(Errors)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for pair in pairs:
            measured["zero flow", 0].add(np.zeros_like(pair.flow), pair, 0)
            for estimator in get_args(Estimator):
                settings = FlowSettings(estimator=estimator, blur=0)
                start = time.perf_counter()
                flow = estimate_flow(pair.first, pair.second, settings)
                seconds = time.perf_counter() - start
                measured[estimator, 0].add(flow, pair, seconds)
                # As `estimate_flow` does, without estimating once more.
                blurred = cv2.GaussianBlur(flow, (BLUR, BLUR), 0)
                measured[estimator, BLUR].add(np.asarray(blurred, np.float32), pair, seconds)
    finally:
        cv2.setNumThreads(threads)
    return measured


def read_pair(folder: Path) -> ExactPair:
    """Read a pair as Middlebury lays it out.

    Args:
        folder: Holds ``frame10.png``, ``frame11.png`` and one ``.flo`` file, the flow between them.

    Returns:
        The pair; visible is where the flow is known.

    Raises:
        UserError: A file is missing, unreadable or does not fit the others.
    """
    first, second = (_read_grey(folder / name) for name in ("frame10.png", "frame11.png"))
    if first.shape != second.shape:
        raise UserError(
            f"{folder}: frame10.png is {_size(first)} and frame11.png {_size(second)} pixels; "
            "expected the same size; take both from one pair"
        )
    files = sorted(folder.glob("*.flo"))
    if len(files) != 1:
        raise UserError(
            f"{folder}: {len(files)} .flo files found; expected one, with the flow from "
            "frame10.png to frame11.png"
        )
    flow = _read_flo(files[0], first)
    known = np.all(np.abs(flow) <= UNKNOWN_PX, axis=2)
    pair = ExactPair(first, second, np.where(known[..., None], flow, np.float32(0)), known)
    if not pair.moving.any():
        raise UserError(
            f"{files[0]}: no pixel is known to move; expected motion that was measured; take the "
            "flow of this pair"
        )
    return pair


def _read_grey(file: Path) -> Frame:
    if not file.is_file():
        raise UserError(f"{file}: no such file; expected a frame of the pair")
    grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise UserError(f"{file}: no picture that can be read; expected PNG; get it anew")
    return np.asarray(grey, np.uint8)


def _read_flo(file: Path, frame: Frame) -> Flow:
    # cv2 would believe any size in the head and make room for it.
    head = FLO_MAGIC + np.array(frame.shape[::-1], "<i4").tobytes()
    with file.open("rb") as stream:
        fits = stream.read(len(head)) == head
    if not fits or file.stat().st_size != len(head) + 8 * frame.size:
        raise UserError(
            f"{file}: no whole Middlebury .flo file of {_size(frame)} pixels, the size of the "
            "frames; get the files of one pair anew"
        )
    return np.asarray(cv2.readOpticalFlow(str(file)), np.float32)


def _size(frame: Frame) -> str:
    return f"{frame.shape[1]}×{frame.shape[0]}"


def _end_point_error(flow: Flow, pair: ExactPair) -> Flow:
    return np.asarray(np.linalg.norm(flow - pair.flow, axis=2))


@exits_cleanly
def main() -> None:
    """Print the section, and after it the table of a pair from outside."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow_accuracy", description=__doc__)
    parser.add_argument(
        "--pair", type=Path, metavar="FOLDER", help="with frame10.png, frame11.png and a .flo file"
    )
    folder: Path | None = parser.parse_args().pair
    pair = read_pair(folder) if folder else None
    print(report())
    if folder and pair:
        print("\n".join(table({folder.resolve().name: [pair]})))


if __name__ == "__main__":
    main()
