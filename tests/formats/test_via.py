from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Annotation, Reading, Seconds
from twinstroke.findings import Finding, Findings
from twinstroke.formats import via
from twinstroke.settings.index import IndexSettings

# What VIA 3.0.x saves: one object on one line, parts and keys in this order.
SAMPLE = json.loads("""
{"project": {"pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__",
   "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__", "pname": "Final",
   "data_format_version": "3.1.1", "creator": "VGG Image Annotator",
   "created": 1588338896826, "vid_list": ["1", "2", "3"]},
 "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
   "ui": {"file_content_align": "center", "file_metadata_editor_visible": true,
     "spatial_metadata_editor_visible": true, "temporal_segment_metadata_editor_visible": true,
     "spatial_region_label_attribute_id": "", "gtimeline_visible_row_count": "4"}},
 "attribute": {
   "1": {"aname": "TEMPORAL-SEGMENTS", "anchor_id": "FILE1_Z2_XY0", "type": 4,
     "desc": "Temporal segment attribute added by default",
     "options": {"0": "Push", "1": "Hit"}, "default_option_id": ""},
   "2": {"aname": "racket", "anchor_id": "FILE1_Z1_XY1", "type": 3, "desc": "",
     "options": {"0": "red", "1": "black"}, "default_option_id": "0"}},
 "file": {
   "1": {"fid": "1", "fname": "a.mp4", "type": 4, "loc": 1, "src": ""},
   "2": {"fid": "2", "fname": "https://host/films/b%20c.mp4?t=1", "type": 4, "loc": 2, "src": ""},
   "3": {"fid": "3", "fname": "table.jpg", "type": 2, "loc": 1, "src": ""}},
 "metadata": {
   "1_ysf4qqfC": {"vid": "1", "flg": 0, "z": [251.98692, 255.1], "xy": [], "av": {"1": "1"}},
   "1_yQCRxO4z": {"vid": "1", "flg": 0, "z": [0, 0.1], "xy": [], "av": {"1": "Serve"}},
   "1_vPao-re8": {"vid": "1", "flg": 0, "z": [0.917], "xy": [2, 343, 730, 60, 160],
     "av": {"2": "1"}},
   "1_mR8ks-Aa": {"vid": "1", "flg": 0, "z": [1.5, 2.5], "xy": [2, 1, 1, 9, 9], "av": {"2": "0"}},
   "1_x-PoM9ea": {"vid": "1", "flg": 0, "z": [3.5], "xy": [], "av": {}},
   "2_A7jfx8PX": {"vid": "2", "flg": 0, "z": [2, 7], "xy": [], "av": {"1": "_DEFAULT"}},
   "3_fHoMre1x": {"vid": "3", "flg": 0, "z": [], "xy": [2, 5, 5, 9, 9], "av": {"2": "0"}}},
 "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}, "3": {"fid_list": ["3"]}}}
""")


def _copy() -> Any:
    return json.loads(json.dumps(SAMPLE))


def _read(raw: Path, *videos: str, **changes: Any) -> Reading:
    """All .json files below a folder, about a.mp4 and "b c.mp4" or these videos."""
    values = {"classes": "found", "fps": 120.0, "split": {"rule": "given"}, **changes}
    options = IndexSettings.model_validate(values)
    reading = Reading(ClassList(options), Findings())
    for video in videos or ("a.mp4", "b c.mp4"):
        name = PurePosixPath(video)
        reading.add_video(name.stem, raw / "videos" / video, name)
    via.read(sorted(raw.rglob("*.json")), raw, options, reading)
    return reading


def _put(raw: Path, project: Any, name: str = "p.json") -> None:
    file = raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(project if isinstance(project, str) else json.dumps(project), encoding="utf-8")


def _row(annotation: Annotation) -> tuple[Any, ...]:
    assert isinstance(annotation.begin, Seconds)
    assert isinstance(annotation.end, Seconds)
    times = annotation.begin.value, annotation.end.value
    return annotation.place.row, annotation.video, *times, annotation.label


def _told(reading: Reading) -> list[Finding]:
    """All findings but those of strokes without a label, of which the examples have many."""
    return [item for item in reading.findings.all if item.found != "has no label"]


def test_segments_are_strokes_at_the_decimals_that_were_written(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE)
    reading = _read(tmp_path)
    assert _told(reading) == []
    assert [_row(annotation) for annotation in reading.annotations] == [
        ("1_ysf4qqfC", "a", Fraction(25198692, 10**5), Fraction(2551, 10), "Hit"),
        ("1_yQCRxO4z", "a", Fraction(0), Fraction(1, 10), "Serve"),
        ("2_A7jfx8PX", "b c", Fraction(2), Fraction(7), None),
    ]
    assert {(a.annotator, a.split, a.place.file) for a in reading.annotations} == {
        ("p", None, str(tmp_path / "p.json"))
    }


def test_the_older_format_with_numbers_as_ids_is_read_too(tmp_path: Path) -> None:
    project = _copy()
    project["project"]["data_format_version"] = "3.1.0"
    project["vid_list"] = project["project"].pop("vid_list")
    for part in ("1", "2", "3"):
        project["view"][part]["fid_list"] = [int(part)]
        project["file"][part]["fid"] = int(part)
    for segment in project["metadata"].values():
        segment["vid"] = int(segment["vid"])
    for attribute in project["attribute"].values():
        attribute["anchor"] = [1, 2, 0]
        del attribute["anchor_id"]
    _put(tmp_path, SAMPLE, "x/p.json")
    _put(tmp_path, project, "y/p.json")
    rows = {
        folder: [_row(a) for a in _read(tmp_path / folder).annotations] for folder in ("x", "y")
    }
    assert rows["x"] == rows["y"]
    assert len(rows["x"]) == 3


def test_videos_that_were_looked_at_count_as_annotated(tmp_path: Path) -> None:
    _put(tmp_path, {**SAMPLE, "metadata": {}})
    reading = _read(tmp_path)
    assert _told(reading) == []
    assert (reading.annotations, reading.annotated) == ([], {"a", "b c"})


def test_several_projects_about_a_video_are_several_annotators(tmp_path: Path) -> None:
    for name in ("first/anna.json", "ben/final.json", "test/chris/final.json"):
        _put(tmp_path, SAMPLE, name)
    annotations = _read(tmp_path).annotations
    assert {(a.annotator, a.split) for a in annotations} == {
        ("anna", None),
        ("ben/final", None),
        ("test/chris/final", "test"),
    }


TEXT, CHECKBOX, RADIO, SELECT = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("kind", "value", "label"),
    [
        (TEXT, "1", "1"),
        (TEXT, " Hit  it ", "Hit it"),
        (TEXT, "", None),
        (RADIO, "0", "Push"),
        (SELECT, "1", "Hit"),
        (SELECT, 1, "Hit"),
        (SELECT, "_DEFAULT", None),
        (SELECT, "Hit", "Hit"),
        (CHECKBOX, "1", "Hit"),
        (CHECKBOX, "0,", "Push"),
        (CHECKBOX, "", None),
    ],
)
def test_labels_by_kind_of_attribute(
    tmp_path: Path, kind: int, value: str, label: str | None
) -> None:
    project = _copy()
    project["attribute"]["1"]["type"] = kind
    project["metadata"]["1_ysf4qqfC"]["av"]["1"] = value
    project["metadata"]["1_yQCRxO4z"]["av"]["1"] = "0"
    _put(tmp_path, project)
    reading = _read(tmp_path)
    assert _told(reading) == []
    assert reading.annotations[0].label == label


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["Stroke", "note"], "Hit"),
        (["note", " CLASS "], "x"),
        (["note", "label"], "x"),
        (["note", "spin"], None),
        (["label", "class"], None),
    ],
)
def test_among_several_attributes_the_name_decides(
    tmp_path: Path, names: list[str], label: str | None
) -> None:
    project = _copy()
    project["attribute"]["1"]["aname"] = names[0]
    project["attribute"]["7"] = {"aname": names[1], "type": TEXT, "options": {}}
    project["attribute"]["8"] = {"aname": "label", "type": TEXT, "options": {}}
    # One more that no stroke has filled in must not matter, nor one that is gone.
    project["metadata"]["1_ysf4qqfC"]["av"] |= {"7": "x", "8": "", "9": "of a deleted attribute"}
    _put(tmp_path, project)
    reading = _read(tmp_path)
    assert len(reading.annotations) == 3, "strokes of unknown class are kept"
    assert reading.annotations[0].label == label
    if label is None:
        (finding,) = reading.findings.errors
        assert all(repr(name) in finding.found for name in names)
        assert (finding.file, finding.row) == (str(tmp_path / "p.json"), "attribute")
    else:
        assert _told(reading) == []


Change = Callable[[Any], Any]
FIRST = "1_ysf4qqfC"


def _set(*path: str, to: Any) -> Change:
    def change(project: Any) -> Any:
        part = project
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = to
        return project

    return change


def _drop(*path: str) -> Change:
    def change(project: Any) -> Any:
        part = project
        for key in path[:-1]:
            part = part[key]
        del part[path[-1]]
        return project

    return change


Z = ("metadata", FIRST, "z")
DAMAGED: dict[str, tuple[Change, str, str]] = {
    "no views": (_drop("view"), "", "view"),
    "views as a list": (_set("view", to=[]), "", "view"),
    "project as a list": (lambda project: [project], "", "VIA 3"),
    "project of VIA 2": (
        lambda _: {"_via_settings": {}, "_via_img_metadata": {}, "_via_attributes": {}},
        "",
        "VIA 3",
    ),
    "time as text": (_set(*Z, to=["1.0", 2]), FIRST, "z"),
    "time as truth": (_set(*Z, to=[True, 2]), FIRST, "z"),
    "no time": (_set(*Z, to=[None, 2]), FIRST, "z"),
    "times missing": (_drop(*Z), FIRST, "z"),
    "huge time": (_set(*Z, to=[1, 10**400]), FIRST, "z"),
    "time beyond any video": (_set(*Z, to=[1, 1e300]), FIRST, "out of any video"),
    "negative time": (_set(*Z, to=[-1, 2]), FIRST, "out of any video"),
    "backwards": (_set(*Z, to=[2, 1]), FIRST, "before"),
    "segment is no object": (_set("metadata", FIRST, to=3), FIRST, "no JSON object"),
    "no such view": (_set("metadata", FIRST, "vid", to="9"), FIRST, "'9'"),
    "view as a number with a point": (_set("metadata", FIRST, "vid", to=1.0), FIRST, "vid"),
    "no value": (_set("metadata", FIRST, "av", to={"1": ["0"]}), FIRST, "no text"),
    "option is no text": (
        _set("attribute", "1", "options", to={"1": 5}),
        FIRST,
        "no text",
    ),
    "several options": (
        lambda project: _set("attribute", "1", "type", to=CHECKBOX)(
            _set("metadata", FIRST, "av", to={"1": "0,1"})(project)
        ),
        FIRST,
        "ticked",
    ),
    "attribute without type": (_drop("attribute", "2", "type"), "attribute 2", "type"),
    "view without files": (_drop("view", "3", "fid_list"), "view 3", "fid_list"),
    "file without name": (_drop("file", "3", "fname"), "file 3", "fname"),
    "video is not there": (_set("file", "1", "fname", to="z.mp4"), "view 1", "z.mp4"),
    "path that leaves": (_set("file", "1", "fname", to="../../etc/x"), "view 1", "etc/x"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_found_with_its_place(tmp_path: Path, case: str) -> None:
    change, row, words = DAMAGED[case]
    _put(tmp_path, change(_copy()))
    (finding,) = _told(_read(tmp_path))
    assert finding.severity == "error"
    assert (finding.file, finding.row) == (str(tmp_path / "p.json"), row)
    assert words in finding.found
    assert len(str(finding)) < 1000


def test_a_segment_needs_a_view_of_one_video(tmp_path: Path) -> None:
    for number, files in enumerate(([], ["1", "2"], ["9"], ["1", "9"])):
        _put(tmp_path, _set("view", "1", to={"fid_list": files})(_copy()), f"{number}.json")
    reading = _read(tmp_path)
    rows = [(Path(error.file).stem, error.row) for error in reading.findings.errors]
    assert rows == [(number, row) for number in "0123" for row in (FIRST, "1_yQCRxO4z")]
    assert {a.video for a in reading.annotations} == {"b c"}


LINE = json.dumps(SAMPLE)
NOT_JSON = {
    "empty": ("", "1"),
    "cut": (LINE[:-1], "1"),
    "third line": ("{\n\n]", "3"),
    "NaN": (LINE.replace("251.98692", "NaN"), "1"),
    "infinity": (LINE.replace("251.98692", "-Infinity"), "1"),
    "deep": ("[" * 10**6, "1"),
    "deep objects": ('{"view":' * 10**5, "1"),
    "long number": (LINE.replace("251.98692", "9" * 10**5), "1"),
    "lone surrogate": (LINE.replace("a.mp4", r"\ud800.mp4"), "1"),
    "comment": ("// VIA\n{}", "1"),
}


@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_no_json_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    text, row = NOT_JSON[case]
    _put(tmp_path, text)
    (finding,) = _told(_read(tmp_path))
    assert (finding.severity, finding.check) == ("error", "json")
    assert (finding.file, finding.row) == (str(tmp_path / "p.json"), row)


def test_numbers_beyond_floating_point_are_refused(tmp_path: Path) -> None:
    _put(tmp_path, LINE.replace("255.1", "1e999"))
    (finding,) = _told(_read(tmp_path))
    assert (finding.row, "finite" in finding.found) == (FIRST, True)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    _put(tmp_path, "\ufeff" + LINE)
    assert len(_read(tmp_path).annotations) == 3


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    _put(tmp_path, "")
    os.truncate(tmp_path / "p.json", 2**28 + 1)
    (finding,) = _told(_read(tmp_path))
    assert (finding.severity, finding.file) == ("error", str(tmp_path / "p.json"))
    assert "256" in finding.found


def test_one_bad_file_leaves_the_others_readable(tmp_path: Path) -> None:
    _put(tmp_path, "{", "0.json")
    _put(tmp_path, SAMPLE)
    reading = _read(tmp_path)
    assert len(reading.findings.errors) == 1
    assert len(reading.annotations) == 3


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "p.json").write_bytes(content)
        reading = _read(Path(folder))
    assert reading.annotations == []
    assert reading.findings.errors


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["1", "vid", "z", "av", "type"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(value=JSON, data=st.data())
def test_any_value_in_any_place_never_raises(value: Any, data: st.DataObject) -> None:
    project = part = _copy()
    keys = st.sampled_from(["attribute", "file", "metadata", "view"])
    for _ in range(data.draw(st.integers(0, 4))):
        key = data.draw(keys)
        if not isinstance(part[key], dict | list) or not part[key]:
            break
        part = part[key]
        keys = st.sampled_from(list(part) if isinstance(part, dict) else range(len(part)))
    part[data.draw(keys)] = value
    with TemporaryDirectory() as folder:
        _put(Path(folder), project)
        reading = _read(Path(folder))
    assert all(finding.file.endswith("p.json") for finding in _told(reading))


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (LINE, True),
        ("\ufeff \n" + json.dumps(SAMPLE, indent=2)[:3000], True),
        (json.dumps({key: SAMPLE[key] for key in reversed(SAMPLE)}), True),
        (json.dumps({"metadata": SAMPLE["metadata"]})[:400], True),
        # Label Studio: a list of tasks. COCO, VIA 2, a web manifest, a map, tables, XML.
        ('[{"id": 1, "annotations": [], "file_upload": "a.mp4", "project": 1}]', False),
        ('[{"project": {"vid_list": []}}]', False),
        ('{"info": {}, "images": [], "annotations": []}', False),
        ('{"_via_settings": {"project": {"name": "x"}}, "_via_img_metadata": {}}', False),
        ('{"project": {"name": "x"}, "version": "1"}', False),
        ('{"type": "FeatureCollection", "features": [], "fid": 1}', False),
        ("video,begin,end,label\n", False),
        ("<ANNOTATION_DOCUMENT/>", False),
        ("", False),
    ],
)
def test_recognises_projects_only(start: str, expected: bool) -> None:
    assert via.recognises(start) is expected


TABLE = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# ATTRIBUTE = {"1":{"aname":"stroke","anchor_id":"FILE1_Z2_XY0","type":4,"options":{"f":"Hit"}}}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_a","[""a.mp4""]",0,"[0.1,2.5]","[]","{""1"":""f""}"
"1_b","[""a.mp4""]",0,"[4]","[2,1,1,5,5]","{""1"":""f""}"
"1_c","[""a.mp4""]",0,"[3,4]","[]","{""1"":""Lob""}"
"""
OLD_TABLE = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# CSV_HEADER = metadata_id, file_list, temporal_segment_start, temporal_segment_end, metadata
# ATTRIBUTES = {"s":"stroke"}
"1_a","[""a.mp4""]",0.1,2.5,"{""s"":""Hit""}"
"""


def _table(raw: Path, content: str | bytes) -> Reading:
    raw.mkdir(parents=True, exist_ok=True)
    file = raw / "export.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    values = {"classes": "found", "fps": 25.0, "split": {"rule": "given"}}
    chosen = IndexSettings.model_validate(values)
    reading = Reading(ClassList(chosen), Findings())
    reading.add_video("a", raw / "a.mp4", PurePosixPath("a.mp4"))
    via.read([file], raw, chosen, reading)
    return reading


def test_an_export_csv_tells_what_the_project_tells(tmp_path: Path) -> None:
    for content, count in ((TABLE, 2), (OLD_TABLE, 1)):
        assert via.recognises(content)
        reading = _table(tmp_path, content)
        assert reading.findings.all == []
        assert [(a.begin, a.end, a.label) for a in reading.annotations] == [
            (Seconds(Fraction(1, 10)), Seconds(Fraction(5, 2)), "Hit"),
            (Seconds(Fraction(3)), Seconds(Fraction(4)), "Lob"),
        ][:count]
        assert {a.annotator for a in reading.annotations} == {"export"}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('"[0.1,2.5]"', '"[2.5,0.1]"', "is not before end"),
        ('"[0.1,2.5]"', '"[0.1,"', "no export CSV of VIA 3"),
        ('"1_c"', '"1_a"', "1_a is there twice"),
        ('"[""a.mp4""]",0,"[3', '"3",0,"[3', "no export CSV of VIA 3"),
        ('"[""a.mp4""]",0,"[3', '"[""a.mp4"", ""b.mp4""]",0,"[3', "shows 2 files"),
        (',"{""1"":""Lob""}"', "", "no export CSV of VIA 3"),
        ("# CSV_HEADER", "# HEADER", "no export CSV of VIA 3"),
        ("Lob", "\udce4", "not UTF-8"),
    ],
)
def test_what_is_wrong_with_an_export_csv_is_told(
    tmp_path: Path, old: str, new: str, found: str
) -> None:
    assert old in TABLE
    content = TABLE.replace(old, new).encode(errors="surrogateescape")
    (error,) = _table(tmp_path, content).findings.errors
    assert found in error.found
    assert error.advice
