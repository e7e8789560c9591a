"""A project with a user's own small videos, in which tests run the real stages."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import cv2
import numpy as np

from tests import quick
from tests.clone import ROOT
from tests.once import made_once
from tests.videos import Frames, write_grouped_video

HEAVY = ("decode", "flow", "normalize", "segment")
VIDEOS = ("a", "b", "c")
FRAMES = 300
_HEIGHT, _WIDTH = 90, 160
_PRESET = """
data_seed: 1
synthesize: {train_players: 0, validation_players: 0, test_players: 0, strokes_per_player: 1,
             width: 160, height: 90}
index:
  videos: videos
  annotations: strokes.csv
  classes: found
  fps: 60
  negatives: {rule: none, frames: 16}
  split: {rule: given}
window: {frames: 16, height: 32, width: 32}
decode: {width: 96, frame_step: 1, context: 4}
flow: {estimator: farneback, blur: 3}
normalize: {min_motion: 0.1}
segment: {margin: 10}
balance: {negatives: all}
train: {epochs: 1, batch_size: 4, batch_size_twin_attention: 4, learning_rate: 0.01,
        schedule: constant, momentum: 0.9, weight_decay: 0.0, gradient_clip: 5.0, augment: true}
evaluate: {stride: 4}
attend: {samples: 2}
detect: {stride: 4, split: test}
"""


class Project:
    """A folder in which the stages of this checkout run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data" / "own"
        self.store = folder / "data" / "store"

    def copy(self, folder: Path) -> Project:
        """All of it, in another place; files with several names are files of their own there."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Project(folder)

    def start(self, stage: str, **environment: str) -> subprocess.Popen[str]:
        """Begin a stage, which may be killed; what it prints comes through a pipe."""
        return self._start(sys.executable, stage, environment)

    def _start(self, python: str, stage: str, environment: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [python, str(ROOT / "stages" / f"{stage}.py")],
            cwd=self.folder,
            env={**os.environ, quick.ALONE: "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, stage: str, **environment: str) -> str:
        """Carry out a stage that must succeed; return what it printed."""
        process = self._start(quick.python(), stage, environment)
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
        return printed

    def errors(self, stage: str, **environment: str) -> list[str]:
        """Carry out a stage that must fail; return its lines of error, without their mark."""
        process = self._start(quick.python(), stage, environment)
        printed, _ = process.communicate()
        return errors_of(process, printed)

    def made(self) -> dict[str, bytes]:
        """Everything that the heavy stages made, by path; there must be no leftovers."""
        assert not self.leftovers()
        own = ("frames", "flow", "motion", "strokes", "statistics")
        paths = [path for path in self.data.rglob("*") if path.is_file()]
        names = {str(path.relative_to(self.data)): path for path in paths}
        return {name: path.read_bytes() for name, path in names.items() if name.startswith(own)}

    def leftovers(self) -> list[Path]:
        """What only runs that are at work, or were killed, have: parts, partial files, locks."""
        return [*self.data.rglob(".*"), *self.store.rglob(".*"), *self.store.rglob("*.parts")]

    def parts(self) -> list[Path]:
        """Parts that are finished and not joined yet."""
        return list(self.store.rglob("*.parts/[0-9]*.h5"))


def errors_of(process: subprocess.Popen[str], printed: str) -> list[str]:
    """Lines of error of a stage that must have failed as a user may see it."""
    assert process.returncode == 1, printed
    assert "Traceback" not in printed, printed
    lines = [line for line in printed.splitlines() if line.strip()]
    return [line.partition("error: ")[2] for line in lines if line.startswith("error: ")]


@cache
def indexed() -> Project:
    """Three videos of three strokes each, up to the stage `index`; not to be changed."""
    project = Project(scratch())
    raw = project.folder / "data" / "raw" / "own"
    (raw / "videos").mkdir(parents=True)
    rows = ["video,begin,end,label,split"]
    for number, (video, split) in enumerate(
        zip(VIDEOS, ("train", "validation", "test"), strict=True)
    ):
        write_grouped_video(raw / "videos" / f"{video}.mp4", moving(number), group=12)
        rows += [f"{video}.mp4,{n},{n + 60},{label},{split}" for n, label in _STROKES]
    (raw / "strokes.csv").write_text("\n".join(rows) + "\n")
    params = (ROOT / "params.yaml").read_text().replace("preset: demo", "preset: own")
    (project.folder / "params.yaml").write_text(params)
    (project.folder / "presets").mkdir()
    (project.folder / "presets" / "own.yaml").write_text(_PRESET)
    project.run("index")
    return project


@cache
def finished() -> Project:
    """The same after all heavy stages, which nothing disturbed; not to be changed."""
    return Project(made_once("finished", _finish))


def _finish(folder: Path) -> None:
    project = indexed().copy(folder)
    for stage in HEAVY:
        project.run(stage)


_STROKES = ((10, "drive"), (120, "push"), (225, "drive"))


def scratch() -> Path:
    """A folder that is gone when the tests are over."""
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def moving(seed: int) -> Frames:
    """A bright square that runs over a still texture."""
    random = np.random.default_rng(seed)
    still = cv2.GaussianBlur(random.integers(0, 200, (_HEIGHT, _WIDTH, 3)).astype(float), (0, 0), 2)
    frames = np.repeat(still[None].astype(np.uint8), FRAMES, 0)
    for n, frame in enumerate(frames):
        x, y = 20 + 2 * n % 100, 20 + n % 40
        frame[y : y + 24, x : x + 16] = 255 - frame[y : y + 24, x : x + 16] // 4
    return frames


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is so while a program runs."""
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, f"it was over before: {process.communicate()[0]}"
        assert time.monotonic() < deadline
        time.sleep(0.002)
