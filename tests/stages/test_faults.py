"""What happens to the stages when programs, disks and videos fail, and what a user is told."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.clone import ROOT
from tests.disks import read_only, small_disk
from tests.project import HEAVY, VIDEOS, Project, finished
from tests.videos import write_damaged_copy

OWN = {
    "decode": ("frames",),
    "flow": ("flow",),
    "normalize": ("motion", "statistics.json"),
    "segment": ("strokes.h5",),
}
"""What each stage makes."""


def before(stage: str, folder: Path) -> Project:
    """A project in which everything before a stage is finished."""
    project = finished().copy(folder)
    for later in HEAVY[HEAVY.index(stage) :]:
        for name in OWN[later]:
            output = project.data / name
            shutil.rmtree(output) if output.is_dir() else output.unlink()
        shutil.rmtree(project.store / later)
    return project


def made(project: Project, stage: str) -> dict[str, bytes]:
    """What a stage made; there must be no leftovers."""
    return {n: b for n, b in project.made().items() if n.startswith(OWN[stage])}


def whole(project: Project, stage: str) -> list[str]:
    """Files of a stage that are there under their final names, each with its right contents."""
    right = made(finished(), stage)
    found = [name for name in right if (project.data / name).exists()]
    assert all((project.data / name).read_bytes() == right[name] for name in found)
    return sorted(found)


KILLED = """
import os, runpy, signal, sys
from tests.processes import spawned
from tests.work import after_each_item

script, whom, number = sys.argv[1:]

def kill(done):
    if done == int(number):
        pid = os.getpid() if whom == "itself" else spawned(os.getpid())[0]
        os.kill(pid, signal.SIGKILL)
        print("one of its processes was killed")

after_each_item(kill)
runpy.run_path(script, run_name="__main__")
"""
"""A stage of which a process is killed when so many items of work are done."""


def with_a_kill(project: Project, stage: str, whom: str, number: int) -> tuple[int, str]:
    """Begin a stage; give its status and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, ROOT / "stages" / f"{stage}.py", whom, str(number)],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


MOMENTS = {"decode": (4, 8), "flow": (9,), "normalize": (2,), "segment": (1,)}
"""Items after which each stage is killed: when parts or files are finished, and others are not.

`decode` first plans three videos, which are three items, and then has nine parts; `flow` has twelve
parts, `normalize` three, and `segment` two.
"""


@pytest.mark.parametrize("stage", HEAVY)
def test_killed_at_any_moment_a_stage_goes_on_to_the_same_bytes(stage: str, tmp_path: Path) -> None:
    project = before(stage, tmp_path / "project")
    for number in MOMENTS[stage]:
        status, printed = with_a_kill(project, stage, "itself", number)
        assert status == -signal.SIGKILL, printed
        files = whole(project, stage)
        assert files or project.parts(), "it had not begun"
        assert len(files) < len(made(finished(), stage)), "it was over"
    project.run(stage)
    assert made(project, stage) == made(finished(), stage)


def test_a_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    project = before("flow", tmp_path / "project")
    status, printed = with_a_kill(project, "flow", "a worker", 1)
    assert status == 0, printed
    assert "one of its processes was killed" in printed
    assert "Traceback" not in printed
    assert made(project, "flow") == made(finished(), "flow")


def with_ffmpeg(project: Project, *, first: str) -> dict[str, str]:
    """Environment in which the first FFmpeg that gives frames does something else."""
    program = project.folder / "ffmpeg"
    program.write_text(
        f"""#!/bin/bash
mark="{project.folder}/used"
if [[ "$*" == *rawvideo* ]] && mkdir "$mark" 2> /dev/null; then
  {first}
fi
exec {imageio_ffmpeg.get_ffmpeg_exe()} "$@"
"""
    )
    program.chmod(0o755)
    return {"IMAGEIO_FFMPEG_EXE": str(program)}


def test_an_ffmpeg_that_crashes_costs_its_video_alone(tmp_path: Path) -> None:
    project = before("decode", tmp_path / "project")
    real = imageio_ffmpeg.get_ffmpeg_exe()
    crash = with_ffmpeg(project, first=f'{real} "$@" | head -c 200000; kill -SEGV $$')
    (line,) = project.errors("decode", **crash)
    assert re.match(r"data/raw/own/videos/.\.mp4: FFmpeg was ended by signal 11", line)
    assert len(whole(project, "decode")) == 2
    project.run("decode")
    assert made(project, "decode") == made(finished(), "decode")


def test_a_video_that_goes_away_costs_itself_alone(tmp_path: Path) -> None:
    project = before("decode", tmp_path / "project")
    video = project.folder / "data" / "raw" / "own" / "videos" / "c.mp4"
    away = with_ffmpeg(project, first=f"mv {video} {video}.away")
    (line,) = project.errors("decode", **away)
    assert "c.mp4: the video is gone; bring it back" in line
    assert whole(project, "decode") == ["frames/a.h5", "frames/b.h5"]
    # The same before the stage starts.
    (line,) = project.errors("decode")
    assert "c.mp4: the video is gone; bring it back" in line
    video.with_name("c.mp4.away").rename(video)
    project.run("decode")
    assert made(project, "decode") == made(finished(), "decode")


def test_a_broken_frame_in_a_stroke_is_named(tmp_path: Path) -> None:
    project = before("decode", tmp_path / "project")
    video = project.folder / "data" / "raw" / "own" / "videos" / "b.mp4"
    whole_video = video.rename(tmp_path / "b.mp4")
    write_damaged_copy(video, whole_video, 150)
    (line,) = project.errors("decode")
    found = re.match(r"data/raw/own/videos/b.mp4: frame (\d+) does not decode", line)
    assert found
    assert abs(int(found[1]) - 150) < 4, "packets are stored in another order than shown"
    assert whole(project, "decode") == ["frames/a.h5", "frames/c.h5"]


@pytest.mark.parametrize(("stage", "room_kb"), [("decode", 700), ("flow", 450), ("segment", 1000)])
def test_on_a_full_disk_it_stops_and_goes_on_when_there_is_room(
    stage: str, room_kb: int, tmp_path: Path
) -> None:
    ready = before(stage, tmp_path / "ready")
    used_kb = sum(4 + p.stat().st_size // 1024 for p in (ready.folder / "data").rglob("*"))
    with small_disk(tmp_path / "small" / "data", used_kb + room_kb):
        project = ready.copy(tmp_path / "small")
        (line,) = project.errors(stage)
        assert "No space left on device" in line
        assert "; make room on that disk, and run dvc repro again" in line
        assert f"data/store/{stage}/" in line
        whole(project, stage)
        larger = project.copy(tmp_path / "larger")
    larger.run(stage)
    assert made(larger, stage) == made(finished(), stage)


@pytest.mark.parametrize("folder", ["data/own/flow", "data/store/flow"])
def test_a_folder_that_cannot_be_written_is_one_line(folder: str, tmp_path: Path) -> None:
    project = before("flow", tmp_path / "project")
    with read_only(project.folder / folder):
        (line,) = project.errors("flow")
    assert "Read-only file system" in line or "Permission denied" in line
    assert folder in line
    assert "; see that you may write there" in line


def test_a_store_that_was_deleted_is_filled_again(tmp_path: Path) -> None:
    project = finished().copy(tmp_path / "project")
    shutil.rmtree(project.store)
    for stage in HEAVY:
        project.run(stage)
    assert project.made() == finished().made()
    kept = [path for path in project.store.rglob("*.h5") if path.stat().st_nlink == 2]
    assert len(kept) == 3 * len(VIDEOS) + 1


@pytest.mark.parametrize("stage", ["flow", "normalize", "segment"])
def test_a_damaged_file_of_an_earlier_stage_is_named(stage: str, tmp_path: Path) -> None:
    project = before(stage, tmp_path / "project")
    damaged = {"flow": "frames/b.h5", "normalize": "flow/b.h5", "segment": "motion/b.h5"}[stage]
    with (project.data / damaged).open("r+b") as file:
        file.truncate(9000)
    (line,) = project.errors(stage)
    assert f"data/own/{damaged}" in line


def test_damaged_pixels_of_an_earlier_stage_are_named(tmp_path: Path) -> None:
    project = before("flow", tmp_path / "project")
    with (project.data / "frames" / "b.h5").open("r+b") as file:
        file.seek(200_000)
        file.write(b"\xff" * 50_000)
    (line,) = project.errors("flow")
    assert "data/own/frames/b.h5" in line
