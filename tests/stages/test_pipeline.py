"""The whole of dvc.yaml, as a user runs it, in a temporary clone at a tiny scale."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests import quick
from tests.browser import DESK, PHONE, opened
from tests.clone import ROOT, STAGES, Clone, ran
from tests.metrics import METRICS

pytestmark = pytest.mark.pipeline
PAGE = "attention.html"
"""Report of the experiment of this name, beside the clone."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    alone = clone.environment.pop(quick.ALONE)
    printed = clone.run("dvc", "repro")
    clone.environment[quick.ALONE] = alone
    # Each stage ran, in this order, and said in one line what it did.
    positions = [printed.index(f"\n{stage}: ") for stage in STAGES]
    assert positions == sorted(positions)
    clone.commit("baseline")
    return clone


def test_outputs_of_a_first_run(clone: Clone) -> None:
    scores = clone.scores()
    for split in ("train", "validation", "test"):
        with (clone.folder / f"reports/tiny/predictions/{split}.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        own = [row for row in rows if row["decision"] == "single"]
        assert {row["sample"] for row in rows} == {row["sample"] for row in own}
        right = sum(row["actual"] == row["predicted"] for row in own)
        assert scores[f"{split}.single.n"] == len(own) > 0
        assert scores[f"{split}.single.accuracy"] == pytest.approx(right / len(own))
        assert scores[f"{split}.single.accuracy_low"] <= scores[f"{split}.single.accuracy"]
    for name in ("confusion", "history", "recalls", "reliability", "mistakes"):
        picture = clone.folder / f"reports/tiny/{name}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
    figures = json.loads((clone.folder / "reports/tiny/detection_scores.json").read_text())
    # One test player, three strokes.
    assert (figures["n_videos"], figures["n_strokes"]) == (1, 3)
    (page,) = (clone.folder / "reports/tiny/detections").glob("*.html")
    (video,) = re.findall(r"[./]*/data/tiny/synthetic/videos/\d+\.mp4", page.read_text())
    assert (page.parent / video).exists()
    assert "has no attention blocks" in (clone.folder / "reports/tiny/index.html").read_text()


def test_git_sees_metrics_but_no_data(clone: Clone) -> None:
    tracked = clone.run("git", "ls-files", "data", "reports").split()
    assert not [name for name in tracked if name.startswith("data/tiny")]
    assert {f"reports/tiny/{file}" for file in METRICS} <= {*tracked}
    assert clone.run("git", "status", "--porcelain") == ""


def test_the_metrics_are_few_and_have_short_names(clone: Clone) -> None:
    """The same names as in the test of their table."""
    for file, content in METRICS.items():
        assert (
            json.loads((clone.folder / "reports/tiny" / file).read_text()).keys() == content.keys()
        )
    printed = clone.run("dvc", "metrics", "show", "--json")
    shown = json.loads(printed)[""]["data"]
    assert {Path(name).name for name in shown} == METRICS.keys()


def test_a_second_run_does_nothing(clone: Clone) -> None:
    printed = clone.run("dvc", "repro")
    assert ran(printed) == []
    assert "Data and pipelines are up to date." in printed


def test_another_default_is_in_the_strokes(clone: Clone) -> None:
    """The preset leaves the size of the square to the code."""
    module = clone.folder / "src/twinstroke/settings/normalize.py"
    strokes = clone.folder / "data/tiny/strokes.h5"
    code, before = module.read_text(), strokes.read_bytes()
    assert "dilate: Literal[0, 3, 5, 7] = 3" in code
    module.write_text(code.replace("Literal[0, 3, 5, 7] = 3", "Literal[0, 3, 5, 7] = 7"))
    assert ran(clone.run("dvc", "repro", "segment")) == ["normalize", "segment"]
    assert strokes.read_bytes() != before
    module.write_text(code)
    clone.run("dvc", "repro", "segment")
    assert strokes.read_bytes() == before
    assert clone.run("git", "status", "--porcelain") == ""


def test_an_experiment_trains_again_and_touches_nothing_before(clone: Clone) -> None:
    flow = clone.folder / "data/tiny/flow"
    before = {path: path.stat().st_mtime_ns for path in flow.iterdir()}
    printed = clone.run("dvc", "exp", "run", "-n", "attention", "-S", "attention_blocks=1")
    assert ran(printed) == ["train", "evaluate", "attend", "detect", "report"], printed
    page = clone.folder / "reports/tiny/index.html"
    assert "<video" in page.read_text()
    shutil.copy(page, clone.folder.parent / PAGE)
    assert clone.scores()["parameters.without_fully_connected"] == 360_790 + 2 * 29_520
    clone.run("git", "checkout", "-q", ".")
    assert {path: path.stat().st_mtime_ns for path in flow.iterdir()} == before
    shown = list(csv.DictReader(clone.run("dvc", "exp", "show", "--csv").splitlines()))
    assert all(float(row["sec"]) > 0 for row in shown if row["Experiment"])
    accuracy = {row["Experiment"]: float(row["test"]) for row in shown}
    assert accuracy["attention"] == pytest.approx(100 * clone.accuracy("attention"), abs=0.05)
    difference = clone.run("dvc", "metrics", "diff", "--all", "HEAD", "attention")
    assert f"{accuracy['attention']:g}" in difference
    assert "attention_blocks" in clone.run("dvc", "params", "diff", "HEAD", "attention")
    # Back to the baseline: its model comes out of the cache.
    printed = clone.run("dvc", "repro")
    assert "Stage 'train' is cached - skipping run" in printed
    assert ran(printed)[0] == "evaluate"
    assert clone.run("git", "status", "--porcelain") == ""


def test_another_flow_and_back_computes_nothing_twice(clone: Clone) -> None:
    flow = clone.folder / "data/tiny/flow"
    before = {path.name: path.stat().st_ino for path in flow.iterdir()}
    change = "presets/tiny.yaml:flow.estimator=dis"
    printed = clone.run("dvc", "exp", "run", "-n", "dis", "-S", change, "balance")
    assert ran(printed) == ["flow", "normalize", "segment", "balance"], printed
    other = {path.name: path.stat().st_ino for path in flow.iterdir()}
    assert other.keys() == before.keys()
    assert not {*other.values()} & {*before.values()}
    clone.run("git", "checkout", "-q", ".")
    # Nothing runs again, neither of the data nor of what follows.
    assert ran(clone.run("dvc", "repro")) == []
    assert {path.name: path.stat().st_ino for path in flow.iterdir()} == before
    # Both variants are in the store, each on the disk once: also in DVC's cache, and where in use.
    store, cache = clone.folder / "data/store", clone.folder / ".dvc/cache/files"
    kept = {path.stat().st_ino: path.stat().st_nlink for path in (store / "flow").iterdir()}
    assert {inode: kept.pop(inode) for inode in before.values()} == dict.fromkeys(
        before.values(), 3
    )
    assert kept == dict.fromkeys(other.values(), 2)
    cached = {path.stat().st_ino for path in cache.rglob("*") if path.is_file()}
    for stage in ("decode", "flow", "normalize", "segment", "detect"):
        assert {path.stat().st_ino for path in (store / stage).iterdir()} <= cached, stage
    assert " yes   estimator dis, blur 3" in clone.run("python", "-m", "twinstroke", "store")
    assert clone.run("git", "status", "--porcelain") == ""


def test_experiments_in_copies_use_and_fill_the_store(clone: Clone) -> None:
    kept = {*(clone.folder / "data/store/flow").iterdir()}
    tried = {"estimator=dis": "0 videos computed with dis, 4", "blur=5": "4 videos"}
    for number, (change, expected) in enumerate(tried.items()):
        printed = clone.run(
            *("dvc", "exp", "run", "--temp", "--force", "--allow-missing", "-n", f"copy-{number}"),
            *("-S", f"presets/tiny.yaml:flow.{change}", "--single-item", "flow"),
        )
        assert f"flow: {expected}" in printed, printed
    assert len({*(clone.folder / "data/store/flow").iterdir()} - kept) == 4


def test_experiments_are_compared_on_the_same_strokes(clone: Clone) -> None:
    printed = clone.run("python", "-m", "twinstroke", "compare", "HEAD", "attention")
    scores = clone.scores()
    n = scores["test.single.n"]
    assert f"/{n} = {100 * scores['test.single.accuracy']:.1f} %" in printed
    assert f"/{n} = {100 * clone.accuracy('attention'):.1f} %" in printed
    assert "attention_blocks=1" in printed
    folder = clone.folder / "reports/tiny/comparison"
    assert {path.name for path in folder.iterdir()} == {
        "comparison.md",
        "comparison.json",
        "curves.png",
    }
    assert clone.run("git", "status", "--porcelain") == ""


def test_dvc_draws_what_the_stages_wrote(clone: Clone) -> None:
    folder = clone.folder / "plots"
    printed = clone.run("dvc", "plots", "diff", "HEAD", "attention", "-o", str(folder))
    assert "ERROR" not in printed and "WARNING" not in printed, printed
    page = (folder / "index.html").read_text()
    for title in ("Accuracy by epoch", "Learning rate by epoch", "Recall of each class"):
        assert title in page
    shutil.rmtree(folder)
    difference = clone.run(
        *("dvc", "metrics", "diff", "HEAD", "attention", "--all"),
        *("--targets", "reports/tiny/scores.json"),
    )
    assert "test.vote.accuracy" in difference


def test_a_fresh_clone_has_the_metrics_of_every_commit(clone: Clone, tmp_path: Path) -> None:
    """Without DVC's cache: of HEAD and the folder, and of two branches."""
    clone.run("dvc", "exp", "branch", "attention", "tried")
    clone.run("git", "clone", "-q", ".", str(tmp_path / "fresh"))
    clone.run("git", "branch", "-q", "-D", "tried")
    for revisions in ((), ("HEAD", "origin/tried")):
        printed = clone.run(
            *("dvc", "--cd", str(tmp_path / "fresh"), "metrics", "diff", "--all", *revisions)
        )
        assert "failed" not in printed and "WARNING" not in printed, printed
        for file, content in METRICS.items():
            for name in content:
                assert re.search(rf"reports/tiny/{file} +{re.escape(name)}\W", printed), printed


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_of_a_network_with_attention_in_a_browser(clone: Clone, width: int) -> None:
    with opened(clone.folder.parent / PAGE, width) as browser:
        assert browser.requests() == []
        assert browser.complaints() == []
        assert browser.broken_pictures() == []
        assert browser.overflow() == []
        films = browser.films()
        assert len(films) == 2
        assert all(seconds >= 2 for seconds in films)


def test_a_bad_annotation_stops_at_index_and_keeps_what_is_there(clone: Clone) -> None:
    """The same videos as a user's own data, with one mistake, then without."""
    own = clone.folder / "data/raw/mine"
    shutil.copytree(clone.folder / "data/tiny/synthetic", own)
    preset = (ROOT / "tests" / "tiny.yaml").read_text()
    (clone.folder / "presets/mine.yaml").write_text(
        preset.replace("_players: 2", "_players: 0").replace("_players: 1", "_players: 0")
    )
    annotation = min((own / "annotations/train").iterdir())
    right = annotation.read_text()
    annotation.write_text(right.replace("hand", "foot", 1))
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace("preset: tiny", "preset: mine"))
    printed = clone.run("dvc", "repro", fails=True)
    problems = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(problems) == 1
    assert annotation.name in problems[0]
    assert "foot" in problems[0]
    assert "Traceback" not in printed
    annotation.write_text(right)
    assert ran(clone.run("dvc", "repro", "balance"))[-1] == "balance"
    same = [clone.folder / "data" / preset / "videos.csv" for preset in ("tiny", "mine")]
    frames = [[row["frames"] for row in csv.DictReader(path.open())] for path in same]
    assert frames[0] == frames[1]
    clone.run("git", "checkout", "-q", ".")
    assert ran(clone.run("dvc", "repro")) == [], "the first preset's outputs lie beside"


def test_an_experiment_may_change_the_preset(clone: Clone) -> None:
    own = clone.folder / "data/raw/other"
    shutil.copytree(clone.folder / "data/tiny/synthetic", own)
    shutil.copy(clone.folder / "presets/mine.yaml", clone.folder / "presets/other.yaml")
    flow = {path: path.stat().st_ino for path in (clone.folder / "data/tiny/flow").iterdir()}
    printed = clone.run("dvc", "exp", "run", "-n", "other", "-S", "preset=other", "balance")
    assert ran(printed)[-1] == "balance"
    # The same videos, and the same parameters: nothing is computed for the other preset.
    links = {path.stat().st_ino for path in (clone.folder / "data/other/flow").iterdir()}
    assert links == {*flow.values()}
    # Outputs of the preset before come back from git and the cache, as links to the same files.
    clone.run("git", "checkout", "-q", ".")
    clone.run("dvc", "checkout")
    assert {p: p.stat().st_ino for p in (clone.folder / "data/tiny/flow").iterdir()} == flow
    assert ran(clone.run("dvc", "repro")) == []


def test_splits_stay_when_a_video_is_added(clone: Clone) -> None:
    own = clone.folder / "data/raw/more"
    shutil.copytree(clone.folder / "data/tiny/synthetic", own)
    first, *_ = sorted((own / "videos").iterdir())
    later = clone.folder / first.name
    first.rename(later)
    preset = clone.folder / "presets/more.yaml"
    preset.write_text(
        (clone.folder / "presets/mine.yaml").read_text().replace("rule: given", "rule: video")
    )
    annotation = next((own / "annotations").rglob(f"{first.stem}.xml"))
    annotation.rename(clone.folder / annotation.name)
    params = clone.folder / "params.yaml"
    params.write_text(params.read_text().replace("preset: tiny", "preset: more"))

    def placed() -> dict[str, str]:
        with (clone.folder / "data/more/samples.csv").open() as stream:
            return {row["video"]: row["split"] for row in csv.DictReader(stream)}

    clone.run("dvc", "repro", "index")
    before = placed()
    assert len(before) == len(set(before.values())) == 3
    clone.commit("three videos")
    later.rename(first)
    (clone.folder / annotation.name).rename(annotation)
    assert ran(clone.run("dvc", "repro", "index")) == ["index"]
    after = placed()
    assert {video: after[video] for video in before} == before
    assert len(after) == 4
    # In a fresh clone they come out of git, though DVC has nothing in its cache there.
    clone.commit("four videos")
    shutil.rmtree(clone.folder / "data/more")
    clone.run("dvc", "repro", "--force", "index")
    assert placed() == after
    clone.run("git", "reset", "-q", "--hard", "HEAD~2")


def test_nonsense_is_refused_before_any_work(clone: Clone) -> None:
    printed = clone.run(
        "dvc", "exp", "run", "-S", "attention_blocks=1", "-S", "residual_blocks=1", fails=True
    )
    assert "exclude each other" in printed
    assert "Traceback" not in printed
    clone.run("git", "checkout", "-q", ".")
