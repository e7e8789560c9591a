"""`twinstroke detect` and its like, as a user meets them; and networks of every kind."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from defusedxml import ElementTree
from numpy.typing import NDArray
from selenium.webdriver.common.keys import Keys

from tests.command import twinstroke
from tests.prepared import FRAMES, PREPARATION, STROKES, WINDOW, network, prepared_data
from tests.videos import (
    distinct_frames,
    write_damaged_copy,
    write_rotated_copy,
    write_sound,
    write_trimmed_copy,
    write_video,
)
from tests.viewer import file_in, indexed, kept, loaded, viewer
from twinstroke.annotations.classes import ttstroke21
from twinstroke.detect.classify import classify
from twinstroke.detect.found import detect
from twinstroke.detect.recogniser import Recogniser
from twinstroke.detect.video import open_video
from twinstroke.errors import UserError
from twinstroke.evaluate.evaluation import evaluate
from twinstroke.export_model import export_model
from twinstroke.results.tables import FORMS
from twinstroke.settings.detect import DetectSettings
from twinstroke.settings.limits import DEFAULT_LIMITS
from twinstroke.tables import STROKE_OR_NOT

CLASSES = ["Negative", "Serve"]
SIZE = (WINDOW.frames, WINDOW.height, WINDOW.width)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network ``model.safetensors``."""
    folder = tmp_path_factory.mktemp("commands")
    network(folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def video() -> Path:
    return prepared_data() / "v.mp4"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("modality", ["rgb", "flow", "twin"])
def test_classes_of_known_strokes_are_those_of_evaluate(
    tmp_path: Path, video: Path, modality: str
) -> None:
    model = network(tmp_path / "model.safetensors", modality=modality, best_epochs={"it": 1})
    names = [f"v:{begin}-{end}" for begin, end in STROKES]
    result = evaluate(prepared_data() / "strokes.h5", {"train": names}, model, stride=3)
    recogniser = Recogniser(model)
    for decision in ("single", "gaussian"):
        # In any order.
        found = classify(video, STROKES[::-1], recogniser, decision=decision, stride=3)
        expected = [row for row in result.predictions["train"] if row.decision == decision]
        assert [row.sample for row in expected] == names
        for own, row in zip(found[::-1], expected, strict=True):
            assert own == pytest.approx(row.probabilities, abs=1e-5)
    assert len({round(row.probabilities["Serve"], 4) for row in expected}) > 2


def test_an_exported_network_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    model = network(tmp_path / "model.safetensors")
    export_model(model, tmp_path / "model.onnx")
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (30, *SIZE[1:], 3), np.uint8)
    flow = random.integers(-99, 99, (30, *SIZE[1:], 2), np.int16)
    starts = [0, 1, 5, 14]
    found = [
        Recogniser(path).probabilities(rgb, flow, starts)
        for path in (model, tmp_path / "model.onnx")
    ]
    # Differences of logits, whatever their size.
    odds = [np.log(own[:, 0] / own[:, 1]) for own in found]
    np.testing.assert_allclose(odds[1], odds[0], rtol=1e-4)
    assert np.ptp(odds[0]) > 0.1


def test_two_i3ds_serve_too(tmp_path: Path) -> None:
    model = network(
        tmp_path / "model.safetensors", architecture="i3d", modality="twin", window=SIZE
    )
    rgb, flow = np.zeros((16, *SIZE[1:], 3), np.uint8), np.zeros((16, *SIZE[1:], 2), np.int16)
    found = Recogniser(model).probabilities(rgb, flow, [0])
    np.testing.assert_allclose(found.sum(), 1)


def test_a_second_network_says_where_strokes_are(tmp_path: Path) -> None:
    classes = ["A", "Negative", "B"]
    one = network(tmp_path / "one.safetensors", classes=classes, modality="rgb")
    two = network(tmp_path / "two.safetensors", classes=[*STROKE_OR_NOT], modality="flow")
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (40, *SIZE[1:], 3), np.uint8)
    flow = random.integers(-99, 99, (40, *SIZE[1:], 2), np.int16)
    starts = [0, 7, 20]

    def probabilities(*models: Path) -> NDArray[np.float64]:
        return Recogniser(*models).probabilities(rgb, flow, starts)

    named, where, both = probabilities(one), probabilities(two), probabilities(one, two)
    # What the first network says of Negative is left out, and there is something to share.
    assert (named[:, 1] > 0.01).all()
    assert (where[:, 1] > 0.01).all()
    np.testing.assert_allclose(both[:, 1], where[:, 0])
    np.testing.assert_allclose(both.sum(1), 1)
    np.testing.assert_allclose(both[:, 0] / both[:, 2], named[:, 0] / named[:, 2])


def test_what_is_no_pair_of_networks_is_refused(tmp_path: Path) -> None:
    one = network(tmp_path / "one.safetensors")
    with pytest.raises(UserError, match=r"one\.safetensors: has 2 classes; expected a network of"):
        Recogniser(one, one)
    other = PREPARATION.model_copy(update={"width": 64})
    two = network(tmp_path / "two.safetensors", classes=[*STROKE_OR_NOT], preparation=other)
    with pytest.raises(UserError, match=r"two\.safetensors: wants its videos prepared otherwise"):
        Recogniser(one, two)
    silent = network(tmp_path / "silent.safetensors", preparation=None)
    with pytest.raises(UserError, match=r"silent\.safetensors: does not say how its frames"):
        Recogniser(silent)
    eager = network(tmp_path / "eager.safetensors", classes=["A", "B"])
    with pytest.raises(UserError, match=r"eager\.safetensors: has no class Negative"):
        Recogniser(eager)


def test_detect_writes_everything_and_asks_the_network_once(
    folder: Path,
    video: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "found"
    arguments = ("detect", video, "--model", folder / "model.safetensors", "--out", out)
    assert twinstroke(*arguments, "--film", "--label-studio") == 0
    printed = capsys.readouterr().out
    assert "× real time" in printed
    names = {path.name for path in out.iterdir()}
    assert names == {
        ".tracks",
        *(f"v.{form}" for form in (*FORMS, "html", "found.mp4")),
        *(f"label-studio.{form}" for form in ("xml", "json")),
    }
    first = rows(out / "v.csv")
    assert json.loads((out / "v.json").read_text())["frames"] == FRAMES
    # Other rules ask nothing again; a factor beyond all doubt leaves nothing.
    weight = ("--negative-weight", "1e12")
    assert twinstroke(*arguments, *weight) == 0
    assert "0 strokes; what the network says was there" in capsys.readouterr().out
    assert rows(out / "v.csv") == []
    weight = ("--negative-weight", "1e-12")
    assert twinstroke(*arguments, *weight) == 0
    (everything,) = rows(out / "v.csv")
    assert (everything["begin"], everything["end"]) == ("0", str(FRAMES))
    assert twinstroke(*arguments) == 0
    assert rows(out / "v.csv") == first
    with torch.random.fork_rng():
        torch.manual_seed(99)
        assert twinstroke(*arguments) == 0


def test_what_cannot_be_shown_is_one_line_each_and_the_rest_is_done(
    folder: Path,
    video: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    long = np.tile(distinct_frames(100, 36, 64), (2, 1, 1, 1))
    write_video(odd / "slow.mp4", long, 50)
    write_video(odd / "single.mp4", long[:1], 60)
    write_video(odd / "flat.mp4", distinct_frames(20, 16, 96), 60)
    write_sound(odd / "sound.mp4")
    (odd / "empty.mp4").touch()
    whole = write_video(odd / "whole.mp4", long, 60)
    write_damaged_copy(odd / "damaged.mp4", whole, 120)
    write_video(odd / "fast.mp4", long, 120)
    write_rotated_copy(odd / "turned.mp4", whole, 90)
    write_trimmed_copy(odd / "trimmed.mp4", whole, 1)
    bad = ["slow", "single", "flat", "sound", "empty", "gone", "damaged"]
    good = ["fast", "turned", "trimmed"]
    status = twinstroke(
        "detect",
        *(odd / f"{name}.mp4" for name in (*bad, *good)),
        *("--model", folder / "model.safetensors", "--out", tmp_path / "found"),
    )
    assert status == 1
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    errors = [line for line in printed.err.splitlines() if "error: " in line]
    expected = (
        "has 50 frames a second, but the network sees 60 a second",
        "too short for flow",
        "96×16 pixels become 96×16, lower than the network's window",
        "holds no video stream",
        "the video file is empty",
        "no such video",
        "frame 120 does not decode",
    )
    assert len(errors) == len(expected)
    for line, name, text in zip(errors, bad, expected, strict=True):
        assert line.rpartition("error: ")[2].startswith(f"{odd / name}.mp4: {text}"), line
    for name in good:
        assert (tmp_path / "found" / f"{name}.html").exists()
    assert "its rotation flag turns it by 270° clockwise" in printed.out
    assert f"{odd}/turned.mp4: stands upright (36×64)" in printed.out
    # Twice the rate: every second frame.
    assert json.loads((tmp_path / "found" / "fast.json").read_text())["fps"] == 120


def test_results_never_stand_beside_the_video(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    video = write_video(tmp_path / "v.mp4", distinct_frames(20), 60)
    model = ("--model", folder / "model.safetensors")
    for out, text in (
        (tmp_path, "holds files that detect did not write"),
        (video, "is no folder"),
    ):
        assert twinstroke("detect", video, *model, "--out", out) == 1
        assert text in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]
    monkeypatch.chdir(tmp_path)
    twice = tmp_path / "other" / "v.mp4"
    assert twinstroke("detect", video, twice, *model) == 1
    assert "'v' is the name of several videos" in capsys.readouterr().err
    assert twinstroke("detect", video, *model, "--stride", 17) == 1
    assert "--stride: 17 kept frames leave out some" in capsys.readouterr().err
    assert twinstroke("detect", video, *model, "--gap-s", "-1") == 1
    assert "--gap-s: Input should be greater than or equal to 0" in capsys.readouterr().err
    two = ("--stroke-model", network(tmp_path / "two.safetensors", classes=[*STROKE_OR_NOT]))
    assert twinstroke("detect", video, *model, *two, "--rejection", "all") == 1
    assert "--rejection: all has no meaning with --stroke-model" in capsys.readouterr().err
    for model_file in (tmp_path, tmp_path / "none.onnx"):
        assert twinstroke("detect", video, "--model", model_file) == 1
        assert f"{model_file}: no such file; name a trained network" in capsys.readouterr().err
    rules = tmp_path / "rules.yaml"
    for content, text in (
        ("detect: {stride: 3, gap_s: -1}", "detect.gap_s: Input should be greater than or equal"),
        ("detect: 3", "has no section detect"),
        ("detect: [", "not readable as YAML"),
    ):
        rules.write_text(content)
        assert twinstroke("detect", video, *model, "--rules", rules) == 1
        assert f"{rules}: {text}" in capsys.readouterr().err


def test_rules_of_a_preset_are_those_of_the_stage(
    folder: Path, video: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "own.yaml"
    rules.write_text("anything: else\ndetect: {stride: 5, negative_weight: 1.0e-12, gap_s: 1.0}\n")
    out = tmp_path / "found"
    arguments = ("detect", video, "--model", folder / "model.safetensors", "--out", out)
    assert twinstroke(*arguments, "--rules", rules, "--gap-s", "2") == 0
    used = json.loads((out / "v.json").read_text())["model"]["rules"]
    assert (used["stride"], used["negative_weight"], used["gap_s"]) == (5, 1e-12, 2)
    assert used["smoothing"] == "gaussian"


def test_with_two_networks_strokes_are_where_the_second_says(video: Path, tmp_path: Path) -> None:
    names = network(tmp_path / "names.safetensors", classes=["Negative", *"ABCDEFGH"])
    where = network(tmp_path / "where.safetensors", classes=[*STROKE_OR_NOT], modality="flow")
    # As if all windows were about as probably strokes as not.
    rules = ("--negative-weight", _even_odds(where, video, tmp_path), "--stride", "4")
    borders = []
    for number, models in enumerate(((where, None), (names, where))):
        out = tmp_path / f"{number}"
        more = ("--stroke-model", models[1]) if models[1] else ()
        arguments = ("--model", models[0], *more, "--out", out, *rules)
        assert twinstroke("detect", video, *arguments) == 0
        borders.append([(row["begin"], row["end"]) for row in rows(out / "v.csv")])
    assert borders[0] == borders[1] != []
    assert borders[0] != [("0", str(FRAMES))]


def _even_odds(model: Path, video: Path, folder: Path) -> float:
    recogniser = Recogniser(model)
    seen = open_video(video, recogniser.preparation, recogniser.window, DEFAULT_LIMITS)
    found = detect(seen, recogniser, DetectSettings(stride=4), store=folder / "odds")
    odds = found.track.probabilities[:, 1] / found.track.probabilities[:, 0]
    return float(np.median(odds))


def test_a_stroke_outside_its_video_is_refused(folder: Path, video: Path) -> None:
    recogniser = Recogniser(folder / "model.safetensors")
    for stroke in ((0, FRAMES + 1), (9, 9), (-1, 5), (9_000_000_000, 9_000_000_001)):
        with pytest.raises(UserError, match=r"v\.mp4: has 300 frames, but a stroke is said"):
            classify(video, [(5, 9), stroke], recogniser, decision="single", stride=3)


def test_view_reads_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "v.mp4", distinct_frames(20), 60)
    table = tmp_path / "strokes.csv"
    table.write_text("video,begin,end,label\nv.mp4,2,9,Lob\nw.mp4,1,2,Lob\nv,12,15,Flick\n")
    assert twinstroke("view", video, "--strokes", table) == 0
    assert "(2 strokes)" in capsys.readouterr().out
    assert twinstroke("view", video) == 0  # one page may replace another
    assert '"Lob"' not in (tmp_path / "v.html").read_text()
    names = ("--classes", "Lob , Kill", "--classes", "Chop")
    assert twinstroke("view", video, *names) == 0
    page = (tmp_path / "v.html").read_text()
    assert all(f'["{name}",' in page for name in ("Lob", "Kill", "Chop"))
    assert "Serve Forehand Loop" not in page
    (tmp_path / "v.html").write_text("my page")
    assert twinstroke("view", video) == 1
    assert "v.html: is another page, and would be replaced" in capsys.readouterr().err
    (tmp_path / "v.html").unlink()
    assert twinstroke("view", video, "--strokes", table) == 0
    capsys.readouterr()
    page = (tmp_path / "v.html").read_text()
    assert "[2, 9," in page.replace("[2,9,", "[2, 9,") and "Lob" in page
    table.write_text("video,begin,end,label\nv.mp4,9,2,Lob\nv.mp4,one,2,Lob\n")
    assert twinstroke("view", video, "--strokes", table) == 1
    errors = capsys.readouterr().err.splitlines()
    advice = "write whole frame numbers, the end being the frame after the last one"
    assert [line.partition(": ")[2] for line in errors] == [
        f"{table}:2: '9' to '2' are no frames; {advice}",
        f"{table}:3: 'one' to '2' are no frames; {advice}",
    ]


def test_view_shows_players_of_the_command_and_of_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "v.mp4", distinct_frames(20), 60)
    table = tmp_path / "strokes.csv"
    table.write_text("video,begin,end,label,player\nv.mp4,2,9,Lob,Ann\nv,5,15,Flick,Bo\n")
    regions = ("--region", " Ann =0,0,16,18", "--region", "Bo=16,0,16,18")
    assert twinstroke("view", video, "--strokes", table, *regions) == 0
    page = (tmp_path / "v.html").read_text()
    assert '"players":[["Ann",0,0,16,18],["Bo",16,0,16,18]]' in page
    assert '[[2,9,"Lob","",0],[5,15,"Flick","",1]]' in page
    # Those of the table, as detect and the page itself write it.
    head = "video,begin,end,label,player,x,y,width,height"
    table.write_text(f"{head}\nv,2,9,Lob,Ann,0,0,16,18\nv,3,9,Lob,Ann,,,,\n")
    assert twinstroke("view", video, "--strokes", table) == 0
    assert '"players":[["Ann",0,0,16,18]]' in (tmp_path / "v.html").read_text()
    capsys.readouterr()
    for rows, options, message in (
        ("v,2,9,Lob,Bo,,,,", regions[:2], f"{table}:2: a stroke of player 'Bo', but those with"),
        ("v,2,9,Lob,Ann,1,0,9,9", regions[:2], f"{table}:2: player 'Ann' is in 1,0,9,9, but in"),
        ("v,2,9,Lob,Ann,1,0,32,9", (), "v.mp4: player 'Ann': the region 1,0,32,9 reaches beyond"),
        ("v,2,9,Lob,Ann,1,0,0,9", (), f"{table}:2: the region 1,0,0,9 is empty"),
    ):
        table.write_text(f"{head}\n{rows}\n")
        assert twinstroke("view", video, "--strokes", table, *options) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert twinstroke("view", video, "--region", "0,0,9,9", "--region", "9,0,9,9") == 0
    assert '[["player 1",0,0,9,9],["player 2",9,0,9,9]]' in (tmp_path / "v.html").read_text()
    for texts, message in (
        (["0,0,9"], "3 numbers where x,y,width,height are four"),
        (["0,0,,9"], "the region lacks width"),
        (["0,0,nan,9"], "width of the region is 'nan', no whole number of pixels"),
        (["-1,0,9,9"], "x of the region is '-1', no whole number of pixels"),
        (["0,0,9,0"], "the region 0,0,9,0 is empty"),
        (["=0,0,9,9"], "write a name before the ="),
        (["A=0,0,9,9", "A=0,0,9,9"], "'A' is there twice"),
    ):
        repeated = tuple(item for text in texts for item in ("--region", text))
        assert twinstroke("view", video, *repeated) == 2
        assert message in capsys.readouterr().err


def test_score_compares_player_by_player(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"label": "Lob", "begin_s": 0, "end_s": 1, "probability": 0.5, "stroke_probability": 0.5}
    halves = {"Ann": [0, 0, 16, 18], "Bo": [16, 0, 16, 18]}
    found = {
        "video": "v",
        "frames": 300,
        "fps": 60,
        "classes": ["Negative", "Lob"],
        "players": halves,
        "detections": [{**row, "begin": 10, "end": 60, "player": "Ann", "region": halves["Ann"]}],
    }
    (tmp_path / "v.json").write_text(json.dumps(found))
    table = tmp_path / "truth.csv"
    # In the time of the one that was found, but of the other player: not found.
    table.write_text("video,begin,end,label,player\nv,10,60,Lob,Bo\n")
    assert twinstroke("score", tmp_path, "--truth", table) == 0
    printed = capsys.readouterr().out
    assert "no stroke is marked in v, Ann" in printed
    assert "1 found for 1 strokes in 2 videos: IoU of frames 0.00" in printed
    table.write_text("video,begin,end,label,player\nv,10,60,Lob,Ann\nv,10,60,Lob,Bo\n")
    assert twinstroke("score", tmp_path, "--truth", table) == 0
    assert "precision 1.00, recall 0.50" in capsys.readouterr().out
    table.write_text("video,begin,end,label,player\nv,10,60,Lob,Cy\n")
    assert twinstroke("score", tmp_path, "--truth", table) == 1
    assert f"{table}:2: a stroke of v is of player 'Cy', but found" in capsys.readouterr().err


def test_score_tells_how_good_detections_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"label": "Lob", "begin_s": 0, "end_s": 1, "probability": 0.5, "stroke_probability": 0.5}
    found = {
        "video": "v",
        "frames": 300,
        "fps": 60,
        "classes": ["Negative", "Lob"],
        "detections": [{**row, "begin": 10, "end": 60}, {**row, "begin": 200, "end": 250}],
    }
    path = tmp_path / "v.json"
    path.write_text(json.dumps(found))
    table = tmp_path / "v.corrected.csv"
    table.write_text(
        "video,begin,end,label,annotator,checked\n"
        "folder/v.mp4,20,60,Lob,,yes\nw.mp4,1,9,Lob,,yes\nv.mp4,100,140,Unknown,,no\n"
    )
    figures = tmp_path / "figures.json"
    arguments = ("score", path, "--truth", table, "--out", figures)
    assert twinstroke(*arguments) == 0
    printed = capsys.readouterr().out
    assert "2 found for 2 strokes in 1 videos: IoU of frames 0.29; precision 0.50" in printed
    own = json.loads(figures.read_text())
    assert own["n_named"] == 1
    assert own["iou"] == pytest.approx(40 / 140)
    assert (
        "the begin is 10 frames off and the end 0 (medians; a frame is 0.0167 s; 10 early"
        in printed
    )
    assert "100% have the right class" in printed
    # A folder is as good, whatever else detect wrote there.
    (tmp_path / "label-studio.json").write_text("[]")
    figures.unlink()
    assert twinstroke("score", tmp_path, "--truth", table) == 0
    assert printed.splitlines()[:2] == capsys.readouterr().out.splitlines()
    # Two tables together.
    more = tmp_path / "more.csv"
    more.write_text("video,begin,end,label\nv.mp4,200,250,Lob\n")
    assert twinstroke("score", path, "--truth", table, "--truth", more) == 0
    assert "2 found for 3 strokes in 1 videos" in capsys.readouterr().out
    path.write_text(json.dumps({**found, "frames": 100}))
    assert twinstroke(*arguments) == 1
    assert f"{table}: a stroke of v ends at 140, but the video has 100" in capsys.readouterr().err
    path.write_text(json.dumps({**found, "classes": ["Negative", "Smash"]}))
    assert twinstroke(*arguments) == 0
    assert "no such class, and cannot name it: Lob" in capsys.readouterr().out
    other = tmp_path / "other.csv"
    other.write_text("video,begin,end,label\nw.mp4,1,9,Lob\n")
    assert twinstroke("score", path, "--truth", other) == 1
    assert "other.csv: none of its strokes is of v, but of w" in capsys.readouterr().err
    for content in ("[]", "{}", '{"video": "../v"}', "\x00", json.dumps({**found, "fps": 0})):
        path.write_text(content)
        assert twinstroke(*arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {path}: is no <video>.json of twinstroke detect")


def test_what_was_found_is_corrected_and_comes_back_through_index(
    folder: Path, video: Path, tmp_path: Path
) -> None:
    """The whole loop but for training: detect, the page in a browser, its table, `index`."""
    model = ("--model", folder / "model.safetensors", "--out", tmp_path / "found")
    rules = ("--smoothing", "none", "--shortest-s", "0", "--gap-s", "0")
    for weight in ("1", "10", "100", "1000", "0.1", "0.01", "0.001"):
        assert (
            twinstroke(
                "detect",
                video,
                *model,
                *rules,
                "--negative-weight",
                weight,
            )
            == 0
        )
        found = [
            (int(row["begin"]), int(row["end"]), row["label"])
            for row in rows(tmp_path / "found" / "v.csv")
        ]
        if len(found) > 1:
            break
    assert len(found) > 1
    with viewer(tmp_path / "found" / "v.html") as browser:
        browser.downloads_to(tmp_path / "saved")
        loaded(browser)
        browser.press("n", "4", "n", Keys.DELETE)
        expected = [(found[0][0], found[0][1] + 1, found[0][2]), *found[2:]]
        assert kept(browser) == expected
        browser.click("#save-csv")
        table = file_in(tmp_path / "saved", ".csv")
    assert table.name == "v.corrected.csv"
    raw = tmp_path / "raw"
    for name in ("videos", "csv"):
        (raw / name).mkdir(parents=True)
    shutil.copy(video, raw / "videos")
    shutil.copy(table, raw / "csv")
    assert indexed(raw, "csv", CLASSES, 60) == expected


def test_runs_for_mediaeval_are_written_and_checked(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [row.label for row in ttstroke21()]
    model = ("--model", network(tmp_path / "model.safetensors", classes=names, modality="flow"))
    test = tmp_path / "test"
    test.mkdir()
    shutil.copy(video, test / "v.mp4")
    (test / "v.xml").write_text("<video></video>")
    out = ("--team", "Us", "--out", tmp_path / "out")
    arguments = ("--templates", test, "--videos", test, *model, *out)
    weight = ("--negative-weight", "1e-9")
    assert twinstroke("submit", "detection", *arguments, *weight) == 0
    assert "2022: strokes: 1, files: 1" in capsys.readouterr().out
    detected = ElementTree.parse(tmp_path / "out/Us/detectionTask/1/v.xml")
    assert [(a.get("begin"), a.get("end")) for a in detected.iter("action")] == [("0", str(FRAMES))]

    template = tmp_path / "test.xml"
    template.write_text('<videos><video name="v.mp4" class="Unknown"/></videos>')
    arguments = ("--templates", template, "--videos", test, *model, *out)
    assert twinstroke("submit", "classification", *arguments) == 0
    assert "2022: clips: 1, files: 1" in capsys.readouterr().out
    classified = ElementTree.parse(tmp_path / "out/Us/classificationTask/1/test.xml")
    (clip,) = classified.iter("video")
    (expected,) = classify(
        video, [(0, FRAMES)], Recogniser(Path(model[1])), decision="single", stride=2
    )
    assert clip.get("class") == max(expected, key=expected.__getitem__)

    check = ("check-submission", tmp_path / "out/Us", "--classification", template)
    assert twinstroke(*check, "--detection", test) == 0
    (tmp_path / "out/Us/detectionTask/1/v.xml").write_text("<video><action begin='9'/></video>")
    assert twinstroke(*check, "--detection", test) == 1
    assert "detectionTask/1/v.xml:1: " in capsys.readouterr().err
    assert twinstroke(*check[:2]) == 1
    assert "name what the runs answer" in capsys.readouterr().err
    assert twinstroke("submit", "detection", *arguments, "--edition", "2020") == 1
    assert "MediaEval 2020 had no detection task" in capsys.readouterr().err
