from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.videos import (
    distinct_frames,
    write_rotated_copy,
    write_sound,
    write_trimmed_copy,
    write_truncated_copy,
    write_vfr_video,
    write_video,
)
from twinstroke.errors import UserError
from twinstroke.index.probe import is_variable, probe_video

FRAMES = distinct_frames(30, height=18, width=32)
TIMES = np.cumsum(np.random.default_rng(0).choice([1 / 120, 1 / 60], len(FRAMES)))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi"])
@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("fps", [Fraction(120), Fraction(30_000, 1001)])
def test_constant_rate(tmp_path: Path, suffix: str, lossless: bool, fps: Fraction) -> None:
    video = write_video(tmp_path / f"v.{suffix}", FRAMES, fps, lossless=lossless)
    probe = probe_video(video)
    assert (probe.frames, probe.width, probe.height) == (30, 32, 18)
    # Matroska rounds times to milliseconds.
    assert float(probe.fps) == pytest.approx(float(fps), rel=2e-3)
    assert suffix == "mkv" or probe.fps == fps
    assert not probe.variable_frame_rate


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_rate(tmp_path: Path, suffix: str) -> None:
    probe = probe_video(write_vfr_video(tmp_path / f"v.{suffix}", FRAMES, list(TIMES)))
    assert probe.variable_frame_rate
    assert probe.frames == len(FRAMES)
    assert float(probe.fps) == pytest.approx(29 / (TIMES[-1] - TIMES[0]), rel=5e-3)


def test_one_frame(tmp_path: Path) -> None:
    probe = probe_video(write_video(tmp_path / "v.mp4", FRAMES[:1], 25))
    assert (probe.frames, probe.fps, probe.variable_frame_rate) == (1, Fraction(25), False)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_flag_gives_displayed_size(tmp_path: Path, degrees: int) -> None:
    upright = write_video(tmp_path / "upright.mp4", FRAMES, lossless=False)
    probe = probe_video(write_rotated_copy(tmp_path / "v.mp4", upright, degrees))
    assert (probe.width, probe.height) == ((32, 18) if degrees == 180 else (18, 32))


@pytest.mark.parametrize("make", ["lossy", "vfr", "trimmed", "interrupted"])
def test_counts_what_decodes(tmp_path: Path, make: str) -> None:
    path = tmp_path / "v.mp4"
    whole = write_video(tmp_path / "whole.mp4", FRAMES, 120, lossless=False)
    if make == "lossy":
        path = whole
    elif make == "vfr":
        write_vfr_video(path, FRAMES, list(TIMES))
    elif make == "trimmed":
        write_trimmed_copy(path, whole, start_s=0.1)
    else:
        # Lossless packets depend on none but the one before, so all but the cut one decode.
        whole = write_video(whole, FRAMES)
        write_truncated_copy(path, whole, share=0.6)
    options = ["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    decoded = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", path, *options],
        capture_output=True,
        check=True,
    ).stdout
    expected = len(decoded) // (32 * 18)
    cut = 1 if make == "interrupted" else 0
    assert 0 <= probe_video(path).frames - expected <= cut
    assert expected < 30 or make in ("lossy", "vfr")


def _garbage(folder: Path) -> Path:
    path = folder / "v.mp4"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def _empty(folder: Path) -> Path:
    (folder / "v.mp4").touch()
    return folder / "v.mp4"


def _without_packets(folder: Path) -> Path:
    whole = write_video(folder / "whole.mp4", FRAMES)
    return write_truncated_copy(folder / "v.mp4", whole, share=0.11)


def _zeroed_packets(folder: Path) -> Path:
    path = write_video(folder / "v.mp4", FRAMES)
    content = path.read_bytes()
    start = content.index(b"mdat") + 4
    path.write_bytes(content[:start] + bytes(len(content) - start))
    return path


def _playlist(folder: Path) -> Path:
    write_video(folder / "other.mp4", FRAMES)
    path = folder / "v.mp4"
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "v.mp4", "no such video"),
        (_empty, "is empty"),
        (_garbage, "FFmpeg cannot read the video"),
        (_without_packets, "FFmpeg cannot read the video"),
        (_zeroed_packets, "FFmpeg cannot read the video"),
        (_playlist, "FFmpeg cannot read the video"),
        (lambda folder: write_sound(folder / "v.mp4"), "holds no video stream"),
    ],
)
def test_unusable_files(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path)
    with pytest.raises(UserError) as caught:
        probe_video(path)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


HEADER = "#tb 0: 1/120\n#dimensions 0: 32x18\n"


@pytest.mark.parametrize(
    "packets",
    ["", "0, 0, 0, 1, 9, 0xaa, F=0x5\n0, 1, 1, 1, 9, 0xaa, F=0x4\n", "0, 0, 0, 0, 9, 0xaa\n"],
    ids=["none", "all hidden by an edit list", "one without duration"],
)
def test_streams_without_a_usable_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packets: str
) -> None:
    def report(path: Path, **options: str | int) -> str:
        return HEADER + packets

    monkeypatch.setattr("twinstroke.index.probe._framecrc", report)
    with pytest.raises(UserError, match="no frame that decodes"):
        probe_video(_garbage(tmp_path))


@given(period=st.floats(3, 4000), count=st.integers(2, 200), drop=st.integers(1, 10_000))
def test_rounding_is_constant_and_a_dropped_frame_is_not(
    period: float, count: int, drop: int
) -> None:
    times = np.round(np.arange(count + 3) * period).astype(np.int64)
    assert not is_variable(times[1:] - times[:-1])
    # An inner frame: without the first or last one the rest is still constant.
    rest = np.delete(times, 1 + drop % (count + 1))
    assert is_variable(rest[1:] - rest[:-1])
