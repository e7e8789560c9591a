"""One HTML page beside a video: its strokes on a timeline, to watch and to correct.

The page needs no server and asks for nothing but the video; all else stands in it. Corrections
stay in the browser, and are saved as CSV or ``.eaf`` that `index` reads. Program and style are
inline and known to the page's Content-Security-Policy by their hashes; names and labels go in as
JSON, so none of them can become a program.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from twinstroke.annotations.classes import UNKNOWN
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.annotations.superclasses import groupings
from twinstroke.errors import UserError
from twinstroke.files import replacing
from twinstroke.regions import Region
from twinstroke.tables import NEGATIVE
from twinstroke.video.clock import Clock

MARK = '<meta name="generator" content="twinstroke viewer">'
"""In every page, so that no other is taken for one."""


def write_viewer(
    target: Path,
    *,
    video: Path,
    clock: Clock,
    classes: Sequence[str],
    annotations: Iterable[Stroke] = (),
    detections: Iterable[Detection] = (),
    players: Sequence[tuple[str, Region]] = (),
    name: str = "",
    about: str = "",
) -> Path:
    """Write the page.

    Corrections begin with the detections, or with the annotations where there is no detection.

    Args:
        target: The page, an ``.html`` file. It refers to the video relative to its own folder.
        video: The video file. It need not be there yet.
        clock: When the frames of the video begin.
        classes: Names of the classes in the order of the network's outputs. Where they tell hand or
            type (`annotations.superclasses`), the page filters by these.
        annotations: What was marked by hand, in any order; one without a class is ``Unknown``.
        detections: What was found, in any order.
        players: Names and regions of the players whom regions tell apart: each has rows of its own.
            Strokes name their player by `Stroke.group` and `Detection.player`.
        name: What saved corrections call the video: its path below the folder of the videos of
            `index`, or a longer one, with suffix. Empty: the name of the file.
        about: A sentence on where the strokes come from, for the reader of the page.

    Returns:
        `target`.

    Raises:
        UserError: A stroke lies outside the video.
    """
    marked = sorted(annotations, key=lambda s: (s.begin, s.end, s.label or "", s.annotator))
    found = sorted(detections, key=lambda row: (row.begin, row.end, row.label, row.player))
    for begin, end in [(m.begin, m.end) for m in marked] + [(d.begin, d.end) for d in found]:
        if not 0 <= begin < end <= clock.frames:
            raise UserError(
                f"{target}: a stroke from frame {begin} to {end} is none of {video.name!r}, which "
                f"has {clock.frames} frames; see that strokes and video belong together"
            )
    names = [player for player, _ in players]
    content: dict[str, Any] = {
        "name": name or video.name,
        "clock": _packed(clock),
        "classes": _described(classes),
        "annotations": [
            [m.begin, m.end, m.label or UNKNOWN, m.annotator, *_place(m.group, names)]
            for m in marked
        ],
        "detections": [
            [d.begin, d.end, d.label, d.probability, *_place(d.player, names)] for d in found
        ],
    }
    if players:
        content["players"] = [[player, *region] for player, region in players]
    # The same strokes of the same video, wherever they lie: what a browser kept for them is theirs.
    content |= {
        "digest": _digest(content),
        # Other strokes of the same video: its name and this are the same.
        "timing": _digest(content["clock"]),
        "file": video.name,
        "url": _address(video, target.parent),
    }
    style, program = _part("viewer.css"), _part("viewer.js")
    environment = Environment(
        loader=PackageLoader("twinstroke.results.viewer", ""),
        autoescape=True,
        undefined=StrictUndefined,
    )
    page = environment.get_template("viewer.html").render(
        file=video.name,
        about=about,
        data=_escaped(content),
        style=style,
        program=program,
        style_hash=_hash(style),
        program_hash=_hash(program),
    )
    with replacing(target) as partial:
        # Names of files may hold bytes that are no text.
        partial.write_text(page, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
    return target


def _packed(clock: Clock) -> dict[str, Any]:
    """The clock as runs of equal gaps between frames: one where the frame rate is constant.

    Returns:
        ``first`` tick, ``runs`` (gap, count, gap, count …) in ticks, and the ``base`` of ticks in
        seconds (numerator, denominator).
    """
    gaps = np.diff(clock.ticks)
    starts = np.flatnonzero(np.diff(gaps, prepend=gaps[0] - 1))
    counts = np.diff(starts, append=len(gaps))
    return {
        "first": int(clock.ticks[0]),
        "runs": np.column_stack([gaps[starts], counts]).ravel().tolist(),
        "base": list(clock.time_base.as_integer_ratio()),
    }


def _place(player: str, names: Sequence[str]) -> list[int]:
    """Which of the players it is; nothing where there are none."""
    return [names.index(player)] if names else []


def _described(classes: Sequence[str]) -> list[list[str]]:
    """Name, hand and type of each class but ``Negative``; empty where unknown."""
    known = groupings(classes)
    nothing = [""] * len(classes)
    rows = zip(classes, known.get("hand", nothing), known.get("type", nothing), strict=True)
    return [list(row) for row in rows if row[0] != NEGATIVE]


def _address(video: Path, folder: Path) -> str:
    relative = Path(os.path.relpath(video.absolute(), folder.absolute()))
    return quote(os.fsencode(relative.as_posix()))


def _escaped(content: Any) -> str:
    """JSON that HTML cannot take for anything else."""
    text = json.dumps(content, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _digest(content: Any) -> str:
    return hashlib.sha256(_escaped(content).encode()).hexdigest()[:16]


def _part(name: str) -> str:
    return resources.files("twinstroke.results.viewer").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
