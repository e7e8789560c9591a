"""Boxes that were drawn around players, from the exports of three tools to samples and regions."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.videos import distinct_frames, write_video
from twinstroke.annotations.boxes import PERCENT, Boxes, Measure, around, drawn
from twinstroke.errors import UserError
from twinstroke.findings import Place
from twinstroke.index.build import Index, build_index
from twinstroke.regions import PlayerRegion, Region
from twinstroke.settings.index import IndexSettings
from twinstroke.tables import Sample, write_table

WIDTH, HEIGHT = 32, 18


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("videos")
    frames = distinct_frames(120, HEIGHT, WIDTH)
    return [write_video(folder / f"{n}.mp4", frames + n).read_bytes() for n in range(3)]


@pytest.fixture
def raw(tmp_path: Path, videos: list[bytes]) -> Path:
    (tmp_path / "raw").mkdir()
    for name, content in zip("abc", videos, strict=True):
        (tmp_path / f"raw/{name}.mp4").write_bytes(content)
    return tmp_path / "raw"


def _build(raw: Path, **changes: Any) -> Index:
    values = {
        "boxes": "regions",
        "classes": ["push", "drive", "Negative"],
        "fps": 120,
        "annotation_fps": 120,
        "negatives": {"rule": "gaps", "frames": 10},
        "split": {"rule": "names", "train": ["a"], "validation": ["b"], "test": ["c"]},
        **changes,
    }
    chosen = IndexSettings.model_validate(values)
    return build_index(chosen, raw=raw, root=raw.parent, seed=1, workers=1, window=4, context=0)


def _problem(raw: Path, **changes: Any) -> str:
    """The only error."""
    with pytest.raises(UserError) as caught:
        _build(raw, **changes)
    (problem,) = caught.value.problems
    return problem


def _tables(index: Index, folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """What samples.csv says of the strokes, and all of regions.csv without its header."""
    write_table(folder / "samples.csv", index.samples, Sample)
    write_table(folder / "regions.csv", index.regions, PlayerRegion)
    with (folder / "samples.csv").open(newline="") as text:
        samples = [
            [row[name] for name in ("video", "begin", "end", "label", "group")]
            for row in csv.DictReader(text)
            if row["origin"] == "annotated"
        ]
    with (folder / "regions.csv").open(newline="") as text:
        return samples, list(csv.reader(text))[1:]


# One track: label, player, and shapes (frame, outside, left, top, right, bottom).
Shape = tuple[int, int, Any, Any, Any, Any]
Track = tuple[str, str, list[Shape]]


def _cvat(
    raw: Path, video: str, tracks: list[Track], size: str = "32x18", extra: str = ""
) -> list[str]:
    """Write the export of one task; gives its lines."""
    width, height = size.split("x") if size else ("", "")
    shown = f"<original_size><width>{width}</width><height>{height}</height></original_size>"
    body = ""
    for label, player, shapes in tracks:
        named = f'<attribute name="Player">{player}</attribute>' if player else ""
        boxes = "".join(
            f'<box frame="{frame}" outside="{outside}" keyframe="1" occluded="0" xtl="{left}" '
            f'ytl="{top}" xbr="{right}" ybr="{bottom}"{extra}>{named}</box>\n'
            for frame, outside, left, top, right, bottom in shapes
        )
        body += f'<track id="0" label="{label}">\n{boxes}</track>\n'
    (raw / f"{video}.xml").write_text(
        "<annotations><version>1.1</version>\n<meta><task><id>1</id><size>120</size>"
        f"<stop_frame>119</stop_frame>{shown if size else ''}<source>{video}.mp4</source></task>"
        f"</meta>\n{body}</annotations>"
    )
    return (raw / f"{video}.xml").read_text().splitlines()


ANN: Track = (
    "push",
    "Ann",
    # It moves: left 1.2 to 3.9, top 2 to 1.4, right 9.5 to 12.5, bottom 12 to 11.7.
    [(20, 0, 1.2, 2.0, 9.5, 12.0), (39, 0, 3.9, 1.4, 12.5, 11.7), (40, 1, 99, 99, 100, 100)],
)
BO: Track = ("drive", "Bo", [(25, 0, "16.00", 0.5, 33.5, 17.2), (45, 1, 0, 0, 1, 1)])
FOLLOWED: Track = ("player", "Ann", [(0, 0, 5, 5, 6, 14.2), (90, 1, 5, 5, 6, 14.2)])
"""Where Ann is all the time; no stroke."""
ALONE: Track = ("push", "", [(20, 0, 10, 4, 31, 20), (40, 1, 10, 4, 31, 20)])


def test_two_players_in_cvat(raw: Path) -> None:
    _cvat(raw, "a", [ANN, BO, FOLLOWED])
    # Drawn in a copy of twice the size; and in one whose size the file does not tell.
    _cvat(raw, "b", [ALONE], "64x36")
    _cvat(raw, "c", [ALONE], "")
    index = _build(raw)
    samples, regions = _tables(index, raw.parent)
    assert samples == [
        ["a", "20", "40", "push", "Ann"],
        ["a", "25", "45", "drive", "Bo"],
        ["b", "20", "40", "push", ""],
        ["c", "20", "40", "push", ""],
    ]
    assert regions == [
        # From 1.2 to 12.5, and from 1.4 to 14.2: outward.
        ["a", "Ann", "1", "1", "12", "14", "32", "18"],
        # From 16 to 33.5, and from 0.5 to 17.2: the picture ends at 32 and 18.
        ["a", "Bo", "16", "0", "16", "18", "32", "18"],
        # Halves: from 5 to 15.5, and from 2 to 10.
        ["b", "", "5", "2", "11", "8", "32", "18"],
        ["c", "", "10", "4", "21", "14", "32", "18"],
    ]
    mined = {
        name: [(s.begin, s.end) for s in index.samples if s.origin == "mined" and s.group == name]
        for name in ("Ann", "Bo")
    }
    assert mined == {"Ann": [(0, 10), (10, 20)], "Bo": [(0, 10), (10, 20)]}
    assert [item for item in index.findings if item.check == "region"] == []


def test_left_out_boxes_are_strokes_as_ever(raw: Path) -> None:
    for video in "abc":
        _cvat(raw, video, [ALONE])
    index = _build(raw, boxes="strokes")
    samples, regions = _tables(index, raw.parent)
    assert samples == [[video, "20", "40", "push", ""] for video in "abc"]
    assert regions == []


def test_the_table_of_groups_names_the_player_and_goes_before_boxes(raw: Path) -> None:
    for video in "abc":
        _cvat(raw, video, [ALONE])
    rows = ["video,player,x,y,width,height", "a,Ann,,,,", "b,Bo,0,0,9,9"]
    (raw / "players.csv").write_text("\n".join(rows))
    index = _build(raw, groups="players.csv", format="cvat")
    assert [(own.video, own.group, str(own.region)) for own in index.regions] == [
        ("a", "Ann", "10,4,21,14"),
        ("b", "Bo", "0,0,9,9"),
        ("c", "", "10,4,21,14"),
    ]


def test_boxes_beside_tags_of_frames(raw: Path) -> None:
    for video in "abc":
        images = "".join(
            f'<image id="{n}" name="frame_{n:06}"><tag label="push">'
            '<attribute name="player">Ann</attribute></tag>'
            f'<box label="person" xtl="{n - 18}" ytl="2" xbr="{n - 12}" ybr="9">'
            '<attribute name="player">Ann</attribute></box></image>\n'
            for n in range(20, 25)
        )
        (raw / f"{video}.xml").write_text(
            f"<annotations><meta><task><id>1</id><source>{video}.mp4</source></task></meta>"
            f"{images}</annotations>"
        )
    samples, regions = _tables(_build(raw), raw.parent)
    assert samples == [[video, "20", "25", "push", "Ann"] for video in "abc"]
    assert regions == [[video, "Ann", "2", "2", "10", "7", "32", "18"] for video in "abc"]


def _task(video: str, *results: dict[str, Any]) -> dict[str, Any]:
    own = {"id": 7, "completed_by": 1, "was_cancelled": False, "result": list(results)}
    return {"id": 1, "data": {"video": f"/data/{video}.mp4"}, "annotations": [own]}


def _box(name: str, keys: list[dict[str, Any]], labels: list[str]) -> dict[str, Any]:
    value = {"sequence": keys, "labels": labels, "framesCount": 120}
    return {"id": name, "type": "videorectangle", "to_name": "video", "value": value}


def _key(frame: int, enabled: bool, x: Any, y: Any, width: Any, height: Any, **more: Any) -> Any:
    sides = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
    return {"frame": frame, "enabled": enabled, **sides, **more}


def _named(name: str, player: Any, kind: str = "choices") -> dict[str, Any]:
    value = {"choices" if kind == "choices" else "text": player}
    return {"id": name, "type": kind, "from_name": "player", "to_name": "video", "value": value}


MOVING = [_key(21, True, 12.5, 0, 25, 50), _key(40, False, 30.1, -5, 25, 60)]
"""Of 32×18 pixels: from 4 to 17.632, and from -0.9 to 9.9."""
RANGE = {
    "id": "r",
    "type": "timelinelabels",
    "to_name": "video",
    "value": {"ranges": [{"start": 26, "end": 45}], "timelinelabels": ["drive"]},
}


def _label_studio(raw: Path, *tasks: dict[str, Any]) -> None:
    (raw / "export.json").write_text(json.dumps(tasks))


def test_players_in_label_studio(raw: Path) -> None:
    _label_studio(
        raw,
        # One player; and a choice beside one region.
        _task("a", _box("b", MOVING, ["push"]), _named("b", ["Ada"])),
        # A box without a label says only where Ben is; who he is, a text about the whole video.
        _task(
            "b", _box("b", MOVING, []), RANGE, {**_named("x", "Ben", "textarea"), "id": "another"}
        ),
        # Two players, and strokes of both at once.
        _task(
            "c",
            _box("b", MOVING, ["push"]),
            _named("b", ["Ada"]),
            _box("p", [_key(1, True, 50, 0, 50, 100)], ["Player"]),
            RANGE,
            _named("p", ["Ben"]),
            _named("r", ["Ben"], "textarea"),
        ),
    )
    index = _build(raw)
    samples, regions = _tables(index, raw.parent)
    assert samples == [
        ["a", "20", "40", "push", "Ada"],
        ["b", "25", "45", "drive", "Ben"],
        ["c", "20", "40", "push", "Ada"],
        ["c", "25", "45", "drive", "Ben"],
    ]
    assert regions == [
        ["a", "Ada", "4", "0", "14", "10", "32", "18"],
        ["b", "Ben", "4", "0", "14", "10", "32", "18"],
        ["c", "Ada", "4", "0", "14", "10", "32", "18"],
        ["c", "Ben", "16", "0", "16", "18", "32", "18"],
    ]
    assert [item for item in index.findings if item.check in ("region", "type", "label")] == []


def _via(raw: Path, video: str, marks: dict[str, dict[str, Any]]) -> None:
    attributes = {
        "1": {"aname": "stroke", "type": 4, "options": {"0": "push", "1": "drive"}},
        "2": {"aname": "player", "type": 4, "options": {"0": "Ann", "1": "Bo"}},
    }
    project = {
        "project": {"data_format_version": "3.1.1"},
        "attribute": attributes,
        "file": {"1": {"fname": f"{video}.mp4", "type": 4}, "2": {"fname": "t.jpg", "type": 2}},
        "metadata": {name: {"vid": "1", **mark} for name, mark in marks.items()},
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
    }
    (raw / f"{video}.json").write_text(json.dumps(project))


VIA: dict[str, dict[str, Any]] = {
    "s1": {"z": [0.25, 0.5], "xy": [], "av": {"1": "0", "2": "0"}},
    "s2": {"z": [0.375, 0.5], "xy": [], "av": {"1": "1", "2": "1"}},
    "b1": {"z": [0.25], "xy": [2, 1.5, 2, 4, 5], "av": {"2": "0"}},
    "b2": {"z": [0.3], "xy": [2, 3.25, 1, 4, 5], "av": {"2": "0"}},
    "b3": {"z": [0.4], "xy": [2, 20, 0, 30, 18], "av": {"2": "1"}},
    "other": {"z": [0.4], "xy": [1, 20, 0], "av": {"2": "1"}},
    "picture": {"vid": "2", "z": [], "xy": [2, 1, 1, 9, 9], "av": {"2": "1"}},
}


def test_two_players_in_via(raw: Path) -> None:
    for video in "abc":
        _via(raw, video, VIA)
    samples, regions = _tables(_build(raw, format="via"), raw.parent)
    own = [["30", "60", "push", "Ann"], ["45", "60", "drive", "Bo"]]
    assert samples == [[video, *row] for video in "abc" for row in own]
    places = [["Ann", "1", "1", "7", "6"], ["Bo", "20", "0", "12", "18"]]
    assert regions == [[video, *row, "32", "18"] for video in "abc" for row in places]


PICTURE = f"the picture of {WIDTH}×{HEIGHT}"
WRONG: dict[str, tuple[tuple[Any, Any, Any, Any], str, str, str]] = {
    "outside": ((32, 0, 40, 9), "", "32x18", "32,0,40,9 (left, top, right, bottom) holds nothing"),
    "outside above": ((0, -9, 9, 0), "", "32x18", f"holds nothing of {PICTURE}"),
    "outside, of unknown size": ((0, 18, 9, 20), "", "", f"holds nothing of {PICTURE}"),
    "without width": ((4, 4, 4, 9), "", "32x18", "is empty"),
    "upside down": ((4, 9, 8, 4), "", "32x18", "is empty"),
    "turned": ((4, 4, 8, 9), ' rotation="30.0"', "32x18", "is turned by 30°; only upright boxes"),
    "NaN": (("NaN", 4, 8, 9), "", "32x18", "nan,4,8,9 (left, top, right, bottom) has an edge"),
    "no number": ((4, "", 8, 9), "", "32x18", "has an edge or a turn that is no number"),
    "endless": ((4, 4, "1e999", 9), "", "32x18", "no number, or far too large"),
    "far": ((4, 4, "1e300", 9), "", "32x18", "no number, or far too large"),
    "upright copy": ((4, 4, 8, 9), "", "18x32", "was drawn in a picture of 18×32, but the video"),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_line_says_what_is_wrong_with_a_box_of_cvat(raw: Path, case: str) -> None:
    corners, extra, size, found = WRONG[case]
    odd: Track = ("push", "", [(20, 0, 1, 1, 9, 9), (21, 0, *corners), (40, 1, 1, 1, 9, 9)])
    lines = _cvat(raw, "a", [odd], size, extra)
    for video in "bc":
        _cvat(raw, video, [ALONE])
    problem = _problem(raw)
    # What holds for the whole track is told of its first box.
    line = 1 + next(n for n, text in enumerate(lines) if 'frame="21"' in text)
    line -= case in ("turned", "upright copy")
    assert problem.startswith(f"{raw / 'a.xml'}:{line}: the box ")
    assert found in problem and "; draw it anew, upright and inside the picture" in problem


KEYS: dict[str, tuple[Any, str]] = {
    "outside": (_key(30, True, 100, 0, 10, 10), "100,0,110,10 (left, top, right, bottom) holds"),
    "outside to the left": (_key(30, True, -20, 0, 20, 10), f"holds nothing of {PICTURE}"),
    "too large": (_key(30, True, 0, 0, 640, 50), "is more than 100 percent of the picture"),
    "empty": (_key(30, True, 0, 0, 0, 50), "is empty"),
    "turned": (_key(30, True, 0, 0, 9, 9, rotation=-12.5), "is turned by -12.5°"),
    "no number": (_key(30, True, None, 0, 9, 9), "nan,0,nan,9 (left, top, right, bottom) has"),
    "a text": (_key(30, True, 1, "NaN", 9, 9), "has an edge or a turn that is no number"),
    "far": (_key(30, True, 1, 10**400, 9, 9), "no number, or far too large"),
    "lacks all": ({"frame": 30, "enabled": True}, "has an edge or a turn that is no number"),
}


@pytest.mark.parametrize("case", KEYS)
def test_one_line_says_what_is_wrong_with_a_box_of_label_studio(raw: Path, case: str) -> None:
    key, found = KEYS[case]
    keys = [MOVING[0], key, MOVING[1]]
    good = [_task(video, _box("b", MOVING, ["push"])) for video in "bc"]
    _label_studio(raw, _task("a", _box("b", keys, ["push"])), *good)
    if case == "far":
        # The reader of JSON has no such numbers.
        (raw / "export.json").write_text(
            (raw / "export.json").read_text().replace(str(10**400), "1e300")
        )
    problem = _problem(raw)
    where = f"{raw / 'export.json'}:task 1, annotation 7, result b, frame 30: the box "
    assert problem.startswith(where) and found in problem


def test_one_line_says_what_is_wrong_with_a_box_of_via(raw: Path) -> None:
    for video in "abc":
        _via(raw, video, VIA)
    _via(raw, "a", VIA | {"b4": {"z": [0.3], "xy": [2, 1, "x"], "av": {"2": "0"}}})
    assert f"{raw / 'a.json'}:b4: the box 1,nan,nan,nan" in _problem(raw, format="via")


def test_a_player_without_box_beside_others_is_told(raw: Path) -> None:
    good = [_task(video, _box("b", MOVING, ["push"])) for video in "bc"]
    ada = _box("b", MOVING, ["push"]), _named("b", ["Ada"])
    _label_studio(raw, _task("a", *ada, RANGE, _named("r", ["ada"])), *good)
    problem = _problem(raw)
    assert problem.startswith(f"{raw / 'export.json'}:task 1, annotation 7, result r: ")
    assert "player 'ada' of 'a' has no box, but there are boxes of Ada; draw a box" in problem
    index = _build(raw, broken="leave_out")
    assert [s.group for s in index.samples if s.video == "a"] == ["Ada"]
    # A box without a player belongs to the strokes without one, if there are some.
    nobodys = _box("b", MOVING, ["push"])
    _label_studio(raw, _task("a", RANGE, _named("r", ["Ada"]), nobodys), *good)
    assert "player 'Ada' of 'a' has no box, but there are boxes of no player" in _problem(raw)
    # Who is drawn need not be who strokes.
    _label_studio(raw, _task("a", _box("p", MOVING, []), _named("p", ["Ada"]), RANGE), *good)
    problem = _problem(raw)
    assert "a stroke without player of 'a' has no box, but there are boxes of Ada" in problem


def test_boxes_must_name_their_player_where_there_are_two(raw: Path) -> None:
    nobodys: Track = ("player", "", FOLLOWED[2])
    _cvat(raw, "a", [ANN, BO, nobodys])
    for video in "bc":
        _cvat(raw, video, [ALONE])
    problem = _problem(raw)
    assert "(left, top, right, bottom) names no player, but strokes of 'a' do: Ann, Bo" in problem
    # Of one player it is plain.
    _cvat(raw, "a", [ANN, nobodys])
    assert str(_build(raw).regions[0].region) == "1,1,12,14"


def test_a_video_without_boxes_counts_whole_and_is_told(raw: Path) -> None:
    good = [_task(video, _box("b", MOVING, ["push"])) for video in "bc"]
    _label_studio(raw, _task("a", RANGE), *good)
    index = _build(raw)
    assert [own.video for own in index.regions] == ["b", "c"]
    (told,) = [item for item in index.findings if item.check == "region"]
    assert told.severity == "warning" and "no box says where the player of 'a' is" in told.found


def test_a_player_of_label_studio_is_one_text(raw: Path) -> None:
    for odd, count in ((["Ada", "Ben"], 2), ([], 0), ([3], 1), (None, 1)):
        good = [_task(video, _box("b", MOVING, ["push"])) for video in "bc"]
        _label_studio(raw, _task("a", _box("b", MOVING, ["push"]), _named("b", odd)), *good)
        problem = _problem(raw)
        assert problem.startswith(f"{raw / 'export.json'}:task 1, annotation 7, result b: names ")
        assert f"names {count} times a player" in problem


QUARTERS = st.tuples(
    st.integers(-40, 4 * WIDTH - 1),
    st.integers(-40, 4 * HEIGHT - 1),
    st.integers(1, 200),
    st.integers(1, 200),
).filter(lambda own: own[0] + own[2] > 0 and own[1] + own[3] > 0)


@settings(max_examples=150, deadline=None)
@given(st.lists(QUARTERS, min_size=1, max_size=30), st.sampled_from([None, PERCENT, (64.0, 36.0)]))
def test_the_region_is_the_smallest_that_holds_all_boxes(
    boxes: list[tuple[int, int, int, int]], measure: Measure
) -> None:
    """Whatever they are measured in, and though floats are not exact."""
    own = Boxes()
    for x, y, width, height in boxes:
        across, down = (1.0, 1.0) if measure is None else (measure[0] / WIDTH, measure[1] / HEIGHT)
        left, top = x / 4 * across, y / 4 * down
        edges = left, top, left + width / 4 * across, top + height / 4 * down
        own.add(drawn(edges, Place("f")))
    region, _, problem = around([(measure, own)], (WIDTH, HEIGHT))
    left = max(0, floor(min(Fraction(x, 4) for x, _, _, _ in boxes)))
    top = max(0, floor(min(Fraction(y, 4) for _, y, _, _ in boxes)))
    right = min(WIDTH, ceil(max(Fraction(x + width, 4) for x, _, width, _ in boxes)))
    bottom = min(HEIGHT, ceil(max(Fraction(y + height, 4) for _, y, _, height in boxes)))
    assert (region, problem) == (Region(left, top, right - left, bottom - top), "")


@given(st.lists(QUARTERS, min_size=1, max_size=30), st.data())
def test_no_box_outside_the_picture_is_lost_among_others(
    boxes: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    outside = data.draw(st.sampled_from([(32, 0, 40, 9), (-9, 0, 0, 9), (0, 18, 9, 20)]))
    edges = [(x / 4, y / 4, (x + w) / 4, (y + h) / 4) for x, y, w, h in boxes]
    edges.insert(data.draw(st.integers(0, len(edges))), outside)
    own = Boxes()
    for corners in edges:
        own.add(drawn(corners, Place("f")))
    region, box, problem = around([(None, own)], (WIDTH, HEIGHT))
    assert region is None and "holds nothing" in problem
    assert len(own.outermost) == 8 and box[:4] in edges


def test_less_than_a_hundredth_of_a_pixel_does_not_count() -> None:
    def region(*corners: float, measure: Measure = None) -> str:
        own = Boxes()
        left, top, right, bottom = corners
        own.add(drawn((left, top, right, bottom), Place("f")))
        return str(around([(measure, own)], (1920, 1080))[0])

    assert region(4.995, 3.992, 9.005, 8.009) == "5,4,4,4"
    assert region(4.98, 3.98, 9.02, 8.02) == "4,3,6,6"
    # What was a whole pixel is one again after percent.
    for n in range(1, 1079):
        corners = n / 1920 * 100, n / 1080 * 100, (n + 1) / 1920 * 100, (n + 1) / 1080 * 100
        assert region(*corners, measure=PERCENT) == f"{n},{n},1,1"
