"""What is measured with is what it is said to be."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import footage
from benchmarks.footage import Bench, Footage
from tests.videos import distinct_frames, write_video
from twinstroke.hdf5 import new_hdf5
from twinstroke.tables import Video


def made_up(frames: int) -> Footage:
    video = Video(
        video="v",
        path="v.mp4",
        sha256="",
        frames=frames,
        fps=Fraction(120),
        width=64,
        height=36,
        variable_frame_rate=False,
    )
    return Footage(Path("v.mp4"), video, "made up")


def test_grey_frames_are_those_of_flow(tmp_path: Path) -> None:
    frames = distinct_frames(3)
    with new_hdf5(tmp_path / "f.h5", "") as file:
        file["rgb"] = frames.transpose(0, 3, 1, 2)
    expected = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    assert np.array_equal(footage.grey_frames(tmp_path / "f.h5"), expected)


def test_ranges_are_spread_within_the_video() -> None:
    assert made_up(1000).spread(3, 99) == [(0, 99), (450, 549), (900, 999)]
    assert made_up(50).spread(1, 99) == [(0, 49)]


def test_footage_of_the_user_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "mine.mp4", distinct_frames(20))
    monkeypatch.setattr(footage, "FRAMES", 8)
    folder = tmp_path / "made"
    folder.mkdir()
    found = Bench(folder, source).footage
    assert found.video.frames == 8
    assert str(found).startswith("`mine.mp4`, 32×18 at 120 fps")


def test_repeated_video_has_the_frames_of_all_copies(tmp_path: Path) -> None:
    piece = footage.pattern(tmp_path / "piece.mp4", (64, 36), 120)
    assert Footage.of(footage.repeated(piece, 3, tmp_path / "long.mp4")).video.frames == 360
