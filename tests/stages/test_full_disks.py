"""A disk that is full while a network is trained, measured, looked into, used and reported."""

from __future__ import annotations

import shutil
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.disks import small_disk
from tests.project import Project, indexed, scratch
from twinstroke.attend.film import encode
from twinstroke.files import replacing

STAGES = ("train", "evaluate", "attend", "detect", "report")
BEFORE = ("index", "decode", "flow", "normalize", "segment", "balance")
TIMED = ("training.json", "pace.json", "index.html", ".lock")
"""What holds times, or nothing."""


@cache
def through() -> Project:
    """A project after all stages, with a network that attends; not to be changed."""
    project = indexed().copy(scratch())
    preset = project.folder / "presets" / "own.yaml"
    # Without a class for it, no strokes are found in untrimmed videos.
    preset.write_text(preset.read_text().replace("{rule: none, f", "{rule: gaps, f"))
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace("attention_blocks: 0", "attention_blocks: 1"))
    for stage in (*BEFORE, *STAGES):
        project.run(stage)
    return project


def made(project: Project, folder: str) -> dict[str, bytes]:
    """Files of a folder by their paths, whose bytes do not tell how long something took."""
    root = project.folder / folder
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(TIMED)]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_film_says_it_too(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(60)]
    with (
        small_disk(tmp_path / "small", 64) as folder,
        pytest.raises(OSError, match=r"No space left on device: '.*/film.mp4'"),
        replacing(folder / "film.mp4") as partial,
    ):
        encode(frames, (64, 64), Fraction(30), partial)


def fill(folder: Path, but_kb: int) -> None:
    """Leave so many kilobytes of a disk."""
    with (folder / "filler").open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(1024))
    with (folder / "filler").open("r+b") as stream:
        stream.truncate(max(0, (folder / "filler").stat().st_size - 1024 * but_kb))


@pytest.mark.parametrize(
    ("stage", "folder", "room_kb"),
    [
        ("train", "work", 64),
        ("train", "data/own", 64),
        ("evaluate", "reports/own", 60),
        ("attend", "reports/own", 100),
        ("detect", "data/own", 0),
        ("detect", "reports/own", 40),
        ("report", "reports/own", 0),
    ],
)
def test_it_is_one_line_and_goes_on_when_there_is_room(
    stage: str, folder: str, room_kb: int, tmp_path: Path
) -> None:
    undisturbed = through()
    size_kb = sum(8 + p.stat().st_size // 1024 for p in undisturbed.folder.rglob("*"))
    place = tmp_path / "project" / folder
    with small_disk(place, size_kb + 2000):
        project = undisturbed.copy(tmp_path / "project")
        if stage == "train":
            shutil.rmtree(project.folder / "work" / "train")
        if stage == "detect":  # it deletes its reports first, and asks the network only once
            for own in project.folder.glob("*/own/detections/*"):
                own.unlink()
        fill(place, room_kb)
        (line,) = project.errors(stage)
        assert "No space left on device" in line
        assert f"'{folder}/" in line, "which disk it is"
        assert "; make room on that disk, and " in line
        (place / "filler").unlink()
        assert not list(place.rglob("*.partial")), "left behind"
        larger = project.copy(tmp_path / "larger")
    larger.run(stage)
    for whole in ("data/own", "reports/own"):
        assert made(larger, whole) == made(undisturbed, whole)
