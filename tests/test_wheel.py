"""What `pip install twinstroke` gives, away from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from functools import partial
from pathlib import Path

import pytest

from tests.clone import ROOT
from tests.prepared import network, prepared_data


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, since building leaves files in the source tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", *build, str(source)], cwd=source, check=True)
    (made,) = source.glob("*.whl")
    return made


def test_the_wheel_holds_all_of_the_package_and_nothing_else(wheel: Path) -> None:
    package = ROOT / "src" / "twinstroke"
    own = {
        f"twinstroke/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == own
    licences = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/LICENSE")]
    assert len(licences) == 1


def test_it_detects_strokes_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """The libraries are those of this environment; the package comes out of the wheel alone."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    scheme = {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    install = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    # A plain path: links to source trees beside it, such as ours, are not followed.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    model = network(tmp_path / "model.safetensors")
    python = tmp_path / "env" / "bin" / "python"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    where = "import twinstroke; print(twinstroke.__file__)"
    own = partial(subprocess.run, cwd=empty, env=environment, capture_output=True, text=True)
    found = own([python, "-c", where], check=True)
    assert Path(found.stdout.strip()).is_relative_to(site)
    video = prepared_data() / "v.mp4"
    done = own([python, site / "bin" / "twinstroke", "detect", video, "--model", model])
    assert done.returncode == 0, done.stderr
    assert (empty / "detections" / "v.csv").is_file()
    assert (empty / "detections" / "v.html").is_file()
