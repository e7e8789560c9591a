"""The table that DVC draws of experiments: its columns, and how wide they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clone import Clone
from tests.metrics import METRICS
from tests.structure.edges import stages

CHANGING = [name for content in METRICS.values() for name in content if name not in ("leaks", "n")]
MODEL = "data/tiny/model.safetensors"
SHOW = ("dvc", "exp", "show", "--only-changed")
WITHOUT_HASHES = ("--drop", "(data|reports|src)/")
"""As in the README: DVC shows the hash of each changed file that a stage depends on, 32 letters."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with three experiments, as `dvc exp run` leaves them in git; nothing was run."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    # Not today's, so that DVC shows the date, which is longer than the hour.
    clone.environment |= {
        f"GIT_{who}_DATE": "2024-11-30T12:00:00" for who in ("AUTHOR", "COMMITTER")
    }
    write(clone.folder, 0)
    clone.commit("baseline")
    head = clone.run("git", "rev-parse", "HEAD").strip()
    clone.run("git", "checkout", "-q", "--detach")
    for blocks in (1, 2, 3):
        params = clone.folder / "params.yaml"
        before = f"attention_blocks: {blocks - 1}"
        params.write_text(params.read_text().replace(before, f"attention_blocks: {blocks}"))
        write(clone.folder, blocks)
        clone.commit("experiment")
        made = clone.run("git", "commit-tree", "-p", head, "-m", "experiment", "HEAD^{tree}")
        name = f"refs/exps/{head[:2]}/{head[2:]}/attention{blocks}"
        clone.run("git", "update-ref", name, made.strip())
    clone.run("git", "checkout", "-q", "-")
    return clone


def write(folder: Path, number: int) -> None:
    """Metrics and hashes that differ wherever those of experiments may."""
    reports = folder / "reports/tiny"
    reports.mkdir(parents=True, exist_ok=True)
    for file, content in METRICS.items():
        own = {
            name: value - number if isinstance(value, float) else value
            for name, value in content.items()
        }
        (reports / file).write_text(json.dumps(own))
    locked = {}
    for name, stage in stages().items():
        paths = [path.replace("${preset}", "tiny") for path in stage["deps"]]
        made = [path for path in paths if path.startswith("reports") or path == MODEL]
        hashes = {path: f"{number if path in made else 0}" * 32 for path in paths}
        locked[name] = {
            "cmd": stage["cmd"],
            "deps": [{"path": path, "hash": "md5", "md5": own} for path, own in hashes.items()],
        }
    (folder / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": locked}))


def test_the_table_fits_a_terminal_of_120_columns(clone: Clone) -> None:
    shown = clone.run(*SHOW, *WITHOUT_HASHES).splitlines()
    _, head, _, *rows, _ = (line.strip() for line in shown)
    assert head.split() == ["Experiment", "Created", *CHANGING, "attention_blocks"]
    assert sorted(row.split()[-1] for row in rows) == ["0", "0", "1", "2", "3"]
    assert max(len(line.rstrip()) for line in shown) <= 120
    # Without a pager DVC itself leaves out what a terminal has no room for, from the right.
    fitted = clone.run("env", "COLUMNS=120", *SHOW, "--no-pager").splitlines()
    assert max(len(line.rstrip()) for line in fitted) <= 120
    assert {*CHANGING} <= {*fitted[1].split()}
    # The whole table begins with these columns: what a terminal cuts off is hashes.
    whole = clone.run(*SHOW).splitlines()[1]
    assert whole.strip().startswith(f"{head}   {MODEL}")


def test_differences_are_those_of_the_numbers(clone: Clone) -> None:
    printed = clone.run("dvc", "metrics", "diff", "HEAD", "attention1", "--json")
    found = json.loads(printed)
    changes = {name: own["diff"] for content in found.values() for name, own in content.items()}
    assert changes == dict.fromkeys(CHANGING, pytest.approx(-1))
