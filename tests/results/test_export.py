"""Whatever an index holds can be written in several formats, and read again unchanged."""

from __future__ import annotations

import re
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clone import ROOT
from tests.command import twinstroke
from tests.videos import distinct_frames, write_vfr_video, write_video
from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Reading
from twinstroke.annotations.resolve import resolved
from twinstroke.findings import Findings
from twinstroke.formats.reading import read_annotations
from twinstroke.index.build import build_index
from twinstroke.index.consensus import merge
from twinstroke.regions import PlayerRegion
from twinstroke.results.export import export_index
from twinstroke.settings.choices import ExportFormat
from twinstroke.settings.index import IndexSettings
from twinstroke.settings.load import load_settings
from twinstroke.tables import SPLITS, Sample, Unlabelled, Video, write_table
from twinstroke.video.clock import Clock
from twinstroke.video.probe import probe_video

CLASSES = ["Negative", "Aufschlag, Rückhand", 'the "loop" & <flip>', "压", "-b"]
VIDEOS = {
    # Ids and files below the folder of the videos: spaces, no ASCII, dashes, one name twice.
    "x": PurePosixPath("x.mp4"),
    "-é ü": PurePosixPath("day 1/-é ü.mov"),
    "day 1__same": PurePosixPath("day 1/same.mp4"),
    "day 2__same": PurePosixPath("day 2/same.mkv"),
    "a.b": PurePosixPath("test/a.b.mp4"),
}
Tables = tuple[list[Sample], list[Unlabelled], dict[str, Clock]]
GAPS = st.lists(st.integers(4, 40), min_size=3, max_size=60)
"""Between frames, in ticks of 1 ms: 250 frames a second and less."""


def _settings(form: str, **changes: Any) -> IndexSettings:
    return IndexSettings.model_validate(
        {
            "format": form,
            "videos": "videos",
            "annotations": "annotations",
            "classes": CLASSES,
            "fps": 120.0,
            "negatives": {"rule": "none"},
            "split": {"rule": "given"},
            "max_overlap": 1.0,
            **changes,
        }
    )


@st.composite
def indices(draw: st.DrawFn) -> Tables:
    """Samples and unlabelled strokes of some videos, and the videos' clocks."""
    clocks, samples, marks = {}, set(), []
    for video in draw(st.sets(st.sampled_from(sorted(VIDEOS)), min_size=1)):
        gaps = draw(GAPS)
        first = draw(st.integers(0, 50))
        clocks[video] = Clock(
            first + np.concatenate([[0], np.cumsum(np.array(gaps, np.int64))]),
            draw(st.sampled_from(["1/1000", "1/997", "1001/1000000"]).map(Fraction)),
        )
        bounds = st.tuples(st.integers(0, len(gaps) - 1), st.integers(1, len(gaps)))
        for begin, end in draw(st.sets(bounds.filter(lambda b: b[0] < b[1]), max_size=5)):
            label = draw(st.sampled_from(CLASSES))
            split = draw(st.sampled_from(SPLITS))
            samples.add((video, begin, end, label, split))
        for begin, end in draw(st.sets(bounds.filter(lambda b: b[0] < b[1]), max_size=2)):
            split = draw(st.sampled_from(SPLITS))
            row = {"video": video, "begin": begin, "end": end, "split": split, "group": ""}
            marks.append(Unlabelled.model_validate(row))
    rows = [
        Sample(
            sample=f"{video}:{begin}-{end}",
            video=video,
            begin=begin,
            end=end,
            label=label,
            class_index=CLASSES.index(label),
            split=split,
            origin="annotated",
            group=f"player of {video}",
            agreement=1.0,
            votes="",
        )
        for video, begin, end, label, split in sorted(samples)
    ]
    return rows, marks, clocks


Row = tuple[str, int, int, str, str]


def _read(form: str, raw: Path, clocks: dict[str, Clock]) -> list[Row]:
    own = _settings(form)
    findings = Findings()
    reading = Reading(ClassList(own), findings)
    assert read_annotations(raw, own, reading) == form
    strokes = merge(resolved(reading.annotations, clocks, own, findings), own.consensus, findings)
    assert findings.all == []
    return sorted((s.video, s.begin, s.end, s.label or "", s.split or "") for s in strokes)


@pytest.mark.parametrize("form", ["csv", "mediaeval", "elan", "sportscode", "activitynet"])
@given(index=indices())
@settings(max_examples=60)
def test_round_trip(
    form: ExportFormat, index: tuple[list[Sample], list[Unlabelled], dict[str, Clock]]
) -> None:
    samples, marks, clocks = index
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        for path in VIDEOS.values():
            (raw / "videos" / path).parent.mkdir(parents=True, exist_ok=True)
            (raw / "videos" / path).touch()
        videos = {video: raw / "videos" / path for video, path in VIDEOS.items()}
        export_index(form, samples, marks, videos, clocks, "player", raw / "annotations")
        if not samples and not marks and form != "csv":
            return
        expected: list[Row] = [(s.video, s.begin, s.end, s.label, s.split) for s in samples]
        expected += [(m.video, m.begin, m.end, "", m.split) for m in marks]
        assert _read(form, raw, clocks) == sorted(expected)


def test_elan_has_a_place_for_players_but_for_no_other_group(tmp_path: Path) -> None:
    sample = Sample(
        sample="x:10-20",
        video="x",
        begin=10,
        end=20,
        label=CLASSES[0],
        class_index=0,
        split="train",
        origin="annotated",
        group="Ada",
        agreement=1.0,
        votes="",
    )
    clock = Clock(np.arange(41), Fraction(1, 10))
    for group, kept in (("Player", True), ("club", False)):
        (path,) = export_index(
            "elan", [sample], [], {"x": tmp_path / "x.mp4"}, {"x": clock}, group, tmp_path
        )
        assert ('PARTICIPANT="Ada"' in path.read_text()) == kept


def test_a_stroke_of_no_split_stands_in_the_file_of_its_neighbours(tmp_path: Path) -> None:
    rows = [("x", 10, "train"), ("x", 30, "test"), ("a.b", 10, "validation")]
    samples = [
        Sample.model_validate(
            {"sample": f"{video}:{begin}", "video": video, "begin": begin, "end": begin + 5}
            | {"label": "-b", "class_index": 4, "split": split, "origin": "annotated"}
        )
        for video, begin, split in rows
    ]
    marks = [
        Unlabelled(video=video, begin=begin, end=begin + 5, split="", group="")
        for video, begin in (("x", 0), ("x", 20), ("x", 40), ("a.b", 40))
    ]
    videos = {video: tmp_path / path for video, path in VIDEOS.items()}
    target = tmp_path / "xml"
    export_index("mediaeval", samples, marks, videos, {}, "player", target)
    begins = {
        path.relative_to(target).as_posix(): re.findall(r'begin="(\d+)"', path.read_text())
        for path in target.rglob("*.xml")
    }
    assert begins == {
        "train/x.xml": ["0", "10"],
        "test/x.xml": ["20", "30", "40"],
        "validation/a.b.xml": ["10", "40"],
    }


@pytest.mark.parametrize("form", ["csv", "mediaeval", "elan", "sportscode", "activitynet"])
def test_a_whole_index_survives(tmp_path: Path, form: ExportFormat) -> None:
    """Real videos, one of 120000/1001 and one of variable rate: tables in, the same tables out.

    Negatives among them, which bare strokes without a class, or with two, would change.
    """
    root, frames = tmp_path, distinct_frames(60)
    raw = root / "raw"
    (raw / "videos").mkdir(parents=True)
    write_video(raw / "videos/a.mp4", frames, Fraction(120_000, 1001))
    write_vfr_video(raw / "videos/b.mp4", frames + 1, [(n + n // 7) / 137 for n in range(60)])
    rows = ["video,begin,end,label,split,player,annotator"]
    for video, splits in (("a", ("train", "validation")), ("b", ("test", "train"))):
        rows += [f"{video},{15 * n},{15 * n + 8},-b,{splits[n % 2]},p{n},Ada" for n in (0, 2, 3)]
        rows += [f"{video},16,22,,{splits[0]},,Ada"]
    # Equal votes: a stroke without a class.
    rows += ["b,30,38,压,test,p2,Bob", "b,0,8,-b,test,p0,Bob", "b,45,53,-b,train,p3,Bob"]
    (raw / "annotations").mkdir()
    (raw / "annotations/first.csv").write_text("\n".join(rows))
    arguments: dict[str, Any] = {"raw": raw, "root": root, "seed": 1, "workers": 1}
    arguments |= {"window": 4, "context": 0}
    changes = {"negatives": {"rule": "gaps", "frames": 5}}
    first = build_index(_settings("csv", **changes), **arguments)
    marks = [(mark.video, mark.begin) for mark in first.unlabelled]
    assert marks == [("a", 16), ("b", 16), ("b", 30)]
    assert sum(s.origin == "mined" for s in first.samples) > 4
    videos = {row.video: root / row.path for row in first.videos}
    clocks = {video: probe_video(path).clock for video, path in videos.items()}
    shutil.rmtree(raw / "annotations")
    export_index(
        form, first.samples, first.unlabelled, videos, clocks, "player", raw / "annotations"
    )
    again = build_index(_settings("auto", **changes), **arguments)
    assert again.videos == first.videos
    # The votes are counted by now; and MediaEval and ActivityNet know no players.
    lost = {"group": ""} if form in ("mediaeval", "activitynet") else {}
    told = {"votes": "", "agreement": 1.0, **lost}
    assert again.samples == [sample.model_copy(update=told) for sample in first.samples]
    assert again.unlabelled == [mark.model_copy(update=lost) for mark in first.unlabelled]
    assert again.format.startswith(form)


def test_clips_survive_as_xml(tmp_path: Path) -> None:
    """Clips of one name in several folders, whose ids hold the folders."""
    raw = tmp_path / "raw"
    for number, folder in enumerate(("train/-b", "train/压", "validation/-b", "test/-b")):
        (raw / folder).mkdir(parents=True)
        write_video(raw / folder / "1.mp4", distinct_frames(20) + number)
    arguments: dict[str, Any] = {"raw": raw, "root": tmp_path, "seed": 1, "workers": 1}
    arguments |= {"window": 4, "context": 0}
    first = build_index(_settings("clips", videos="."), **arguments)
    videos = {row.video: tmp_path / row.path for row in first.videos}
    export_index("mediaeval", first.samples, [], videos, {}, "player", raw / "xml")
    again = build_index(_settings("mediaeval", videos=".", annotations="xml"), **arguments)
    assert again.samples == first.samples


def test_the_verb_exports_the_preset_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    data = Path("data", load_settings().name)
    assert twinstroke("export", "csv") == 1
    assert f"error: {data}/videos.csv: not found; run the stage" in capsys.readouterr().err
    write_video(tmp_path / "v.mp4", distinct_frames(20), 50)
    row = {"video": "v", "path": "v.mp4", "sha256": "", "frames": 20, "fps": "50"}
    size = {"width": 96, "height": 64, "variable_frame_rate": False}
    write_table(data / "videos.csv", [Video.model_validate(row | size)], Video)
    ends = [(2, 9, "Lob", "annotated", "p1"), (10, 15, "Negative", "mined", "")]
    samples = [
        {"sample": f"v:{begin}", "video": "v", "begin": begin, "end": end, "label": label}
        | {"class_index": 0, "split": "train", "origin": origin, "group": group}
        for begin, end, label, origin, group in ends
    ]
    write_table(data / "samples.csv", [Sample.model_validate(row) for row in samples], Sample)
    write_table(
        data / "unlabelled.csv",
        [Unlabelled(video="v", begin=16, end=19, split="", group="")],
        Unlabelled,
    )
    write_table(data / "regions.csv", [], PlayerRegion)
    assert twinstroke("export", "csv") == 0
    assert capsys.readouterr().out == f"export: 1 files below {data}/export/csv\n"
    assert (data / "export/csv/strokes.csv").read_text().splitlines() == [
        "video,begin,end,label,split,player",
        "v.mp4,2,9,Lob,train,p1",
        "v.mp4,16,19,Unknown,,",
    ]
    place = {"video": "v", "group": "p1", "x": 8, "y": 0, "width": 40, "height": 64}
    size = {"picture_width": 96, "picture_height": 64}
    write_table(data / "regions.csv", [PlayerRegion.model_validate(place | size)], PlayerRegion)
    assert twinstroke("export", "csv") == 0
    assert (data / "export/csv/strokes.csv").read_text().splitlines()[:2] == [
        "video,begin,end,label,split,player,x,y,width,height",
        "v.mp4,2,9,Lob,train,p1,8,0,40,64",
    ]
    capsys.readouterr()
    assert twinstroke("export", "elan") == 0
    assert "elan has no place for the column x,y,width,height; csv" in capsys.readouterr().out
    write_table(data / "regions.csv", [], PlayerRegion)
    # Of an earlier export: read again, it would bring old strokes back.
    old = data / "export/elan/test/w.eaf"
    old.parent.mkdir(parents=True)
    old.touch()
    assert twinstroke("export", "elan") == 0
    assert capsys.readouterr().out.splitlines() == [f"export: 1 files below {data}/export/elan"]
    assert twinstroke("export", "mediaeval") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"export: 1 files below {data}/export/mediaeval",
        "export: mediaeval has no place for the column player; csv has",
    ]
    files = [path for path in (data / "export/elan").rglob("*") if path.is_file()]
    assert files == [data / "export/elan/train/v.eaf"]
