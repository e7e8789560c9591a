"""What the command line relies on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks.footage import Bench
from benchmarks.measuring import Result, Section
from twinstroke.errors import UserError

ROOT = Path(__file__).parents[2]


def section(title: str) -> Section:
    return Section(title, [Result("r", 1, 1, "≤")], "How.")


@pytest.mark.parametrize("name", bench.NAMES)
def test_each_name_is_a_function_that_is_there(name: str) -> None:
    assert callable(bench.function_of(name))


def test_names_come_without_what_measures() -> None:
    asked = "import sys, benchmarks.__main__; print({'torch', 'cv2', 'h5py'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


def test_one_benchmark_prints_its_section(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[Bench] = []

    def measure(own: Bench) -> Section:
        assert own.folder.is_dir()
        given.append(own)
        return section("One")

    monkeypatch.setattr(bench, "function_of", lambda name: {"decode": measure}[name])
    bench.run("decode", None)
    assert capsys.readouterr().out == section("One").markdown + "\n"
    assert not given[0].folder.exists()


def test_all_benchmarks_make_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "REPORT", tmp_path / "report.md")
    monkeypatch.setattr(bench, "function_of", lambda name: lambda own: section(name))
    bench.run(None, None)
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        "## Targets",
        *(f"## {name}" for name in bench.NAMES),
    ]


def test_a_video_that_is_none_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.mp4: no such video"):
        bench.run("floor", tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UserError, match=r"text\.mp4: .*cannot read the video"):
        bench.run("floor", tmp_path / "text.mp4")
