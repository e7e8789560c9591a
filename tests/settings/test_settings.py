"""Every problem of params.yaml and of the preset is named, all at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from twinstroke.errors import UserError
from twinstroke.settings.load import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    return tmp_path


def change(file: Path, **changes: Any) -> None:
    """Set keys, nested ones as ``a__b``; the value ``...`` removes the key."""
    yaml = YAML()
    content = yaml.load(file.read_text())
    for path, value in changes.items():
        *parents, key = path.split("__")
        section = content
        for parent in parents:
            section = section[parent]
        if value is ...:
            del section[key]
        else:
            section[key] = value
    with file.open("w") as stream:
        yaml.dump(content, stream)


@pytest.mark.parametrize("preset", sorted(p.stem for p in (ROOT / "presets").glob("*.yaml")))
def test_presets_of_the_project_are_valid(project: Path, preset: str) -> None:
    change(project / "params.yaml", preset=preset)
    assert load_settings(project).name == preset


def test_paper_preset_holds_the_published_values(project: Path) -> None:
    change(project / "params.yaml", preset="paper", attention_blocks=3)
    settings = load_settings(project)
    window = settings.window
    assert (window.frames, window.height, window.width) == (100, 120, 120)
    assert (settings.decode.width, settings.decode.frame_step, settings.index.fps) == (320, 1, 120)
    assert settings.flow.estimator == "deepflow"
    training = settings.optimisation
    assert (training.learning_rate, training.momentum, training.weight_decay) == (0.01, 0.5, 0.005)
    assert (training.schedule, training.epochs, training.batch_size) == ("restarts", 1500, 5)
    rule = training.restarts
    assert (rule.patience, rule.recent, rule.before, rule.drop) == (50, 25, 35, 0.7)
    assert (rule.factor, rule.lowest_rate) == (10, 1e-5)
    ranges = training.augmentation
    assert (ranges.rotation_deg, ranges.zoom, ranges.shift, ranges.flip) == (10, 0.1, 0.1, 0.5)
    # Table II: 500 epochs of the same training.
    change(project / "params.yaml", epochs=500)
    assert load_settings(project).optimisation.restarts == rule
    change(project / "params.yaml", attention_blocks=0)
    assert load_settings(project).optimisation.batch_size == 10
    change(project / "params.yaml", attention_blocks=3, modality="rgb")
    assert load_settings(project).optimisation.batch_size == 10


def test_an_experiment_overrides_the_preset(project: Path) -> None:
    before = load_settings(project).optimisation
    change(
        project / "params.yaml", epochs=2, learning_rate=1e-05, augment=False, attention_blocks=1
    )
    change(project / "params.yaml", batch_size=3)
    after = load_settings(project).optimisation
    assert (after.epochs, after.learning_rate, after.augment) == (2, 1e-05, False)
    assert after.batch_size == 3
    assert after.momentum == before.momentum


def test_a_number_as_dvc_writes_it_is_a_number(project: Path) -> None:
    # `-S learning_rate=1e-05` writes this, which YAML 1.1 would read as a string.
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(
        text.replace("learning_rate: preset", "learning_rate: 1e-05")
    )
    assert load_settings(project).optimisation.learning_rate == 1e-05


PROBLEMS = [
    ("params", {"sedd": 3}, r"params\.yaml: sedd: unknown key"),
    ("params", {"seed": ...}, r"seed: missing"),
    ("params", {"seed": "abc"}, r"seed: .*integer.*'abc'"),
    ("params", {"seed": True}, r"seed: .*integer"),
    ("params", {"modality": "depth"}, r"modality: .*'rgb', 'flow' or 'twin'.*'depth'"),
    ("params", {"attention_blocks": 4}, r"attention_blocks: .*less than or equal to 3"),
    ("params", {"epochs": 0}, r"epochs.*greater than or equal to 1"),
    ("params", {"epochs": "many"}, r"epochs: .*valid integer.*, or 'preset' \(found 'many'\)$"),
    ("params", {"augment": "often"}, r"augment: .*valid boolean, or 'preset' \(found 'often'\)$"),
    ("params", {"preset": "../paper"}, r"preset: .*pattern"),
    ("params", {"preset": "mine"}, r"'mine' has no file .*presets that exist: demo, paper"),
    ("params", {"attention_blocks": 1, "residual_blocks": 2}, r"exclude each other"),
    ("params", {"compile": True, "checkpointing": True}, r"compile: true and .* exclude each"),
    ("params", {"processes": 0}, r"processes: .* greater than or equal to 1"),
    ("params", {"processes": 9}, r"processes: 9 cannot share batches of 8"),
    ("params", {"precision": "float16"}, r"precision: .*'float32' or 'bfloat16'"),
    ("demo", {"window__frames": 7}, r"window\.frames: 7 does not survive 3 poolings"),
    ("demo", {"window__width": 200}, r"window\.width: 200 is wider than the kept frames"),
    ("demo", {"window__frames": 60}, r"longer than a mined negative.*200"),
    ("demo", {"flow__estimator": "raft"}, r"flow\.estimator: .*'deepflow'"),
    ("demo", {"index__classes": ["A", "B"]}, r"'Negative' is no class"),
    ("demo", {"index__classes": ["Negative", "A", "A"]}, r"each named once"),
    ("demo", {"index__format": "clips"}, r"trimmed clips have no gaps"),
    ("demo", {"index__split__rule": "names"}, r"needs patterns"),
    ("demo", {"index__split__train": ["a*"]}, r"patterns are for rule names"),
    ("demo", {"index__split__train_ratio": 0.9, "index__split__rule": "video"}, r"more than 1"),
    ("demo", {"index__videos": "../../secret"}, r"index\.videos: .*below the raw folder"),
    ("demo", {"index__annotations": "/etc/passwd"}, r"index\.annotations: .*below the raw"),
    ("demo", {"index__groups": "../players.csv"}, r"index\.groups: .*below the raw folder"),
    ("demo", {"index__classes": ["Negative", "A\x07"]}, r"odd characters"),
    (
        "demo",
        {"index__aliases": {"FH": "Forhand"}, "index__classes": ["Negative", "Forehand"]},
        r"index\.aliases: 'FH' stands for 'Forhand', which is no class",
    ),
    (
        "demo",
        {"index__negatives__rule": "mediaeval", "index__negatives__margin": 5},
        r"margin: is for rule gaps, but the rule is mediaeval",
    ),
    ("demo", {"index__negatives__pool": 0}, r"negatives\.pool: .*greater than or equal to 1"),
    ("demo", {"index__split__folds": 5}, r"folds: is for rules that draw, but the rule is given"),
    (
        "demo",
        {"index__split__folds": 5, "index__split__rule": "group", "index__split__fold": 5},
        r"fold: 5 is none of the folds \(index\.split\.folds: 5\); they count from 0",
    ),
    ("demo", {"index__split__fold": 1}, r"fold: 1 is none of the folds"),
    ("demo", {"decode__rate": 30}, r"rate: 30 and decode\.frame_step: 4 exclude each other"),
    ("demo", {"decode__rate": 0}, r"decode\.rate: .*greater than or equal to 0.1"),
    ("demo", {"index__fps": "any"}, r"index\.fps: any rate will do only where decode\.rate"),
    ("demo", {"index__split__folds": 2}, r"split\.folds: .*greater than or equal to 3"),
    ("demo", {"index__elan": {"tiers_are": "layers"}}, r"tiers_are: .*'players'"),
    (
        "demo",
        {"index__elan": {"tiers_are": "players"}, "index__split__group": "club"},
        r"tiers_are: players, but the samples are grouped by 'club'",
    ),
    ("demo", {"index__format": "xls"}, r"index\.format: .*'label_studio'"),
    ("demo", {"index__annotation_fps": 0}, r"annotation_fps: .*greater than 0.*'video'"),
    ("demo", {"balance__min_agreement": 1.1}, r"min_agreement: .*less than or equal to 1"),
    ("demo", {"synthesize__test_players": 0}, r"each split needs at least one player"),
    ("demo", {"train__momentum": 1.5}, r"train\.momentum: .*less than 1"),
    ("demo", {"train__batch_size": 1}, r"train\.batch_size: .*greater than or equal to 2"),
    ("demo", {"decode__width": "128"}, r"decode\.width: .*integer.*'128'"),
    ("demo", {"train__learning_rate": float("inf")}, r"train\.learning_rate: .*finite"),
    ("demo", {"index__classes": ["Negative", " A "]}, r"' A ' is empty, has spaces"),
    ("demo", {"decode": ...}, r"demo\.yaml: decode: missing"),
    ("params", {"architecture": "i3d", "attention_blocks": 1}, r"i3d has no places for blocks"),
    ("params", {"architecture": "i3d", "residual_blocks": 1}, r"i3d has no places for blocks"),
    ("params", {"schedule": "cosine"}, r"schedule: .*'restarts'.*'cosine'"),
    ("demo", {"segment__margin": 11}, r"segment\.margin: 11 .* fewer than the 12 that"),
    ("demo", {"train__augmentation__rotation_deg": 20}, r"segment\.margin: 12 .* fewer than"),
    ("demo", {"train__augmentation__zoom": 1}, r"augmentation\.zoom: .*less than 1"),
]


def test_without_augmentation_no_margin_is_needed(project: Path) -> None:
    change(project / "presets" / "demo.yaml", segment__margin=0, train__augment=False)
    assert load_settings(project).segment.margin == 0


@pytest.mark.parametrize(("file", "changes", "message"), PROBLEMS)
def test_problem_is_named(project: Path, file: str, changes: dict[str, Any], message: str) -> None:
    path = project / "params.yaml" if file == "params" else project / "presets" / f"{file}.yaml"
    change(path, **changes)
    with pytest.raises(UserError, match=message):
        load_settings(project)


def test_all_problems_come_at_once(project: Path) -> None:
    change(project / "params.yaml", seed=-1, modality=3, wrong=1)
    change(project / "presets" / "demo.yaml", window__frames=4, flow__estimator="x")
    with pytest.raises(UserError) as error:
        load_settings(project)
    assert len([p for p in error.value.problems if "params.yaml" in p]) == 3
    assert len([p for p in error.value.problems if "demo.yaml" in p]) == 1
    change(project / "presets" / "demo.yaml", flow__estimator="dis")
    with pytest.raises(UserError) as error:
        load_settings(project)
    assert len(error.value.problems) == 4
    assert "does not survive" in error.value.problems[3]


def test_broken_yaml_is_named(project: Path) -> None:
    (project / "presets" / "demo.yaml").write_text("window: [1, 2\nflow: {")
    with pytest.raises(UserError, match=r"demo\.yaml: not readable as YAML.*line"):
        load_settings(project)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("preset: demo\x01", "unacceptable character #x0001"),
        ("seed: 2001-99-99", "a value is none of its kind: month must be in 1..12"),
        ("seed: !!bool x", "a value is none of its kind: 'x'"),
        ("seed: " + 3000 * "[", "its values are nested too deeply"),
        ("preset: \udce9", "'utf-8' codec can't decode byte 0xe9"),
    ],
)
def test_what_yaml_cannot_hold_is_one_line(project: Path, content: str, problem: str) -> None:
    (project / "params.yaml").write_text(content, errors="surrogateescape")
    with pytest.raises(UserError) as error:
        load_settings(project)
    (line,) = error.value.problems
    assert line.startswith(f"{project / 'params.yaml'}: not readable as YAML: {problem}")
    assert "\n" not in line


def test_a_file_without_keys_is_named(project: Path) -> None:
    (project / "params.yaml").write_text("")
    with pytest.raises(UserError, match=r"params\.yaml: holds no keys"):
        load_settings(project)


def test_missing_params(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: not found; run from the project's folder"):
        load_settings(tmp_path)
