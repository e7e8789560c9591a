"""Detection in the held-out videos of a data set: which, where they lie, and what is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.indexed import sample, video
from tests.prepared import FRAMES, network, prepared_data
from twinstroke.annotations.classes import with_superclasses
from twinstroke.annotations.strokes import Stroke
from twinstroke.detect.data_set import detect_held_out, held_out, write_measured
from twinstroke.errors import UserError
from twinstroke.results.tables import FORMS
from twinstroke.settings.detect import DetectSettings
from twinstroke.tables import STROKE_OR_NOT, Unlabelled
from twinstroke.train.windows import StrokeWindows


def test_only_whole_untrimmed_videos_of_the_split_count() -> None:
    samples = [
        sample("test", 50, 70, "test"),
        sample("test", 5, 20, "test"),
        sample("test", 20, 50, "test", "Negative"),
        sample("both", 5, 20, "test"),
        sample("both", 30, 50, "train"),
        sample("clip", 0, 100, "test"),
        sample("train", 5, 20, "train"),
        sample("gaps", 5, 20, "test", "Negative"),
    ]
    marks = [Unlabelled(video="test", begin=80, end=90, split="test", group="")]
    videos = [video(name) for name in ("test", "both", "clip", "train", "gaps", "nothing")]
    found = {item.video.video: item.truth for item in held_out(videos, samples, marks, "test")}
    assert found == {
        "test": [
            Stroke("test", 5, 20, "Serve"),
            Stroke("test", 50, 70, "Serve"),
            Stroke("test", 80, 90),
        ],
        "gaps": [],
    }
    assert [item.video.video for item in held_out(videos, samples, marks, "train")] == ["train"]
    assert held_out(videos, samples, marks, "validation") == []
    assert held_out(videos, samples, marks, "none") == []


def test_results_are_the_same_wherever_the_videos_lie(tmp_path: Path) -> None:
    """They need not even be there: what `segment` made of them is."""
    model = network(tmp_path / "model.safetensors")
    rows = video("v", "data/own/v.mp4", FRAMES)
    chosen = held_out([rows], [sample("v", 50, 90, "test")], [], "test")
    made = []
    for place in ("here", "a/copy/far/away"):
        root = tmp_path / place / "root"
        shutil.copytree(prepared_data() / "untrimmed", root)
        found = detect_held_out(
            chosen,
            model,
            DetectSettings(stride=4, negative_weight=1e-9),
            prepared=root,
            folder=tmp_path / place / "tracks",
            store=tmp_path / place / "store",
            reports=Path("reports/own/detections"),
        )
        files = sorted(Path("reports/own/detections").iterdir())
        made.append({file.name: file.read_bytes() for file in files})
        (own,) = found
        assert len(own.detections) == 1
    assert made[0] == made[1]
    assert set(made[0]) == {f"v.{form}" for form in (*FORMS, "html")}
    assert b'"../../../data/own/v.mp4"' in made[0]["v.html"]
    assert b'MEDIA_URL="./../../../data/own/v.mp4"' in made[0]["v.eaf"]

    classes = with_superclasses(["Negative", "Serve"])
    figures = write_measured(chosen, found, classes, "test", tmp_path / "figures").figures
    # All frames are found, forty are a stroke.
    assert figures["iou"] == pytest.approx(40 / FRAMES)
    written = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "figures").glob("*.json")}
    assert written["detection_scores"] == figures
    # The one stroke is a part of what was found, too small for half of their union.
    assert written["detection"] == {"f1": 0.0, "map": 0.0}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        *("detection.json", "detection_scores.json", "detections.png"),
        *("detection_thresholds.csv", "detection_classes.csv"),
    }


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_videos_that_cannot_be_shown_are_told_before_the_first_is_gone_through(
    tmp_path: Path,
) -> None:
    model = network(tmp_path / "model.safetensors")
    (tmp_path / "untrimmed").mkdir()
    shutil.copy(prepared_data() / "untrimmed" / "v.h5", tmp_path / "untrimmed" / "a.h5")
    rows = [video(name, frames=FRAMES) for name in ("a", "b", "c")]
    samples = [sample(name, 50, 90, "test") for name in ("a", "b", "c")]
    arguments: dict[str, Any] = {
        "folder": tmp_path / "tracks",
        "reports": tmp_path / "reports",
        "store": tmp_path / "store",
    }
    with pytest.raises(UserError) as caught:
        detect_held_out(
            held_out(rows, samples, [], "test"),
            model,
            DetectSettings(stride=4),
            prepared=tmp_path / "untrimmed",
            **arguments,
        )
    names = [problem.partition(": cannot be read")[0] for problem in caught.value.problems]
    assert names == [str(tmp_path / "untrimmed" / name) for name in ("b.h5", "c.h5")]
    assert list((tmp_path / "tracks").iterdir()) == []


def test_what_the_network_said_of_other_videos_goes(tmp_path: Path) -> None:
    folder = tmp_path / "tracks"
    folder.mkdir()
    for name in ("v.h5", "w.h5"):
        (folder / name).touch()
    assert not detect_held_out(
        [],
        tmp_path / "none",
        DetectSettings(stride=4),
        prepared=tmp_path / "untrimmed",
        folder=folder,
        store=tmp_path / "store",
        reports=tmp_path / "reports",
    )
    assert list(folder.iterdir()) == []


def test_two_classes_are_counted_from_many(strokes: Path) -> None:
    """In the file: Negative, Left, Right."""
    names = ["s0", "s1", "s2", "s3"]
    plain = StrokeWindows(strokes, names)
    two = StrokeWindows(strokes, names, classes=STROKE_OR_NOT)
    assert set(plain.targets) == {0, 1, 2}
    assert two.targets == [min(target, 1) for target in plain.targets]
    assert two.classes == ["Negative", "Stroke"]
    assert StrokeWindows(strokes, names, classes=plain.classes).targets == plain.targets
    with pytest.raises(UserError, match="are not those of the network"):
        StrokeWindows(strokes, names, classes=["Negative", "Left"])
