"""From detections to Label Studio and back.

The package itself is no dependency. Where its SDK is there, its own checks are asked too. With
Label Studio 1.23.2, the settings and tasks written here went through its API: project made, tasks
imported with their predictions, an annotation made from a prediction, JSON exported, and that read
by `index`; `_exported` gives what its exporter gave.
"""

from __future__ import annotations

import copy
import json
import tempfile
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import defusedxml.ElementTree
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstroke.annotations.classes import ClassList, ttstroke21
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.records import Reading
from twinstroke.annotations.resolve import resolved
from twinstroke.findings import Findings
from twinstroke.formats import label_studio
from twinstroke.formats.reading import FORMATS
from twinstroke.results.label_studio import (
    labelling_settings,
    task,
    video_url,
    write_labelling_settings,
    write_project,
    write_tasks,
)
from twinstroke.settings.index import IndexSettings
from twinstroke.tables import StrokeClass
from twinstroke.video.clock import Clock

ODD = "odd \"<&>' $x 压"
CLASSES = [*ttstroke21(), StrokeClass(label=ODD)]
NAMES = [row.label for row in CLASSES]
RATES = {
    24: Fraction(24),
    25: Fraction(25),
    29.97: Fraction(30_000, 1001),
    120: Fraction(120),
    119.88: Fraction(120_000, 1001),
}
FILES = ["day 1/match +1 (a).mp4", "b&c.mp4", "Rückhand.mov"]


def _found(video: str, *strokes: tuple[int, int, str, float]) -> list[Detection]:
    return [
        Detection(
            video=video,
            begin=begin,
            end=end,
            label=label,
            begin_s=0,
            end_s=1,
            probability=probability,
            stroke_probability=0.9,
        )
        for begin, end, label, probability in strokes
    ]


def _exported(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What Label Studio exports once somebody has submitted each prediction as it was."""
    export = []
    for number, item in enumerate(copy.deepcopy(tasks), start=1):
        (prediction,) = item["predictions"]
        stored = {**prediction, "id": number, "cluster": None, "neighbors": None, "task": number}
        annotation = {
            "id": number,
            "completed_by": 1,
            "result": prediction["result"],
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": "2026-01-01T00:00:00.000000Z",
            "lead_time": 3.2,
            "prediction": stored,
            "result_count": len(prediction["result"]),
            "task": number,
            "project": 1,
            "parent_prediction": number,
            "parent_annotation": None,
        }
        export.append(
            {
                "id": number,
                "annotations": [annotation],
                "drafts": [],
                "predictions": [number],
                "data": item["data"],
                "meta": {},
                "inner_id": number,
                "total_annotations": 1,
                "total_predictions": 1,
                "project": 1,
            }
        )
    return export


def _read(
    folder: Path, export: Any, clocks: dict[str, Clock], **changes: Any
) -> tuple[list[tuple[str, int, int, str | None]], Findings]:
    """What `index` reads of an export about the videos of `FILES`."""
    values = {"classes": NAMES, "fps": 30.0, "split": {"rule": "stroke"}, **changes}
    own, findings = IndexSettings.model_validate(values), Findings()
    reading = Reading(ClassList(own), findings)
    for name in FILES:
        reading.add_video(PurePosixPath(name).stem, folder / name, PurePosixPath(name))
    file = folder / "export.json"
    text = json.dumps(export)
    file.write_text(text, encoding="utf-8")
    assert [name for name, form in FORMATS.items() if form.recognises(text[: 2**16])] == [
        "label_studio"
    ]
    label_studio.read([file], folder, own, reading)
    rows = resolved(reading.annotations, clocks, own, findings)
    return [(s.video, s.begin, s.end, s.label) for s in rows], findings


@st.composite
def matches(draw: st.DrawFn) -> tuple[float, dict[str, Clock], list[Detection]]:
    """A rate of the editor, and videos whose frames are shown no shorter than its own."""
    decimal = draw(st.sampled_from(sorted(RATES)))
    clocks, strokes = {}, []
    for name in FILES:
        video = PurePosixPath(name).stem
        shortest = -(-90_000 // RATES[decimal])
        gaps = draw(st.lists(st.integers(shortest, 3 * shortest), min_size=2, max_size=50))
        first = draw(st.integers(0, 10_000))
        ticks = first + np.concatenate([[0], np.cumsum(np.array(gaps, np.int64))])
        clocks[video] = Clock(ticks, Fraction(1, 90_000))
        bounds = st.tuples(st.integers(0, len(gaps) - 1), st.integers(1, len(gaps)))
        for begin, end in draw(st.sets(bounds.filter(lambda b: b[0] < b[1]), max_size=4)):
            label = draw(st.sampled_from(NAMES[1:]))
            strokes += _found(video, (begin, end, label, draw(st.floats(0, 1))))
    return decimal, clocks, strokes


@settings(max_examples=60, deadline=None)
@given(matches())
def test_accepted_predictions_come_back_as_what_was_found(
    case: tuple[float, dict[str, Clock], list[Detection]],
) -> None:
    decimal, clocks, strokes = case
    tasks = []
    for name in FILES:
        video = PurePosixPath(name).stem
        own = [d for d in strokes if d.video == video]
        url = video_url(PurePosixPath(name))
        tasks.append(task(url, own, clocks[video], RATES[decimal], "twin"))
    with tempfile.TemporaryDirectory() as folder:
        rows, findings = _read(Path(folder), _exported(tasks), clocks, annotation_fps=decimal)
    assert findings.all == []
    assert sorted(map(str, rows)) == sorted(
        str((d.video, d.begin, d.end, d.label)) for d in strokes
    )


@pytest.mark.parametrize("rate", RATES.values())
def test_ranges_of_a_steady_video_are_its_frames_counted_from_one(rate: Fraction) -> None:
    clock = Clock(np.arange(10_001), 1 / rate)
    bounds = [(0, 1), (0, 10_000), (17, 30), (9_999, 10_000)]
    found = _found("x", *((begin, end, NAMES[1], 0.5) for begin, end in bounds))
    (prediction,) = task("x.mp4", found, clock, rate, "twin")["predictions"]
    assert [
        (item["value"]["ranges"][0]["start"], item["value"]["ranges"][0]["end"])
        for item in prediction["result"]
    ] == sorted((begin + 1, end) for begin, end in bounds)


def test_corrections_come_back_without_a_rate_where_the_video_is_steady(tmp_path: Path) -> None:
    clock = Clock(np.arange(301), Fraction(1001, 30_000))
    video = PurePosixPath(FILES[0]).stem
    found = _found(video, *((b, b + 20, NAMES[1 + b // 50], 0.5) for b in range(5, 250, 50)))
    export = _exported(
        [task(video_url(PurePosixPath(FILES[0])), found, clock, Fraction(30_000, 1001), "twin")]
    )
    result = export[0]["annotations"][0]["result"]
    result[1]["value"]["ranges"][0]["end"] += 3
    result[2]["value"]["timelinelabels"] = [ODD]
    del result[3]
    # As the editor writes a new one.
    added = {"ranges": [{"start": 281, "end": 300}], "timelinelabels": [NAMES[9]]}
    result.append(
        {
            "id": "Xy_1",
            "from_name": "strokes",
            "to_name": "video",
            "type": "timelinelabels",
            "origin": "manual",
            "value": added,
        }
    )
    rows, findings = _read(tmp_path, export, {video: clock})
    assert rows == [
        (video, 5, 25, NAMES[1]),
        (video, 55, 78, NAMES[2]),
        (video, 105, 125, ODD),
        (video, 205, 225, NAMES[5]),
        (video, 280, 300, NAMES[9]),
    ]
    assert [finding.check for finding in findings.all] == ["rate"]


def test_predictions_that_nobody_accepted_are_no_annotations(tmp_path: Path) -> None:
    clock = Clock(np.arange(301), Fraction(1, 30))
    found = _found("b&c", (3, 9, NAMES[1], 0.5))
    export = _exported([task(video_url(PurePosixPath("b&c.mp4")), found, clock, RATES[25], "t")])
    export[0]["annotations"] = []
    assert _read(tmp_path, export, {"b&c": clock})[0] == []


@pytest.mark.parametrize("rate", [*RATES.values(), Fraction(1000, 33)])
def test_settings_name_classes_colours_keys_and_the_rate(tmp_path: Path, rate: Fraction) -> None:
    write_labelling_settings(tmp_path / "settings.xml", CLASSES, rate)
    root = defusedxml.ElementTree.parse(tmp_path / "settings.xml").getroot()
    assert root is not None
    lane, video = root
    assert (root.tag, lane.tag, video.tag) == ("View", "TimelineLabels", "Video")
    assert lane.attrib == {"name": "strokes", "toName": "video"}
    # JavaScript reads the same double.
    assert float(video.attrib.pop("frameRate")) == float(rate)
    assert video.attrib == {"name": "video", "value": "$video", "timelineHeight": "120"}
    assert [label.tag for label in lane] == ["Label"] * 21
    assert [label.attrib["value"] for label in lane] == NAMES[1:]
    assert [label.attrib.get("hotkey") for label in lane] == [*"1234567890", *[None] * 11]
    colours = {label.attrib["value"]: label.attrib["background"] for label in lane}
    assert colours["Serve Forehand Loop"] == "#0072B2"
    assert colours["Defensive Backhand Block"] == "#D55E00"


@pytest.mark.parametrize(
    ("rates", "shown"),
    [
        ([Fraction(25)], 25),
        ([Fraction(25), Fraction(30_000, 1001)], 29.97),
        # No decimal of two places stands for it: hardly more, so that no frame is lost.
        ([Fraction(1000, 33), Fraction(24)], 30.304),
    ],
)
def test_a_project_has_one_rate_for_its_videos(
    tmp_path: Path, rates: list[Fraction], shown: float
) -> None:
    videos = {}
    for number, rate in enumerate(rates):
        clock = Clock(np.arange(101) * rate.denominator, Fraction(1, rate.numerator))
        found = _found(f"v{number}", (10, 20, NAMES[1], 0.5))
        videos[PurePosixPath(f"v {number}.mp4")] = (found, clock)
    assert write_project(tmp_path, videos, CLASSES, "twin 3f2a") == shown
    root = defusedxml.ElementTree.parse(tmp_path / "label-studio.xml").getroot()
    assert root is not None
    counted = float(root[1].attrib["frameRate"])
    assert max(rates) <= counted + 1e-9 < max(rates) + Fraction(1, 500)
    tasks = json.loads((tmp_path / "label-studio.json").read_text())
    assert [item["data"]["video"].rpartition("=")[2] for item in tasks] == [
        f"v%20{number}.mp4" for number in range(len(rates))
    ]
    for item, rate in zip(tasks, rates, strict=True):
        (stroke,) = item["predictions"][0]["result"]
        (span,) = stroke["value"]["ranges"]
        # From 1, the last frame being in it: as many of the editor's as fit best.
        assert span["start"] == round(10 * counted / rate) + 1
        assert span["end"] == round(20 * counted / rate)


def test_tasks_say_what_found_them_and_how_sure_it_is(tmp_path: Path) -> None:
    clock = Clock(np.arange(301), Fraction(1, 30))
    found = _found("x", (50, 60, ODD, 0.75), (3, 9, NAMES[1], 0.5))
    one = task("https://v.test/x.mp4", found, clock, Fraction(30), "twin 3f2a")
    assert one == {
        "data": {"video": "https://v.test/x.mp4"},
        "predictions": [
            {
                "model_version": "twin 3f2a",
                "score": 0.625,
                "result": [
                    {
                        "id": "stroke1",
                        "from_name": "strokes",
                        "to_name": "video",
                        "type": "timelinelabels",
                        "score": 0.5,
                        "value": {
                            "ranges": [{"start": 4, "end": 9}],
                            "timelinelabels": [NAMES[1]],
                        },
                    },
                    {
                        "id": "stroke2",
                        "from_name": "strokes",
                        "to_name": "video",
                        "type": "timelinelabels",
                        "score": 0.75,
                        "value": {"ranges": [{"start": 51, "end": 60}], "timelinelabels": [ODD]},
                    },
                ],
            }
        ],
    }
    empty = task("y.mp4", [], clock, Fraction(30), "twin")
    assert empty["predictions"] == [{"model_version": "twin", "score": 0.0, "result": []}]
    write_tasks(tmp_path / "tasks.json", [one, empty])
    assert json.loads((tmp_path / "tasks.json").read_bytes()) == [one, empty]


@pytest.mark.parametrize(
    ("path", "prefix", "url"),
    [
        ("day 1/a+b.mp4", None, "/data/local-files/?d=day%201/a%2Bb.mp4"),
        ("a&d=x#?.mp4", None, "/data/local-files/?d=a%26d%3Dx%23%3F.mp4"),
        ("ü.mp4", "https://v.test/x/", "https://v.test/x/%C3%BC.mp4"),
        ("a.mp4", "s3://bucket/", "s3://bucket/a.mp4"),
    ],
)
def test_urls(path: str, prefix: str | None, url: str) -> None:
    given = PurePosixPath(path)
    assert (video_url(given) if prefix is None else video_url(given, prefix)) == url


@pytest.mark.parametrize("path", ["../a.mp4", "x/../../a.mp4", "/etc/a.mp4"])
def test_urls_stay_below_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        video_url(PurePosixPath(path))


def test_the_package_itself_accepts_settings_and_predictions() -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface
    own = interface(labelling_settings(CLASSES, RATES[29.97]))
    own.validate()
    clock = Clock(np.arange(301), Fraction(1001, 30_000))
    found = _found("x", *((9 * n, 9 * n + 9, name, 0.5) for n, name in enumerate(NAMES[1:])))
    for strokes in (found, []):
        one = task(video_url(PurePosixPath("x.mp4")), strokes, clock, RATES[29.97], "twin")
        assert own.validate_task({"data": one["data"]})
        assert own.validate_prediction(one["predictions"][0], return_errors=True) == []
    # It does look: another label, and a tag that is not there.
    one = task("x.mp4", found[:1], clock, RATES[29.97], "twin")
    for place in ("value", "from_name"):
        wrong = copy.deepcopy(one["predictions"][0])
        wrong["result"][0][place] = (
            {"ranges": [{"start": 1, "end": 2}], "timelinelabels": ["No"]}
            if place == "value"
            else "no"
        )
        assert own.validate_prediction(wrong, return_errors=True) != []
