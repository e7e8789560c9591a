"""For teams that correct detections in Label Studio 1.x: a project's settings, and its tasks.

Its editor counts frames of its own, at a rate that the settings name, from 1, with the last frame
of a range in it. Frames of a video become those that are shown at the same time; for a video of
exactly that rate they are the same frames, and for a faster or uneven one they come back as what
they were as long as none is shown for less than one of the editor's. On the way back,
``index.format: label_studio`` reads the project's export "JSON", with the rate as
``index.annotation_fps``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from twinstroke.annotations.detection import Detection
from twinstroke.files import replacing
from twinstroke.results.palette import stroke_colours
from twinstroke.results.tables import mean_rate
from twinstroke.tables import StrokeClass
from twinstroke.video.clock import Clock, exact_rate

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves the files of a local storage; what follows is the path below
``LOCAL_FILES_DOCUMENT_ROOT``."""
NAME = "label-studio"
"""Of the two files of a project, but for their suffixes."""
LABELS, VIDEO = "strokes", "video"
"""Names of the two tags of the settings, which results refer to."""


def write_project(
    folder: Path,
    videos: Mapping[PurePosixPath, tuple[Sequence[Detection], Clock]],
    classes: Sequence[StrokeClass],
    model: str,
) -> float:
    """Write ``label-studio.xml``, the labelling interface, and ``label-studio.json``, the tasks.

    Args:
        folder: Where to.
        videos: What was found in each video, and its clock, by its path below the folder that Label
            Studio serves.
        classes: As in ``classes.csv``.
        model: Which network found it.

    Returns:
        Frames a second at which the editor counts: ``index.annotation_fps`` on the way back.
    """
    # One rate for all videos of a project: the largest loses nothing of the others.
    shown = _short(max(mean_rate(clock) for _, clock in videos.values()))
    rate = exact_rate(shown)
    write_labelling_settings(folder / f"{NAME}.xml", classes, rate)
    tasks = [
        task(video_url(path), detections, clock, rate, model)
        for path, (detections, clock) in videos.items()
    ]
    write_tasks(folder / f"{NAME}.json", tasks)
    return shown


def labelling_settings(classes: Sequence[StrokeClass], rate: Fraction) -> str:
    """The project's labelling interface: a video, and ranges of its timeline with the classes.

    The first ten classes have the digits as hotkeys; the editor gives the others letters.

    Args:
        classes: As in ``classes.csv``; ``Negative`` is left out, since no one marks it.
        rate: Frames a second at which the editor counts, 1 or more.

    Returns:
        XML.
    """
    labels = [
        f"    <Label value={quoteattr(label)} background={quoteattr(colour)}"
        + (f' hotkey="{(number + 1) % 10}"' if number < 10 else "")
        + "/>\n"
        for number, (label, colour) in enumerate(stroke_colours(classes).items())
    ]
    # As JavaScript reads it: 30000/1001 becomes what it is.
    shown = str(rate.numerator) if rate.denominator == 1 else repr(float(rate))
    return (
        "<View>\n"
        f'  <TimelineLabels name="{LABELS}" toName="{VIDEO}">\n'
        f"{''.join(labels)}"
        "  </TimelineLabels>\n"
        f'  <Video name="{VIDEO}" value="${VIDEO}" frameRate="{shown}" timelineHeight="120"/>\n'
        "</View>\n"
    )


def video_url(path: PurePosixPath, prefix: str = LOCAL_FILES) -> str:
    """Where Label Studio finds a video.

    Args:
        path: The file, relative to what the prefix stands for.
        prefix: What comes before the path, which is escaped as in URLs:
            ``https://videos.example.org/2026/``.
    """
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{path} leads out of the folder that is served")
    return prefix + quote(path.as_posix())


def task(
    url: str, detections: Iterable[Detection], clock: Clock, rate: Fraction, model: str
) -> dict[str, Any]:
    """One video to be looked at, with what was found in it as a prediction.

    Args:
        url: Where Label Studio finds it; `index` knows it by its last part.
        detections: Of this video; may be empty.
        clock: When its frames begin.
        rate: Frames a second at which the editor counts: that of :func:`labelling_settings`.
        model: Which network found them; Label Studio tells predictions apart by it.
    """
    found = sorted(detections, key=lambda d: (d.begin, d.end, d.label))
    result = []
    for number, d in enumerate(found, start=1):
        start = _nearest(clock.time_of(d.begin) * rate) + 1
        end = max(start, _nearest(clock.time_of(d.end) * rate))
        result.append(
            {
                "id": f"stroke{number}",
                "from_name": LABELS,
                "to_name": VIDEO,
                "type": "timelinelabels",
                "score": d.probability,
                "value": {"ranges": [{"start": start, "end": end}], "timelinelabels": [d.label]},
            }
        )
    # Teams may look at what the network is least sure of first.
    score = sum(d.probability for d in found) / len(found) if found else 0.0
    prediction = {"model_version": model, "score": score, "result": result}
    return {"data": {VIDEO: url}, "predictions": [prediction]}


def write_tasks(path: Path, tasks: Sequence[dict[str, Any]]) -> None:
    """Write tasks as the JSON file that a project imports."""
    text = json.dumps(list(tasks), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def write_labelling_settings(path: Path, classes: Sequence[StrokeClass], rate: Fraction) -> None:
    """Write :func:`labelling_settings` as a file, to be pasted under "Labeling Interface"."""
    with replacing(path) as partial:
        partial.write_text(labelling_settings(classes, rate), encoding="utf-8")


def _nearest(number: Fraction) -> int:
    return math.floor(number + Fraction(1, 2))


def _short(rate: Fraction) -> float:
    """A rate to be written in a preset: exactly this one if possible, else hardly more."""
    if exact_rate(usual := round(float(rate), 2)) == rate:
        return usual
    return math.ceil(rate * 1000) / 1000
