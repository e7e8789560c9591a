"""Videos that are not read, and what becomes of them by the advice."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from tests.decoding import decode_one
from tests.rows import sample
from tests.videos import Frames, distinct_frames, write_grouped_video
from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.containers import REWRAPPED, unread
from twinstroke.annotations.folders import find_videos
from twinstroke.annotations.records import Reading
from twinstroke.findings import Findings, Place
from twinstroke.settings.index import IndexSettings
from twinstroke.video.checks import check_decoding
from twinstroke.video.probe import probe_video

FRAMES = distinct_frames(60, 48, 64)
WRITTEN = {
    "MTS": ("h264", "mts"),
    "m2ts": ("h264", "m2ts"),
    "ts": ("mpeg2", "ts"),
    "TOD": ("mpeg2", "ts"),
    "mxf": ("mpeg2", "mxf"),
    "MOD": ("mpeg2", "mpg"),
    "mpg": ("mpeg2", "mpg"),
    "mpeg": ("mpeg2", "mpeg"),
    "vob": ("mpeg2", "vob"),
    "asf": ("wmv", "asf"),
    "wmv": ("wmv", "wmv"),
    "flv": ("h264", "flv"),
}
"""By suffix: a codec, and the suffix by which FFmpeg knows what to write."""


def _full(path: Path) -> Frames:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", path, "-map", "V:0"]
    scale = ["-vf", "scale=flags=area+accurate_rnd+full_chroma_int+bitexact"]
    options = ["-fps_mode", "passthrough", "-pix_fmt", "gbrp", "-f", "rawvideo", "-"]
    pixels = subprocess.run([*command, *scale, *options], capture_output=True, check=True).stdout
    frames = np.frombuffer(pixels, np.uint8).reshape(-1, 3, *FRAMES.shape[1:3])
    return frames[:, [2, 0, 1]].transpose(0, 2, 3, 1)


def test_all_that_ffmpeg_writes_is_tried() -> None:
    assert {f".{suffix.lower()}" for suffix in WRITTEN} == set(REWRAPPED) - {".dv"}


@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_copy_by_the_advice_has_the_same_frames(tmp_path: Path, suffix: str) -> None:
    codec, kind = WRITTEN[suffix]
    path = tmp_path / f"a match.{suffix}"
    write_grouped_video(tmp_path / f"written.{kind}", FRAMES, 12, codec).rename(path)
    full = _full(path)
    assert len(full) == 60
    found, advice = unread(path)
    assert suffix in found
    assert advice.startswith("copy it without loss: ffmpeg ")
    _, *arguments = shlex.split(advice.removeprefix("copy it without loss: "))
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *arguments], check=True)
    copy = Path(arguments[-1])
    probe = probe_video(copy)
    assert (probe.frames, probe.variable_frame_rate) == (60, False)
    assert float(probe.fps) == pytest.approx(60, rel=0.005)
    assert check_decoding(copy, "v", probe, None) == []
    samples = [sample(2, 5, copy.stem), sample(42, 50, copy.stem)]
    rgb, numbers = decode_one(copy, 60, samples, width=64, height=48, window=4)
    np.testing.assert_array_equal(rgb, full[numbers])


def _reading(raw: Path) -> Reading:
    values = {"classes": "found", "fps": 60.0, "split": {"rule": "given"}}
    reading = Reading(ClassList(IndexSettings.model_validate(values)), Findings())
    find_videos(raw, "videos", reading)
    return reading


def test_a_video_that_is_not_read_is_there_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("a.MTS", "b.mts", "c.mp4"):
        (tmp_path / "videos" / name).touch()
    reading = _reading(tmp_path)
    assert list(reading.videos) == ["c"]
    (warning,) = reading.findings.all
    assert (warning.severity, warning.check) == ("warning", "container")
    assert warning.file == str(tmp_path / "videos" / "a.MTS")
    assert "MTS has no exact index" in warning.found
    assert warning.found.endswith("nor 1 more")
    place = Place("strokes.csv", "2")
    names = "a", "a.MTS", r"D:\DCIM\a.MTS"
    assert [reading.video_named(name, place) for name in names] == [None] * 3
    *errors, _ = reading.findings.all
    assert [error.severity for error in errors] == ["error"] * 3
    for error in errors:
        assert error.found.startswith(f"{tmp_path}/videos/a.MTS is no video that is read")
        assert error.advice.endswith("/videos/a.mp4")
    # After the advice was taken, annotations need no change.
    (tmp_path / "videos" / "a.mp4").touch()
    (tmp_path / "videos" / "b.mts").unlink()
    reading = _reading(tmp_path)
    assert [reading.video_named(name, place) for name in ("a.MTS", "x/a.MTS", "a")] == ["a"] * 3
    assert reading.findings.all == []
