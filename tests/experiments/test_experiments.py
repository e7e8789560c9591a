"""Grids of experiments: what they declare, how they run, and the tables made of them."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests import quick
from tests.command import twinstroke
from twinstroke.errors import UserError
from twinstroke.experiments.grids import PaperFigures, load_grids, plan, right_of
from twinstroke.experiments.run import Carried, carry_out
from twinstroke.experiments.table import RESULTS, TABLES, Metrics, Result, inserted, markdown
from twinstroke.experiments.workspace import Workspace
from twinstroke.tables import read_table, write_table

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRIDS = ("ablation", "table2", "table3")

SMALL_GRID = """\
small:
  title: Three rows
  seed: 1
  rows:
    - name: one
      settings: {architecture: tstcnn, modality: rgb, attention_blocks: 1, residual_blocks: 0}
      paper: {test: 80}
    - name: two
      settings:
        architecture: tstcnn
        modality: rgb
        attention_blocks: 2
        residual_blocks: 0
        batch_size: 4
    - name: three
      settings: {architecture: tstcnn, modality: rgb, attention_blocks: 3, residual_blocks: 0}
"""
STAGES = """\
stages:
  balance:
    cmd: python balance.py
    params: [preset]
    outs:
      - data/${preset}/balanced
      - reports/${preset}/data.json:
          cache: false
  train:
    cmd: python train.py
    deps:
      - train.py
      - data/${preset}/balanced
      - reports/${preset}/data.json
    params: [preset, attention_blocks, epochs]
    outs:
      - data/${preset}/model
      - reports/${preset}/training.json
    metrics:
      - reports/${preset}/scores.json:
          cache: false
"""
BALANCE = """\
import pathlib
(preset,) = (line.split(": ")[1] for line in open("params.yaml").read().splitlines()
             if line.startswith("preset: "))
for file in (f"data/{preset}/balanced", f"reports/{preset}/data.json"):
    pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(file).write_text(preset)
"""
# Accuracy and time tell which row it was; files in data/ of the folder itself, not of a copy that
# DVC makes, make it fail, wait, meddle or wait for another row.
TRAIN = """\
import json, os, pathlib, time
params = dict(line.split(": ") for line in open("params.yaml").read().splitlines() if ": " in line
              and line[0] != "#")
blocks, data = int(params["attention_blocks"]), pathlib.Path(os.environ["DVC_ROOT"], "data")
(data / "log").open("a").write(f"{blocks}")
assert not ((data / "fail").exists() and blocks == 2), "this row fails"
if (data / "wait").exists():
    (data / "waiting").touch()
    time.sleep(100)
if (data / "meet").exists():
    (data / f"here-{blocks}").touch()
    while len(list(data.glob("here-*"))) < 2:
        time.sleep(0.05)
if (data / "meddle").exists():
    pathlib.Path(os.environ["DVC_ROOT"], "notes.txt").write_text("edited meanwhile")
split = {"n": 8, "accuracy": blocks / 8, "accuracy_low": 0.0, "accuracy_high": 0.5}
scores = {f"{name}.single.{key}": value for name in ("train", "validation", "test")
          for key, value in split.items()}
scores |= {"parameters.all": 20, "parameters.without_fully_connected": 10, "best_epoch": blocks}
reports = pathlib.Path("reports", params["preset"])
reports.mkdir(parents=True, exist_ok=True)
(reports / "scores.json").write_text(json.dumps(scores))
(reports / "training.json").write_text(json.dumps({"seconds_per_epoch": blocks + 0.5}))
pathlib.Path("data", params["preset"], "model").write_text(f"model {blocks}")
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "change")


def project(folder: Path) -> Path:
    """A repository with the real parameters, three rows, and stages that take no time."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (folder / ".gitignore").write_text("/data/\n/work/\n")
    (folder / "experiments").mkdir()
    (folder / "experiments/grids.yaml").write_text(SMALL_GRID)
    (folder / "presets").mkdir()
    for preset in ("demo", "other"):
        shutil.copy(ROOT / "presets/demo.yaml", folder / "presets" / f"{preset}.yaml")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "notes.txt").write_text("as committed")
    (folder / "data").mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def rows_of(folder: Path, preset: str = "demo") -> list[dict[str, str]]:
    with (folder / f"docs/results/small-{preset}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


# --- What the grids declare ---


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_every_row_is_accepted_and_can_be_named_in_git(name: str, preset: str) -> None:
    rows = plan(ROOT, name, load_grids(ROOT)[name], preset, epochs=None)
    names = [row.experiment for row in rows]
    assert len(set(names)) == len(names) == len(load_grids(ROOT)[name].rows)
    for row in rows:
        git(ROOT, "check-ref-format", f"refs/exps/{row.experiment}")
        for key, value in row.row.settings.items():
            assert row.params[key] == value
        assert (row.settings.name, row.settings.modality) == (preset, row.params["modality"])


def test_the_grids_are_these() -> None:
    assert tuple(sorted(load_grids(ROOT))) == GRIDS


def test_ablation_is_every_number_of_either_block_in_every_network() -> None:
    found = [
        tuple(row.settings[k] for k in ("modality", "attention_blocks", "residual_blocks"))
        for row in load_grids(ROOT)["ablation"].rows
    ]
    blocks = [(a, r) for a in range(4) for r in range(4) if a == 0 or r == 0]
    expected = [(m, a, r) for m, (a, r) in itertools.product(("rgb", "flow", "twin"), blocks)]
    assert len(found) == 21
    assert set(found) == set(expected)


def test_tables_of_the_paper_have_its_networks() -> None:
    grids = load_grids(ROOT)
    both = [
        (architecture, modality, blocks)
        for modality in ("rgb", "flow", "twin")
        for architecture, blocks in (("i3d", 0), ("tstcnn", 0), ("tstcnn", 3))
    ]
    for name, expected in (
        ("table2", [network for network in both if network != ("i3d", "twin", 0)]),
        ("table3", both),
    ):
        found = [
            (
                row.settings["architecture"],
                row.settings["modality"],
                row.settings["attention_blocks"],
            )
            for row in grids[name].rows
        ]
        assert found == expected
        assert {row.settings["residual_blocks"] for row in grids[name].rows} == {0}


def test_figures_of_the_paper_are_counts_of_its_samples() -> None:
    """A slip of the pen hardly is: the paper's splits have 230 and 116 or 118 samples."""
    figures = {row.name: row.paper for row in load_grids(ROOT)["table3"].rows}
    for name, paper in figures.items():
        if paper.validation is not None:
            assert paper.validation_n == 230
            assert paper.validation in {round(100 * k / 230, 1) for k in range(231)}
        n = 118 if "attention" in name else 116
        assert paper.test_n == n
        assert paper.test in {round(100 * k / n, 1) for k in range(n + 1)}
    # The numbers of right samples, by hand.
    assert {
        name: right_of(paper.test or 0, paper.test_n or 0) for name, paper in figures.items()
    } == {
        "rgb-i3d": 81,
        "rgb": 89,
        "rgb-attention": 101,
        "flow-i3d": 85,
        "flow": 86,
        "flow-attention": 94,
        "rgb-flow-i3d": 88,
        "twin": 95,
        "twin-attention": 103,
    }
    for row in load_grids(ROOT)["table2"].rows:
        # 71.8 % is no share of 230 samples, so no number is claimed.
        assert (row.paper.test, row.paper.validation_n, row.paper.test_n) == (None, None, None)


@given(n=st.integers(1, 999), share=st.floats(0, 1))
def test_any_printed_share_of_so_many_samples_is_accepted(n: int, share: float) -> None:
    right = round(share * n)
    figures = PaperFigures(test=round(100 * right / n, 1), test_n=n)
    assert figures.test is not None
    assert right_of(figures.test, n) == right


def test_table_2_takes_a_third_of_the_epochs_and_can_be_told_otherwise() -> None:
    grid = load_grids(ROOT)["table2"]
    for preset in ("demo", "paper"):
        text = (ROOT / "presets" / f"{preset}.yaml").read_text()
        whole = YAML(typ="safe", pure=True).load(text)["train"]["epochs"]
        planned = plan(ROOT, "table2", grid, preset, epochs=None)
        assert {row.settings.optimisation.epochs for row in planned} == {whole // 3}
        assert whole % 3 == 0
    planned = plan(ROOT, "table2", grid, "demo", epochs=2)
    assert {row.settings.optimisation.epochs for row in planned} == {2}
    assert planned[0].experiment == "table2-demo-rgb-i3d-e2"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("modality: rgb, attention_blocks: 1", "modality: rgb", "'attention_blocks' is missing"),
        ("attention_blocks: 1,", "atention_blocks: 1,", "did you mean 'attention_blocks'?"),
        (
            "residual_blocks: 0}\n      paper",
            "residual_blocks: 0, epochs: 3}\n      paper",
            "'epoch",
        ),
        ("name: two", "name: one", "two rows are named 'one'"),
        ("attention_blocks: 3", "attention_blocks: 1", "'one' and 'three' have the same settings"),
        ("name: two", "name: a..b", "small.rows.a..b.name: String should match"),
        ("test: 80", "test: 101", "small.rows.one.paper.test: Input should be less than or equal"),
        ("test: 80", "tset: 80", "small.rows.one.paper.tset: Extra inputs are not permitted"),
        (
            "test: 80",
            "test: 80.1, test_n: 10",
            "small.rows.one.paper: test: 80.1 % is no share of 10 samples: 8 of them are 80.00 %; "
            "correct one of the two, or leave test_n out",
        ),
        (
            "test: 80",
            "test: 80, validation_n: 9",
            "paper: validation_n is given without validation",
        ),
        ("test: 80", "test: 80, test_n: 0", "small.rows.one.paper.test_n: Input should be greater"),
        ("title: Three rows", "", "small.title: Field required"),
        ("small:", "Big one:", "String should match pattern"),
        ("rows:", "rows: [", "not readable as YAML"),
    ],
)
def test_mistakes_in_the_grids_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/grids.yaml").write_text(SMALL_GRID.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load_grids(tmp_path)
    assert message in str(caught.value)
    assert all(text.startswith("experiments/grids.yaml: ") for text in caught.value.problems)


def test_nonsense_of_a_row_and_a_missing_preset_are_named_before_any_work() -> None:
    grid = load_grids(ROOT)["table3"]
    nonsense = {**grid.rows[0].settings, "attention_blocks": 1}
    bad = grid.model_copy(
        update={"rows": [grid.rows[0].model_copy(update={"settings": nonsense}), *grid.rows[1:]]}
    )
    with pytest.raises(UserError) as caught:
        plan(ROOT, "table3", bad, "demo", epochs=None)
    assert [text[:53] for text in caught.value.problems] == [
        "experiments/grids.yaml: table3: rgb-i3d: params.yaml:"
    ]
    with pytest.raises(UserError) as caught:
        plan(ROOT, "table3", grid, "nosuch", epochs=None)
    assert len(caught.value.problems) == 1
    assert "presets that exist: demo, paper" in str(caught.value)


# --- Tables ---

SPLIT = {"n": 63, "accuracy": 50 / 63, "accuracy_low": 0.678, "accuracy_high": 0.875}
SCORES = {
    **{
        f"{name}.single.{k}": v
        for name in ("train", "validation", "test")
        for k, v in SPLIT.items()
    },
    "parameters.all": 14251811,
    "parameters.without_fully_connected": 360790,
    "best_epoch": 11,
}


def experiment(
    folder: Path, row: str, scores: dict[str, Any], note: str = "", **changes: object
) -> None:
    """What `dvc exp run` leaves in git, made by hand."""
    head = git(folder, "rev-parse", "HEAD")
    params = folder / "params.yaml"
    text = params.read_text()
    for key, value in {"modality": "rgb", **changes}.items():
        text = re.sub(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
    params.write_text(text)
    (folder / "reports/demo").mkdir(parents=True, exist_ok=True)
    (folder / "reports/demo/scores.json").write_text(json.dumps(scores))
    (folder / "notes.txt").write_text(note or "as committed")
    git(folder, "checkout", "-q", "--detach")
    commit(folder)
    made = git(folder, "rev-parse", "HEAD")
    git(folder, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/small-demo-{row}", made)
    git(folder, "checkout", "-q", "main")


def grid_verb(*arguments: object) -> int:
    """Carry out the verb, and undo what it decides about signals."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        return twinstroke("grid", *arguments)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_small(folder: Path, preset: str = "demo", jobs: int = 1) -> list[str]:
    """Run the grid; give what failed."""
    grid = load_grids(folder)["small"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", quick.python())
        return carry_out(folder, "small", grid, preset=preset, epochs=None, jobs=jobs).failures


def test_a_table_is_collected_from_the_commits_of_experiments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project(tmp_path / "project")
    other = {**SCORES, "test.single.accuracy": 1.0, "test.single.accuracy_high": 1.0}
    experiment(folder, "one", SCORES, attention_blocks=1)
    experiment(folder, "two", other, attention_blocks=2, batch_size=4)
    experiment(folder, "three", SCORES, attention_blocks=3)
    monkeypatch.chdir(folder)
    assert twinstroke("grid", "nosuch") == 2
    assert "'nosuch' is none of small." in capsys.readouterr().err
    # All rows are there: nothing is run.
    assert grid_verb("small") == 0
    wrote = "wrote docs/results/small-demo.csv and docs/results.md"
    assert capsys.readouterr().out.splitlines()[-1] == wrote
    first = {path: path.read_bytes() for path in (folder / "docs").rglob("*.*") if path.is_file()}
    rows = rows_of(folder)
    assert [row["row"] for row in rows] == ["one", "two", "three"]
    assert [float(row["test"]) for row in rows] == [50 / 63, 1.0, 50 / 63]
    assert {row["parameters_without_fully_connected"] for row in rows} == {"360790"}
    assert {row["commit"] for row in rows} == {git(folder, "rev-parse", "main")}
    assert {row["seconds_per_epoch"] for row in rows} == {""}, "no such measurement was kept"
    assert [row["paper_test"] for row in rows] == ["80.0", "", ""]
    document = (folder / RESULTS).read_text()
    line = next(line for line in document.splitlines() if "1 attention block |" in line)
    accuracy = "79.4 % of 63 (67.8 to 87.5)"
    assert line.split(" | ")[1:] == [
        "360,790", accuracy, accuracy, accuracy, "11", "–", "80.0 % |",
    ]  # fmt: skip
    assert run_small(folder) == []
    assert {path: path.read_bytes() for path in first} == first


def test_the_verb_writes_what_did_not_fail_and_tells_what_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path / "project"))
    asked: dict[str, object] = {}

    def carried(root: Path, name: str, grid: object, **options: object) -> Carried:
        asked.update(options, root=root, name=name)
        return Carried([Path("docs/a.csv"), Path("docs/b.md")], ["a row failed", "1 of 3"])

    monkeypatch.setattr("twinstroke.experiments.run.carry_out", carried)
    assert grid_verb("small", "--preset", "other", "--epochs", 5, "--jobs", 2) == 1
    printed = capsys.readouterr()
    assert printed.out == "wrote docs/a.csv and docs/b.md\n"
    assert printed.err == "error: a row failed\nerror: 1 of 3\n"
    expected = {"root": Path.cwd(), "name": "small", "preset": "other", "epochs": 5, "jobs": 2}
    assert asked == expected
    for wrong in ("--jobs=0", "--epochs=no", "--preset=../x"):
        assert grid_verb("small", wrong) == 2
        assert f"Invalid value for '{wrong.partition('=')[0]}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("blocks", "note", "message"),
    [(3, "", "differs in attention_blocks;"), (1, "edited", "differs in notes.txt;")],
)
def test_an_experiment_that_is_something_else_is_not_taken(
    tmp_path: Path, blocks: int, note: str, message: str
) -> None:
    folder = project(tmp_path / "project")
    experiment(folder, "one", SCORES, note, attention_blocks=blocks)
    with pytest.raises(UserError, match=message) as caught:
        run_small(folder)
    assert "dvc exp remove small-demo-one" in str(caught.value)
    assert not (folder / "docs").exists()


def result(**given: Any) -> Result:
    described = {"row": "a", "preset": "demo", "architecture": "tstcnn", "modality": "rgb"}
    numbers = {"attention_blocks": 0, "residual_blocks": 0, "seed": 1, "epochs": 12}
    return Result.model_validate({**described, **numbers, **given})


@given(
    accuracy=st.floats(0, 1),
    seconds=st.none() | st.floats(0, 1e6),
    device=st.none() | st.sampled_from(["CPU", 'GPU, "large"']),
)
def test_a_csv_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    accuracy: float,
    seconds: float | None,
    device: str | None,
) -> None:
    rows = [
        result(commit="c" * 40, test=accuracy, seconds_per_epoch=seconds, device=device),
        result(row="b", paper_train=95.1),
    ]
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    write_table(path, rows, Result)
    assert read_table(path, Result) == rows


def test_missing_rows_are_said_to_be_missing() -> None:
    lines = markdown([result(), result(architecture="i3d", modality="twin")]).splitlines()
    assert [line.split(" | ")[:2] for line in lines if line.startswith("| R")] == [
        ["| RGB", "missing"],
        ["| RGB + Flow I3D", "missing"],
    ]
    assert not any("paper" in line for line in lines)


def test_published_figures_have_their_uncertainty_where_it_is_known() -> None:
    """Wilson's intervals of 103 of 118, 95 and 81 of 116, by another program."""
    blocks = {"modality": "twin", "attention_blocks": 3}
    rows = [
        result(architecture="i3d", paper_test=69.8, paper_test_n=116, paper_train=98.0),
        result(modality="twin", paper_test=81.9, paper_test_n=116),
        result(**blocks, paper_test=87.3, paper_test_n=118),
        result(modality="flow", paper_test=99.9),
    ]
    text = markdown(rows)
    figures = [line.split(" | ")[-1] for line in text.splitlines() if line.startswith("| ")]
    assert figures[2:] == [
        "69.8 % of 116 (60.9 to 77.4) |",
        "81.9 % of 116 (73.9 to 87.8) |",
        "87.3 % of 118 (80.1 to 92.1) |",
        "99.9 % |",
    ]
    notes = text.split("\n\n")[2:]
    assert notes[0] == (
        "Published test sizes differ: 116 (Twin; RGB I3D) and 118 (Twin, 3 attention blocks). So "
        "these rows are not of one set of samples; compare them with care."
    )
    assert notes[1].startswith(
        "The interval of the best published test accuracy (Twin, 3 attention blocks) overlaps 1 of "
        "2 others: Twin."
    )
    assert notes[2].startswith("The paper does not say of how many samples")
    assert len(notes) == 3
    (one,) = markdown(rows[2:]).split("\n\n")[2:]
    assert one.startswith("The paper does not say"), "sizes are equal, and nothing overlaps"
    assert not markdown(rows[3:]).split("\n\n")[2:]


def test_figures_that_are_new_in_the_scores_do_not_disturb() -> None:
    more = {**SCORES, "test.single.balanced_accuracy": 0.5, "test.vote.accuracy": 0.6}
    assert Metrics.model_validate(more) == Metrics.model_validate(SCORES)


def test_a_table_is_replaced_in_its_place_or_appended() -> None:
    document = "# Text\n\n<!-- table: a -->\n\nold\n\n<!-- end -->\n\nmore\n"
    assert inserted(document, "a", "A", "new\n") == document.replace("old", "new")
    both = inserted(document, "b", "B", "other\n")
    assert both == f"{document}\n## B\n\n<!-- table: b -->\n\nother\n\n<!-- end -->\n"
    assert inserted(both, "b", "B", "other\n") == both


@pytest.mark.parametrize(
    "document",
    [
        "<!-- table: a -->\nno end",
        "<!-- table: a -->\n<!-- table: b -->\n<!-- end -->\n",
        "<!-- table: a -->\n<!-- end -->\n<!-- table: a -->\n<!-- end -->\n",
    ],
)
def test_damaged_markers_are_refused(document: str) -> None:
    with pytest.raises(UserError, match="must stand there once"):
        inserted(document, "a", "A", "new\n")


def test_tables_in_the_documentation_are_those_of_their_files() -> None:
    document = (ROOT / RESULTS).read_text() if (ROOT / RESULTS).exists() else ""
    parts = document.split("<!-- table: ")[1:]
    tables = dict(part.split("\n<!-- end -->")[0].split(" -->\n\n", 1) for part in parts)
    files = {path.stem: path for path in (ROOT / TABLES).glob("*.csv")}
    assert tables == {name: markdown(read_table(file, Result)) for name, file in files.items()}


# --- Running, with the real DVC ---


@pytest.fixture(scope="module")
def runnable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stages have run once and are committed."""
    folder = project(tmp_path_factory.mktemp("run") / "project")
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "balance.py").write_text(BALANCE)
    (folder / "train.py").write_text(TRAIN)
    environment = {**os.environ, "PATH": quick.path()}
    subprocess.run(["dvc", "repro", "-q"], cwd=folder, env=environment, check=True)
    commit(folder)
    return folder


def state(folder: Path) -> tuple[str, str, str, str]:
    """What a grid must leave as it was; its own tables are new."""
    return (
        git(folder, "status", "--porcelain", "--", ".", ":!docs"),
        git(folder, "symbolic-ref", "HEAD"),
        (folder / "data/demo/model").read_text(),
        (folder / "reports/demo/training.json").read_text(),
    )


def trained(folder: Path) -> str:
    """Numbers of attention blocks of all trainings since the last call, in order."""
    log = folder / "data/log"
    text = log.read_text() if log.exists() else ""
    log.unlink(missing_ok=True)
    return text


def test_a_dirty_folder_is_refused(runnable: Path) -> None:
    trained(runnable)
    (runnable / "notes.txt").write_text("edited")
    with pytest.raises(UserError, match=r"uncommitted changes in notes\.txt;") as caught:
        run_small(runnable)
    assert len(caught.value.problems) == 1
    assert trained(runnable) == ""
    git(runnable, "restore", "notes.txt")


def test_a_failing_row_stops_no_other_and_is_run_again(
    runnable: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = state(runnable)
    (runnable / "data/fail").touch()
    failures = run_small(runnable)
    assert trained(runnable) == "123"
    assert failures[0].startswith("small-demo-two: dvc exp run ended with status")
    assert failures[1].startswith("1 of 3 rows failed")
    assert state(runnable) == before
    rows = rows_of(runnable)
    assert [row["test"] for row in rows] == ["0.125", "", "0.375"]
    # Read from DVC's cache.
    assert [row["seconds_per_epoch"] for row in rows] == ["1.5", "", "3.5"]
    assert "| RGB, 2 attention blocks | missing |" in (runnable / RESULTS).read_text()
    printed = capfd.readouterr().out
    assert "1 of 3: small-demo-one: test 12.5 % of 8 (0.0 to 50.0); took " in printed
    assert "2 of 3: small-demo-two: failed; took " in printed

    (runnable / "data/fail").unlink()
    assert run_small(runnable) == []
    assert trained(runnable) == "2", "the others are not run again"
    assert state(runnable) == before
    assert [row["test"] for row in rows_of(runnable)] == ["0.125", "0.25", "0.375"]
    workspace = Workspace.opened(runnable, "demo")
    assert sorted(workspace.experiments()) == [f"small-demo-{n}" for n in ("one", "three", "two")]
    params = git(runnable, "show", f"{workspace.experiments()['small-demo-two']}:params.yaml")
    assert "\nattention_blocks: 2\n" in params
    assert "\nmodality: rgb\n" in params


def test_an_edit_meanwhile_ends_the_grid_and_is_kept(runnable: Path) -> None:
    """With another preset than that of params.yaml, which DVC makes room for."""
    before = state(runnable)
    (runnable / "data/meddle").touch()
    with pytest.raises(UserError, match=r"notes\.txt changed while the grid ran"):
        run_small(runnable, "other")
    assert trained(runnable) == "1"
    assert (runnable / "notes.txt").read_text() == "edited meanwhile"
    (runnable / "data/meddle").unlink()
    git(runnable, "restore", "notes.txt")
    assert state(runnable) == before
    assert not (runnable / "reports/other").exists()
    with pytest.raises(UserError, match=r"small-other-one exists but differs in notes\.txt"):
        run_small(runnable, "other")


@pytest.fixture
def side(runnable: Path, tmp_path: Path) -> Path:
    """The same in another place, with no experiments."""
    folder = tmp_path / "project"
    shutil.copytree(runnable, folder)
    forget(folder)
    return folder


def forget(folder: Path) -> None:
    """Remove all experiments, their table, and what DVC would spare itself to run again."""
    for name in git(folder, "for-each-ref", "--format=%(refname)", "refs/exps").split():
        git(folder, "update-ref", "-d", name)
    shutil.rmtree(folder / "docs", ignore_errors=True)
    shutil.rmtree(folder / ".dvc/cache/runs")
    trained(folder)


def test_rows_side_by_side_do_not_disturb_each_other(
    side: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a preset whose reports are in no commit yet, and with a row that fails."""
    before = state(side)
    (side / "data/meet").touch()
    (side / "data/fail").touch()
    assert run_small(side, "other", jobs=2) == [
        "small-other-two: dvc exp run ended with status 255; see "
        "work/experiments/small-other-two.log",
        "1 of 3 rows failed; the same command tries again",
    ]
    assert sorted(trained(side)) == ["1", "2", "3"]
    assert state(side) == before
    printed = capfd.readouterr().out
    assert (
        "1 of 3: small-other-one: its output is in work/experiments/small-other-one.log" in printed
    )
    assert "Running stage 'train'" not in printed, "the rows' own output is not mixed"
    logs = {path.stem: path.read_text() for path in (side / "work/experiments").iterdir()}
    assert sorted(logs) == ["small-other-one", "small-other-three", "small-other-two"]
    assert "this row fails" in logs["small-other-two"]
    (side / "data/fail").unlink()
    assert run_small(side, "other", jobs=2) == []
    assert trained(side) == "2"
    assert state(side) == before
    assert [row["test"] for row in rows_of(side, "other")] == ["0.125", "0.25", "0.375"]
    made = Workspace.opened(side, "demo").experiments()
    assert len(made) == 3
    for blocks, name in enumerate(("one", "two", "three"), 1):
        commit = made[f"small-other-{name}"]
        # Nothing of another row came into it.
        assert git(side, "diff", "--name-only", "HEAD", commit).split() == [
            "dvc.lock",
            "params.yaml",
            "reports/other/data.json",
            "reports/other/scores.json",
        ]
        params = git(side, "show", f"{commit}:params.yaml")
        assert f"\nattention_blocks: {blocks}\n" in params
        scores = json.loads(git(side, "show", f"{commit}:reports/other/scores.json"))
        assert scores["test.single.accuracy"] == blocks / 8


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_puts_the_folder_back(runnable: Path, jobs: int) -> None:
    before = state(runnable)
    trained(runnable)
    (runnable / "data/wait").touch()
    (runnable / "data/waiting").unlink(missing_ok=True)
    # As a script starts it in the background: ignoring Ctrl-C, unless it decides otherwise.
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    verb = [sys.executable, "-m", "twinstroke", "grid", "small", "--epochs=5", f"--jobs={jobs}"]
    grid = subprocess.Popen(
        [*ignoring, *verb],
        cwd=runnable,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    log = runnable / "data/log"
    while not (runnable / "data/waiting").exists() or len(log.read_text()) < jobs:
        assert grid.poll() is None
        time.sleep(0.05)
    grid.send_signal(signal.SIGINT)
    printed, _ = grid.communicate(timeout=60)
    (runnable / "data/wait").unlink()
    assert grid.returncode == 130
    assert "the folder is as before, and the same command goes on" in printed
    assert state(runnable) == before
    assert sorted(trained(runnable)) == ["1", "2"][:jobs], "no further row was begun"
    copies = runnable / ".dvc/tmp/exps/standalone"
    assert not list(copies.glob("tmp*")) if jobs > 1 else not copies.exists()
    assert not [name for name in Workspace.opened(runnable, "demo").experiments() if "-e5" in name]
