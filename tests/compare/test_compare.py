"""Comparison of experiments: the statistics by other means, the command with git and DVC."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests import quick
from tests.command import twinstroke
from twinstroke.compare.curves import draw_curves
from twinstroke.compare.markdown import markdown
from twinstroke.compare.pairs import Experiment, compare
from twinstroke.compare.statistics import holm, mcnemar
from twinstroke.errors import UserError
from twinstroke.evaluate.decisions import Decision
from twinstroke.evaluate.intervals import FEWEST_TO_RESAMPLE, clustered_interval
from twinstroke.evaluate.predictions import Prediction, PredictionTable, write_predictions
from twinstroke.tables import write_table
from twinstroke.train.history import Epoch

ROOT = Path(__file__).parents[2]
CLASSES = ("push", "drive|loop", "serve")

# --- Statistics ---


def test_mcnemar_is_that_of_published_examples() -> None:
    """Armitage and Berry, Statistical Methods in Medical Research (1994), p. 127; R's exact2x2."""
    assert mcnemar(12, 2) == pytest.approx(0.0129, abs=5e-5)
    assert mcnemar(2, 9) == pytest.approx(0.06543, abs=5e-6)


@given(b=st.integers(0, 40), c=st.integers(0, 40))
def test_mcnemar_is_the_tail_of_the_binomial(b: int, c: int) -> None:
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert mcnemar(b, c) == mcnemar(c, b) == pytest.approx(min(1, 2 * tail))


def test_holm_is_that_of_published_examples() -> None:
    # R's documentation of p.adjust by hand: 4 · 0.005, 3 · 0.01, 2 · 0.03, and no less than before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.03]) == [0.03]


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_lies_between_the_values_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(own <= other <= min(1, own * len(p)) for own, other in zip(p, adjusted, strict=True))
    assert [x for _, x in sorted(zip(p, adjusted, strict=True))] == sorted(adjusted)


Pairs = st.lists(
    st.tuples(st.sampled_from([-1, 0, 1]), st.integers(0, 20)), min_size=2, max_size=60
)


@given(pairs=Pairs)
def test_an_interval_holds_its_point_and_is_mirrored_by_swapping(
    pairs: list[tuple[int, int]],
) -> None:
    difference, units = np.array(pairs).T
    interval, swapped = (
        clustered_interval(difference, units),
        clustered_interval(-difference, units),
    )
    if len(set(units)) == 1:
        assert interval is swapped is None
        return
    assert interval is not None
    assert swapped is not None
    assert -1 <= interval.low <= difference.mean() + 1e-12
    assert difference.mean() - 1e-12 <= interval.high <= 1
    assert (swapped.low, swapped.high) == pytest.approx((-interval.high, -interval.low))
    assert interval.units == len(set(units))


@pytest.mark.parametrize("units", [4, 40])
def test_equal_predictions_differ_by_nothing_for_certain(units: int) -> None:
    interval = clustered_interval(np.zeros(80), np.arange(80) % units)
    assert interval is not None
    assert (interval.low, interval.high) == (0, 0)


def test_the_bootstrap_resamples_whole_units() -> None:
    """Restated: draw units, pool their samples, take percentiles."""
    random = np.random.default_rng(5)
    sizes, values = [3, 9, 4, 12, 7, 5, 10, 6, 8, 2] * 2, [1, 0, 1, 0, 0, 1, -1, 0, 1, 0] * 2
    # Samples of one unit are alike, so whoever resamples samples finds too short an interval.
    parts = [np.full(n, value) for n, value in zip(sizes, values, strict=True)]
    difference, units = np.concatenate(parts), np.repeat(np.arange(20), sizes)
    drawn = [
        np.concatenate([parts[i] for i in random.integers(0, 20, 20)]).mean() for _ in range(20_000)
    ]
    interval, naive = (
        clustered_interval(difference, units),
        clustered_interval(difference, range(132)),
    )
    assert interval is not None
    assert naive is not None
    assert interval.method == naive.method == "bootstrap"
    assert (interval.low, interval.high) == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=0.02
    )
    assert interval.high - interval.low > 1.5 * (naive.high - naive.low)


def test_few_units_are_compared_by_their_own_differences() -> None:
    rates = np.array([[1, 1, 0, 0, 1], [0, 1, 0, 0, 0], [1, 1, 1, 0, 1], [0, -1, 1, 1, 0]])
    assert len(rates) < FEWEST_TO_RESAMPLE
    interval = clustered_interval(rates.ravel(), np.repeat(["d", "b", "c", "a"], 5))
    expected = stats.ttest_1samp(rates.mean(1), 0).confidence_interval(0.95)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.method == "t"


def test_intervals_of_few_units_are_right_as_often_as_they_say() -> None:
    """Of 4 players whose true differences scatter, about 95 % of the intervals hold the truth."""
    random = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        effects = np.repeat(random.normal(0.1, 0.15, 4), 16)
        better = random.random(64) < np.abs(effects)
        interval = clustered_interval(better * np.sign(effects), np.repeat(range(4), 16))
        assert interval is not None
        held += interval.low <= 0.1 <= interval.high
    assert 0.92 <= held / 400 <= 0.98


# --- Tables ---


def prediction(
    number: int, predicted: str, unit: int = 0, decision: Decision = "single"
) -> Prediction:
    actual = CLASSES[number % 3]
    return Prediction(
        sample=f"v{unit}:{number}-{number + 9}",
        video=f"v{unit}",
        begin=number,
        end=number + 9,
        group=f"player {unit}",
        decision=decision,
        windows=1,
        actual=actual,
        predicted=actual if predicted == "right" else predicted,
        probabilities={name: 0.9 if name == predicted else 0.05 for name in CLASSES},
    )


def experiment(name: str, wrong: Sequence[int], n: int = 60, units: int = 4) -> Experiment:
    """Right but for some samples, which it takes for the class after the actual one."""
    rows = tuple(
        prediction(k, CLASSES[(k + 1) % 3] if k in wrong else "right", k % units) for k in range(n)
    )
    settings = f"attention_blocks={len(name)}"
    return Experiment(
        name, "0123abc", settings, f"{name}: test.csv", PredictionTable(CLASSES, rows)
    )


def test_a_clear_difference_is_found_in_every_figure() -> None:
    found = compare([experiment("old", range(30)), experiment("new", range(3))], "single")
    old, new = found.rows
    assert (found.n, found.units, found.unit) == (60, 4, "group")
    assert (old.right, new.right) == (30, 57)
    assert (new.low, new.high) == pytest.approx((0.8630, 0.9829), abs=1e-4)  # Newcombe's formula
    own = new.against_first
    assert old.against_first is None
    assert own is not None
    assert own.difference == pytest.approx(0.45)
    assert (own.only_this, own.only_first) == (27, 0)
    assert own.p == own.p_holm == pytest.approx(2 * 0.5**27)
    for interval, units in ((own.over_units, 4), (own.over_samples, 60)):
        assert interval is not None
        assert 0 < interval.low <= 0.45 <= interval.high
        assert interval.units == units
    assert [(c.label, c.n, c.right) for c in found.classes] == [
        (name, 20, [10, 19]) for name in CLASSES
    ]
    assert len(found.samples) == 27
    assert (found.samples[0].sample, found.samples[0].actual) == ("v3:3-12", "push")
    assert found.samples[0].predicted == ["drive|loop", "push"]


def test_samples_are_paired_by_name_not_by_place() -> None:
    first, other = experiment("a", [1, 2]), experiment("b", [2, 3, 4])
    turned = PredictionTable(CLASSES[::-1], other.table.rows[::-1])
    shuffled = Experiment("b", "0123abc", other.settings, other.source, turned)
    assert compare([first, other], "single") == compare([first, shuffled], "single")


@given(wrong=st.tuples(*[st.sets(st.integers(0, 59))] * 2))
def test_swapping_experiments_turns_signs(wrong: tuple[set[int], set[int]]) -> None:
    a, b = (experiment(name, sorted(own)) for name, own in zip("ab", wrong, strict=True))
    one = compare([a, b], "single").rows[1].against_first
    two = compare([b, a], "single").rows[1].against_first
    assert one is not None
    assert two is not None
    assert one.difference == pytest.approx(-two.difference)
    assert (one.only_this, one.only_first, one.p) == (two.only_first, two.only_this, two.p)
    assert one.difference == pytest.approx((len(wrong[0]) - len(wrong[1])) / 60)


def changed(own: Experiment, **values: object) -> Experiment:
    first, *rest = own.table.rows
    rows = (first.model_copy(update=values), *rest)
    return Experiment(own.name, own.commit, "", own.source, PredictionTable(CLASSES, rows))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (changed(experiment("b", []), end=10), "1 of 60 samples differ (v0:0-9: end 9 and 10)"),
        (changed(experiment("b", []), begin=1), "v0:0-9: begin 0 and 1"),
        (changed(experiment("b", []), actual="serve"), "actual 'push' and 'serve'"),
        (changed(experiment("b", []), sample="new"), "2 of 61 samples differ"),
        (experiment("b", [], n=50), "10 of 60 samples differ (v2:50-59 is not in b; "),
        (experiment("b", [], n=61), "v0:60-69 is not in a"),
    ],
)
def test_different_samples_are_not_compared(other: Experiment, message: str) -> None:
    with pytest.raises(UserError) as caught:
        compare([experiment("a", []), other], "single")
    (problem,) = caught.value.problems
    assert problem.startswith("a and b: ")
    assert message in problem
    assert "dvc exp run" in problem


def test_different_classes_are_not_compared() -> None:
    own = experiment("b", [])
    more = PredictionTable((*CLASSES, "flip"), own.table.rows)
    with pytest.raises(UserError, match=r"a and b: 1 classes are in one of them only \(flip\)"):
        compare([experiment("a", []), Experiment("b", "", "", "", more)], "single")


def test_a_decision_that_is_not_there_and_a_split_without_samples_are_refused() -> None:
    both = [experiment("a", []), experiment("b", [])]
    with pytest.raises(UserError, match=r"a: test\.csv: holds no .* 'vote'; it has: single"):
        compare(both, "vote")
    empty = Experiment("b", "", "", "b: test.csv", PredictionTable(CLASSES, ()))
    with pytest.raises(UserError, match=r"b: test\.csv: holds no samples"):
        compare([both[0], empty], "single")


# --- What is printed and drawn ---


def test_the_text_says_what_was_done_and_is_the_same_each_time() -> None:
    experiments = [experiment("old", range(30)), experiment("new", [2]), experiment("b|c", [30])]
    text = markdown(compare(experiments, "single"), "demo", "test", ["A note."])
    assert text == markdown(compare(experiments, "single"), "demo", "test", ["A note."])
    lines = text.splitlines()
    assert lines[0] == "# Compared with old (0123abc): new (0123abc), b|c (0123abc)"
    assert "test split: 60 samples of 4 groups" in text
    (row,) = (line for line in lines if line.startswith("| new"))
    assert row.startswith(
        "| new (0123abc) | attention_blocks=3 | 59/60 = 98.3 % (91.1 to 99.7) | +48.3 | "
    )
    assert "| 29 : 0 | < 0.001 | < 0.001 |" in row
    assert "Student's t over 4 groups (3 degrees of freedom)" in text
    assert "60 samples resampled 9,999 times" in text
    assert "adjusted for 2 comparisons" in text
    assert "- A note." in lines
    # Names are no markup: each line of a table has as many cells as its head.
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1
    assert len(re.findall(r"^\| v\d:", text, re.MULTILINE)) == 20
    assert "Right in some and wrong in others: 31; the first 20" in text


def test_two_experiments_need_no_adjustment_and_equal_ones_no_tables() -> None:
    text = markdown(
        compare([experiment("a", [1], units=1), experiment("b", [1], units=1)], "single"),
        "p",
        "test",
    )
    assert "Holm" not in text
    assert "| 0.0 | – | 0.0 to 0.0 | 0 : 0 | 1.000 |" in text
    assert "All samples are of one group" in text
    assert "Of each class, equally many samples are recognised." in text
    assert "Every sample is right in all experiments or in none." in text
    assert "b (0123abc) is right about exactly the samples about which a (0123abc) is" in text
    assert "decide about" not in text


def test_few_samples_that_decide_are_told() -> None:
    """Four of sixty: the bootstrap leaves 0 out, the exact test says 2 / 2⁴."""
    found = compare([experiment("a", [1, 2, 4, 7]), experiment("b", [])], "single")
    paired = found.rows[1].against_first
    assert paired is not None and paired.over_samples is not None
    assert paired.over_samples.low > 0
    assert paired.p == 0.125
    assert "Only 4 samples decide about b (0123abc): resampling so few" in markdown(
        found, "p", "test"
    )
    clear = compare([experiment("a", range(10)), experiment("b", [])], "single")
    assert "decide about" not in markdown(clear, "p", "test")


def epochs(network: str, rates: Sequence[float], restart: int = 0) -> list[Epoch]:
    return [
        Epoch(
            network=network,
            epoch=number,
            learning_rate=0.01,
            train_loss=1,
            train_accuracy=0.5,
            validation_loss=1,
            validation_accuracy=rate,
            restart="loss" if number == restart else "",
        )
        for number, rate in enumerate(rates, start=1)
    ]


def test_curves_are_where_the_accuracies_are(tmp_path: Path) -> None:
    histories = {
        "low $x$": epochs("twin", [0.25] * 9),
        "high": epochs("rgb", [0.75] * 9, restart=4),
    }
    for name in ("one.png", "two.png"):
        draw_curves(histories, "Curves", tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    picture = cv2.imread(str(tmp_path / "one.png"))
    assert picture is not None
    pixels = picture[..., ::-1].astype(int)
    rows = {
        name: np.flatnonzero((np.abs(pixels - colour).sum(-1) < 30).sum(1) > 200)
        for name, colour in (("low", (0, 0x72, 0xB2)), ("high", (0xD5, 0x5E, 0)))
    }
    assert rows["high"].max() < rows["low"].min()


# --- The command, with the real git and DVC ---


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "change")
    return git(folder, "rev-parse", "HEAD")


def results(folder: Path, own: Experiment, **params: int) -> None:
    """What the pipeline leaves, written by hand; the history enters DVC's cache."""
    reports = folder / "reports/demo"
    write_predictions(reports / "predictions/test.csv", CLASSES, own.table.rows)
    write_table(reports / "history.csv", epochs("twin", [0.1, 0.5]), Epoch)
    text = (folder / "params.yaml").read_text()
    for key, value in params.items():
        text = re.sub(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
    (folder / "params.yaml").write_text(text)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits; two experiments of the second, and one of the same name of the first."""
    folder = tmp_path_factory.mktemp("repository") / "project"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (folder / ".dvc/.gitignore").write_text("/cache\n/tmp\n")
    (folder / ".gitignore").write_text("/reports/demo/history.csv\n/reports/demo/comparison/\n")
    (folder / "presets").mkdir()
    shutil.copy(ROOT / "presets/demo.yaml", folder / "presets")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(
        "stages:\n  train:\n    cmd: 'true'\n    outs: [reports/demo/history.csv]\n"
    )
    git(folder, "init", "-q", "-b", "main")
    old = commit(folder)
    results(folder, experiment("", range(30)))
    subprocess.run([quick.python(), "-m", "dvc", "commit", "-f", "-q"], cwd=folder, check=True)
    head = commit(folder)
    for name, base, wrong, blocks in (
        ("attention3", head, range(3), 3),
        ("attention2", head, range(9), 2),
        ("attention2", old, range(9), 1),
        ("twice", old, range(9), 1),
    ):
        git(folder, "checkout", "-q", "--detach", head)
        results(folder, experiment("", wrong), attention_blocks=blocks)
        reference = f"refs/exps/{base[:2]}/{base[2:]}/{name}"
        git(folder, "update-ref", reference, commit(folder))
        git(folder, "checkout", "-q", "main")
    made = git(folder, "rev-parse", f"refs/exps/{old[:2]}/{old[2:]}/twice")
    git(folder, "update-ref", f"refs/exps/ab/{'c' * 38}/twice", made)
    return folder


def test_commits_experiments_and_the_workspace_are_compared(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    (repository / "reports/demo/history.csv").write_text("gone,wrong\n1,2\n")
    assert twinstroke("compare", "HEAD", "attention3", "attention2") == 0
    folder = repository / "reports/demo/comparison"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(first) == ["comparison.json", "comparison.md", "curves.png"]
    text = first["comparison.md"].decode()
    printed = capsys.readouterr().out
    assert text in printed
    of = "reports/demo/comparison"
    wrote = f"wrote {of}/comparison.md, {of}/comparison.json, {of}/curves.png"
    assert printed.splitlines()[-1] == wrote
    content = json.loads(first["comparison.json"])
    assert (content["preset"], content["split"], content["n"]) == ("demo", "test", 60)
    assert [(row["name"], row["settings"], row["right"]) for row in content["rows"]] == [
        ("HEAD", "attention_blocks=0", 30),
        ("attention3", "attention_blocks=3", 57),
        ("attention2", "attention_blocks=2", 51),
    ], "of the two experiments attention2, that of HEAD"
    assert "lacks the curve" not in text, "histories are in DVC's cache"
    assert twinstroke("compare", "HEAD", "attention3", "attention2") == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first

    results(repository, experiment("", []))
    (repository / "reports/demo/history.csv").unlink()
    lock = "stages:\n  train:\n    params:\n      params.yaml:\n        seed: 7\n"
    # The report, which is made last, names what stands in params.yaml, used or not.
    lock += "  report:\n    params:\n      params.yaml:\n        seed: 1\n"
    (repository / "dvc.lock").write_text(lock)
    capsys.readouterr()
    assert twinstroke("compare", "attention3") == 0
    text = capsys.readouterr().out
    assert re.search(r"^# Compared with attention3 \(\w{7}\): workspace$", text, re.MULTILINE)
    assert "were made before seed=1 was set" in text
    assert "| workspace | seed=7, attention_blocks=0 | 60/60 = 100.0 %" in text
    assert "lacks the curve of workspace: as to reports/demo/history.csv, neither git nor" in text
    git(repository, "restore", ".")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["HEAD", "atention3"],
            "'atention3' is neither a commit nor an experiment; did you mean 'attention3'?",
        ),
        (["HEAD", "twice"], "2 experiments are named 'twice'; give one by its commit: "),
        (["HEAD", "main"], "'HEAD' and 'main' are the same commit "),
        (["HEAD", "HEAD~1"], "reports/demo/predictions/test.csv: not found; its code was older"),
        (["HEAD", "attention3", "--split", "train"], "predictions/train.csv: not found"),
        (["HEAD", "attention3", "--decision", "mean"], "rule 'mean'; it has: single"),
        (["HEAD", "workspace", "--preset", "other"], "preset: other in params.yaml: dvc repro"),
    ],
)
def test_what_cannot_be_compared_is_named(
    repository: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(repository)
    assert twinstroke("compare", *arguments) == 1
    assert message in capsys.readouterr().err


def test_a_damaged_table_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    file = repository / "reports/demo/predictions/test.csv"
    file.write_text(file.read_text().replace("single,1,", "single,0,", 1))
    assert twinstroke("compare", "HEAD", "workspace") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: workspace: reports/demo/predictions/test.csv: line 2: ")
    file.write_bytes(b"\xff\xfe")
    assert twinstroke("compare") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r"error: workspace: .*no text in UTF-8", line)
    git(repository, "restore", ".")
