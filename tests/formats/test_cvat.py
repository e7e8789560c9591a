from __future__ import annotations

import itertools
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstroke.annotations.boxes import around
from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading
from twinstroke.findings import Findings
from twinstroke.formats import cvat
from twinstroke.settings.index import IndexSettings

BOX = 'occluded="0" xtl="1.50" ytl="2.00" xbr="30.00" ybr="40.25" z_order="0"'
TASK = """    <task>
      <id>5</id>
      <name>game 1</name>
      <size>100</size>
      <mode>interpolation</mode>
      <overlap>5</overlap>
      <bugtracker></bugtracker>
      <created>2024-05-02 09:14:21.000000+00:00</created>
      <updated>2024-05-02 10:01:02.000000+00:00</updated>
      <subset>default</subset>
      <start_frame>0</start_frame>
      <stop_frame>99</stop_frame>
      <frame_filter></frame_filter>
      <segments>
        <segment>
          <id>9</id>
          <start>0</start>
          <stop>99</stop>
          <url>http://localhost:8080/api/jobs/9</url>
        </segment>
      </segments>
      <owner>
        <username>admin</username>
        <email>admin@club.test</email>
      </owner>
      <assignee>
        <username>eve</username>
        <email>eve@club.test</email>
      </assignee>
      <labels>
        <label>
          <name>Hit</name>
          <color>#fa3253</color>
          <type>any</type>
          <attributes>
          </attributes>
        </label>
      </labels>
      <original_size>
        <width>1920</width>
        <height>1080</height>
      </original_size>
      <source>a.mp4</source>
    </task>
    <dumped>2024-05-02 10:03:00.000000+00:00</dumped>
"""


def _document(tracks: str, meta: str = TASK) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta>\n{meta}  </meta>\n{tracks}</annotations>\n"
    )


def _shape(frame: Any, outside: Any, *attributes: tuple[str, str], tag: str = "box") -> str:
    inner = "".join(
        f"      <attribute name={quoteattr(name)}>{escape(value)}</attribute>\n"
        for name, value in attributes
    )
    return (
        f'    <{tag} frame="{frame}" outside="{outside}" {BOX} keyframe="1">\n{inner}    </{tag}>\n'
    )


def _track(*shapes: str, label: str = "Hit", more: str = "") -> str:
    return (
        f'  <track id="0" label={quoteattr(label)} source="manual"{more}>\n'
        f"{''.join(shapes)}  </track>\n"
    )


def _read(
    folder: Path,
    content: str | bytes,
    videos: Sequence[str] = ("a.mp4",),
    name: str = "annotations.xml",
    **changes: Any,
) -> Reading:
    """What one export tells about videos of these names."""
    values = {"classes": "found", "fps": 120.0, "split": {"rule": "given"}, **changes}
    chosen = IndexSettings.model_validate(values)
    reading = Reading(ClassList(chosen), Findings())
    for video in videos:
        path = folder / "raw" / "videos" / video
        reading.add_video(PurePosixPath(video).stem, path, PurePosixPath(video))
    file = folder / "raw" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    cvat.read([file], folder / "raw", chosen, reading)
    return reading


def _strokes(reading: Reading) -> list[tuple[str, Any, Any, str | None]]:
    return [(item.video, item.begin, item.end, item.label) for item in reading.annotations]


def test_a_stroke_lasts_from_the_first_shape_to_before_the_one_outside(tmp_path: Path) -> None:
    shapes = [_shape(n, 0) for n in range(10, 15)]
    again = [_shape(40, 0, tag="polygon"), _shape(41, 0, tag="mask"), _shape(42, 1, tag="points")]
    tracks = _track(*shapes, _shape(15, 1), *again) + _track(_shape(0, 0), _shape(1, 1), label="P")
    reading = _read(tmp_path, _document(tracks))
    assert reading.findings.all == []
    assert _strokes(reading) == [("a", 10, 15, "Hit"), ("a", 40, 42, "Hit"), ("a", 0, 1, "P")]
    first, second = reading.annotations[:2]
    assert (first.annotator, first.split) == ("eve", None)
    lines = _document(tracks).splitlines()
    assert first.place.file == str(tmp_path / "raw" / "annotations.xml")
    assert 'frame="10"' in lines[int(first.place.row) - 1]
    assert 'frame="40"' in lines[int(second.place.row) - 1]


def test_key_frames_alone_are_enough_for_a_track_that_is_ended(tmp_path: Path) -> None:
    tracks = _track(_shape(10, 0), _shape(30, 0), _shape(50, 1))
    assert _strokes(_read(tmp_path, _document(tracks))) == [("a", 10, 50, "Hit")]


STATES = st.lists(st.sampled_from([None, "", "__undefined__", "Hit", "Push"]), max_size=30)


def _dumped(states: Sequence[str | None], start: int, step: int, attribute: str) -> list[str]:
    """Shapes as CVAT lists them: each frame that is seen, and the first that is not (None)."""
    shapes = []
    for n, state in enumerate(states):
        value = "Hit" if state is None else state
        if state is not None or (n and states[n - 1] is not None):
            shape = _shape(start + step * n, int(state is None), ("x", "y"), (attribute, value))
            shapes.append(shape)
    return shapes


@settings(max_examples=80, deadline=None)
@given(
    st.lists(STATES, max_size=4),
    st.integers(0, 7),
    st.integers(1, 5),
    st.integers(0, 4),
    st.sampled_from(["label", "Class", "STROKE"]),
)
def test_tracks_are_cut_where_what_each_frame_shows_changes(
    tracks: list[list[str | None]], start: int, step: int, rest: int, attribute: str
) -> None:
    frames = 30
    whole = [[*states, *[None] * (frames - len(states))] for states in tracks]
    whole += [["Hit"] * frames for _ in tracks[:1]]
    # The video may go on after the last frame of the task, by less than a step.
    stop = start + step * (frames - 1) + min(rest, step - 1)
    meta = TASK.replace("<start_frame>0<", f"<start_frame>{start}<")
    meta = meta.replace("<stop_frame>99<", f"<stop_frame>{stop}<")
    meta = meta.replace("<frame_filter><", f"<frame_filter>step={step}<")
    body = "".join(_track(*_dumped(s, start, step, attribute), label="player") for s in whole)
    expected = []
    for states in whole:
        shown = [None if state in (None, "", "__undefined__") else state for state in states]
        n = 0
        for label, run in itertools.groupby(shown):
            length = len(list(run))
            if label is not None:
                end = start + step * (n + length)
                expected.append(("a", start + step * n, min(end, stop + 1), label))
            n += length
    with tempfile.TemporaryDirectory() as folder:
        reading = _read(Path(folder), _document(body, meta))
    assert _strokes(reading) == expected
    assert [item.check for item in reading.findings.errors] == ([] if whole else ["track"])


def test_other_attributes_leave_the_label_of_the_track(tmp_path: Path) -> None:
    shapes = [
        _shape(10, 0, ("hand", "left")),
        _shape(11, 0, ("hand", "right")),
        _shape(12, 1, ("hand", "left")),
    ]
    reading = _read(tmp_path, _document(_track(*shapes)))
    assert _strokes(reading) == [("a", 10, 12, "Hit")]


def test_the_first_attribute_that_names_the_stroke_counts(tmp_path: Path) -> None:
    names = (("class", "Push"), ("label", "Cut"))
    reading = _read(tmp_path, _document(_track(_shape(10, 0, *names), _shape(12, 1, *names))))
    assert _strokes(reading) == [("a", 10, 12, "Push")]


def test_a_track_whose_attribute_names_no_stroke_is_told(tmp_path: Path) -> None:
    reading = _read(tmp_path, _document(_track(_shape(10, 0, ("label", "")), _shape(12, 1))))
    assert reading.annotations == []
    (warning,) = reading.findings.all
    assert (warning.severity, warning.check) == ("warning", "label")


def test_an_attribute_names_the_player(tmp_path: Path) -> None:
    ann, bo = ("player", "Ann"), ("PLAYER", "Bo")
    tracks = _track(_shape(1, 0, ann), _shape(4, 1, ann)) + _track(
        _shape(2, 0, ("class", "Push"), bo),
        _shape(5, 0, ("class", "Cut"), bo),
        _shape(7, 0, ("class", "Cut"), ("player", "__undefined__")),
        _shape(9, 1, ("class", "Cut"), bo),
    )
    reading = _read(tmp_path, _document(tracks))
    assert [(i.begin, i.end, i.label, i.group) for i in reading.annotations] == [
        (1, 4, "Hit", "Ann"),
        (2, 5, "Push", "Bo"),
        (5, 7, "Cut", "Bo"),
        (7, 9, "Cut", ""),
    ]
    assert (reading.findings.all, reading.boxes) == ([], {})
    # Whatever the group is called.
    split = {"rule": "given", "group": "team"}
    reading = _read(tmp_path, _document(tracks.replace('"player"', '"Team"')), split=split)
    assert [i.group for i in reading.annotations] == ["Ann", "", ""]


def test_shapes_listed_twice_count_once(tmp_path: Path) -> None:
    # CVAT 2 was seen to write the last shape of a track twice (its issue 8411).
    tracks = _track(_shape(10, 0), _shape(12, 1), _shape(12, 1), _shape(20, 1), _shape(20, 0))
    reading = _read(tmp_path, _document(tracks + _track(_shape(5, 0), _shape(5, 1))))
    assert _strokes(reading) == [("a", 10, 12, "Hit"), ("a", 20, 21, "Hit")]
    assert reading.findings.errors == []


@pytest.mark.parametrize(
    ("shapes", "end", "warned"),
    [
        ([(97, 0), (98, 0), (99, 0)], 100, False),
        # A single shape is dumped without an end on the last frames of a task.
        ([(98, 0)], 99, False),
        ([(97, 0)], 98, True),
        ([(120, 0)], 121, False),
    ],
)
def test_a_track_that_is_never_ended_lasts_to_its_last_shape(
    tmp_path: Path, shapes: list[tuple[int, int]], end: int, warned: bool
) -> None:
    reading = _read(tmp_path, _document(_track(*(_shape(*shape) for shape in shapes))))
    assert _strokes(reading) == [("a", shapes[0][0], end, "Hit")]
    assert reading.findings.errors == []
    assert len(reading.findings.warnings) == warned


def test_a_skeleton_is_seen_as_long_as_one_of_its_points_is(tmp_path: Path) -> None:
    def skeleton(frame: int, *outside: int) -> str:
        points = "".join(
            f'      <points label="{n}" keyframe="1" outside="{o}" occluded="0" points="1,2">\n'
            '        <attribute name="label">joint</attribute>\n      </points>\n'
            for n, o in enumerate(outside)
        )
        return f'    <skeleton frame="{frame}" keyframe="1" z_order="0">\n{points}    </skeleton>\n'

    shapes = [skeleton(10, 0, 0), skeleton(11, 1, 0), skeleton(12, 0, 1), skeleton(13, 1, 1)]
    reading = _read(tmp_path, _document(_track(*shapes)))
    assert _strokes(reading) == [("a", 10, 13, "Hit")]
    assert reading.findings.all == []


def _project_task(number: int, size: int, source: str, **changes: str) -> str:
    values = {"subset": "default", "start_frame": "0", "stop_frame": str(size - 1), **changes}
    fields = "".join(f"          <{name}>{value}</{name}>\n" for name, value in values.items())
    return (
        f"        <task>\n          <id>{number}</id>\n          <name>t{number}</name>\n"
        f"          <size>{size}</size>\n{fields}"
        f"          <assignee>\n            <username>u{number}</username>\n"
        f"          </assignee>\n          <source>{source}</source>\n        </task>\n"
    )


def _project(*tasks: str) -> str:
    return (
        "    <project>\n      <id>1</id>\n      <name>club</name>\n      <tasks>\n"
        f"{''.join(tasks)}      </tasks>\n      <subsets>default</subsets>\n"
        "      <assignee>\n        <username>boss</username>\n      </assignee>\n"
        "    </project>\n    <dumped>2024-05-02 10:03:00.000000+00:00</dumped>\n"
    )


def _of(task: int, *shapes: str) -> str:
    return _track(*shapes, more=f' task_id="{task}" subset="default"')


def test_projects_count_on_from_task_to_task_of_a_subset(tmp_path: Path) -> None:
    meta = _project(
        # 100 frames: 0 … 99 of a. Then every 5th frame of b from 20 on, which is 100 + 20, …
        _project_task(5, 100, "a.mp4"),
        _project_task(6, 30, "b.mp4", start_frame="20", stop_frame="167", frame_filter="step=5"),
        # 100 + 20 + 5 · 30 = 270 is the first of c; the other subset begins anew.
        _project_task(7, 50, "c.mp4"),
        _project_task(8, 50, "d.mp4", subset="test"),
        _project_task(9, 50, "e.mp4", subset="test"),
    )
    tracks = (
        _of(5, _shape(10, 0), _shape(20, 1))
        + _of(6, _shape(120, 0), _shape(130, 1))
        + _of(6, *(_shape(n, 0) for n in range(260, 270, 5)))
        + _of(7, _shape(270, 0), _shape(280, 1))
        + _of(8, _shape(3, 0), _shape(4, 1))
        + _of(9, _shape(53, 0), _shape(54, 1))
    )
    videos = [f"{name}.mp4" for name in "abcde"]
    reading = _read(tmp_path, _document(tracks, meta), videos)
    assert reading.findings.all == []
    assert _strokes(reading) == [
        ("a", 10, 20, "Hit"),
        ("b", 20, 30, "Hit"),
        ("b", 160, 168, "Hit"),
        ("c", 0, 10, "Hit"),
        ("d", 3, 4, "Hit"),
        ("e", 3, 4, "Hit"),
    ]
    assert [item.annotator for item in reading.annotations] == ["u5", "u6", "u6", "u7", "u8", "u9"]


def _images(tags: Sequence[Sequence[str]], start: int = 0, step: int = 1, more: str = "") -> str:
    """Frames as the export for images lists them, those without a tag too."""
    lines = []
    for n, labels in enumerate(tags):
        frame = start + step * n
        inner = "".join(
            f'    <tag label={quoteattr(label)} source="manual">\n    </tag>\n' for label in labels
        )
        lines.append(
            f'  <image id="{frame}" name="frame_{frame:06d}"{more} width="9" height="9">\n{inner}'
            "  </image>\n"
        )
    return "".join(lines)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["Hit", "Push", "Cut"]), max_size=3), min_size=1),
    st.integers(0, 7),
    st.integers(1, 5),
    st.integers(0, 4),
    st.booleans(),
)
def test_consecutive_frames_with_the_same_tag_are_a_stroke(
    tags: list[list[str]], start: int, step: int, rest: int, lists_all: bool
) -> None:
    stop = start + step * (len(tags) - 1) + min(rest, step - 1)
    meta = TASK.replace("<start_frame>0<", f"<start_frame>{start}<")
    meta = meta.replace("<stop_frame>99<", f"<stop_frame>{stop}<")
    meta = meta.replace("<frame_filter><", f"<frame_filter>step={step}<")
    shown = _images(tags, start, step)
    if not lists_all:
        # Whoever leaves frames without tags out says the same.
        blocks = [f"{block}</image>\n" for block in shown.split("</image>\n")[:-1]]
        shown = "".join(block for block in blocks if "<tag" in block)
    expected = []
    for label in ("Hit", "Push", "Cut"):
        n = 0
        for is_shown, run in itertools.groupby(label in labels for labels in tags):
            length = len(list(run))
            if is_shown:
                end = min(start + step * (n + length), stop + 1)
                expected.append(("a", start + step * n, end, label))
            n += length
    with tempfile.TemporaryDirectory() as folder:
        reading = _read(Path(folder), _document(shown, meta))
    assert sorted(_strokes(reading)) == sorted(expected)
    assert len(reading.findings.errors) == (not expected)


def test_an_attribute_of_a_tag_names_the_stroke(tmp_path: Path) -> None:
    images = _images([["ball"], ["ball"], ["ball"], ["ball"]])
    for n, value in enumerate(("Hit", "Hit", "", "Push")):
        inner = f'<attribute name="Stroke">{value}</attribute><attribute name="x">1</attribute>'
        images = images.replace(f"frame_{n:06d}", f"FRAME_{n}", 1)
        head, _, tail = images.partition(f"FRAME_{n}")
        images = f"{head}frame_{n:06d}{tail.replace('    </tag>', f'{inner}</tag>', 1)}"
    reading = _read(tmp_path, _document(images))
    assert _strokes(reading) == [("a", 0, 2, "Hit"), ("a", 3, 4, "Push")]


def test_images_of_projects_count_in_their_own_task(tmp_path: Path) -> None:
    meta = _project(_project_task(5, 100, "a.mp4"), _project_task(6, 30, "b.mp4"))
    images = _images([["Hit"], ["Hit"]], 98, more=' task_id="5"')
    # Whatever the id, the name has the frame of the task's own video.
    images += _images([["Hit"], ["Hit"]], 3, more=' task_id="6"').replace('id="3"', 'id="103"')
    reading = _read(tmp_path, _document(images, meta), ("a.mp4", "b.mp4"))
    assert _strokes(reading) == [("a", 98, 100, "Hit"), ("b", 3, 5, "Hit")]
    assert reading.findings.all == []


def test_what_an_export_without_strokes_advises_is_true(tmp_path: Path) -> None:
    (error,) = _read(tmp_path, _document("")).findings.errors
    assert error.advice == "if the strokes are tags of frames, export it as CVAT for images 1.1"
    tagged = _read(tmp_path, _document(_images([["Hit"], ["Hit"], []])))
    assert (_strokes(tagged), tagged.findings.all) == ([("a", 0, 2, "Hit")], [])
    box = _shape(0, 0).replace(' frame="0" outside="0"', ' label="Hit"')
    boxes = _document(f'  <image id="0" name="frame_000000">\n{box}  </image>\n')
    told = _read(tmp_path, boxes).findings.all
    assert [item.severity for item in told] == ["error", "warning"]
    assert all(item.advice.endswith("export it as CVAT for video 1.1") for item in told)
    tracked = _read(tmp_path, _document(_track(_shape(0, 0), _shape(1, 1))))
    assert (_strokes(tracked), tracked.findings.all) == ([("a", 0, 1, "Hit")], [])


def test_one_video_without_strokes_beside_others_is_no_error(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _read(tmp_path, _document("", TASK.replace("a.mp4", "b.mp4")), name="b.xml")
    _read(tmp_path, _document(GOOD))
    chosen = IndexSettings.model_validate(
        {"classes": "found", "fps": 120.0, "split": {"rule": "given"}}
    )
    reading = Reading(ClassList(chosen), Findings())
    for video in ("a", "b"):
        reading.add_video(video, raw / f"{video}.mp4", PurePosixPath(f"{video}.mp4"))
    cvat.read([raw / "annotations.xml", raw / "b.xml"], raw, chosen, reading)
    assert reading.annotated == {"a", "b"}
    assert [(item.severity, item.found) for item in reading.findings.all] == [
        ("warning", "holds no track")
    ]


def test_tasks_of_a_project_without_tracks_may_not_be_annotated_yet(tmp_path: Path) -> None:
    meta = _project(_project_task(5, 100, "a.mp4"), _project_task(6, 30, "gone.mp4"))
    tracks = _of(5, _shape(10, 0), _shape(20, 1))
    reading = _read(tmp_path, _document(tracks, meta))
    assert reading.annotated == {"a"}
    assert reading.findings.all == []
    assert _read(tmp_path, _document("", meta)).annotated == set()


def test_a_task_without_tracks_says_that_there_is_no_stroke(tmp_path: Path) -> None:
    reading = _read(tmp_path, _document(""))
    assert (reading.annotations, reading.annotated) == ([], {"a"})


def test_tracks_of_unknown_tasks_are_told(tmp_path: Path) -> None:
    meta = _project(_project_task(5, 100, "a.mp4"), _project_task(6, 30, "b.mp4"))
    tracks = _of(4, _shape(1, 0), _shape(2, 1)) + _track(_shape(1, 0), _shape(2, 1))
    reading = _read(tmp_path, _document(tracks, meta), ("a.mp4", "b.mp4"))
    assert reading.annotations == []
    assert len(reading.findings.errors) == 2
    meta = _project(
        _project_task(5, 100, "a.mp4").replace("100", "many"), _project_task(6, 30, "b")
    )
    tracks = _of(5, _shape(1, 0), _shape(2, 1)) + _of(6, _shape(101, 0), _shape(102, 1))
    reading = _read(tmp_path, _document(tracks, meta), ("a.mp4", "b.mp4"))
    assert _strokes(reading) == [("a", 1, 2, "Hit")]
    assert "many" in reading.findings.errors[0].found
    assert "has no size" in reading.findings.errors[-1].found


JOB = TASK.replace("task>", "job>").replace("      <source>a.mp4</source>\n", "")


@pytest.mark.parametrize(
    ("meta", "name", "expected"),
    [
        (JOB, "a.xml", "a"),
        (JOB, "annotations.xml", None),
        (JOB.replace("game 1", "a.mp4"), "annotations.xml", "a"),
        (JOB.replace("game 1", "a"), "b.xml", "a"),
        # CVAT 1 has the source beside the task.
        (JOB.replace("job>", "task>") + "    <source>dir/a.mp4</source>\n", "x.xml", "a"),
        ("", "b.xml", "b"),
        (TASK.replace("a.mp4", "z.mp4"), "a.xml", None),
    ],
)
def test_names_of_videos(tmp_path: Path, meta: str, name: str, expected: str | None) -> None:
    content = _document(_track(_shape(1, 0), _shape(2, 1)), meta)
    reading = _read(tmp_path, content, ("a.mp4", "b.mp4"), name)
    assert [item.video for item in reading.annotations] == ([expected] if expected else [])
    assert [error.check for error in reading.findings.errors] == ([] if expected else ["video"])


def test_the_folder_names_the_split(tmp_path: Path) -> None:
    content = _document(_track(_shape(1, 0), _shape(2, 1)))
    reading = _read(tmp_path, content, name="xml/test/a.xml")
    assert [item.split for item in reading.annotations] == ["test"]


GOOD = _track(_shape(10, 0), _shape(12, 1))
BOMB = "".join(f'<!ENTITY e{n} "&e{n - 1};&e{n - 1};">' for n in range(1, 40))


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("", 1, "not well-formed"),
        (_document(GOOD)[:-20], None, "not well-formed"),
        (_document(GOOD) + "<more/>", None, "not well-formed"),
        (_document(GOOD).replace("</track>", "</trap>"), None, "not well-formed"),
        (_document(_track(_shape("10\0", 0))), None, "not well-formed"),
        (f'<!DOCTYPE a [<!ENTITY e0 "x">{BOMB}]><annotations>&e39;</annotations>', 0, "declares"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', 0, "declares"),
        ('<?xml version="1.0" encoding="klingon"?><annotations/>', None, "XML"),
        (_document(GOOD).encode("utf-16")[:-3], None, "not well-formed"),
        ("<video/>", 0, "root 'video'"),
        (_document('  <image id="0" name="f.png"><box/></image>\n'), 0, "no tag of a frame"),
        (_document('  <image id="x" name="f.png"><tag/></image>\n'), "image", "is no frame of"),
        (_document('  <image id="1" name="a"/><image id="1"/>\n'), "image", "1 follows frame 1"),
        (_document(GOOD, TASK.replace("<stop_frame>99", "<stop_frame>-1")), 0, "stop_frame"),
        (_document(_track(_shape("x", 0))), "frame", "frame is 'x'"),
        (_document(_track(_shape("", 0))), "frame", "frame is ''"),
        (_document(_track(_shape(-3, 0))), "frame", "frame is '-3'"),
        (_document(_track(_shape("1.5", 0))), "frame", "frame is '1.5'"),
        (_document(_track(_shape("nan", 0))), "frame", "frame is 'nan'"),
        (_document(_track(_shape("9" * 5000, 0))), "frame", "frame is '999"),
        (_document(_track(_shape(3, 0).replace('frame="3"', ""))), "outside=", "frame is ''"),
        (_document(_track(_shape(3, "maybe"))), "frame", "outside is 'maybe'"),
        (_document(_track(_shape(9, 0), _shape(8, 0))), 'frame="8"', "frame 8 follows frame 9"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, content: str | bytes, line: str | int | None, found: str
) -> None:
    reading = _read(tmp_path, content)
    error = reading.findings.errors[0]
    assert error.file == str(tmp_path / "raw" / "annotations.xml")
    assert found in error.found
    assert error.advice
    if isinstance(line, int):
        assert error.row == (str(line) if line else "")
    elif line is not None:
        assert isinstance(content, str)
        assert line in content.splitlines()[int(error.row) - 1]
    assert [item.end for item in reading.annotations] in ([], [12])


def test_a_broken_track_leaves_the_others_alone(tmp_path: Path) -> None:
    broken = _track(_shape(1, 0), _shape(5, 1), _shape(2, 0), _shape(3, 1))
    reading = _read(tmp_path, _document(broken + GOOD))
    assert _strokes(reading) == [("a", 10, 12, "Hit")]
    assert len(reading.findings.errors) == 1


def test_a_file_that_breaks_off_gives_no_stroke(tmp_path: Path) -> None:
    assert _read(tmp_path, _document(GOOD + GOOD)[:-100]).annotations == []


def test_memory_does_not_grow_with_the_shapes(tmp_path: Path) -> None:
    content = _document(_track(*(_shape(n, 0, ("hand", "left")) for n in range(20_000))))
    assert len(content) > 3_000_000
    _read(tmp_path, content)
    file = tmp_path / "raw" / "annotations.xml"
    chosen = IndexSettings.model_validate(
        {"classes": "found", "fps": 120.0, "split": {"rule": "given"}}
    )
    reading = Reading(ClassList(chosen), Findings())
    reading.add_video("a", tmp_path / "raw" / "a.mp4", PurePosixPath("a.mp4"))
    tracemalloc.start()
    cvat.read([file], tmp_path / "raw", chosen, reading)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert _strokes(reading) == [("a", 0, 20_000, "Hit")]
    assert peak < 1_000_000


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="<>/=\"'ab&;! annotations", max_size=80))
def test_no_bytes_raise(content: bytes | str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        reading = _read(Path(folder), content if isinstance(content, bytes) else content.encode())
    assert reading.annotations == []


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_order_of_elements_raises(data: st.DataObject) -> None:
    names = ["annotations", "meta", "project", "task", "job", "track", "box", "skeleton", "points"]
    names += ["attribute", "assignee", "username", "source", "size", "id", "image", "tag"]
    text = st.sampled_from(["", "a", "5", "label", "player", "-1", "0", "1", "nan", "1e400"])
    keys = ["frame", "outside", "label", "name", "task_id", "xtl", "ytl", "xbr", "ybr", "rotation"]
    attributes = st.dictionaries(st.sampled_from(keys), text, max_size=7)
    element = st.recursive(
        st.tuples(st.sampled_from(names), attributes, text.map(lambda t: [t])),
        lambda inner: st.tuples(st.sampled_from(names), attributes, st.lists(inner, max_size=4)),
        max_leaves=12,
    )

    def written(node: Any) -> str:
        if isinstance(node, str):
            return node
        name, attrs, inner = node
        opened = "".join(f" {key}={quoteattr(value)}" for key, value in attrs.items())
        return f"<{name}{opened}>{''.join(map(written, inner))}</{name}>"

    body = "".join(written(node) for node in data.draw(st.lists(element, max_size=4)))
    with tempfile.TemporaryDirectory() as folder:
        reading = _read(Path(folder), f"<annotations>{body}</annotations>", boxes="regions")
    for boxes in reading.boxes.values():
        around(boxes.items(), (1920, 1080))


@pytest.mark.parametrize(
    ("start", "is_export"),
    [
        (_document(GOOD), True),
        (_document(GOOD)[:60], True),
        ("<annotations/>", True),
        ("<!-- <video/> -->\n<annotations>", True),
        ('<?xml version="1.0"?><video><action/></video>', False),
        ("<ANNOTATION_DOCUMENT/>", False),
        ("<annotation><folder>x</folder></annotation>", False),
        ("", False),
        ("annotations", False),
    ],
)
def test_exports_are_recognised(start: str, is_export: bool) -> None:
    assert cvat.recognises(start) == is_export
