from __future__ import annotations

import csv
import html
import json
import re
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import defusedxml.ElementTree
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import browser
from tests.videos import distinct_frames, write_vfr_video, write_video
from twinstroke.annotations.classes import ClassList, ttstroke21
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.records import Reading
from twinstroke.annotations.resolve import resolved
from twinstroke.errors import UserError
from twinstroke.findings import Findings
from twinstroke.formats.reading import read_annotations
from twinstroke.index.build import build_index
from twinstroke.results.palette import stroke_colours
from twinstroke.results.tables import (
    FORMS,
    percent,
    write_csv,
    write_json,
    write_outputs,
    write_webvtt,
)
from twinstroke.settings.index import IndexSettings
from twinstroke.tables import StrokeClass
from twinstroke.video.clock import Clock
from twinstroke.video.probe import probe_video

CLASSES = [
    "Negative",
    "Aufschlag, Rückhand",
    "the \"loop\" & <flip> --> 'x'",
    "压",
    "-b",
    '=HYPERLINK("http://x.test";"y")',
    "+1",
    "@SUM(A1)",
    "＝1",
    "<c.red>&amp;</c>",
]
PROBABILITIES = ["probability", "stroke_probability"]
VIDEOS = {"x": "x.mp4", "-é ü": "-é ü.mov", "day 1__same": "day 1/same.mp4", "a.b": "a.b.mkv"}
VIDEOS["day 2__same"] = "day 2/same.mp4"
STEADY = Clock(np.arange(301), Fraction(1001, 30_000))


def _detection(begin: int, end: int, label: str, clock: Clock = STEADY, **more: Any) -> Detection:
    values = {
        "video": "x",
        "begin_s": float(clock.time_of(begin)),
        "end_s": float(clock.time_of(end)),
        "probability": 0.875,
        "stroke_probability": 0.9,
        **more,
    }
    return Detection(begin=begin, end=end, label=label, **values)


def _settings(form: str, **changes: Any) -> IndexSettings:
    values = {"format": form, "classes": CLASSES, "fps": 30.0, "max_overlap": 1.0}
    values |= {"negatives": {"rule": "none"}, "split": {"rule": "stroke"}}
    return IndexSettings.model_validate({**values, **changes})


@st.composite
def found(draw: st.DrawFn) -> tuple[str, Clock, list[Detection]]:
    """A video's id, its clock of any rate, and detections in it, which may overlap."""
    gaps = draw(st.lists(st.integers(4, 40), min_size=3, max_size=60))
    first = draw(st.integers(0, 50))
    ticks = first + np.concatenate([[0], np.cumsum(np.array(gaps, np.int64))])
    clock = Clock(ticks, draw(st.sampled_from(["1/1000", "1/997", "1001/1000000"]).map(Fraction)))
    bounds = st.tuples(st.integers(0, len(gaps) - 1), st.integers(1, len(gaps)))
    video = draw(st.sampled_from(sorted(VIDEOS)))
    chance = st.floats(0, 1)
    strokes = [
        _detection(
            begin,
            end,
            draw(st.sampled_from(CLASSES[1:])),
            clock,
            video=video,
            probability=draw(chance),
            stroke_probability=draw(chance),
        )
        for begin, end in draw(st.sets(bounds.filter(lambda b: b[0] < b[1]), max_size=6))
    ]
    return video, clock, strokes


@settings(max_examples=60, deadline=None)
@given(found())
def test_index_reads_tables_xml_and_eaf(case: tuple[str, Clock, list[Detection]]) -> None:
    video, clock, strokes = case
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        for path in VIDEOS.values():
            (raw / path).parent.mkdir(exist_ok=True)
            (raw / path).touch()
        out, file = raw / "found", raw / VIDEOS[video]
        paths = write_outputs(out, file, strokes, clock, CLASSES, {}, name=video)
        assert paths == {form: out / f"{video}.{form}" for form in FORMS}
        assert sorted(out.iterdir()) == sorted(paths.values())
        for form in ("csv", "mediaeval", "elan", "sportscode"):
            own, findings = _settings(form), Findings()
            reading = Reading(ClassList(own), findings)
            assert read_annotations(raw, own, reading) == form
            rows = resolved(reading.annotations, {video: clock}, own, findings)
            assert findings.all == []
            assert sorted((s.video, s.begin, s.end, s.label) for s in rows) == sorted(
                (d.video, d.begin, d.end, d.label) for d in strokes
            ), form
            if form == "elan":
                assert {a.annotator for a in reading.annotations} <= {"twinstroke"}


def test_a_real_index_is_built_from_each_form(tmp_path: Path) -> None:
    """Videos of 30000/1001 and of variable rate, recognised and read as annotations of people."""
    raw, frames = tmp_path / "raw", distinct_frames(60)
    raw.mkdir()
    write_video(raw / "x.mp4", frames, Fraction(30_000, 1001))
    write_vfr_video(raw / "y.mp4", frames, [(n + n // 7) / 34 for n in range(60)])
    expected = []
    for name in ("x", "y"):
        clock = probe_video(raw / f"{name}.mp4").clock
        strokes = [
            _detection(begin, begin + 5, ("-b", "压", "+1")[begin % 3], clock, video=name)
            for begin in range(0, 60, 5)
        ]
        expected += [(d.video, d.begin, d.end, d.label) for d in strokes]
        out = raw / "found"
        write_outputs(out, raw / f"{name}.mp4", strokes, clock, CLASSES, {}, name=name)
    for form in ("csv", "mediaeval", "elan", "sportscode"):
        index = build_index(
            _settings(form, annotations="found"),
            raw=raw,
            root=tmp_path,
            seed=1,
            workers=1,
            window=4,
            context=0,
        )
        assert [(s.video, s.begin, s.end, s.label) for s in index.samples] == expected


def test_the_same_bytes_without_absolute_paths(tmp_path: Path) -> None:
    strokes = [_detection(30, 60, "压"), _detection(0, 30, "-b")]
    contents = []
    for folder, own in (("one", strokes), ("two/three", strokes[::-1])):
        base = tmp_path / folder
        video = base / "raw" / "x.mp4"
        paths = write_outputs(
            base / "out", video, own, STEADY, CLASSES, {"network": "twin"}, name="x"
        )
        contents.append({form: path.read_bytes() for form, path in paths.items()})
    assert contents[0] == contents[1]
    assert not any(str(tmp_path).encode() in content for content in contents[0].values())
    (media,) = re.findall(rb'RELATIVE_MEDIA_URL="([^"]*)"', contents[0]["eaf"])
    assert (tmp_path / "one" / "out" / media.decode()).resolve() == tmp_path / "one/raw/x.mp4"


@settings(max_examples=60, deadline=None)
@given(found())
def test_tables_hold_every_number_and_no_formula(case: tuple[str, Clock, list[Detection]]) -> None:
    video, clock, strokes = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        write_csv(path, strokes)
        text = path.read_bytes().decode("utf-8-sig")
    header, *rows = csv.reader(text.splitlines())
    assert header == (
        ["video", "begin", "end", "label", "begin_s", "end_s", "probability", "stroke_probability"]
    )
    assert path.suffix == ".csv"
    for row, d in zip(rows, strokes, strict=True):
        assert not any(cell[:1] in tuple("=+-@＝＋－＠\t\r\n") for cell in row)
        assert [cell.strip() for cell in row[:4]] == [d.video, str(d.begin), str(d.end), d.label]
        assert clock.frame_at(Fraction(row[4])) == d.begin
        assert clock.frame_at(Fraction(row[5])) == d.end
        assert float(row[6]) == pytest.approx(d.probability, abs=1e-6)
        assert float(row[7]) == pytest.approx(d.stroke_probability, abs=1e-6)
    assert video


def test_a_spreadsheet_knows_that_the_table_is_utf_8(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [_detection(0, 1, "Rückhand")])
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbfvideo,begin,end,label,")


def test_json_says_what_was_found_by_what_in_what(tmp_path: Path) -> None:
    strokes = [_detection(3, 9, "压"), _detection(5, 300, "-b", probability=1.0)]
    write_json(tmp_path / "x.json", "x", strokes, STEADY, CLASSES, {"network": "twin", "width": 3})
    content = json.loads((tmp_path / "x.json").read_bytes())
    assert content["fps"] == 30_000 / 1001
    assert content["duration_s"] == pytest.approx(10.01)
    assert (content["video"], content["frames"]) == ("x", 300)
    assert content["classes"] == CLASSES
    assert content["model"] == {"network": "twin", "width": 3}
    assert [Detection(video="x", **row) for row in content["detections"]] == strokes
    assert content["detections"][1] == {
        "begin": 5,
        "end": 300,
        "label": "-b",
        "begin_s": 5 * 1001 / 30_000,
        "end_s": 10.01,
        "probability": 1.0,
        "stroke_probability": 0.9,
    }


def test_the_xml_is_that_of_the_task(tmp_path: Path) -> None:
    paths = write_outputs(
        tmp_path,
        tmp_path / "x.mp4",
        [_detection(5, 9, CLASSES[2]), _detection(0, 2, "压")],
        STEADY,
        CLASSES,
        {},
        name="x",
    )
    root = defusedxml.ElementTree.parse(paths["xml"]).getroot()
    assert root is not None
    assert (root.tag, [child.tag for child in root]) == ("video", ["action", "action"])
    assert [child.attrib for child in root] == [
        {"begin": "0", "end": "2", "move": "压"},
        {"begin": "5", "end": "9", "move": CLASSES[2]},
    ]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    video = tmp_path / "x.mp4"
    for label in ("a\x01b", "a\ud800b", "a\ufffeb"):
        with pytest.raises(UserError, match="holds characters that XML cannot"):
            write_outputs(
                tmp_path / "out",
                video,
                [_detection(0, 2, label)],
                STEADY,
                CLASSES,
                {},
                name="x",
            )
    with pytest.raises(ValueError, match="'y'"):
        write_outputs(tmp_path, video, [_detection(0, 2, "a")], STEADY, [], {}, name="y")
    with pytest.raises(ValueError, match="ends after it"):
        write_outputs(
            tmp_path,
            video,
            [_detection(0, 301, "a", begin_s=0, end_s=1, clock=Clock(np.arange(400), Fraction(1)))],
            STEADY,
            [],
            {},
            name="x",
        )
    assert not (tmp_path / "out").exists()


TIMES = re.compile(
    r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})[ \t]+-->[ \t]+(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})"
)


def _cues(content: bytes) -> list[tuple[int, int, str]]:
    """Begin and end in ms, and text of the cues of a file in the syntax of W3C's WebVTT.

    Section 4.1: ``WEBVTT``, two line ends or more, then cue blocks, each followed by at least one
    empty line; no cue begins before the one that it follows, and each ends after it begins.
    """
    text = content.decode("utf-8")
    assert "\0" not in text
    head, *blocks = re.split("\n{2,}", re.sub("\r\n?", "\n", text).rstrip("\n"))
    assert head == "WEBVTT"
    cues = []
    for block in blocks:
        times, *payload = block.split("\n")
        match = TIMES.fullmatch(times)
        assert match, times
        begin, end = (
            ((int(h) * 60 + int(m)) * 60 + int(s)) * 1000 + int(ms)
            for h, m, s, ms in (match.groups()[:4], match.groups()[4:])
        )
        assert begin < end
        assert payload
        # Cue text spans: neither & nor < but as a reference; here there are no tags at all.
        for line in payload:
            assert "-->" not in line
            assert not re.search(r"<|&(?!(amp|lt|gt|lrm|rlm|nbsp);)", line)
        cues.append((begin, end, html.unescape("\n".join(payload))))
    assert [cue[0] for cue in cues] == sorted(cue[0] for cue in cues)
    return cues


@settings(max_examples=60, deadline=None)
@given(found())
def test_subtitles_are_well_formed_and_show_whole_frames(
    case: tuple[str, Clock, list[Detection]],
) -> None:
    _, clock, strokes = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.vtt")
        write_webvtt(path, strokes, clock)
        cues = _cues(path.read_bytes())
    told = [
        (clock.frame_at(Fraction(begin, 1000)), clock.frame_at(Fraction(end, 1000)), text)
        for begin, end, text in cues
    ]
    assert sorted(told) == sorted((d.begin, d.end, _shown(d)) for d in strokes)


def _shown(d: Detection) -> str:
    whole = "100" if d.probability == 1 else str(min(99, round(100 * d.probability)))
    return f"{d.label} {whole} %"


def test_odd_texts_and_times_of_subtitles(tmp_path: Path) -> None:
    # Four frames a millisecond, after a hundred hours.
    ticks = 100 * 3600 * 4000 + np.arange(9)
    clock = Clock(ticks, Fraction(1, 4000))
    labels = ["a\n\n00:00.000 --> 00:09.000\nb", "x\r\ry", "n\0l", "\u2028", "  "]
    strokes = [_detection(n, n + 1, label, clock) for n, label in enumerate(labels)]
    write_webvtt(tmp_path / "x.vtt", strokes, clock)
    hours = 100 * 3600 * 1000
    assert _cues((tmp_path / "x.vtt").read_bytes()) == [
        (hours, hours + 1, "a 00:00.000 --> 00:09.000 b 88 %"),
        (hours, hours + 1, "x y 88 %"),
        (hours + 1, hours + 2, "n\ufffdl 88 %"),
        (hours + 1, hours + 2, "88 %"),
        (hours + 1, hours + 2, "88 %"),
    ]
    write_webvtt(tmp_path / "none.vtt", [], clock)
    assert _cues((tmp_path / "none.vtt").read_bytes()) == []


def test_a_browser_shows_the_cues(tmp_path: Path) -> None:
    labels = [*CLASSES[1:], "a\n\n00:00.000 --> 00:09.000\nb"]
    strokes = [_detection(20 * n, 20 * n + 30, label) for n, label in enumerate(labels)]
    write_webvtt(tmp_path / "x.vtt", strokes, STEADY)
    page = tmp_path / "page.html"
    # As a blob: of two local files, the one may not read the other.
    page.write_text(
        "<!doctype html><meta charset=utf-8><video><track id=t kind=chapters></video><script>"
        f"const bytes = new Uint8Array({list((tmp_path / 'x.vtt').read_bytes())});"
        "t.track.mode = 'hidden';"
        "t.src = URL.createObjectURL(new Blob([bytes], {type: 'text/vtt'}));</script>",
        encoding="utf-8",
    )
    with browser.opened(page, browser.DESK) as shown:
        deadline = time.monotonic() + 20
        while shown.run("return t.readyState") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        cues = shown.run(
            "return [...t.track.cues].map(c =>"
            " [c.startTime, c.endTime, c.getCueAsHTML().textContent])"
        )
    assert [text for _, _, text in cues] == [" ".join(_shown(d).split()) for d in strokes]
    for (begin, end, _), d in zip(cues, strokes, strict=True):
        assert begin == pytest.approx(float(STEADY.time_of(d.begin)), abs=5.1e-4)
        assert end == pytest.approx(float(STEADY.time_of(d.end)), abs=5.1e-4)


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0, "0 %"), (0.004, "0 %"), (0.876, "88 %"), (0.9999, "99 %"), (1, "100 %")],
)
def test_percent(probability: float, text: str) -> None:
    assert percent(probability) == text


def test_colours_tell_hands_or_else_neighbours() -> None:
    by_hand = stroke_colours(ttstroke21())
    assert "Negative" not in by_hand
    assert len(by_hand) == 20
    assert {by_hand[name] for name in by_hand if "Forehand" in name} == {"#0072B2"}
    assert {by_hand[name] for name in by_hand if "Backhand" in name} == {"#D55E00"}
    names = ["Negative", *"abcdefgh"]
    others = stroke_colours([StrokeClass(label=name) for name in names])
    assert list(others) == names[1:]
    assert all(others[a] != others[b] for a, b in zip("abcdefg", "bcdefgh", strict=True))
