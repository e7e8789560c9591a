"""How good are detections, against what somebody marked or corrected?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from twinstroke.annotations.classes import UNKNOWN
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.detect.data_set import TOLERANCE_S
from twinstroke.errors import UserError
from twinstroke.evaluate.detection import detection_scores
from twinstroke.formats.csv import read_strokes
from twinstroke.results import label_studio
from twinstroke.results.tables import FoundStrokes, read_json
from twinstroke.tables import NEGATIVE, STROKE, STROKE_OR_NOT


class Score(NamedTuple):
    """What was measured."""

    figures: Mapping[str, float | int | None]
    """Those of :func:`detection_scores`."""
    frame_s: float
    """Seconds that a frame of the slowest video lasts."""
    warnings: Sequence[str]
    """What to know when reading the figures, a line each."""


def score(found: Sequence[Path], tables: Sequence[Path]) -> Score:
    """Measure detections against marked strokes.

    Args:
        found: Folders that `detect` wrote, or ``<video>.json`` in them.
        tables: Marked strokes in frames: ``video,begin,end,label``. Other videos may be in them.

    Raises:
        UserError: A file is missing or something else, a video is there twice, or strokes and
            videos do not belong together.
    """
    videos: dict[str, FoundStrokes] = {}
    for path in _files(found):
        own = read_json(path)
        if own.video in videos:
            raise UserError(f"{path}: video {own.video!r} is there twice; name it once")
        videos[own.video] = own
    truth = _truth(tables, videos)
    detections: dict[str, list[Detection]] = {name: [] for name in truth}
    for own in videos.values():
        for stroke in own.detections:
            detections[_lane(own.video, stroke.player)].append(stroke)
    frames = {_lane(own.video, p): own.frames for own in videos.values() for p in _players(own)}
    rate = min(own.fps for own in videos.values())
    classes = {name for own in videos.values() for name in own.classes}
    # What people differ by, in frames of the slowest video.
    scores = detection_scores(truth, detections, frames, round(TOLERANCE_S * rate))
    return Score(scores.figures, 1 / rate, _warnings(truth, classes))


def _players(found: FoundStrokes) -> list[str]:
    return list(found.players) or [""]


def _lane(video: str, player: str) -> str:
    """Name of a video, or of a player in it."""
    return f"{video}, {player}" if player else video


def _files(found: Sequence[Path]) -> list[Path]:
    files = []
    for path in found:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        own = [file for file in inside if file.stem != label_studio.NAME]
        if not own:
            raise UserError(f"{path}: holds no <video>.json; name a folder that detect wrote")
        files += own
    return files


def _truth(tables: Sequence[Path], videos: Mapping[str, FoundStrokes]) -> dict[str, list[Stroke]]:
    """Strokes of the videos that are measured, or of each player in them."""
    truth: dict[str, list[Stroke]] = {
        _lane(own.video, player): [] for own in videos.values() for player in _players(own)
    }
    problems = []
    for table in tables:
        strokes = read_strokes(table)
        known = [video for video in strokes if video in videos]
        if strokes and not known:
            problems.append(
                f"{table}: none of its strokes is of {', '.join(videos)[:200]}, but of "
                f"{', '.join(sorted(strokes))[:200]}; see how it names the videos"
            )
        for video in known:
            for stroke in strokes[video]:
                if stroke.end > videos[video].frames:
                    problems.append(
                        f"{table}: a stroke of {video} ends at {stroke.end}, but the video has "
                        f"{videos[video].frames} frames; see that both are of the same video"
                    )
                players = _players(videos[video])
                player = stroke.group if players != [""] else ""
                if player not in players:
                    problems.append(
                        f"{stroke.place}: a stroke of {video} is of player {player!r}, but found "
                        f"were those of {', '.join(players)}; write these names in a column player"
                    )
                    continue
                label = None if stroke.label == UNKNOWN else stroke.label
                if label != NEGATIVE:
                    truth[_lane(video, player)].append(replace(stroke, label=label))
    if problems:
        raise UserError(problems)
    return truth


def _warnings(truth: Mapping[str, Sequence[Stroke]], classes: Collection[str]) -> list[str]:
    warnings = [
        f"no stroke is marked in {video}: all found is wrong there"
        for video, own in truth.items()
        if not own
    ]
    strange = {s.label for own in truth.values() for s in own if s.label} - {*classes, STROKE}
    if strange and set(classes) != set(STROKE_OR_NOT):
        names = ", ".join(sorted(strange))[:200]
        warnings.append(f"the network has no such class, and cannot name it: {names}")
    return warnings
