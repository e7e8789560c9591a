"""One scene, filmed at 240, 120, 60 and about 30 frames a second: `decode.rate` makes one of all.

Films without loss show the same pictures at the same times. So whatever counts kept frames must be
the same for all of them, to the bit, and what is told in frames of the files must differ.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.clone import Clone
from tests.project import moving
from tests.videos import write_vfr_video, write_video

pytestmark = pytest.mark.pipeline
SECONDS = 4
STROKES = ((0.5, 1.0, "drive"), (1.5, 2.0, "push"), (2.8, 3.3, "drive"))
"""Begin and end in seconds, on frames of every rate."""
RATES = {"a": 240, "b": 120, "c": 60}
SPLITS = {"a": "train", "b": "validation", "c": "test", "phone": "train", "slow": "train"}
DROPPED = (33, 90)
"""Of the phone's frames; the one before is seen twice as long."""
CHANGES = {
    "fps: 60": "fps: any",
    "rule: none, frames: 16": "rule: gaps, frames: 12",
    "{frames: 16, height: 32, width: 32}": "{frames: 8, height: 24, width: 24}",
    "frame_step: 1, context: 4": "rate: 30, context: 4",
    # However little the network learnt, it finds strokes.
    "split: test}": "split: test, negative_weight: 0.2, shortest_s: 0}",
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """After `dvc repro`."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    raw = clone.folder / "data/raw/own"
    (raw / "videos").mkdir(parents=True)
    scene = np.concatenate([moving(seed) for seed in range(4)])[: SECONDS * 240]
    for video, rate in RATES.items():
        write_video(raw / f"videos/{video}.mp4", scene[:: 240 // rate], rate)
    write_video(raw / "videos/slow.mp4", scene, 30)
    shown = np.delete(np.arange(30 * SECONDS), DROPPED)
    jitter = np.random.default_rng(1).uniform(0, 0.002, len(shown))
    write_vfr_video(raw / "videos/phone.mp4", scene[8 * shown], list(shown / 30 + jitter))
    (raw / "strokes.csv").write_text("\n".join(_rows()) + "\n")
    preset = (clone.folder / "tests/project.py").read_text().split('_PRESET = """')[1]
    preset = preset.split('"""')[0]
    for old, new in CHANGES.items():
        assert preset.count(old) == 1
        preset = preset.replace(old, new)
    (clone.folder / "presets/own.yaml").write_text(preset)
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace("preset: tiny", "preset: own"))
    clone.run("dvc", "repro")
    return clone


def _rows() -> list[str]:
    rows = ["video,begin,end,label,split,recorded_fps"]
    for begin, end, label in STROKES:
        for video, rate in {**RATES, "slow": 240}.items():
            frames = f"{round(begin * rate)},{round(end * rate)}"
            recorded = "240" if video == "slow" else ""
            rows.append(f"{video}.mp4,{frames},{label},{SPLITS[video]},{recorded}")
        rows.append(f"phone.mp4,0:{begin:.3f},0:{end:.3f},{label},{SPLITS['phone']},")
    return rows


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def test_the_tables_count_frames_of_one_rate(clone: Clone) -> None:
    rows = _table(clone.folder / "data/own/samples.csv")
    expected = [(round(30 * begin), round(30 * end)) for begin, end, _ in STROKES]
    for video in SPLITS:
        own = [row for row in rows if row["video"] == video and row["origin"] == "annotated"]
        assert [(int(row["begin"]), int(row["end"])) for row in own] == expected, video
        mined = [row for row in rows if row["video"] == video and row["origin"] == "mined"]
        assert {int(row["end"]) - int(row["begin"]) for row in mined} == {12}
    videos = _table(clone.folder / "data/own/videos.csv")
    assert {(row["frames"], row["fps"]) for row in videos} == {(str(30 * SECONDS), "30")}
    assert {row["video"]: row["slow_motion"] for row in videos if row["slow_motion"] != "1"} == {
        "slow": "8"
    }


@pytest.mark.parametrize(("part", "name"), [("frames", "rgb"), ("flow", "flow"), ("motion", "roi")])
def test_all_films_become_the_same_bits(clone: Clone, part: str, name: str) -> None:
    def stored(video: str) -> dict[int, bytes]:
        with h5py.File(clone.folder / f"data/own/{part}/{video}.h5") as file:
            return dict(zip(file["frame"][:].tolist(), map(bytes, file[name][:]), strict=True))

    whole = stored("c")
    # Of the test split's film all frames are kept, of the others those around samples.
    for video in ("a", "b", "slow"):
        own = stored(video)
        assert len(own) > 60
        assert own == {number: whole[number] for number in own}, video
    if part == "frames":
        own = stored("phone")
        for number in own.keys() - set(DROPPED):
            assert own[number] == whole[number]
        for number in own.keys() & set(DROPPED):
            assert own[number] in (own[number - 1], own[number + 1])


def test_metrics_and_the_report(clone: Clone) -> None:
    reports = clone.folder / "reports/own"
    assert json.loads((reports / "scores.json").read_text())["test.single.n"] >= len(STROKES)
    assert "at\n30 a second" in (reports / "index.html").read_text()
    figures = json.loads((reports / "detection_scores.json").read_text())
    assert (figures["n_strokes"], figures["n_frames"]) == (len(STROKES), 30 * SECONDS)


def test_what_is_exported_counts_the_frames_of_the_files(clone: Clone) -> None:
    clone.run("twinstroke", "export", "csv")
    rows = _table(clone.folder / "data/own/export/csv/strokes.csv")
    found = {
        (Path(row["video"]).stem, int(row["begin"]), int(row["end"]), row["label"]) for row in rows
    }
    for begin, end, label in STROKES:
        for video, rate in {**RATES, "slow": 240}.items():
            assert (video, round(begin * rate), round(end * rate), label) in found
        shown = [sum(n not in DROPPED for n in range(round(30 * time))) for time in (begin, end)]
        assert ("phone", *shown, label) in found


def test_detect_finds_the_same_in_every_film(clone: Clone) -> None:
    """The stage found them in the frames that it prepared, the command in each file."""
    films = [f"data/raw/own/videos/{video}.mp4" for video in ("a", "b", "c")]
    network = ("--model", "data/own/model.safetensors", "--rules", "presets/own.yaml")
    clone.run("twinstroke", "detect", *films, *network, "--out", "found")
    assert (clone.folder / "reports/own/detections/c.csv").read_bytes() == (
        clone.folder / "found/c.csv"
    ).read_bytes()
    found = {video: _table(clone.folder / f"found/{video}.csv") for video in RATES}
    assert found["c"]
    for video, rate in RATES.items():
        facts = json.loads((clone.folder / f"found/{video}.json").read_text())
        assert (facts["frames"], facts["fps"]) == (SECONDS * rate, rate)
        for own, same in zip(found[video], found["c"], strict=True):
            assert own["label"] == same["label"]
            assert own["probability"] == same["probability"]
            for edge in ("begin", "end"):
                assert int(own[edge]) / rate == pytest.approx(float(own[f"{edge}_s"]), abs=1e-3)
                # Borders lie on frames of the film.
                assert float(own[f"{edge}_s"]) == pytest.approx(
                    float(same[f"{edge}_s"]), abs=1 / 60
                )
