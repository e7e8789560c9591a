"""Frame rates of a set: what is told of them, and where that leads."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from tests.videos import distinct_frames, write_vfr_video, write_video
from twinstroke.errors import UserError
from twinstroke.index.build import Index, build_index
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.index import IndexSettings
from twinstroke.video.probe import probe_video

SPLIT = {"rule": "names", "train": ["a*"], "validation": ["b*"], "test": ["c*"]}
ROWS = [
    f"{video},{times},{label}"
    for video in "abc"
    for times, label in (("0:00.5,0:01", "drive"), ("0:01,0:01.5", "push"))
]


def _build(root: Path, *, rate: float | str = "video", **changes: Any) -> Index:
    values = {
        "videos": "videos",
        "annotations": "strokes.csv",
        "classes": "found",
        "fps": 30,
        "negatives": {"rule": "none"},
        "split": SPLIT,
        **changes,
    }
    return build_index(
        IndexSettings.model_validate(values),
        raw=root,
        root=root,
        seed=1,
        workers=2,
        window=4,
        context=0,
        decode=DecodeSettings.model_validate({"width": 32, "rate": rate}),
    )


def _strokes(index: Index) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for sample in index.samples:
        found.setdefault(sample.video, []).append((sample.begin, sample.end))
    return found


@pytest.fixture
def phones(tmp_path: Path) -> Path:
    """Three phones that mean 60, 30 and 25 frames a second; one drops every twentieth frame."""
    (tmp_path / "videos").mkdir()
    frames = distinct_frames(120)
    write_video(tmp_path / "videos/a.mp4", frames, 60)
    shown = np.delete(np.arange(60), range(9, 60, 20))
    write_vfr_video(tmp_path / "videos/b.mp4", frames[shown], list(shown / 30))
    write_video(tmp_path / "videos/c.mp4", frames[:50], 25)
    (tmp_path / "strokes.csv").write_text("\n".join(["video,begin,end,label", *ROWS]) + "\n")
    return tmp_path


def test_what_is_advised_of_rates_leads_to_a_set_that_works(phones: Path) -> None:
    """The mean of the second is 28.5: no error, since it means 30. The others are told a way."""
    rate: float | str = "video"
    fps: float | str = 30
    seen: list[str] = []
    for _ in range(5):
        try:
            index = _build(phones, rate=rate, fps=fps)
            break
        except UserError as error:
            seen += error.problems
            advice = error.problems[-1]
            assert "b.mp4" not in "".join(error.problems)
            if both := re.search(r"index\.fps: any, decode\.rate: ([\d.]+)\)", advice):
                fps, rate = "any", float(both[1])
            elif lower := re.search(r"set decode\.rate to ([\d.]+), or leave", advice):
                rate = float(lower[1])
            else:
                pytest.fail(advice)
    assert (fps, rate) == ("any", 25), seen
    assert _strokes(index) == {video: [(13, 25), (25, 38)] for video in "abc"}
    assert {(video.frames, float(video.fps)) for video in index.videos} == {(50, 25.0)}
    assert [item.check for item in index.findings] == ["vfr"]


def test_seconds_of_variable_footage_are_looked_up_without_a_rate_too(phones: Path) -> None:
    """Two of the first sixty frames are dropped before the end of the second stroke."""
    for video in "ac":
        (phones / f"videos/{video}.mp4").write_bytes((phones / "videos/b.mp4").read_bytes())
    index = _build(phones)
    assert _strokes(index) == {video: [(14, 28), (28, 43)] for video in "abc"}


def test_a_video_that_is_too_slow_is_named(phones: Path) -> None:
    with pytest.raises(UserError) as caught:
        _build(phones, rate=30, fps="any")
    (problem,) = caught.value.problems
    assert problem.startswith(f"{phones}/videos/c.mp4: has 25 frames a second, too few for")
    assert "\n" not in problem
    # What nothing is annotated in does no harm.
    (phones / "strokes.csv").write_text("\n".join(["video,begin,end,label", *ROWS[:4]]) + "\n")
    split = {"rule": "names", "train": ["a*"], "validation": ["b*"], "test": ["z*"]}
    assert set(_strokes(_build(phones, rate=30, fps="any", split=split))) == {"a", "b"}


@pytest.mark.parametrize("where", ["table", "groups", "preset"])
def test_slow_motion_is_counted_as_it_was_recorded(tmp_path: Path, where: str) -> None:
    """120 frames of 60 a second, stored at 15 a second: seconds are those of the player."""
    (tmp_path / "videos").mkdir()
    for number, video in enumerate("abc"):
        write_video(tmp_path / f"videos/{video}.mp4", distinct_frames(120) + number, 15)
    rows = [f"{video},30,60,drive\n{video},0:04,0:05,push" for video in "abc"]
    head = "video,begin,end,label"
    changes: dict[str, Any] = {}
    if where == "table":
        head += ",recorded_fps"
        rows = [f"{row},60".replace("drive\n", "drive,\n") for row in rows]
    elif where == "groups":
        table = "video,player,recorded_fps\n" + "".join(f"{v},Ada,60\n" for v in "abc")
        (tmp_path / "players.csv").write_text(table)
        changes = {"groups": "players.csv"}
    else:
        changes = {"recorded_fps": 60}
    (tmp_path / "strokes.csv").write_text("\n".join([head, *rows]) + "\n")
    every = _build(tmp_path, fps=60, **changes)
    assert _strokes(every)["a"] == [(30, 60), (60, 75)]
    kept = _build(tmp_path, fps="any", rate=20, **changes)
    assert _strokes(kept)["a"] == [(10, 20), (20, 25)]
    for index, fps, frames in ((every, 60, 120), (kept, 20, 40)):
        assert {(v.fps, v.frames, v.slow_motion) for v in index.videos} == {
            (Fraction(fps), frames, Fraction(4))
        }


def test_slow_motion_is_sped_up_by_the_command_of_the_docs(tmp_path: Path) -> None:
    """Without loss: the same packets at other times."""
    slow = write_video(tmp_path / "slow.mp4", distinct_frames(60), 30)
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text()
    (command,) = re.findall(r"`ffmpeg (-itsscale [^`]*)`", page)
    tool = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([tool, "-v", "error", *command.split()], check=True, cwd=tmp_path)
    before, after = probe_video(slow), probe_video(tmp_path / "fast.mp4")
    assert (float(before.fps), float(after.fps)) == (30.0, 240.0)
    assert after.content == before.content


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (("240", "120"), "recorded_fps is 120, but 240 in "),
        (("fast", ""), "recorded_fps is 'fast', no frames a second; write a number such as 240"),
        (("0", ""), "recorded_fps is '0', no frames a second"),
        (("0.004", ""), "recorded_fps is '0.004', no frames a second"),
    ],
)
def test_cells_that_tell_no_rate(phones: Path, cells: tuple[str, str], problem: str) -> None:
    rows = [f"{row},{cell}" for row, cell in zip(ROWS, (*cells, "", "", "", ""), strict=True)]
    head = "video,begin,end,label,recorded_fps"
    (phones / "strokes.csv").write_text("\n".join([head, *rows]) + "\n")
    with pytest.raises(UserError) as caught:
        _build(phones, fps="any", rate=25)
    assert [line for line in caught.value.problems if problem in line]
