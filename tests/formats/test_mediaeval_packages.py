"""MediaEval packages of each year, in their own trees and at a tiny scale, from files to metrics.

Trees, names and placeholders are those of the packages; the pictures are rendered ones. What they
hold is written here by hand, not by the project's own writers.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg
import pytest
from ruamel.yaml import YAML

from tests.clone import ROOT, Clone, ran

pytestmark = pytest.mark.pipeline

Strokes = dict[str, list[tuple[int, int, str]]]
"""Of each video, by number: begin, end, class."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with four rendered videos of three strokes each."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    clone.run("python", "stages/synthesize.py")
    return clone


def _material(clone: Clone) -> tuple[dict[str, Path], Strokes]:
    """Rendered videos under the packages' digit strings, and their strokes."""
    folder = clone.folder / "data/tiny/synthetic"
    videos, strokes = {}, {}
    for number, path in enumerate(sorted((folder / "videos").iterdir())):
        name = f"49110110{number}"
        videos[name] = path
        (annotation,) = (folder / "annotations").rglob(f"{path.stem}.xml")
        strokes[name] = [
            (int(a.attrib["begin"]), int(a.attrib["end"]), a.attrib["move"])
            for a in ET.parse(annotation).getroot()  # noqa: S314 (as above)
        ]
    return videos, strokes


def _xml(path: Path, strokes: list[tuple[int, int, str]], *, moves: bool = True) -> None:
    root = ET.Element("video")
    for begin, end, move in strokes:
        action = ET.SubElement(root, "action", begin=str(begin), end=str(end))
        if moves:
            action.set("move", move)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _md5sums(raw: Path) -> None:
    lines = [
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  ./{path.relative_to(raw)}\n"  # noqa: S324
        for path in sorted(raw.rglob("*"))
        if path.is_file()
    ]
    (raw / "MD5SUMS").write_text("".join(lines))


def _unknown(strokes: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    return [(begin, end, "Unknown") for begin, end, _ in strokes]


def _package_2020(raw: Path, videos: dict[str, Path], strokes: Strokes) -> dict[str, Any]:
    """2019, 2020: videos and an XML for each; the last video is for the test, without classes."""
    *_, test = videos
    for name, path in videos.items():
        _put(path, raw / f"videos/{name}.mp4")
        own = _unknown(strokes[name]) if name == test else strokes[name]
        _xml(raw / f"{'test' if name == test else 'train'}/{name}.xml", own)
    return {"split": {"rule": "video"}}


def _package_2021(raw: Path, videos: dict[str, Path], strokes: Strokes) -> dict[str, Any]:
    """2021: XML files for both tasks in train, valid and test; one video in train and valid."""
    one, two, three, four = videos
    for name, path in videos.items():
        _put(path, raw / f"videos/{name}.mp4")
    for task, moves in (("classificationTask", True), ("detectionTask", False)):
        _xml(raw / f"{task}/train/{one}.xml", strokes[one], moves=moves)
        _xml(raw / f"{task}/train/{two}.xml", strokes[two][:2], moves=moves)
        _xml(raw / f"{task}/valid/{two}.xml", strokes[two][2:], moves=moves)
        _xml(raw / f"{task}/valid/{three}.xml", strokes[three], moves=moves)
        hidden = _unknown(strokes[four]) if moves else []
        _xml(raw / f"{task}/test/{four}.xml", hidden, moves=moves)
    return {"annotations": "classificationTask"}


def _package_2022_clips(raw: Path, videos: dict[str, Path], strokes: Strokes) -> dict[str, Any]:
    """2022, classification: trimmed clips in folders of classes with spaces, and test.xml."""
    folder = raw / "classificationTask"
    number, listed = 0, []
    for split, name in zip(("train", "train", "validation", "test"), videos, strict=True):
        gaps = [(0, strokes[name][0][0], "Negative")]
        for begin, end, move in strokes[name] + (gaps if split != "test" else []):
            number += 1
            clip = f"{100_000_000 + number}.mp4"
            target = folder / split / ("" if split == "test" else move) / clip
            target.parent.mkdir(parents=True, exist_ok=True)
            trimmed = ffmpeg.input(str(videos[name])).trim(start_frame=begin, end_frame=end)
            trimmed.setpts("PTS-STARTPTS").output(str(target), **{"v": "error"}).run(
                cmd=imageio_ffmpeg.get_ffmpeg_exe()
            )
            if split == "test":
                listed.append(clip)
    root = ET.Element("videos")
    for clip in listed:
        ET.SubElement(root, "video", {"name": clip, "class": "Unknown"})
    ET.ElementTree(root).write(folder / "test.xml")
    return {"negatives": {"rule": "none"}}


def _package_2022_detection(raw: Path, videos: dict[str, Path], strokes: Strokes) -> dict[str, Any]:
    """2022, detection: videos and XML files without classes, side by side."""
    for split, name in zip(("train", "train", "validation", "test"), videos, strict=True):
        _put(videos[name], raw / f"detectionTask/{split}/{name}.mp4")
        _xml(raw / f"detectionTask/{split}/{name}.xml", strokes[name], moves=False)
    return {"classes": ["Negative", "Stroke"]}


Package = Callable[[Path, dict[str, Path], Strokes], dict[str, Any]]


@pytest.mark.parametrize(
    ("package", "recognised", "splits"),
    [
        (_package_2020, "mediaeval", {"train", "validation", "test"}),
        (_package_2021, "mediaeval", {"train", "validation"}),
        (_package_2022_clips, "mediaeval", {"train", "validation"}),
        (_package_2022_detection, "mediaeval", {"train", "validation", "test"}),
    ],
)
def test_package(clone: Clone, package: Package, recognised: str, splits: set[str]) -> None:
    name = package.__name__.removeprefix("_")
    raw = clone.folder / "data/raw" / name
    videos, strokes = _material(clone)
    changes = package(raw, videos, strokes)
    _md5sums(raw)
    _preset(clone, name, changes)

    # What follows sees two tables, whatever they were read from: one package goes all the way.
    last = "report" if name == "package_2022_detection" else "index"
    printed = clone.run("dvc", "repro", last)
    assert ran(printed)[-1] == last
    assert "Traceback" not in printed
    assert f"annotations: {recognised} (recognised by" in printed
    if last == "report":
        scores = json.loads((clone.folder / f"reports/{name}/scores.json").read_text())
        assert {key.partition(".")[0] for key in scores} >= splits
    data = json.loads((clone.folder / f"reports/{name}/data.json").read_text())
    assert data["left_out"] == {"errors": 0, "strokes": "", "videos": ""}
    with (clone.folder / f"data/{name}/samples.csv").open() as stream:
        samples = [row for row in csv.DictReader(stream) if row["origin"] == "annotated"]
    assert {row["split"] for row in samples} == splits
    _check_samples(name, samples, videos, strokes)

    damaged = min(raw.rglob("*.mp4"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x00")
    printed = clone.run("python", "-m", "twinstroke", "check", fails=True)
    assert f"{damaged.relative_to(clone.folder)}" in printed
    assert "MD5" in printed


def _preset(clone: Clone, name: str, changes: dict[str, Any]) -> None:
    yaml = YAML()
    preset = yaml.load((ROOT / "tests/tiny.yaml").read_text())
    for key in ("train_players", "validation_players", "test_players"):
        preset["synthesize"][key] = 0
    for key in ("format", "videos", "annotations"):
        del preset["index"][key]
    preset["index"].update(changes)
    yaml.dump(preset, clone.folder / f"presets/{name}.yaml")
    params = clone.folder / "params.yaml"
    lines = [
        f"preset: {name}\n" if line.startswith("preset:") else line
        for line in params.read_text().splitlines(keepends=True)
    ]
    params.write_text("".join(lines))


def _check_samples(
    name: str, samples: list[dict[str, str]], videos: dict[str, Path], strokes: Strokes
) -> None:
    """Every stroke with a class is a sample, with the frames and the class that it has."""
    found = sorted((s["video"], int(s["begin"]), int(s["end"]), s["label"]) for s in samples)
    kept = list(videos)[:3] if name != "package_2022_detection" else list(videos)
    if name == "package_2022_clips":
        expected = sorted(
            (end - begin, label)
            for video in kept
            for begin, end, label in [*strokes[video], (0, strokes[video][0][0], "Negative")]
        )
        assert sorted((end - begin, label) for _, begin, end, label in found) == expected
        return
    moves = name != "package_2022_detection"
    assert found == sorted(
        (video, begin, end, move if moves else "Stroke")
        for video in kept
        for begin, end, move in strokes[video]
    )
