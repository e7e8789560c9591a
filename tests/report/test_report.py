"""The page tells what the files say, holds all it shows, and fits a phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import pytest
import torch
from ruamel.yaml import YAML

from tests.browser import DESK, PHONE, opened
from tests.rows import prediction
from tests.trainings import description
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.attend.draw import draw
from twinstroke.attend.statistics import measure
from twinstroke.attend.tables import AttentionRow
from twinstroke.detect.data_set import HeldOut, write_measured
from twinstroke.errors import UserError
from twinstroke.evaluate.evaluation import evaluate
from twinstroke.evaluate.metrics import ClassRecall
from twinstroke.evaluate.pictures import write_pictures
from twinstroke.evaluate.plots import plot_history
from twinstroke.evaluate.predictions import write_predictions
from twinstroke.report.page import _over_units, command, write_report
from twinstroke.settings.load import Settings, load_settings
from twinstroke.tables import SPLITS, Sample, Video, write_table
from twinstroke.timeline import every
from twinstroke.train.history import Epoch
from twinstroke.train.model_file import save_model

BOUNDS = ("accuracy_low", "accuracy_high")
ROOT = Path(__file__).parents[2]


def settings(**changes: Any) -> Settings:
    return load_settings(ROOT).model_copy(update=changes)


@dataclass
class Made:
    """A folder as the stages before leave it."""

    folder: Path
    scores: dict[str, Any] = field(default_factory=dict)

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    def write(self, own: Settings) -> str:
        """Make the page; give its text."""
        page = write_report(own, folder=self.folder, reports=self.reports)
        return page.read_text(encoding="utf-8")


def detected(reports: Path, video: Video, *, found: bool) -> None:
    """What the stage `detect` would have written: two of three strokes found, or no video."""
    seen = SimpleNamespace(video="v", source=SimpleNamespace(counted=every(1, 7200)))
    truth = [
        Stroke("v", begin, begin + 90, label)
        for begin, label in ((0, "Left"), (200, "Right"), (400, "Right"))
    ]
    rows = [(0, 90, "Left"), (200, 270, "Left")]
    own = SimpleNamespace(
        seen=seen,
        seconds=60.0,
        detections=[
            Detection(
                video="v",
                begin=begin,
                end=end,
                label=label,
                begin_s=begin / 120,
                end_s=end / 120,
                probability=0.5,
                stroke_probability=0.75,
            )
            for begin, end, label in rows
        ],
    )
    chosen, done = ([HeldOut(video, truth)], [own]) if found else ([], [])
    write_measured(chosen, done, [], "test", reports)  # type: ignore[arg-type]
    (reports / "detections").mkdir()
    if found:
        (reports / "detections" / "a & b.html").touch()


def make(
    strokes: Path,
    folder: Path,
    splits: Mapping[str, list[str]],
    *,
    attention: int = 0,
    classes: tuple[str, ...] = ("Negative", "Left", "Right"),
) -> Made:
    """What all stages up to `attend` would have written."""
    made = Made(folder)
    strokes = Path(shutil.copyfile(strokes, folder / "strokes.h5"))
    with h5py.File(strokes, "r+") as file:
        file.attrs["classes"] = json.dumps(classes)
    torch.manual_seed(0)
    trained = description(
        attention_blocks=attention, best_epochs={"twin": 2}, classes=list(classes)
    )
    model_file = folder / "model.safetensors"
    save_model(model_file, trained, trained.build(torch.device("cpu")).state_dict())
    found = evaluate(strokes, splits, model_file, stride=2)
    made.scores = found.scores
    reports = made.reports
    reports.mkdir()
    data = {
        "classes": len(classes),
        "left_out": {"errors": 0, "strokes": "", "videos": ""},
        "leaks": {
            name: {"videos": 0, "groups": 0, "contents": 0}
            for name in ("train_validation", "train_test", "validation_test")
        },
    }
    timing = {"seconds_per_epoch": 1.5, "device": "CPU, 2 threads"}
    for name, content in (
        ("scores", found.scores),
        ("data", data),
        ("training", timing),
    ):
        (reports / f"{name}.json").write_text(json.dumps(content))
    scale = {"scale": [4, 2], "mean": [3, 1], "deviation": [0.3, 0.3], "frames_used": [9, 9]}
    statistics = {"rule": "normal", "frames": 20, **scale}
    (folder / "statistics.json").write_text(json.dumps(statistics))
    video = Video(
        video="v",
        path="v.mp4",
        sha256="0",
        frames=7200,
        fps=Fraction(120),
        width=320,
        height=180,
        variable_frame_rate=False,
    )
    write_table(folder / "videos.csv", [video], Video)
    rows = [
        Sample.model_validate(
            {
                "sample": name,
                "video": "v",
                "begin": 0,
                "end": 9,
                "label": classes[int(name[1:]) % 3],
                "class_index": int(name[1:]) % 3,
                "split": split,
                "origin": "annotated",
                "group": f"player {int(name[1:]) % 4}",
            }
        )
        for split, names in splits.items()
        for name in names
    ]
    write_table(folder / "samples.csv", rows, Sample)
    detected(reports, video, found=not attention)
    for split in SPLITS:
        path = reports / "predictions" / f"{split}.csv"
        write_predictions(path, found.classes, found.predictions.get(split, []))
    write_table(reports / "classes.csv", found.recalls, ClassRecall)
    write_pictures(found, strokes, reports)
    epoch = Epoch(
        network="twin",
        epoch=1,
        learning_rate=0.1,
        train_loss=1,
        train_accuracy=0.5,
        validation_loss=1,
        validation_accuracy=0.5,
    )
    plot_history([epoch, epoch.model_copy(update={"epoch": 2})], reports / "history.png")
    single = [row for row in found.predictions["test"] if row.decision == "single"]
    masks = measure(strokes, model_file, single, "test")
    write_table(reports / "attention.csv", masks, AttentionRow)
    draw(strokes, model_file, single[:2], reports / "attention")
    return made


SOME = {
    "train": ["s0", "s1", "s2", "s3"],
    "validation": ["s4", "s5"],
    "test": ["s6", "s7", "s8", "s9", "s10", "s11"],
}


class Addresses(HTMLParser):
    """Everything that a page refers to, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = ("src", "href", "srcset", "poster", "action", "data")
        self.found += [value or "" for name, value in attrs if name in names]


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def whole(strokes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, str]:
    made = make(strokes, tmp_path_factory.mktemp("report"), SOME, attention=1)
    return made, made.write(settings(attention_blocks=1))


def test_the_page_tells_the_figures(whole: tuple[Made, str]) -> None:
    made, text = whole
    own = {name: made.scores[f"test.single.{name}"] for name in ("accuracy", *BOUNDS)}
    shown = words(text)
    assert f"{100 * own['accuracy']:.1f} % on the test split" in shown
    for name in BOUNDS:
        assert f"{100 * own[name]:.1f} %" in shown
    assert "Of 6 samples of the test split the network names" in shown
    # Two each of the classes 0, 1 and 2 among s6 to s11.
    assert "the same class is right in 33.3 % at most" in shown
    assert own["accuracy_low"] < 1 / 3
    assert "do not show that the network does better" in shown
    assert "They come from 4 players or other groups, and for others than these it is" in shown
    assert "(Student's t over players or other groups)" in shown or "Student&#39;s" in shown
    assert "No two splits share a video, a player or group" in shown
    assert "1.0 minutes, 320×180 pixels" in shown
    assert "Twin TSTCNN with 1 attention block:" in shown
    assert "An epoch took 1.5 s on CPU, 2 threads" in shown
    for name in ("single", "vote", "mean", "gaussian"):
        assert f"<td>{100 * made.scores[f'test.{name}.accuracy']:.1f} %</td>" in text


def test_the_page_refers_to_nothing_outside(whole: tuple[Made, str]) -> None:
    page = Addresses()
    page.feed(whole[1])
    assert page.found
    assert all(own.startswith(("data:", "#")) for own in page.found)
    assert page.tags.count("video") == 2
    assert page.tags.count("img") == 5 + 2
    assert "script" not in page.tags


def test_equal_files_give_equal_pages(whole: tuple[Made, str]) -> None:
    made, text = whole
    assert made.write(settings(attention_blocks=1)) == text


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_in_a_browser(whole: tuple[Made, str], width: int) -> None:
    with opened(whole[0].reports / "index.html", width) as browser:
        assert browser.requests() == []
        assert browser.complaints() == []
        assert browser.broken_pictures() == []
        assert browser.overflow() == []
        films = browser.films()
        assert len(films) == 2
        assert all(seconds > 1 for seconds in films)


def test_the_browser_sees_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><meta name='viewport' content='width=device-width'>"
        "<body><img alt='gone' src='gone.png'>"
        "<p style='width: 900px'>wide</p><div style='overflow-x: auto'><p style='width: 900px'>"
        "scrolls</p></div><script>console.error('oh')</script>"
    )
    with opened(page, PHONE) as browser:
        assert [url for url in browser.requests() if url.endswith("gone.png")]
        assert browser.broken_pictures() == ["gone"]
        assert browser.overflow() == ["P: wide", "the page itself"]
        assert any("oh" in line for line in browser.complaints())


def test_names_are_text_and_never_code(strokes: Path, tmp_path: Path) -> None:
    nasty = ("Negative", '<script>alert("1")</script>', "$x^2 & 'y'")
    made = make(strokes, tmp_path, SOME, classes=nasty)
    text = made.write(settings())
    assert "<script" not in text
    assert "&lt;script&gt;alert(" in text


def test_what_flatters_is_told(whole: tuple[Made, str], tmp_path: Path) -> None:
    """No labels in the test split, players in two splits, no attention blocks."""
    made = Made(shutil.copytree(whole[0].folder, tmp_path, dirs_exist_ok=True))
    scores = {name: own for name, own in whole[0].scores.items() if not name.startswith("test.")}
    (made.reports / "scores.json").write_text(json.dumps(scores))
    data = json.loads((made.reports / "data.json").read_text())
    data["leaks"]["train_test"]["groups"] = 3
    (made.reports / "data.json").write_text(json.dumps(data))
    write_table(made.reports / "attention.csv", [], AttentionRow)
    text = words(made.write(settings()))
    assert "on the validation split" in text
    assert "so this figure flatters it" in text
    assert "The splits share what they should not" in text
    assert "train and test: 0 videos, 3 players or groups" in text
    assert "This network has no attention blocks" in text


def test_a_missing_file_is_named(whole: tuple[Made, str], tmp_path: Path) -> None:
    made = Made(shutil.copytree(whole[0].folder, tmp_path, dirs_exist_ok=True))
    for path in (made.reports / "confusion.png", made.reports / "scores.json"):
        path.unlink()
        with pytest.raises(UserError, match=f"{path.name}: not found; run dvc repro"):
            made.write(settings())
    (made.reports / "scores.json").write_text("{")
    with pytest.raises(UserError, match=r"scores\.json: not readable as JSON"):
        made.write(settings())


def test_no_accuracy_is_below_zero() -> None:
    """Two players, of whom one is recognised: Student's t alone reaches far below."""
    rows = [
        prediction(sample=f"s{i}", video=f"v{i % 2}", predicted="A" if i % 2 else "B")
        for i in range(8)
    ]
    found = _over_units(rows)
    assert found is not None
    assert (found["count"], found["interval"].low, found["interval"].high) == (2, 0, 1)


def test_the_command_names_every_setting_of_the_experiment(tmp_path: Path) -> None:
    own = settings(seed=7)
    typed = command(own).replace("\\\n", "").split()
    assert typed[:3] == ["dvc", "exp", "run"]
    given = dict(word.split("=") for word in typed[3:] if word != "-S")
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    assert set(given) == set(content) - {"scheduler", "state_minutes"}
    content |= {name: YAML(typ="safe").load(value) for name, value in given.items()}
    with (tmp_path / "params.yaml").open("w") as stream:
        YAML(typ="safe").dump(content, stream)
    assert load_settings(tmp_path) == own


def test_what_was_found_in_untrimmed_videos(strokes: Path, tmp_path: Path) -> None:
    made = make(strokes, tmp_path, {"test": ["s1", "s2", "s3"]})
    text = " ".join(made.write(settings()).split())
    assert "untrimmed videos of the test split, 2 strokes were found where 3 are annotated" in text
    # 160 of 270 frames; one detection of each stroke that was found.
    assert "IoU of annotated and found</th><td>59.3 %</td>" in text
    assert "precision at temporal IoU 0.5</th><td>100.0 %</td>" in text
    assert "recall at temporal IoU 0.5</th><td>66.7 %</td>" in text
    assert 'href="detections/a%20%26%20b.html">a &amp; b</a>' in text
    figures = json.loads((made.reports / "detection_scores.json").read_text())
    assert figures["n_found"] == 2
    assert figures["iou"] == pytest.approx(160 / 270)


def test_nothing_untrimmed(strokes: Path, tmp_path: Path) -> None:
    made = make(strokes, tmp_path, {"test": ["s1", "s2", "s3"]}, attention=1)
    assert "No untrimmed video belongs to the test split" in " ".join(
        made.write(settings()).split()
    )
