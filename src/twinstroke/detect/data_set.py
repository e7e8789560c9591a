"""Detection in the untrimmed videos of a data set, measured against their annotations."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.decode.needed import untrimmed
from twinstroke.detect.found import Found, Seen, detect
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.untrimmed import open_untrimmed
from twinstroke.detect.written import write_found
from twinstroke.errors import UserError
from twinstroke.evaluate.detection import (
    ClassRow,
    DetectionScores,
    ThresholdRow,
    detection_scores,
)
from twinstroke.files import prune, replacing
from twinstroke.regions import WHOLE, Lane, PlayerRegion, Regions, place_file
from twinstroke.results.palette import legend, stroke_colours
from twinstroke.results.timelines import Timeline, draw_timelines
from twinstroke.settings.detect import DetectSettings
from twinstroke.tables import NEGATIVE, Sample, Split, StrokeClass, Unlabelled, Video, write_table
from twinstroke.timeline import Kept

TOLERANCE_S = 0.1
"""By which a boundary may be off and count as right, in seconds: people differ by as much."""
THERE = "what the network says was there"
HEADLINE = {"f1": "f1_50", "map": "class_ap"}
"""Figures by which experiments are compared, in percent with one decimal: the name, short because
DVC shows each in a column, and the name among all figures."""


@dataclass(frozen=True)
class HeldOut:
    """An untrimmed video of one split with its strokes, or one of its players with his."""

    video: Video
    truth: list[Stroke]
    """In the order of time; those of unknown class too. They count the frames of the tables."""
    place: PlayerRegion | None = None
    """Where the player is; None: anywhere in the picture."""

    @property
    def player(self) -> str:
        """Empty where no region tells players apart."""
        return self.place.group if self.place else ""

    @property
    def name(self) -> str:
        """Of the video, with the player."""
        return f"{self.video.video}, {self.player}" if self.player else self.video.video


def held_out(
    videos: Sequence[Video],
    samples: Sequence[Sample],
    unlabelled: Sequence[Unlabelled],
    split: Split | Literal["none"],
    regions: Regions = WHOLE,
) -> list[HeldOut]:
    """Find the untrimmed videos that belong to one split as a whole, and their strokes.

    A video that shows several players is there once for each.

    Args:
        videos: The table of videos.
        samples: The table of samples.
        unlabelled: Strokes that are no samples, because nobody says which they are.
        split: Which split; ``none`` has no videos.
        regions: Where the players are.
    """
    strokes: dict[Lane, list[Stroke]] = defaultdict(list)

    def add(row: Sample | Unlabelled, label: str | None) -> None:
        place = regions.of(row.video, row.group)
        group, region = (place.group, place.region) if place else ("", None)
        strokes[row.video, group].append(
            Stroke(row.video, row.begin, row.end, label, group=group, region=region)
        )

    for row in unlabelled:
        add(row, None)
    for sample in samples:
        if sample.label != NEGATIVE:
            add(sample, sample.label)
    return [
        HeldOut(
            video,
            sorted(
                strokes[video.video, place.group if place else ""],
                key=lambda s: (s.begin, s.end, s.label or ""),
            ),
            place,
        )
        for video in untrimmed(videos, samples, split)
        for place in regions.players(video.video)
    ]


def detect_held_out(
    chosen: Sequence[HeldOut],
    model_file: Path,
    settings: DetectSettings,
    *,
    prepared: Path,
    folder: Path,
    store: Path,
    reports: Path,
) -> list[Found]:
    """Find the strokes of videos, one after the other, and write them down.

    The videos themselves need not be there: their prepared frames are read.

    Args:
        chosen: The videos; if there is none, no network is looked at.
        model_file: The network.
        settings: How its words become strokes.
        prepared: Where `segment` put ``<video>.h5`` for each video, or place in it.
        folder: Gets what the network said, under the same names; other files in it are deleted.
        store: Where that is kept.
        reports: Gets the tables and the page of each video, which refer to it as if its path was
            relative to the current folder; loses all else.

    Raises:
        UserError: The network cannot find strokes, or a video was not prepared for it.
        OSError: A file cannot be written.
    """
    for results in (folder, reports):
        results.mkdir(parents=True, exist_ok=True)
        for own in (results, *(path for path in results.rglob("*") if path.is_dir())):
            prune(own, [])
    if not chosen:
        return []
    recogniser = Recogniser(model_file)
    # All of them are looked at before hours go into the first.
    seen, problems = [], []
    for item in chosen:
        name = item.video.video
        try:
            source = open_untrimmed(place_file(prepared, name, item.place), recogniser)
            region = item.place.region if item.place else None
            seen.append(Seen(name, source.clock, source, item.player, region))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    done = []
    for video, players in groupby(zip(chosen, seen, strict=True), lambda pair: pair[0].video):
        found, truth = [], []
        for item, one in players:
            target = place_file(folder, one.video, item.place)
            target.parent.mkdir(exist_ok=True)
            found.append(detect(one, recogniser, settings, store=store / "detect", target=target))
            truth += [_in_the_file(stroke, one.source.counted) for stroke in item.truth]
        write_found(
            found,
            recogniser,
            settings,
            folder=reports,
            video=Path(video.path),
            annotations=truth,
        )
        done += found
    return done


def _in_the_file(stroke: Stroke, counted: Kept) -> Stroke:
    return replace(stroke, begin=counted.frame(stroke.begin), end=counted.frame(stroke.end))


def _in_the_tables(detection: Detection, counted: Kept) -> Detection:
    begin, end = counted.place(detection.begin), counted.place(detection.end)
    return detection.model_copy(update={"begin": begin, "end": max(begin + 1, end)})


def write_measured(
    chosen: Sequence[HeldOut],
    found: Sequence[Found],
    classes: Sequence[StrokeClass],
    split: str,
    folder: Path,
) -> DetectionScores:
    """Measure what was found, and write figures, tables and a picture.

    ============================== ===========================================================
    file                           what
    ============================== ===========================================================
    detection.json                 `HEADLINE`
    detection_scores.json          all figures, see :func:`detection_scores`
    detection_thresholds.csv       figures by temporal IoU (`ThresholdRow`)
    detection_classes.csv          figures by class (`ClassRow`)
    detections.png                 annotated and found strokes of each video
    ============================== ===========================================================

    Args:
        chosen: The videos.
        found: What was found in each.
        classes: As in ``classes.csv``, for the colours.
        split: Of the videos.
        folder: Where the files go.
    """
    pairs = [
        (item, own, [_in_the_tables(one, own.seen.source.counted) for one in own.detections])
        for item, own in zip(chosen, found, strict=True)
    ]
    # People differ by about so much; the rates of all videos are the same within 1 %.
    tolerance = round(TOLERANCE_S * float(chosen[0].video.fps)) if chosen else 0
    scores = detection_scores(
        {item.name: item.truth for item in chosen},
        {item.name: detections for item, _, detections in pairs},
        {item.name: item.video.frames for item in chosen},
        tolerance,
    )
    figures = scores.figures
    few = {name: figures[key] for name, key in HEADLINE.items()}
    for name, content in (
        # Nothing may have been found, or nothing asked for: null, which DVC passes over.
        ("detection", {name: own and round(100 * own, 1) for name, own in few.items()}),
        ("detection_scores", figures),
    ):
        with replacing(folder / f"{name}.json") as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    write_table(folder / "detection_thresholds.csv", scores.by_threshold, ThresholdRow)
    write_table(folder / "detection_classes.csv", scores.by_class, ClassRow)
    timelines = [
        Timeline(item.name, own.seconds, item.video.frames, item.truth, detections)
        for item, own, detections in pairs
    ]
    draw_timelines(
        timelines,
        stroke_colours(classes),
        legend(classes),
        folder / "detections.png",
        title=f"{split} videos",
    )
    return scores


def in_words(figures: Mapping[str, float | int | None], found: Sequence[Found]) -> str:
    """The most important figures, and how fast it went, in one line."""
    new = [own for own in found if own.timing.share]
    return f"{figures_in_words(figures)}; {pace(new) if new else THERE}"


def figures_in_words(figures: Mapping[str, float | int | None]) -> str:
    """The most important figures of :func:`detection_scores`."""

    def shown(key: str) -> str:
        value = figures[key]
        return "–" if value is None else f"{value:.2f}"

    return (
        f"{figures['n_found']} found for {figures['n_strokes']} strokes in {figures['n_videos']} "
        f"videos: IoU of frames {shown('iou')}; precision {shown('precision_50')}, recall "
        f"{shown('recall_50')} and F1 {shown('f1_50')} at temporal IoU 0.5; average precision "
        f"{shown('ap')}, by class {shown('class_ap')}"
    )


def pace(found: Sequence[Found]) -> str:
    """How fast videos were gone through, and where the time went."""
    passed = sum(own.timing.passed for own in found)
    steps: dict[str, float] = defaultdict(float)
    for own in found:
        for step, seconds in own.timing.seconds.items():
            steps[step] += seconds
    most = sorted(steps.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{step} {seconds:.1f}" for step, seconds in most)
    speed = sum(own.seconds * own.timing.share for own in found) / passed
    return f"{speed:.1f} × real time ({passed:.1f} s; seconds of work: {parts})"
