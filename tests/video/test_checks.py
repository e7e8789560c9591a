from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from tests.videos import (
    distinct_frames,
    write_copy,
    write_copy_after_sound,
    write_copy_with_hidden_beginning,
    write_cut_in_open_group,
    write_damaged_copy,
    write_interlaced_video,
    write_joined_video,
    write_late_copy,
    write_refreshed_video,
    write_rotated_copy,
    write_squeezed_video,
    write_streams,
    write_trimmed_copy,
    write_truncated_copy,
    write_vfr_video,
    write_video,
)
from twinstroke.findings import Finding
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.limits import Limits
from twinstroke.video import checks as module
from twinstroke.video.checks import check_decoding, rate_findings, video_findings
from twinstroke.video.clock import Clock
from twinstroke.video.probe import Probe, probe_video

FRAMES = distinct_frames(30, height=18, width=32)
LONG = np.tile(distinct_frames(100, height=16, width=16), (10, 1, 1, 1))
NEEDED = [0, 500, 999]


def _findings(path: Path, fps: float = 120) -> list[Finding]:
    probe, decode = probe_video(path), DecodeSettings(width=32)
    return rate_findings(path, "v", probe, decode, fps) + video_findings(path, "v", probe)


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames were decoded from the beginning, each time that was needed."""
    counts = []
    original = module._linear_problem

    def note(path: Path, probe: Probe, count: int, limits: Limits) -> str:
        counts.append(count)
        return original(path, probe, count, limits)

    monkeypatch.setattr(module, "_linear_problem", note)
    return counts


def _decoding(path: Path, frames: list[int] | None) -> str:
    """What is wrong, or nothing."""
    found = check_decoding(path, "v", probe_video(path), frames)
    assert all(
        (item.severity, item.check, item.file, item.video) == ("error", "decode", str(path), "v")
        for item in found
    )
    assert len(found) <= 1
    return found[0].found if found else ""


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi"])
@pytest.mark.parametrize("lossless", [True, False])
def test_no_false_alarm_on_clean_videos(tmp_path: Path, suffix: str, lossless: bool) -> None:
    path = write_video(tmp_path / f"v.{suffix}", FRAMES, Fraction(120_000, 1001), lossless=lossless)
    assert _findings(path) == []
    assert _decoding(path, list(range(30))) == ""
    assert _decoding(path, None) == ""


def test_no_false_alarm_on_odd_but_whole_videos(tmp_path: Path, linear: list[int]) -> None:
    whole = write_video(tmp_path / "v.mp4", LONG, 120, lossless=False)
    times = np.cumsum(np.random.default_rng(0).choice([1 / 120, 1 / 60], len(FRAMES)))
    for path in (
        write_copy_after_sound(tmp_path / "sound.mp4", whole, 0.5),
        write_copy_after_sound(tmp_path / "sound.mkv", whole, 0.5),
        write_late_copy(tmp_path / "late.mp4", whole, 3),
        write_late_copy(tmp_path / "late.mkv", whole, 3),
        write_trimmed_copy(tmp_path / "trimmed.mp4", whole, 3.3),
        write_copy_with_hidden_beginning(tmp_path / "hidden.mp4", whole, 3.3),
        write_cut_in_open_group(tmp_path / "open.mkv", distinct_frames(60), 0.5),
        write_rotated_copy(tmp_path / "rotated.mp4", whole, 90),
        write_vfr_video(tmp_path / "vfr.mp4", FRAMES, list(times)),
        write_interlaced_video(tmp_path / "fields.mkv", distinct_frames(20, 64, 64)),
        # AVI keeps no times of presentation, and a copy of it into MP4 makes wrong ones.
        write_copy(tmp_path / "b.mp4", write_video(tmp_path / "b.avi", LONG, lossless=False)),
    ):
        frames = probe_video(path).frames
        assert _decoding(path, [0, 1, frames // 2, frames - 2, frames - 1]) == "", path
        assert linear == [], path
        assert _decoding(path, None) == "", path
        assert linear == [frames], path
        linear.clear()


def test_joined_videos(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_joined_video(path, FRAMES, {}, {"size": "64x36"})
    assert _decoding(path, [0, 14, 15, 29]) == ""
    assert _decoding(path, None) == ""
    write_joined_video(path, FRAMES, {}, {"size": "64x36"}, degrees=90)
    assert _decoding(path, None).startswith("its frames change from 32×18 to 64×36")


def test_frames_where_players_cannot_enter(tmp_path: Path, linear: list[int]) -> None:
    # In an open group, frames shown just before its key frame depend on that and on older ones.
    write_cut_in_open_group(tmp_path / "v.mp4", distinct_frames(250), 0)
    assert _decoding(tmp_path / "v-whole.mp4", list(range(225, 250))) == ""
    # A wide refreshed video is whole a second after it was entered.
    wide = np.tile(distinct_frames(100, height=16, width=1024), (3, 1, 1, 1))
    refreshed = write_refreshed_video(tmp_path / "w.mp4", wide)
    assert _decoding(refreshed, [115, 165, 299]) == ""
    assert linear == []


@pytest.mark.parametrize("lossless", [True, False])
def test_damage_is_found_where_it_lies(tmp_path: Path, lossless: bool, linear: list[int]) -> None:
    whole = write_video(tmp_path / "whole.mp4", LONG, 120, lossless=lossless)
    path = write_damaged_copy(tmp_path / "v.mp4", whole, 500)
    assert _decoding(whole, NEEDED) == ""
    for frames in (None, NEEDED, [500]):
        problem = _decoding(path, frames)
        assert problem.endswith(")")
        number, _, rest = problem.removeprefix("frame ").partition(" ")
        assert rest.startswith("of 1000 does not decode (")
        # FFmpeg drops the few frames that it holds back to put them in order.
        assert int(number) == 500 if lossless else 495 <= int(number) <= 502
    # Before the damage all is well, and so it is for whoever enters after it, here by seconds.
    assert _decoding(path, [0, 300, 490]) == ""
    assert _decoding(path, [999]) == ""
    # What comes after the last failing frame is not decoded.
    assert linear == [1000, 501, 501]


def test_cut_off_video(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", FRAMES)
    path = write_truncated_copy(tmp_path / "v.mp4", whole, 0.6)
    frames = probe_video(path).frames
    (finding,) = _findings(path)
    assert (finding.severity, finding.check) == ("warning", "frames")
    assert finding.found == f"holds {frames} frames, but its header promises 30"
    assert "copy the file again" in finding.advice
    # The last one is there in part.
    for numbers in (None, [0, frames - 1]):
        problem = _decoding(path, numbers)
        assert problem.startswith(f"frame {frames - 1} of {frames} does not decode (")
    assert _decoding(path, [0, frames - 2]) == ""


def test_frames_out_of_the_video_are_left_to_other_checks(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES)
    assert _decoding(path, [-1, 30, 10**12]) == ""
    assert _decoding(path, []) == ""


@pytest.mark.parametrize(
    ("wrong", "full", "spot"),
    [
        # A frame that is promised between 9 and 10, one after the last, one too few.
        (
            lambda ticks: np.insert(ticks, 10, ticks[10] - 1),
            "frame 10 of 31 is missing: what decodes in its place is shown at 0.0833333 s",
            True,
        ),
        (lambda ticks: np.append(ticks, ticks[-1] + 9), "only 30 of 31 frames decode", False),
        (lambda ticks: ticks[:-1], "more than its 29 frames decode", False),
    ],
    ids=["missing", "short", "more"],
)
def test_decoder_and_container_disagree(tmp_path: Path, wrong: Any, full: str, spot: bool) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES)
    honest = probe_video(path)
    clock = Clock(wrong(honest.clock.ticks), honest.clock.time_base)
    probe = replace(honest, clock=clock, frames=clock.frames)
    (finding,) = check_decoding(path, "v", probe, None)
    assert finding.found.startswith(full)
    assert bool(check_decoding(path, "v", probe, [0, 10, 20])) == spot
    # Without times, only the number of frames can be compared.
    untimed = check_decoding(path, "v", replace(probe, timed=False), None)
    assert [item.found for item in untimed] == [
        "more than its 29 frames decode" if clock.frames < 30 else "only 30 of 31 frames decode"
    ]


@pytest.mark.parametrize(
    ("fps", "expected", "possible"),
    [(120, 120, 0), (120, 121, 0), (120, 118.9, 0), (120, 122, 122), (60, 120, 60)],
)
def test_frame_rate(tmp_path: Path, fps: int, expected: float, possible: int) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES, fps)
    found = _findings(path, expected)
    assert len(found) == (possible > 0)
    if possible:
        assert str(found[0]) == (
            f"{path}: has {fps} frames a second, but index.fps is {expected:g}; "
            "set index.fps if that is right, or keep one rate of all (index.fps: any, "
            f"decode.rate: {possible}), or convert the video"
        )
        assert (found[0].severity, found[0].check, found[0].video) == ("error", "fps", "v")


def test_rotation(tmp_path: Path) -> None:
    upright = write_video(tmp_path / "upright.mp4", FRAMES, lossless=False)
    (finding,) = _findings(write_rotated_copy(tmp_path / "v.mp4", upright, 90))
    assert (finding.severity, finding.check) == ("warning", "rotation")
    assert "270° clockwise" in finding.found
    assert "18×32" in finding.found


def test_mirrored(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", FRAMES, lossless=False)
    path = write_rotated_copy(tmp_path / "v.mp4", plain, 0, mirror="hflip")
    (finding,) = _findings(path)
    assert (finding.severity, finding.check) == ("warning", "mirrored")
    assert "mirrors it: left and right change places" in finding.found
    # The advice, taken.
    other = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *finding.advice.split()[-7:]]
    subprocess.run(other, check=True, cwd=tmp_path)
    assert _findings(tmp_path / "other.mp4") == []


@pytest.mark.parametrize(
    ("default", "why"), [(1, "since it is the default"), (None, "since none is larger")]
)
def test_several_streams(tmp_path: Path, default: int | None, why: str) -> None:
    small = write_video(tmp_path / "small.mkv", distinct_frames(20, 16, 16), 30)
    large = write_video(tmp_path / "large.mkv", distinct_frames(20, 36, 64), 30)
    path = write_streams(tmp_path / "v.mkv", small, large, default=default)
    (finding,) = _findings(path, 30)
    assert (finding.severity, finding.check) == ("warning", "streams")
    assert finding.found == f"holds 2 video streams; stream 1 (64×36) is used, {why}"
    # The advice, taken.
    assert finding.advice.endswith("ffmpeg -i v.mkv -map 0:0 -c copy other.mkv")
    other = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *finding.advice.split()[-7:]]
    subprocess.run(other, check=True, cwd=tmp_path)
    assert probe_video(tmp_path / "other.mkv").width == 16


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    frames = distinct_frames(20, height=36, width=64)
    path = write_squeezed_video(tmp_path / "v.mp4", frames, Fraction(4, 3))
    (finding,) = _findings(path, 30)
    assert (finding.severity, finding.check) == ("warning", "pixels")
    assert "1.333 times as wide as high" in finding.found
    assert "64×36" in finding.found


def test_interlaced(tmp_path: Path) -> None:
    path = write_interlaced_video(tmp_path / "v.mp4", distinct_frames(8, height=64, width=64))
    (finding,) = _findings(path, 50)
    assert (finding.severity, finding.check) == ("warning", "interlaced")
    assert "bwdif=mode=send_frame" in finding.advice


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = np.arange(30) / 60
    times[20:] += 1 / 60
    (finding,) = _findings(write_vfr_video(tmp_path / "v.mp4", FRAMES, list(times)), 58)
    assert (finding.severity, finding.check) == ("warning", "vfr")
    assert "16.7 to 33.3 ms" in finding.found
    probe = probe_video(tmp_path / "v.mp4")
    assert probe.usual_fps == 60
    assert float(probe.fps) == pytest.approx(58, abs=0.1)
    kept = probe.clock.kept(Fraction(1, 60))
    (finding,) = video_findings(tmp_path / "v.mp4", "v", probe, kept)
    assert "3.2% of them repeat the one before" in finding.advice  # one of 31


def test_the_usual_rate_of_a_variable_one_may_be_the_expected_one(tmp_path: Path) -> None:
    """A phone that means 30 frames a second, and drops every tenth: 27.1 by the mean."""
    times = np.delete(np.arange(34), range(9, 33, 10))[:30] / 30
    path = write_vfr_video(tmp_path / "v.mp4", FRAMES, list(times))
    probe = probe_video(path)
    assert float(probe.fps) < 0.95 * 30
    assert [item.check for item in _findings(path, 30)] == ["vfr"]
    assert [item.check for item in _findings(path, 25)] == ["fps", "vfr"]


@pytest.mark.parametrize(("rate", "slow"), [(30, False), (32, False), (34, True), (60, True)])
def test_a_video_that_is_too_slow(tmp_path: Path, rate: float, slow: bool) -> None:
    """From a ninth more frames on than it has, more than one in ten is there twice."""
    path = write_video(tmp_path / "v.mp4", np.tile(FRAMES, (3, 1, 1, 1)), 30)
    decode = DecodeSettings(width=32, rate=rate)
    found = rate_findings(path, "v", probe_video(path), decode, "any")
    assert [item.severity for item in found] == ["error"] * slow
    if slow:
        assert str(found[0]).startswith(f"{path}: has 30 frames a second, too few for decode.rate")
        assert "set decode.rate to 30, or leave the video out" in str(found[0])


def test_slow_motion_counts_frames_as_they_were_recorded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", FRAMES, 30)
    probe = probe_video(path)
    eight = Fraction(8)
    every_frame = DecodeSettings(width=32)
    assert rate_findings(path, "v", probe, every_frame, 240, eight) == []
    (wrong,) = rate_findings(path, "v", probe, every_frame, 30, eight)
    assert "has 240 frames a second as recorded, but index.fps is 30" in wrong.found
    assert rate_findings(path, "v", probe, DecodeSettings(width=32, rate=120), "any", eight) == []
