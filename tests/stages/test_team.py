"""The day of a colleague, who has the git repository and DVC's remote, but no raw videos."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.clone import Clone, ran
from tests.project import VIDEOS, indexed
from twinstroke.annotations.containers import VIDEO_SUFFIXES

pytestmark = pytest.mark.pipeline
LARGE = ("frames", "flow", "motion")
"""Folders that stay where they were made."""
CHANGES = {
    # Only with negatives strokes can be found in whole videos.
    "rule: none, frames: 16": "rule: gaps, frames: 40",
    "{frames: 16, height: 32, width: 32}": "{frames: 8, height: 24, width: 24}",
    "detect: {stride: 4": "detect: {stride: 8",
    "evaluate: {stride: 4": "evaluate: {stride: 8",
    "frame_step: 1, context: 4": "frame_step: 4, context: 8",
}
"""Of the preset of the tests' own videos."""
AFTER_DATA = ["train", "evaluate", "attend", "detect", "report"]


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Ran the pipeline on videos of their own, and pushed."""
    folder = tmp_path_factory.mktemp("owner")
    clone = Clone(folder)
    given = indexed().folder
    shutil.copytree(given / "data/raw/own", folder / "data/raw/own")
    preset = (given / "presets/own.yaml").read_text()
    for old, new in CHANGES.items():
        assert preset.count(old) == 1
        preset = preset.replace(old, new)
    (folder / "presets/own.yaml").write_text(preset)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("preset: tiny", "preset: own"))
    clone.run("dvc", "repro")
    clone.run("dvc", "remote", "add", "-q", "-d", "team", str(folder.parent / "remote"))
    clone.commit("our data")
    clone.run("dvc", "push")
    return clone


@pytest.fixture(scope="module")
def colleague(owner: Clone) -> Clone:
    """Cloned and pulled."""
    clone = owner.cloned(owner.folder.parent / "colleague")
    clone.run("dvc", "pull", "--allow-missing")
    return clone


def files(clone: Clone) -> dict[Path, str]:
    """What lies in the folders of the preset."""
    folders = (clone.folder / "data/own", clone.folder / "reports/own")
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(clone.folder): hashlib.md5(path.read_bytes()).hexdigest()  # noqa: S324
        for path in paths
    }


def errors(printed: str) -> list[str]:
    assert "Traceback" not in printed, printed
    return [line for line in printed.splitlines() if line.startswith("error: ")]


def test_all_but_the_large_folders_is_pushed(owner: Clone, colleague: Clone) -> None:
    made, pulled = files(owner), files(colleague)
    large = {path for path in made if path.parts[2] in LARGE}
    assert {path.parts[2] for path in large} == {*LARGE}
    assert pulled == {path: content for path, content in made.items() if path not in large}
    remote = owner.folder.parent / "remote/files/md5"
    assert not [path for path in large if (remote / made[path][:2] / made[path][2:]).exists()]


def test_nothing_is_lost_where_there_are_no_videos(owner: Clone, colleague: Clone) -> None:
    before = files(colleague)
    raw = colleague.folder / "data/raw/own"
    (line,) = errors(colleague.run("dvc", "repro", fails=True))
    assert line.startswith("error: data/raw/own: no videos there; put your videos")
    assert line.endswith("type dvc repro --allow-missing")
    raw.mkdir()
    (line,) = errors(colleague.run("python", "stages/synthesize.py", fails=True))
    assert line.endswith("delete it and type dvc repro --allow-missing")
    # Annotations alone: only `index` finds that out.
    shutil.copy(owner.folder / "data/raw/own/strokes.csv", raw)
    (raw / "videos").mkdir()
    expected = f"error: data/raw/own/videos: no video ({', '.join(VIDEO_SUFFIXES)}) there"
    (line,) = errors(colleague.run("dvc", "repro", fails=True))
    assert line.startswith(expected)
    shutil.copy(owner.folder / "presets/own.yaml", raw / "videos/other.mp4")
    (line,) = errors(colleague.run("python", "-m", "twinstroke", "check", fails=True))
    assert "none of the annotated videos is there; data/raw/own/strokes.csv:2: no video" in line
    shutil.rmtree(raw)
    assert files(colleague) == before
    assert colleague.run("git", "status", "--porcelain") == ""


def test_what_was_pulled_is_up_to_date(colleague: Clone) -> None:
    printed = colleague.run("dvc", "repro", "--allow-missing")
    assert ran(printed) == []
    assert "Data and pipelines are up to date." in printed


def test_experiments_need_no_raw_videos(colleague: Clone) -> None:
    printed = colleague.run("dvc", "exp", "run", "--allow-missing", "-S", "modality=flow")
    assert ran(printed) == AFTER_DATA
    page = (colleague.folder / "reports/own/index.html").read_text()
    assert "Flow TSTCNN" in page
    (found,) = (colleague.folder / "reports/own/detections").glob("*.html")
    assert "data/raw/own/videos/c.mp4" in found.read_text()
    assert not (colleague.folder / "data/raw/own").exists()
    colleague.run("git", "checkout", "-q", ".")


def test_experiments_in_copies_pull_what_they_need(owner: Clone) -> None:
    other = owner.cloned(owner.folder.parent / "other")
    change = ("--pull", "--allow-missing", "-n", "attention", "-S", "attention_blocks=3")
    printed = other.run("dvc", "exp", "run", "--temp", *change)
    assert ran(printed) == AFTER_DATA
    assert "WARNING: Some" not in printed, printed
    assert not (other.folder / "data/raw/own").exists()
    commit = other.reference("attention")
    assert "attention_blocks: 3" in other.run("git", "show", f"{commit}:params.yaml")
    printed = other.run("dvc", "exp", "apply", "attention", fails=True)  # for want of LARGE
    page = (other.folder / "reports/own/index.html").read_text()
    assert "Twin TSTCNN with 3 attention blocks" in page and "<video" in page, printed


def test_the_store_takes_in_what_was_pulled(owner: Clone, colleague: Clone) -> None:
    dvc_yaml = owner.folder / "dvc.yaml"
    dvc_yaml.write_text(dvc_yaml.read_text().replace("push: false", "push: true"))
    owner.run("dvc", "push")
    printed = colleague.run("dvc", "pull")
    assert "WARNING" not in printed, printed
    shutil.rmtree(colleague.folder / "data/store")
    printed = colleague.run("python", "-m", "twinstroke", "store")
    assert " files taken in from output folders" in printed
    # With the videos nothing is decoded.
    shutil.copytree(owner.folder / "data/raw/own", colleague.folder / "data/raw/own")
    shutil.rmtree(colleague.folder / "data/own/frames")
    printed = colleague.run("python", "stages/decode.py")
    assert f"decode: 0 videos decoded, {len(VIDEOS)} were there" in printed
