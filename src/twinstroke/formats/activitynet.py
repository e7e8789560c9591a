"""ActivityNet's JSON, as THUMOS, FineAction and others have it too.

Its ``database`` holds videos by name, each with ``annotations`` (a ``segment`` of two seconds, and
a ``label``) and a ``subset`` (``training``, ``validation`` or ``testing``). ActivityNet calls the
file of a video ``v_`` and its name. Labels of testing are withheld: a video of that subset without
annotations has not been looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat

from twinstroke.annotations.records import Reading, Seconds, split_of
from twinstroke.annotations.strokes import Stroke
from twinstroke.files import replacing
from twinstroke.findings import Place
from twinstroke.formats.json import checked, parse_json
from twinstroke.settings.index import IndexSettings
from twinstroke.tables import Split
from twinstroke.video.clock import Clock

SUFFIXES = (".json",)
NAME = "activitynet"
SUBSETS: Mapping[str, Split] = {
    "training": "train",
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "testing": "test",
    "test": "test",
}
DIGITS = 6
"""Of the seconds that are written."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Video(_Part):
    subset: str = ""
    annotations: list[Any] = []


class _Annotation(_Part):
    segment: tuple[FiniteFloat, FiniteFloat]
    label: str


def recognises(start: str) -> bool:
    """Tell whether a file that starts so is such a database."""
    own = r'"database"\s*:\s*\{|"nodeName"\s*:'
    return re.match(r"\s*\{", start) is not None and re.search(own, start) is not None


def read(files: Sequence[Path], raw: Path, settings: IndexSettings, reading: Reading) -> None:
    """Read the videos of all files."""
    for file in files:
        content = parse_json(file, reading.findings)
        if content is None:
            continue
        database = content.get("database") if isinstance(content, dict) else None
        if not isinstance(database, dict):
            reading.findings.error(
                "json",
                Place(str(file)),
                "holds no object 'database'",
                "see that index.annotations holds only annotations",
            )
            continue
        for name, item in database.items():
            _add_video(name, item, file, raw, reading)


def _add_video(name: str, item: Any, file: Path, raw: Path, reading: Reading) -> None:
    place = Place(str(file), name)
    entry = checked(_Video, item, place, reading.findings, "mend it")
    if entry is None or (not entry.annotations and SUBSETS.get(entry.subset.lower()) == "test"):
        return
    own = f"v_{name}"
    video = reading.video_named(
        own if reading.knows(own) and not reading.knows(name) else name, place
    )
    split = SUBSETS.get(entry.subset.lower(), split_of(file.relative_to(raw).parts[:-1]))
    if entry.subset and entry.subset.lower() not in SUBSETS:
        reading.findings.error(
            "split",
            place,
            f"subset {entry.subset[:40]!r}",
            "write training, validation or testing",
            video=video or "",
        )
    if video is None:
        return
    for number, part in enumerate(entry.annotations, start=1):
        where = Place(str(file), f"{name}, annotation number {number}")
        annotation = checked(_Annotation, part, where, reading.findings, "mend it")
        if annotation is not None:
            # As decimals: 0.1 s is meant, not the binary number next to it.
            begin, end = (Seconds(Fraction(str(time))) for time in annotation.segment)
            reading.add(
                where, video=video, begin=begin, end=end, label=annotation.label, split=split
            )


def write(
    path: Path, strokes: Iterable[Stroke], clocks: Mapping[str, Clock], split: Split | None
) -> None:
    """Write a database that :func:`read` reads.

    Args:
        path: Where to.
        strokes: Of any videos, in the order of the file.
        clocks: When the frames of the videos begin.
        split: Of all of them; None: none.
    """
    subset = next((name for name, own in SUBSETS.items() if own == split), None)
    database: dict[str, Any] = {}
    for stroke in strokes:
        clock = clocks[stroke.video]
        entry = database.setdefault(
            stroke.video,
            {"duration": _written(clock.duration)}
            | ({"subset": subset} if subset else {})
            | {"annotations": []},
        )
        times = [_written(clock.time_of(frame)) for frame in (stroke.begin, stroke.end)]
        entry["annotations"].append({"segment": times, "label": stroke.label or ""})
    content = {"version": "twinstroke", "taxonomy": [], "database": database}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _written(time: Fraction) -> float:
    return float(round(max(time, Fraction(0)), DIGITS))
