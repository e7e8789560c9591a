"""ActivityNet's JSON; what is written is read in `tests.results.test_export`."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading, Seconds
from twinstroke.annotations.strokes import Stroke
from twinstroke.findings import Findings
from twinstroke.formats import activitynet
from twinstroke.settings.index import IndexSettings
from twinstroke.video.clock import Clock


def _read(raw: Path, content: Any, name: str = "activity.json") -> Reading:
    values = {"classes": "found", "fps": 25.0, "split": {"rule": "given"}}
    settings = IndexSettings.model_validate(values)
    reading = Reading(ClassList(settings), Findings())
    for video in ("a", "v_b", "c"):
        reading.add_video(video, raw / f"videos/{video}.mp4", PurePosixPath(f"{video}.mp4"))
    file = raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    activitynet.read([file], raw, settings, reading)
    return reading


def _entry(subset: str = "", *segments: list[float]) -> dict[str, Any]:
    own = [{"segment": segment, "label": "Hit"} for segment in segments]
    return {"duration": 9.0, "annotations": own} | ({"subset": subset} if subset else {})


@pytest.mark.parametrize(
    ("subset", "folder", "split"),
    [
        ("training", "test/", "train"),
        ("Validation", "", "validation"),
        ("testing", "", "test"),
        ("", "test/", "test"),
        ("", "", None),
    ],
)
def test_segments_are_strokes_of_their_subset(
    tmp_path: Path, subset: str, folder: str, split: str | None
) -> None:
    database = {"a": _entry(subset, [0.1, 2.5]), "b": _entry(subset, [1, 2])}
    reading = _read(tmp_path, {"database": database}, f"{folder}activity.json")
    assert reading.findings.all == []
    first, second = reading.annotations
    assert (first.begin, first.end) == (Seconds(Fraction(1, 10)), Seconds(Fraction(5, 2)))
    assert (first.video, first.label, first.split) == ("a", "Hit", split)
    # ActivityNet's own files begin with v_.
    assert (second.video, second.split) == ("v_b", split)


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    """Of two equal keys readers keep the last one: a video's strokes would be gone."""
    one, other = (json.dumps(_entry("", [begin, 3])) for begin in (1, 2))
    reading = _read(tmp_path, f'{{"database": {{"a": {one}, "a": {other}}}}}'.encode())
    (error,) = reading.findings.errors
    assert error.found == "the key 'a' stands twice in one object"
    assert reading.annotations == []


def test_withheld_labels_are_no_statement(tmp_path: Path) -> None:
    database = {"a": _entry("testing"), "c": _entry("training")}
    reading = _read(tmp_path, {"database": database})
    assert (reading.findings.all, reading.annotated) == ([], {"c"})


@pytest.mark.parametrize(
    ("content", "row", "found"),
    [
        ([], "", "holds no object 'database'"),
        ({"database": []}, "", "holds no object 'database'"),
        ({"database": {"a": 1}}, "a", "no JSON object"),
        ({"database": {"a": {"annotations": [1]}}}, "a, annotation number 1", "no JSON object"),
        ({"database": {"a": _entry("", [1.0])}}, "a, annotation number 1", "segment.1: Field"),
        ({"database": {"a": _entry("", [2, 1])}}, "a, annotation number 1", "is not before end"),
        ({"database": {"a": _entry("dev", [1, 2])}}, "a", "subset 'dev'"),
        ({"database": {"x": _entry("", [1, 2])}}, "x", "no video 'x'"),
        (b"{", "1", "not readable as JSON"),
    ],
)
def test_what_is_none_is_told(tmp_path: Path, content: Any, row: str, found: str) -> None:
    (error,) = _read(tmp_path, content).findings.errors
    assert (error.row, error.advice != "") == (row, True)
    assert found in error.found


def test_the_same_strokes_give_the_same_readable_bytes(tmp_path: Path) -> None:
    clock = Clock(np.arange(601) * 1001, Fraction(1, 120_000))
    strokes = [Stroke("a", 120, 300, "Rückhand"), Stroke("c", 0, 600, "Hit")]
    path = tmp_path / "x.json"
    activitynet.write(path, strokes, {"a": clock, "c": clock}, "validation")
    text = path.read_text(encoding="utf-8")
    assert "Rückhand" in text and activitynet.recognises(text)
    content = json.loads(text)["database"]
    assert content["a"] == {
        "duration": 5.005,
        "subset": "validation",
        "annotations": [{"segment": [1.001, 2.5025], "label": "Rückhand"}],
    }
    assert list(content) == ["a", "c"]


WHOLE = json.dumps({"database": {"a": _entry("training", [1, 2], [3, 4])}}).encode()


@given(st.binary(max_size=20), st.integers(0, len(WHOLE)), st.integers(0, 60))
def test_no_content_raises(inserted: bytes, begin: int, length: int) -> None:
    with TemporaryDirectory() as folder:
        _read(Path(folder), WHOLE[:begin] + inserted + WHOLE[begin + length :])


def test_databases_are_recognised() -> None:
    assert activitynet.recognises(WHOLE.decode())
    assert activitynet.recognises('{"taxonomy": [{"parentName": "x", "nodeId": 1, "nodeName": "y"')
    assert not activitynet.recognises('{"project": {"vid_list": []}, "database": 1}')
    assert not activitynet.recognises('[{"database": {"a": 1}}]')
