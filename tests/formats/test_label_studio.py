from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstroke.annotations.boxes import around
from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Annotation, Reading, Seconds
from twinstroke.findings import Findings
from twinstroke.formats import label_studio
from twinstroke.settings.index import IndexSettings
from twinstroke.video.clock import Clock


def _read(
    folder: Path,
    content: Any,
    videos: Sequence[str] = ("a.mp4",),
    below: str = "",
    **changes: Any,
) -> Reading:
    """What one export, given as bytes or as data, tells about videos of these names."""
    values = {"classes": "found", "fps": 120.0, "split": {"rule": "given"}, **changes}
    chosen = IndexSettings.model_validate(values)
    reading = Reading(ClassList(chosen), Findings())
    for name in videos:
        path = folder / "raw" / "videos" / name
        reading.add_video(PurePosixPath(name).with_suffix("").name, path, PurePosixPath(name))
    file = folder / "raw" / below / "export.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    file.write_bytes(data)
    label_studio.read([file], folder / "raw", chosen, reading)
    return reading


def _strokes(reading: Reading) -> list[tuple[Any, Any, str | None]]:
    return [(item.begin, item.end, item.label) for item in reading.annotations]


def _range(start: int, end: int, *labels: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "type": "timelinelabels",
        "value": {"ranges": [{"start": start, "end": end}], "timelinelabels": list(labels)},
        "origin": "manual",
        "to_name": "video",
        "from_name": "videoLabels",
        **changes,
    }


def _boxes(
    keys: Sequence[tuple[int, bool]],
    *,
    frames: int | None = 1000,
    rate: float | None = None,
    label: str = "Hit",
    **changes: Any,
) -> dict[str, Any]:
    """A region as the editor writes it: time is frame / rate in floats, as JavaScript has it."""
    sequence = [
        {
            "x": 10.5,
            "y": 20.0,
            "width": 5,
            "height": 30.25,
            "rotation": 0,
            "frame": frame,
            "enabled": enabled,
            **({} if rate is None else {"time": frame / rate}),
        }
        for frame, enabled in keys
    ]
    value: dict[str, Any] = {"sequence": sequence, "labels": [label], "duration": 12.345}
    if frames is not None:
        value["framesCount"] = frames
    return {
        "id": "b1",
        "type": "videorectangle",
        "value": value,
        "origin": "manual",
        "to_name": "video",
        "from_name": "box",
        **changes,
    }


def _task(*results: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One task of an export, with everything that Label Studio puts around the results."""
    annotation = {
        "id": 34,
        "completed_by": 7,
        "result": list(results),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2025-03-01T10:00:00.000000Z",
        "updated_at": "2025-03-01T10:05:00.000000Z",
        "draft_created_at": None,
        "lead_time": 31.4,
        "prediction": {},
        "result_count": len(results),
        "unique_id": "6f2c",
        "import_id": None,
        "last_action": None,
        "task": 12,
        "project": 5,
        "updated_by": 7,
        "parent_prediction": None,
        "parent_annotation": None,
        "last_created_by": None,
    }
    task = {
        "id": 12,
        "annotations": [annotation],
        "file_upload": "3d3ad63e-a.mp4",
        "drafts": [],
        "predictions": [],
        "data": {"video": "/data/upload/5/3d3ad63e-a.mp4"},
        "meta": {},
        "created_at": "2025-03-01T09:00:00.000000Z",
        "updated_at": "2025-03-01T10:05:00.000000Z",
        "inner_id": 1,
        "total_annotations": 1,
        "cancelled_annotations": 0,
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": 5,
        "updated_by": 7,
        "comment_authors": [],
    }
    for key, value in changes.items():
        (annotation if key in annotation and key != "id" else task)[key] = value
    return task


def _shadow(box: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the editor puts beside a box where timeline labels share its video."""
    value = {key: value for key, value in box["value"].items() if key != "labels"}
    return {
        **box,
        "type": "timelinelabels",
        "from_name": "videoLabels",
        "value": {**value, "timelinelabels": []},
        **changes,
    }


def test_boxes_that_stand_on_the_timeline_again_count_once(tmp_path: Path) -> None:
    box = _boxes([(11, True), (20, False)])
    results = [_range(5, 8, "Push"), _shadow(box), box]
    reading = _read(tmp_path, [_task(*results)], annotation_fps=120.0)
    assert sorted(_strokes(reading)) == [(4, 8, "Push"), (10, 20, "Hit")]
    assert reading.findings.all == []


def test_a_region_of_the_timeline_without_ranges_and_box_is_an_error(tmp_path: Path) -> None:
    box = _boxes([(11, True), (20, False)])
    for odd in (_shadow(box, id="other"), _shadow(box, id=None)):
        (error,) = _read(tmp_path, [_task(box, odd)], annotation_fps=120.0).findings.errors
        assert error.found == "ranges: is missing"


def test_ranges_count_from_one_and_hold_their_last_frame(tmp_path: Path) -> None:
    # The example of the documentation, start 3 and end 5, marks three frames; a click marks one.
    ranges = [{"start": 3, "end": 5}, {"start": 9, "end": 9}]
    region = _range(1, 1, "Hit")
    region["value"]["ranges"] = ranges
    reading = _read(tmp_path, [_task(region, _range(1, 200, "Push", id="r2"))])
    assert reading.findings.errors == []
    assert _strokes(reading) == [(2, 5, "Hit"), (8, 9, "Hit"), (0, 200, "Push")]
    first, last = reading.annotations[0], reading.annotations[-1]
    assert (first.video, first.annotator, first.split) == ("a", "user 7", None)
    assert first.place.row == "task 12, annotation 34, result r1"
    assert last.place.row == "task 12, annotation 34, result r2"
    assert first.place.file == str(tmp_path / "raw" / "export.json")


@pytest.mark.parametrize(
    ("keys", "strokes"),
    [
        ([(11, True), (20, False)], [(10, 20)]),
        ([(11, True), (15, True), (20, False)], [(10, 20)]),
        ([(20, False), (11, True)], [(10, 20)]),
        ([(11, True), (20, False), (31, True), (40, False)], [(10, 20), (30, 40)]),
        ([(11, True), (20, False), (21, True), (25, False)], [(10, 20), (20, 25)]),
        ([(11, True)], [(10, 50)]),
        ([(11, False)], [(10, 11)]),
        ([(11, True), (20, False), (31, False)], [(10, 20), (30, 31)]),
        ([], []),
    ],
)
def test_each_life_span_of_a_box_is_a_stroke(
    tmp_path: Path, keys: list[tuple[int, bool]], strokes: list[tuple[int, int]]
) -> None:
    reading = _read(tmp_path, [_task(_boxes(keys, frames=50))])
    assert reading.findings.errors == []
    assert _strokes(reading) == [(begin, end, "Hit") for begin, end in strokes]
    assert reading.annotated == {"a"}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(1, 40), st.booleans(), max_size=12))
def test_life_spans_hold_the_frames_on_which_the_editor_shows_the_box(
    keys: dict[int, bool],
) -> None:
    def shown(frame: int) -> bool:
        before = [key for key in keys if key <= frame]
        return bool(before) and (keys[max(before)] or max(before) == frame)

    with tempfile.TemporaryDirectory() as folder:
        reading = _read(Path(folder), [_task(_boxes(sorted(keys.items()), frames=40))])
    held = [n for item in reading.annotations for n in range(*_frames(item))]
    assert held == [frame - 1 for frame in range(1, 41) if shown(frame)]
    closed = sum(not enabled for enabled in keys.values())
    assert len(reading.annotations) == closed + (bool(keys) and keys[max(keys)])


def _frames(item: Annotation) -> tuple[int, int]:
    assert isinstance(item.begin, int)
    assert isinstance(item.end, int)
    return item.begin, item.end


RATES = [
    (24, Fraction(24)),
    (25.0, Fraction(25)),
    (29.97, Fraction(2997, 100)),
    (23.976, Fraction(2997, 125)),
    (30000 / 1001, Fraction(30000, 1001)),
    (120000 / 1001, Fraction(120000, 1001)),
    (7.5, Fraction(15, 2)),
    (1000 / 33, Fraction(1000, 33)),
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.integers(1, 10**6), st.integers(1, 1000))
def test_key_frames_tell_the_exact_rate_of_the_editor(
    rate: tuple[float, Fraction], first: int, length: int
) -> None:
    keys = [(first, True), (first + length, False)]
    with tempfile.TemporaryDirectory() as folder:
        reading = _read(Path(folder), [_task(_boxes(keys, rate=rate[0]))])
    assert reading.findings.all == []
    begin = Seconds((first - 1) / rate[1])
    assert _strokes(reading) == [(begin, Seconds((first + length) / rate[1]), "Hit")]


def test_frames_of_the_editor_become_those_of_a_faster_video(tmp_path: Path) -> None:
    keys = [(11, True), (20, False)]
    (stroke,) = _read(tmp_path, [_task(_boxes(keys, rate=24))]).annotations
    assert isinstance(stroke.begin, Seconds)
    assert isinstance(stroke.end, Seconds)
    # Ten frames of the editor are fifty of a video at 120 frames a second.
    clock = Clock(np.arange(1001), Fraction(1, 120))
    assert clock.frame_at(stroke.begin.value) == 50
    assert clock.frame_at(stroke.end.value) == 100
    # A video that stands still for its second half second: of 10/24 s on, only one frame is left.
    clock = Clock(np.array([0, 100, 200, 300, 400, 500, 1000]), Fraction(1, 1000))
    assert clock.frame_at(stroke.begin.value) == 4
    assert clock.frame_at(stroke.end.value) == 6


def test_ranges_take_the_rate_of_boxes_of_the_same_annotation_and_tag(tmp_path: Path) -> None:
    boxes = _boxes([(25, True), (50, False)], rate=25)
    other = _task(_range(26, 50, "Push"))
    other["data"] = {"video": "b.mp4"}
    content = [_task(_range(26, 50, "Push"), _range(26, 50, "Cut", to_name="v2"), boxes), other]
    reading = _read(tmp_path, content, ("a.mp4", "b.mp4"))
    one = Seconds(Fraction(1))
    assert _strokes(reading) == [
        (one, Seconds(Fraction(2)), "Push"),
        (25, 50, "Cut"),
        (Seconds(Fraction(24, 25)), Seconds(Fraction(2)), "Hit"),
        (25, 50, "Push"),
    ]


def test_the_last_key_frame_tells_the_rate_best(tmp_path: Path) -> None:
    rounded = _boxes([(1, True), (2, False)], id="b2")
    for key in rounded["value"]["sequence"]:
        key["time"] = round(key["frame"] / 24, 2)
    reading = _read(tmp_path, [_task(_boxes([(25, True), (48, False)], rate=24), rounded)])
    assert _strokes(reading)[0] == (Seconds(Fraction(1)), Seconds(Fraction(2)), "Hit")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + json.dumps([_task(_range(3, 5, "Hit"))]).encode()
    assert _strokes(_read(tmp_path, content)) == [(2, 5, "Hit")]


def test_interpolated_key_frames_do_not_tell_the_rate(tmp_path: Path) -> None:
    boxes = _boxes([(7, True), (9, False)], rate=24)
    between = {**boxes["value"]["sequence"][0], "frame": 8, "time": 0.33, "auto": True}
    late = {**between, "frame": 900, "time": 1.0, "auto": True, "enabled": False}
    boxes["value"]["sequence"] += [between, late]
    reading = _read(tmp_path, [_task(boxes)])
    assert _strokes(reading)[0] == (Seconds(Fraction(6, 24)), Seconds(Fraction(9, 24)), "Hit")


@pytest.mark.parametrize("time", [0, 0.0, -1.0, 1e-300, 1e6, None])
def test_times_that_make_no_rate_leave_frames(tmp_path: Path, time: float | None) -> None:
    boxes = _boxes([(11, True), (20, False)])
    for key in boxes["value"]["sequence"]:
        key["time"] = time
    assert _strokes(_read(tmp_path, [_task(boxes)])) == [(10, 20, "Hit")]


def test_a_rate_of_the_settings_goes_before_that_of_the_export(tmp_path: Path) -> None:
    content = [_task(_boxes([(11, True), (20, False)], rate=24), _range(3, 5, "Push"))]
    reading = _read(tmp_path, content, annotation_fps=25.0)
    assert _strokes(reading) == [(10, 20, "Hit"), (2, 5, "Push")]
    assert reading.findings.all == []


def test_an_unknown_rate_is_told_once_a_file(tmp_path: Path) -> None:
    reading = _read(tmp_path, [_task(_range(3, 5, "Hit"), _range(7, 9, "Hit"))])
    (warning,) = reading.findings.all
    assert (warning.severity, warning.check) == ("warning", "rate")
    assert "2 ranges" in warning.found
    assert "index.annotation_fps" in warning.advice


@pytest.mark.parametrize(
    ("data", "videos", "expected"),
    [
        ({"video": "/data/upload/5/3d3ad63e-a.mp4"}, ["a.mp4"], "a"),
        ({"video": "/data/upload/5/3d3ad63e-a.mp4"}, ["a.mp4", "3d3ad63e-a.mp4"], "3d3ad63e-a"),
        (
            {"video": "/data/upload/5/3d3ad63e-player_1_so.mp4"},
            ["player 1 (so).mp4"],
            "player 1 (so)",
        ),
        ({"video": "/data/upload/5/3d3ad63e-a_b.mp4"}, ["a b.mp4", "a_(b).mp4"], None),
        ({"video": "/data/upload/5/3d3ad63e-a_b.mp4"}, ["a b.mp4", "a_b.mp4"], "a_b"),
        ({"video": "/data/upload/5/3d3ad63-a.mp4"}, ["a.mp4"], None),
        ({"video": "/data/local-files/?d=day%201/a%2Bb.mp4"}, ["day 1/a+b.mp4"], "a+b"),
        ({"video": "/data/local-files/?d=two/a.mp4"}, ["two/a.mp4", "a.mov"], "a"),
        ({"video": "http://ls.test:8080/data/local-files/?d=x/a.mp4"}, ["a.mp4"], "a"),
        ({"video": "https://h.test/x/a%20b.mp4?d=9&token=c.mp4#t=1"}, ["a b.mp4"], "a b"),
        ({"video": "s3://bucket/day/match #3.mp4"}, ["match #3.mp4"], "match #3"),
        ({"video": "C:\\videos\\a.mp4"}, ["a.mp4"], "a"),
        ({"video": "Schl%C3%A4ge.mp4"}, ["Schla\u0308ge.mp4"], "Schla\u0308ge"),
        ({"video": "https://[broken/a.mp4"}, ["a.mp4"], "a"),
        ({"video": "x/3d3ad63e-\u00e4.mp4"}, ["3d3ad63e-a\u0308.mp4"], "3d3ad63e-a\u0308"),
        ({"video": "a"}, ["a.mp4"], "a"),
        ({"clip": "x/a.MP4", "notes": "b", "number": 3}, ["a.MP4"], "a"),
        ({"clip": "x/a.mp4", "video": "b.mp4"}, ["a.mp4", "b.mp4"], "b"),
    ],
)
def test_names_of_videos(
    tmp_path: Path, data: dict[str, Any], videos: list[str], expected: str | None
) -> None:
    reading = _read(tmp_path, [_task(_range(3, 5, "Hit"), data=data)], videos)
    assert [item.video for item in reading.annotations] == ([expected] if expected else [])
    assert reading.annotated == ({expected} if expected else set())
    assert len(reading.findings.errors) == (expected is None)


def test_a_tag_named_after_a_key_shows_that_video(tmp_path: Path) -> None:
    results = [_range(3, 5, "Hit", to_name=name) for name in ("left", "right", "video")]
    data = {"left": "a.mp4", "right": "b.mp4"}
    reading = _read(tmp_path, [_task(*results, data=data)], ("a.mp4", "b.mp4"))
    assert [item.video for item in reading.annotations] == ["a", "b"]
    (error,) = reading.findings.errors
    assert error.found == "data names several videos, with keys 'left', 'right'"
    data = {"left": "a.mp4", "video": "b.mp4"}
    reading = _read(tmp_path, [_task(*results, data=data)], ("a.mp4", "b.mp4"))
    assert [item.video for item in reading.annotations] == ["a", "b", "b"]


@pytest.mark.parametrize(
    ("by", "annotator"),
    [
        (7, "user 7"),
        ({"id": 7, "email": "eve@club.test", "first_name": "Eve"}, "eve@club.test"),
        ({"id": 7, "email": ""}, "user 7"),
        ({}, ""),
        (None, ""),
    ],
)
def test_annotators(tmp_path: Path, by: Any, annotator: str) -> None:
    reading = _read(tmp_path, [_task(_range(3, 5, "Hit"), completed_by=by)])
    assert [item.annotator for item in reading.annotations] == [annotator]


def test_only_what_was_submitted_counts(tmp_path: Path) -> None:
    region = _range(3, 5, "Hit")
    content = [
        _task(region, was_cancelled=True),
        _task(annotations=[], predictions=[{"result": [region]}], drafts=[{"result": [region]}]),
    ]
    reading = _read(tmp_path, content)
    assert reading.annotations == []
    assert reading.annotated == set()
    assert reading.findings.all == []


def test_an_annotation_without_results_says_that_there_is_no_stroke(tmp_path: Path) -> None:
    reading = _read(tmp_path, [_task()])
    assert reading.annotations == []
    assert reading.annotated == {"a"}


def test_regions_without_a_label_are_strokes_of_unknown_class(tmp_path: Path) -> None:
    reading = _read(tmp_path, [_task(_range(3, 5))])
    assert _strokes(reading) == [(2, 5, None)]
    assert reading.findings.errors == []


def test_the_folder_names_the_split(tmp_path: Path) -> None:
    reading = _read(tmp_path, [_task(_range(3, 5, "Hit"))], below="labels/Valid")
    assert [item.split for item in reading.annotations] == ["validation"]


def test_results_of_other_types_are_told_once_a_file(tmp_path: Path) -> None:
    choice = {"id": "c", "type": "brushlabels", "to_name": "video", "value": {"rle": []}}
    reading = _read(tmp_path, [_task(choice, choice)])
    (warning,) = reading.findings.all
    assert (warning.severity, warning.check) == ("warning", "type")
    assert "2 results" in warning.found
    assert "'brushlabels'" in warning.found


def _seconds(start: float, end: float, *labels: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "channel": 0, "labels": list(labels)}
    return {"id": "s", "type": "labels", "to_name": "audio", "from_name": "l", "value": value}


def test_ranges_of_the_sound_are_in_seconds(tmp_path: Path) -> None:
    reading = _read(tmp_path, [_task(_seconds(0.1, 2.5, "Hit"))], annotation_fps=24)
    assert _strokes(reading) == [(Seconds(Fraction(1, 10)), Seconds(Fraction(5, 2)), "Hit")]
    assert reading.findings.all == []
    (error,) = _read(tmp_path, [_task(_seconds(-1, 2, "Hit"))]).findings.errors
    assert "start: " in error.found
    (error,) = _read(tmp_path, [_task(_seconds(2, 1, "Hit"))]).findings.errors
    assert "is not before end" in error.found


def _choice(*choices: Any, name: str = "class") -> dict[str, Any]:
    value = {"choices": list(choices)}
    return {"id": "c", "type": "choices", "to_name": "video", "from_name": name, "value": value}


def test_a_choice_is_the_class_of_a_clip(tmp_path: Path) -> None:
    reading = _read(tmp_path, [_task(_choice("Hit"))])
    assert _strokes(reading) == [(0, None, "Hit")]
    assert (reading.findings.all, reading.annotated) == ([], {"a"})
    reading = _read(tmp_path, [_task(_choice("Hit"), _choice("good"))])
    (error,) = reading.findings.errors
    assert error.found == "has 2 choices, 'Hit', 'good'"
    assert _strokes(reading) == [(0, None, None)]
    (error,) = _read(tmp_path, [_task(_choice(3))]).findings.errors
    assert "choices.0" in error.found


def test_a_choice_names_the_player_of_a_clip_or_a_region(tmp_path: Path) -> None:
    player = _choice(" Ada ", name="Player")
    reading = _read(tmp_path, [_task(_choice("Hit"), player)])
    assert [(i.end, i.label, i.group) for i in reading.annotations] == [(None, "Hit", "Ada")]
    # One that is no region's own is about all that have none.
    of_range = _choice("Ben", name="player") | {"id": "r1"}
    reading = _read(tmp_path, [_task(player, of_range, _range(1, 2, "Hit"), _seconds(1, 2, "Hit"))])
    assert [i.group for i in reading.annotations] == ["Ben", "Ada"]
    assert [item.check for item in reading.findings.all] == ["rate"]
    # Nothing but a player is no stroke.
    reading = _read(tmp_path, [_task(player)])
    assert (reading.annotations, reading.findings.all, reading.annotated) == ([], [], {"a"})


def test_a_choice_beside_ranges_is_something_else(tmp_path: Path) -> None:
    reading = _read(tmp_path, [_task(_choice("good"), _seconds(1, 2, "Hit"))])
    assert _strokes(reading) == [(Seconds(Fraction(1)), Seconds(Fraction(2)), "Hit")]
    (warning,) = reading.findings.all
    assert "'choices'" in warning.found


def test_json_min_is_named(tmp_path: Path) -> None:
    item = {"video": "/data/upload/1/a.mp4", "id": 1, "annotator": 1, "annotation_id": 2}
    item |= {"strokes": [{"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["Hit"]}]}
    assert label_studio.recognises(json.dumps([item]))
    (error,) = _read(tmp_path, [item, item]).findings.errors
    assert "JSON-MIN" in error.found
    assert error.advice == "export the project as JSON"
    # The advice, followed.
    assert _strokes(_read(tmp_path, [_task(_range(1, 5, "Hit"))])) == [(0, 5, "Hit")]


def _with(value: Any, *path: str | int) -> bytes:
    """An export of a range and a box with one value replaced (or removed: ``...``)."""
    content: Any = [_task(_range(3, 5, "Hit"), _boxes([(11, True), (20, False)], rate=24))]
    where = content
    for key in path[:-1]:
        where = where[key]
    if value is ...:
        del where[path[-1]]
    else:
        where[path[-1]] = value
    return json.dumps(content).encode()


RESULT = (0, "annotations", 0, "result")
RANGE = (*RESULT, 0, "value", "ranges", 0)
BOXES = (*RESULT, 1, "value")
OF_RANGE = "task 12, annotation 34, result r1"
OF_BOXES = "task 12, annotation 34, result b1"


@pytest.mark.parametrize(
    ("content", "row", "found"),
    [
        (b"", "1", "EOF"),
        (b"[", "1", "EOF"),
        (b"\xff\xfe[\x00]\x00", "1", "expected value"),
        (b'[\n{"id": NaN}]', "2", "expected value"),
        (b'[{"id": Infinity}]', "1", "expected value"),
        (b'[{"id": "\\ud800"}]', "1", "hex escape"),
        (b"[" * 10**5, "1", "recursion"),
        (b"[" + b"9" * 10**5 + b"]", "1", "out of range"),
        (b"{}", "", "no list of tasks"),
        (b'{"project": {}, "file": {}}', "", "no list of tasks"),
        (b"3", "", "no list of tasks"),
        (b"[3]", "task number 1", "is 3 where an object was expected"),
        (b'[{"id": 5, "video": "a.mp4", "label": []}]', "task number 1", "data: is missing"),
        (_with(..., 0, "annotations"), "task number 1", "annotations: is missing"),
        (_with({}, 0, "annotations"), "task number 1", "annotations: Input should be"),
        (_with("a.mp4", 0, "data"), "task number 1", "data: is 'a.mp4' where an object"),
        (_with({}, 0, "data"), OF_RANGE, "data names no video"),
        (_with({"video": "z.mp4"}, 0, "data"), OF_RANGE, "no video 'z.mp4'"),
        (_with({"video": "../../a/\0"}, 0, "data"), OF_RANGE, "no video"),
        (_with(3, *RESULT), "task 12, annotation number 1", "result: Input should be"),
        (_with(3, *RESULT, 0), "task 12, annotation 34, result number 1", "is 3 where"),
        (_with(3, *RESULT, 0, "type"), "task 12, annotation 34, result number 1", "type: "),
        (_with(3, *RESULT, 0, "value"), OF_RANGE, "is 3 where"),
        (_with(..., *RESULT, 0, "value"), OF_RANGE, "is None where"),
        (_with(..., *RANGE, "start"), OF_RANGE, "ranges.0.start: is missing"),
        (_with(None, *RANGE, "start"), OF_RANGE, "ranges.0.start: Input should be"),
        (_with(0, *RANGE, "start"), OF_RANGE, "greater than or equal to 1, found 0"),
        (_with(-5, *RANGE, "start"), OF_RANGE, "greater than or equal to 1, found -5"),
        (_with(3.5, *RANGE, "start"), OF_RANGE, "found 3.5"),
        (_with(10**30, *RANGE, "end"), OF_RANGE, "ranges.0.end"),
        (_with(1, *RANGE, "end"), OF_RANGE, "is not before end"),
        (_with("soon", *RANGE, "end"), OF_RANGE, "found 'soon'"),
        (_with(["A", "B"], *RESULT, 0, "value", "timelinelabels"), OF_RANGE, "has 2 labels"),
        (_with([3], *RESULT, 0, "value", "timelinelabels"), OF_RANGE, "timelinelabels.0"),
        (_with(["A", "B"], *BOXES, "labels"), OF_BOXES, "has 2 labels, 'A', 'B'"),
        (_with("yes please", *BOXES, "sequence", 0, "enabled"), OF_BOXES, "0.enabled"),
        (_with(0, *BOXES, "sequence", 0, "frame"), OF_BOXES, "sequence.0.frame"),
        (
            _with(7.125, *BOXES, "sequence", 0, "time").replace(b"7.125", b"1e999"),
            OF_BOXES,
            "finite number",
        ),
        (_with({}, *BOXES, "sequence"), OF_BOXES, "sequence: "),
        (_with(-1, *BOXES, "framesCount"), OF_BOXES, "framesCount: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, content: bytes, row: str, found: str
) -> None:
    reading = _read(tmp_path, content)
    first = reading.findings.errors[0]
    assert (first.file, first.row) == (str(tmp_path / "raw" / "export.json"), row)
    assert found in first.found
    assert first.advice


def test_the_rest_of_a_file_counts_whatever_is_wrong_with_a_region(tmp_path: Path) -> None:
    reading = _read(tmp_path, _with(0, *RANGE, "start"))
    assert [item.label for item in reading.annotations] == ["Hit"]


def test_a_life_span_without_an_end_is_told(tmp_path: Path) -> None:
    (error,) = _read(tmp_path, [_task(_boxes([(11, True)], frames=None))]).findings.errors
    assert "framesCount is missing" in error.found
    reading = _read(tmp_path, [_task(_boxes([(11, True), (12, False)], frames=None))])
    assert _strokes(reading) == [(10, 12, "Hit")]


def test_regions_with_several_labels_are_strokes_all_the_same(tmp_path: Path) -> None:
    # Nothing may be mined from where somebody saw a stroke.
    assert _strokes(_read(tmp_path, [_task(_range(3, 5, "Hit", "Push"))])) == [(2, 5, None)]


def test_files_that_do_not_fit_into_memory_are_refused_unread(tmp_path: Path) -> None:
    reading = _read(tmp_path, b"[]")
    file = tmp_path / "raw" / "export.json"
    with file.open("r+b") as stream:
        stream.truncate(2**28 + 1)
    chosen = IndexSettings.model_validate(
        {"classes": "found", "fps": 120.0, "split": {"rule": "given"}}
    )
    label_studio.read([file], tmp_path / "raw", chosen, reading)
    (error,) = reading.findings.errors
    assert error.found == "is larger than 256 MiB"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:0123456789NaIe-tr', max_size=80))
def test_no_bytes_raise(content: bytes | str) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    with tempfile.TemporaryDirectory() as folder:
        reading = _read(Path(folder), data)
    assert reading.annotations == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "video", "frame", "email"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_raises_and_every_damage_leaves_other_tasks_alone(data: st.DataObject) -> None:
    player = _choice("Ada", name="player") | {"id": "b1"}
    box = _boxes([(11, True), (20, False)], rate=24)
    damaged: Any = [_task(_range(3, 5, "Hit"), box, player)]
    where, key = damaged, 0
    while isinstance(where[key], dict | list) and where[key] and data.draw(st.booleans()):
        where = where[key]
        keys = sorted(where) if isinstance(where, dict) else range(len(where))
        key = data.draw(st.sampled_from(list(keys)))
    where[key] = data.draw(JSON)
    whole = copy.deepcopy(_task(_range(7, 9, "Push"), data={"video": "b.mp4"}))
    with tempfile.TemporaryDirectory() as folder:
        content = [*damaged, whole]
        reading = _read(Path(folder), content, ("a.mp4", "b.mp4"), boxes="regions")
    for boxes in reading.boxes.values():
        around(boxes.items(), (1920, 1080))
    assert [(i.begin, i.end) for i in reading.annotations if i.video == "b"] == [(6, 9)]


@pytest.mark.parametrize(
    ("start", "is_export"),
    [
        (json.dumps([_task(_range(3, 5, "Hit"))]), True),
        (json.dumps([_task(_range(3, 5, "Hit"))], indent=2)[:300], True),
        (json.dumps({"project": {}, "metadata": {}, "annotations": []}), False),
        (json.dumps([{"id": 3, "video": "a.mp4"}]), False),
        ("[]", False),
        ("", False),
        ("video,begin,end,label\n", False),
    ],
)
def test_exports_are_recognised(start: str, is_export: bool) -> None:
    assert label_studio.recognises(start) == is_export
