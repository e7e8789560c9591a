"""Proof by mutation: what `dvc repro` would run again after a change of one line of the code.

In a clone whose stages never ran: their outputs are made up, and DVC has noted them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from tests.clone import STAGES, Clone
from tests.structure.edges import stages

ALL = " ".join(STAGES)
NETWORK = "train evaluate attend detect"
"""Whoever shows windows to a network."""
READ_RATE = "index decode normalize segment report"
"""Whoever asks how many frames a second are kept."""
STORED = "decode flow normalize segment detect"
"""Whoever writes HDF5 files."""

# File below src/twinstroke, what stands there, what stands there then, and which stages run again.
SETTINGS = [
    ("attend", "samples: Count", "samples: Count = 4", ""),  # the preset says it
    ("balance", "Fraction01 = 0.0", "Fraction01 = 0.5", "balance"),
    ("base", "Field(ge=0, le=1)", "Field(ge=0, le=2)", ""),
    ("choices", '["csv", "mediaeval", ', '["csv", ', ""),
    ("decode", "context: Count = 20", "context: Count = 24", READ_RATE),
    ("decode", "Positive = Limits.max_pixels", "Positive = 1_000", READ_RATE),
    ("detect", "= 0.1\n", "= 0.2\n", "detect"),
    ("detect", "Seconds; shorter strokes", "Shorter strokes", "detect"),
    ("evaluate", "stride: Positive", "stride: Positive = 2", ""),
    ("execution", 'Precision = "float32"', 'Precision = "bfloat16"', "train report"),
    ("experiment", '= "local"', '= "tcp://other:8786"', ""),
    ("feed", "= 4.0", "= 8.0", ""),
    ("flow", "Literal[0, 3, 5] = 3", "Literal[0, 3, 5] = 5", "flow segment"),
    ("index", "max_overlap: Fraction01 = 0.25", "max_overlap: Fraction01 = 0.5", "index"),
    ("index", "frames: Positive = 200", "frames: Positive = 100", "index"),
    ("index", "quorum: Fraction01 = 0.5", "quorum: Fraction01 = 1", "index"),
    ("index", '"players"] = "auto"', '"players"] = "classes"', "index"),
    ("limits", "timeout_s: float = 120", "timeout_s: float = 60", READ_RATE),
    ("load", "holds no keys; write", "has no keys; write", ""),
    ("network", "POOLINGS = 3", "POOLINGS = 2", ""),
    ("normalize", "Literal[0, 3, 5, 7] = 3", "Literal[0, 3, 5, 7] = 7", "normalize segment"),
    ("normalize", "= 1 / 3", "= 1", "normalize segment"),
    ("normalize", "= 5.0", "= 2.0", "normalize segment"),
    ("preparation", "width=settings.decode.width", "width=320", "segment"),
    ("preset", '"""It names folders', '"""It names a folder', ""),
    ("rules", "no such file; name", "no file; name", ""),
    ("segment", "margin: Count", "margin: Count = 12", ""),
    ("synthesize", "Positive = 10", "Positive = 12", "synthesize index"),
    ("train", "Field(ge=0, lt=1)] = 0.1", "Field(ge=0, lt=1)] = 0.2", "train report"),
    ("train", "patience: Positive = 50", "patience: Positive = 40", "train report"),
    ("window", "frames: Positive", "frames: Positive = 24", "decode normalize segment"),
    ("yaml", "its values are nested too deeply", "its values nest too deeply", ""),
]
# File below src/twinstroke, to which a line is added, and which stages run again.
MODULES = [
    ("annotations/classes.py", "index detect"),
    ("annotations/ttstroke21.csv", "index detect"),
    ("attend/statistics.py", "attend"),
    ("attend/tables.py", "attend report"),
    ("balance/__init__.py", ""),
    ("balance/choice.py", "balance"),
    ("balance/stored.py", "balance train evaluate"),
    ("cli/main.py", ""),
    ("compare/pairs.py", ""),
    ("decode/frames.py", "decode"),
    ("decode/stored.py", STORED),
    ("detect/prepare.py", ""),
    ("detect/segments.py", "detect"),
    ("detect/timing.py", ""),
    ("errors.py", ""),
    ("evaluate/decisions.py", "evaluate attend report"),
    ("evaluate/detection.py", "detect"),
    ("evaluate/metrics.py", "evaluate"),
    ("experiments/grids.py", ""),
    ("export_model.py", ""),
    ("files.py", ALL),
    ("flow/estimators.py", "flow"),
    ("flow/fields.py", "flow"),
    ("formats/cvat.py", "index"),
    ("gpu_check.py", ""),
    ("hdf5.py", STORED),
    ("index/leaks.py", "index"),
    ("index/report.py", ""),
    ("inspection/draw.py", ""),
    ("models/__init__.py", NETWORK),
    ("models/blocks.py", NETWORK),
    ("normalize/mask.py", "normalize"),
    ("normalize/statistics.py", "normalize"),
    ("normalize/stored.py", "normalize segment train detect report"),
    ("parallel/gpu_locks.py", ""),
    ("parallel/parts.py", STORED),
    ("parallel/inventory.py", ""),
    ("parallel/store.py", ""),
    ("parallel/workers.py", ""),
    ("progress.py", ""),
    ("regions.py", "index normalize segment detect"),
    ("report/page.html", "report"),
    ("results/film.py", ""),
    ("results/tables.py", "detect"),
    ("results/viewer/viewer.js", "detect"),
    ("segment/crop.py", "segment"),
    ("segment/strokes.py", "segment"),
    ("segment/untrimmed.py", "segment"),
    ("synthesize/player.py", "synthesize"),
    ("train/messages.py", ""),
    ("train/finished.py", ""),
    ("train/gpus.py", ""),
    ("train/machine.py", ""),
    ("train/naming.py", "detect report"),
    ("train/saving.py", ""),
    ("train/schedule.py", "train"),
    ("train/unfinished.py", ""),
    ("train/windows.py", NETWORK),
    ("video/probe.py", "index decode"),
    ("video/seek.py", "decode"),
]


@dataclass
class Noted:
    """A clone of which DVC takes every stage for done."""

    clone: Clone
    repo: Any
    stages: list[Any]

    def modules_changed(self) -> set[str]:
        """Stages of which a dependency changed, but for settings; DVC reads them slowly."""
        with self.repo.lock:
            return {
                stage.addressing
                for stage in self.stages
                if any(d.status() for d in stage.deps if not isinstance(d, ParamsDependency))
            }

    def changed(self) -> set[str]:
        """Stages that DVC would run again."""
        return {*Repo().status()}

    @contextmanager
    def edited(self, name: str, old: str, new: str) -> Iterator[None]:
        """Another text in the place of the only one like it; at the end, what was there."""
        path = self.clone.folder / name
        before = path.read_text(encoding="utf-8")
        assert before.count(old) == 1, f"{name}: {old}"
        path.write_text(before.replace(old, new), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Noted]:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    for stage in stages().values():
        for item in (*stage["outs"], *stage.get("metrics", [])):
            name = item if isinstance(item, str) else next(iter(item))
            path = clone.folder / name.replace("${preset}", "tiny")
            file = path if path.suffix else path / "file"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{name} as made by nobody\n")
    clone.run("dvc", "commit", "--force")
    with chdir(clone.folder):  # DVC names stages as they are seen from here
        repo = Repo()
        yield Noted(clone, repo, list(repo.index.stages))


def test_dvc_takes_every_stage_for_done(noted: Noted) -> None:
    assert {stage.addressing for stage in noted.stages} == {*STAGES}
    assert noted.changed() == noted.modules_changed() == set()


@pytest.mark.parametrize(("section", "old", "new", "expected"), SETTINGS)
def test_another_default(noted: Noted, section: str, old: str, new: str, expected: str) -> None:
    with noted.edited(f"src/twinstroke/settings/{section}.py", old, new):
        assert noted.modules_changed() == {*expected.split()}


@pytest.mark.parametrize(("name", "expected"), MODULES)
def test_another_line_in_a_module(noted: Noted, name: str, expected: str) -> None:
    path = noted.clone.folder / "src" / "twinstroke" / name
    with noted.edited(f"src/twinstroke/{name}", whole := path.read_text(), f"{whole}_ = 0\n"):
        assert noted.modules_changed() == {*expected.split()}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("src/twinstroke/settings/normalize.py", "5, 7] = 3", "5, 7] = 7", "normalize segment"),
        ("src/twinstroke/train/messages.py", "install g++", "install GCC", ""),
        ("stages/flow.py", "pairs of frames", "neighbouring frames", "flow"),
        ("params.yaml", "learning_rate: preset", "learning_rate: 0.5", "train report"),
        ("params.yaml", "scheduler: local", "scheduler: tcp://other:8786", ""),
        ("params.yaml", "state_minutes: 10", "state_minutes: 0", ""),
        ("presets/tiny.yaml", "estimator: farneback", "estimator: dis", "flow segment report"),
        ("presets/tiny.yaml", "split: test", "split: none", "decode detect report"),
        ("presets/tiny.yaml", "context: 16", "context: 24", READ_RATE),
    ],
)
def test_what_dvc_itself_says(noted: Noted, file: str, old: str, new: str, expected: str) -> None:
    with noted.edited(file, old, new):
        assert noted.changed() == {*expected.split()}


def test_every_section_and_every_package_has_a_row() -> None:
    package = Path(__file__).parents[2] / "src" / "twinstroke"
    sections = {path.stem for path in (package / "settings").glob("*.py")} - {"__init__"}
    assert {section for section, *_ in SETTINGS} == sections
    packages = {path.parent.name for path in package.glob("*/__init__.py")} - {"settings"}
    assert {Path(name).parts[0] for name, _ in MODULES if "/" in name} == packages
