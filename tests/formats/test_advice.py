"""Advice on annotations, followed to its end: what it leads to is a data set that is read."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openpyxl
import pytest

from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading
from twinstroke.annotations.resolve import resolved
from twinstroke.errors import UserError
from twinstroke.findings import Findings
from twinstroke.formats.reading import read_annotations
from twinstroke.settings.index import IndexSettings
from twinstroke.video.clock import Clock

CLOCK = Clock(np.arange(1001), Fraction(1, 100))
"""Ten seconds at 100 frames a second."""
STROKE = [("rally", 100, 250, "Hit")]
Files = Mapping[str, str | bytes]


class Data(NamedTuple):
    """Annotations, and what the preset says of them."""

    files: Files
    preset: Mapping[str, Any] = {}
    videos: tuple[str, ...] = ("rally.mp4", "other/b.mp4")


class Case(NamedTuple):
    """What goes wrong, the advice that is given, and every way to follow it."""

    before: Data
    advice: str
    after: list[Data]


def _read(raw: Path, data: Data) -> tuple[list[tuple[str, int, int, str]], list[str]]:
    for video in data.videos:
        (raw / "videos" / video).parent.mkdir(parents=True, exist_ok=True)
        (raw / "videos" / video).touch()
    for name, content in data.files.items():
        (raw / "marks" / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / "marks" / name).write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    values = {"videos": "videos", "annotations": "marks", "classes": ["Hit", "Lob"], "fps": 100.0}
    settings = IndexSettings.model_validate({**values, "split": {"rule": "given"}, **data.preset})
    findings = Findings()
    reading = Reading(ClassList(settings), findings)
    try:
        read_annotations(raw, settings, reading)
    except UserError as error:
        return [], list(error.problems)
    clocks = dict.fromkeys(reading.videos, CLOCK)
    strokes = resolved(reading.annotations, clocks, settings, findings)
    found = sorted((s.video, s.begin, s.end, s.label or "") for s in strokes)
    return found, [str(finding) for finding in findings.all]


def _csv(*rows: str, head: str = "video,begin,end,label") -> Data:
    return Data({"s.csv": "\n".join([head, *rows]) + "\n"})


def _book(begin: Any, form: str = "General") -> Data:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["video", "begin", "end", "label"])
    page.append(["rally", begin, 2.5, "Hit"])
    page["B2"].number_format = form
    stream = io.BytesIO()
    book.save(stream)
    return Data({"s.xlsx": stream.getvalue()}, {"times": "seconds"})


def _eaf(*tiers: str, origin: str = "") -> Data:
    slots = '<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="t2" '
    slots += 'TIME_VALUE="2500"/><TIME_SLOT TIME_SLOT_ID="t3"/>'
    text = (
        f'<ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL="rally.mp4"{origin}/></HEADER>'
        f"<TIME_ORDER>{slots}</TIME_ORDER>{''.join(tiers)}</ANNOTATION_DOCUMENT>"
    )
    return Data({"rally.eaf": text})


def _tier(name: str, label: str, end: str = "t2") -> str:
    return (
        f'<TIER TIER_ID="{name}" ANNOTATOR="Ada"><ANNOTATION><ALIGNABLE_ANNOTATION '
        f'ANNOTATION_ID="{name}" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="{end}"><ANNOTATION_VALUE>'
        f"{label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
    )


def _cvat(inside: str, meta: str = "<task><source>rally.mp4</source></task>") -> str:
    return f"<annotations><meta>{meta}</meta>{inside}</annotations>"


TRACK = (
    '<track id="0" label="Hit"><box frame="100" outside="0"/><box frame="250" outside="1"/></track>'
)
IMAGE = '<image id="100" name="frame_000100"><box label="Hit"/></image>'


def _tasks(*results: dict[str, Any], **data: str) -> Data:
    task = {"id": 1, "data": data or {"video": "rally.mp4"}, "annotations": [{"result": results}]}
    return Data({"export.json": json.dumps([task])}, {"annotation_fps": 100})


def _range(*labels: str, end: int = 250) -> dict[str, Any]:
    value = {"ranges": [{"start": 101, "end": end}], "timelinelabels": labels}
    return {"id": "r", "type": "timelinelabels", "to_name": "v", "value": value}


def _via(names: tuple[str, ...], values: Mapping[str, str]) -> Data:
    project = {
        "project": {"vid_list": ["1"]},
        "attribute": {str(n): {"aname": name, "type": 1} for n, name in enumerate(names)},
        "file": {"1": {"fid": "1", "fname": "rally.mp4", "type": 4}},
        "metadata": {"m": {"vid": "1", "z": [1.0, 2.5], "xy": [], "av": values}},
        "view": {"1": {"fid_list": ["1"]}},
    }
    return Data({"p.json": json.dumps(project)})


def _boris(**changes: str) -> Data:
    row = {
        "Observation id": "o",
        "Source": "player #1:rally.mp4",
        "Time offset (s)": "0.0",
        "Behavior": "Hit",
        "Behavior type": "STATE",
        "Start (s)": "1.000",
        "Stop (s)": "2.500",
    }
    own = row | {key.replace("_", " "): value for key, value in changes.items()}
    return Data({"e.tsv": "\t".join(own) + "\n" + "\t".join(own.values()) + "\n"})


def _sportscode(code: str, name: str = "rally.xml", more: str = "") -> Data:
    text = f"<instance><start>1</start><end>2.5</end><code>{code}</code>{more}</instance>"
    return Data({name: f"<file><ALL_INSTANCES>{text}</ALL_INSTANCES></file>"})


GOOD = _csv("rally,100,250,Hit")
SRT = "1\n00:00:01,000 --> 00:00:02,500\nHit\n"
CASES = {
    "fractions of frames": Case(
        _csv("rally,1.25,2.5,Hit"),
        "write one, or a clock time as 1:02.5, or set index.times to seconds",
        [
            GOOD,
            _csv("rally,0:01.0,0:02.5,Hit"),
            _csv("rally,1,2.5,Hit")._replace(preset={"times": "seconds"}),
        ],
    ),
    "no time": Case(
        _csv("rally,x,2.5,Hit")._replace(preset={"times": "seconds"}),
        "write seconds as 62.5 or a clock time as 1:02.5",
        [
            _csv("rally,1.0,2.5,Hit")._replace(preset={"times": "seconds"}),
            _csv("rally,0:01.0,0:02.5,Hit")._replace(preset={"times": "seconds"}),
        ],
    ),
    "split": Case(
        _csv("rally,100,250,Hit,dev", head="video,begin,end,label,split"),
        "write train, validation or test",
        [
            _csv(f"rally,100,250,Hit,{split}", head="video,begin,end,label,split")
            for split in ("train", "validation", "test")
        ],
    ),
    "video left out": Case(
        _csv("rally,100,250,Hit", ",300,350,Hit"),
        "write its name into each row",
        [GOOD, _csv("rally,100,250,Hit")],
    ),
    "video of another name": Case(_csv("raly,100,250,Hit"), "did you mean 'rally.mp4'?", [GOOD]),
    "video not there": Case(
        _csv("rally,100,250,Hit", "zzz,100,250,Hit"),
        "add the video, or remove its annotations",
        [GOOD],
    ),
    "video twice": Case(
        Data({"s.csv": "video,begin,end,label\nc,1,2,Hit\n"}, {}, ("x/c.mp4", "y/c.mp4")),
        "write the folder too",
        [
            Data(
                {"s.csv": "video,begin,end,label\nrally,100,250,Hit\n"},
                {},
                ("rally.mp4", "x/c.mp4", "y/c.mp4"),
            )
        ],
    ),
    "class of another name": Case(_csv("rally,100,250,Hits"), "did you mean 'Hit'?", [GOOD]),
    "class not listed": Case(
        _csv("rally,100,250,Vorhand"),
        "correct it, or add it to index.classes or index.aliases",
        [GOOD, _csv("rally,100,250,Vorhand")._replace(preset={"aliases": {"Vorhand": "Hit"}})],
    ),
    "end before begin": Case(
        _csv("rally,250,100,Hit"), "end is the frame after the last one; correct one", [GOOD]
    ),
    "no label": Case(_csv("rally,100,250,"), "name the class", [GOOD]),
    "counted at another rate": Case(
        _csv("rally,1000,2500,Hit"),
        "counted at another rate (index.annotation_fps)",
        [_csv("rally,1000,2500,Hit")._replace(preset={"annotation_fps": 1000})],
    ),
    "no header": Case(
        Data({"s.csv": "rally,100,250,Hit\n"}),
        "mend it (a table needs the columns video, begin, end, label)",
        [GOOD],
    ),
    "no header of a table that is asked for": Case(
        Data({"s.csv": "rally,100,250,Hit\n"}, {"format": "csv"}), "mend the header", [GOOD]
    ),
    "decimal commas": Case(
        _csv("rally,1,0,2,5,Hit")._replace(preset={"times": "seconds"}),
        "decimal commas need semicolons between",
        [
            _csv("rally;1,0;2,5;Hit", head="video;begin;end;label")._replace(
                preset={"times": "seconds"}
            )
        ],
    ),
    "column twice": Case(
        _csv("rally,100,250,Hit,x", head="video,begin,end,label,label"), "keep one of them", [GOOD]
    ),
    "quotes": Case(_csv('"rally"x,100,250,Hit'), "mend the quotes", [GOOD]),
    "other columns": Case(
        _csv("rally,100,250,Hit", head="file,start,stop,class"), "name the columns so", [GOOD]
    ),
    "encoding": Case(
        Data({"s.csv": b"video,begin,end,label,who\nrally,100,250,Hit,Zo\xeb\n"}),
        "save the file as CSV UTF-8",
        [Data({"s.csv": "video,begin,end,label,who\nrally,100,250,Hit,Zoë\n"})],
    ),
    "several formats": Case(
        Data({**GOOD.files, "rally.srt": SRT}),
        "say which counts with index.format, or narrow index.annotations",
        [
            Data({**GOOD.files, "rally.srt": SRT}, {"format": "csv"}),
            Data({**GOOD.files, "rally.srt": SRT}, {"format": "srt"}),
            Data({**GOOD.files, "rally.srt": SRT}, {"annotations": "marks/s.csv"}),
        ],
    ),
    "time of hours and minutes in a workbook": Case(
        _book(62 / 1440, "h:mm"),
        "write it with seconds, as 0:01:02.5, or as seconds, 62.5",
        [_book(1 / 86400, "h:mm:ss"), _book("0:00:01"), _book(1)],
    ),
    "error in a workbook": Case(_book("#REF!"), "correct its formula, or empty it", [_book(1)]),
    "no workbook": Case(
        Data({"s.xlsx": b"x"}, {"times": "seconds"}),
        "save it anew without a password, or as CSV",
        [_book(1), GOOD],
    ),
    "tier of another name": Case(
        _eaf(_tier("marks", "Hit"))._replace(preset={"tiers": ["strokes"]}),
        "rename a tier, or change index.tiers",
        [
            _eaf(_tier("strokes", "Hit"))._replace(preset={"tiers": ["strokes"]}),
            _eaf(_tier("marks", "Hit"))._replace(preset={"tiers": ["marks"]}),
        ],
    ),
    "tier without times": Case(
        _eaf(_tier("strokes", "Hit"), _tier("notes", "late", "t3")),
        "leave its tier out with index.tiers",
        [
            _eaf(_tier("strokes", "Hit"), _tier("notes", "late", "t3"))._replace(
                preset={"tiers": ["strokes"]}
            )
        ],
    ),
    "origin": Case(
        _eaf(_tier("strokes", "Hit"), origin=' TIME_ORIGIN="x"'),
        "write whole milliseconds",
        [_eaf(_tier("strokes", "Hit"), origin=' TIME_ORIGIN="0"')],
    ),
    "tracks as images": Case(
        Data({"a.xml": _cvat(IMAGE)}),
        "export it as CVAT for video 1.1",
        [Data({"a.xml": _cvat(TRACK)})],
    ),
    "export of a job": Case(
        Data({"annotations.xml": _cvat(TRACK, "<job><id>1</id></job>")}),
        "export the task instead, or give the file the name of its video",
        [
            Data({"annotations.xml": _cvat(TRACK)}),
            Data({"rally.xml": _cvat(TRACK, "<job><id>1</id></job>")}),
        ],
    ),
    "entities": Case(
        Data({"a.xml": "<!DOCTYPE a>" + _cvat(TRACK)}),
        "remove the declaration",
        [Data({"a.xml": _cvat(TRACK)})],
    ),
    "two labels of a range": Case(
        _tasks(_range("Hit", "Lob")), "leave the region one label", [_tasks(_range("Hit"))]
    ),
    "two videos of a task": Case(
        _tasks(_range("Hit"), left="rally.mp4", right="b.mp4"),
        "keep the path of the video as 'video' in the data of the task",
        [_tasks(_range("Hit"), video="rally.mp4", right="b.mp4")],
    ),
    "rate of Label Studio": Case(
        _tasks(_range("Hit"))._replace(preset={}),
        "set index.annotation_fps to the frameRate of the tag Video",
        [_tasks(_range("Hit"))],
    ),
    "results of another type": Case(
        _tasks({"id": "x", "type": "brushlabels", "value": {}}),
        "mark strokes with TimelineLabels, VideoRectangle or Labels",
        [_tasks(_range("Hit"))],
    ),
    "two attributes": Case(
        _via(("move", "side"), {"0": "Hit", "1": "left"}),
        "give that name to the one that holds the class",
        [_via((name, "side"), {"0": "Hit", "1": "left"}) for name in ("label", "class", "stroke")],
    ),
    "several videos of an observation": Case(
        _boris(Source="player #1:rally.mp4;b.mp4"), "make an observation for each video", [_boris()]
    ),
    "offset of an observation": Case(
        _boris(**{"Time offset (s)": "3.0"}), "set it to 0 in BORIS", [_boris()]
    ),
    "points": Case(
        _boris(**{"Behavior type": "POINT"}), "code strokes as state events", [_boris()]
    ),
    "file of another name": Case(
        _sportscode("Hit", "export.xml"),
        "give the file the name of its video",
        [_sportscode("Hit", "rally.xml")],
    ),
    "codes of another name": Case(
        _sportscode("Hit")._replace(preset={"tiers": ["Lob"]}),
        "change index.tiers",
        [_sportscode("Hit")._replace(preset={"tiers": ["Hit"]})],
    ),
    "two classes of an instance": Case(
        _sportscode(
            "Ada",
            more="<label><group>Class</group><text>Hit</text></label>"
            "<label><group>Stroke</group><text>Lob</text></label>",
        ),
        "leave the instance one of them",
        [_sportscode("Ada", more="<label><group>Class</group><text>Hit</text></label>")],
    ),
    "subset": Case(
        Data({"a.json": '{"database": {"rally": {"subset": "dev", "annotations": []}}}'}),
        "write training, validation or testing",
        [
            Data(
                {
                    "a.json": f'{{"database": {{"rally": {{"subset": "{subset}", "annotations": '
                    '[{"segment": [1, 2.5], "label": "Hit"}]}}}'
                }
            )
            for subset in ("training", "validation", "testing")
        ],
    ),
    "times of a subtitle": Case(
        Data({"rally.srt": SRT + "\n2\n00:00:03 -> 00:00:04\nHit\n"}),
        "write them as 00:00:01,500 --> 00:00:02,250, below its number",
        [Data({"rally.srt": SRT})],
    ),
    "text of ELAN without begin and end": Case(
        Data({"rally.txt": "strokes\tHit\n"}, {"format": "elan_text"}),
        "export it from ELAN as tab-delimited text, with times of each row",
        [Data({"rally.txt": "strokes\t\t1.000\t2.500\t1.500\tHit\n"}, {"format": "elan_text"})],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_advice_leads_to_a_data_set_that_is_read(tmp_path: Path, name: str) -> None:
    before, advice, after = CASES[name]
    _, told = _read(tmp_path / "before", before)
    assert any(advice in line for line in told), told
    assert after
    for number, data in enumerate(after):
        assert _read(tmp_path / str(number), data) == (STROKE, []), number
        assert data != before
