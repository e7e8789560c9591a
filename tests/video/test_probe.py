from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.videos import (
    distinct_frames,
    write_copy,
    write_copy_after_sound,
    write_copy_with_hidden_beginning,
    write_cut_in_open_group,
    write_interlaced_video,
    write_rotated_copy,
    write_sound,
    write_squeezed_video,
    write_trimmed_copy,
    write_truncated_copy,
    write_vfr_video,
    write_video,
    write_video_with_hidden_frames,
)
from twinstroke.errors import UserError
from twinstroke.video import probe as module
from twinstroke.video.probe import is_variable, probe_video

FRAMES = distinct_frames(30, height=18, width=32)
TIMES = np.cumsum(np.random.default_rng(0).choice([1 / 120, 1 / 60], len(FRAMES)))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi"])
@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("fps", [Fraction(120), Fraction(120_000, 1001)])
def test_constant_rate(tmp_path: Path, suffix: str, lossless: bool, fps: Fraction) -> None:
    video = write_video(tmp_path / f"v.{suffix}", FRAMES, fps, lossless=lossless)
    probe = probe_video(video)
    assert (probe.frames, probe.width, probe.height) == (30, 32, 18)
    assert (probe.rotation, probe.interlaced) == (0, False)
    assert not probe.variable_frame_rate
    # Matroska rounds times to milliseconds, AVI to whatever its header has room for.
    exact = suffix in ("mp4", "mov")
    assert float(probe.fps) == pytest.approx(float(fps), rel=2e-3)
    assert not exact or probe.fps == fps
    clock = probe.clock
    assert clock.frames == 30
    for frame in range(30):
        assert abs(clock.time_of(frame) - frame / fps) <= (0 if exact else Fraction(1, 1000))
    # A duration is rounded as well.
    assert abs(clock.duration - 30 / fps) <= (0 if exact else Fraction(2, 1000))
    # AVI cannot tell in which order frames with B-frames between them are shown.
    assert probe.timed == (suffix != "avi" or lossless)
    assert probe.claimed_frames == (30 if exact else None)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
@pytest.mark.parametrize("suffix", ["webm", "mkv"])
def test_frames_that_are_never_shown_do_not_count(tmp_path: Path, codec: str, suffix: str) -> None:
    frames = np.tile(distinct_frames(60, height=48, width=64), (2, 1, 1, 1))
    video = write_video_with_hidden_frames(tmp_path / f"v.{suffix}", frames, codec)
    probe = probe_video(video)
    assert (probe.frames, probe.timed, probe.variable_frame_rate) == (120, True, False)
    for frame in range(120):
        assert abs(probe.clock.time_of(frame) - Fraction(frame, 30)) <= Fraction(1, 1000)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", video, "-c", "copy"]
    report = subprocess.run([*command, "-f", "framecrc", "-"], capture_output=True, check=True)
    packets = sum(line[:1] == b"0" for line in report.stdout.splitlines())
    # VP9 has them in the packets of others.
    assert (packets > 120) == (codec == "libvpx")


def test_long_clock_does_not_drift(tmp_path: Path) -> None:
    # With the rounded rate of 119.88, frame 3000 would be 12 µs late, with 120 it is 3 frames off.
    frames = np.tile(distinct_frames(100, height=16, width=16), (31, 1, 1, 1))
    fps = Fraction(120_000, 1001)
    clock = probe_video(write_video(tmp_path / "v.mp4", frames, fps)).clock
    assert clock.frames == 3100
    assert clock.time_of(3000) == 3000 / fps
    assert clock.frame_at(round(3000 / fps, 3)) == 3000


@pytest.mark.parametrize(("suffix", "tick"), [("mp4", 1 / 90_000), ("mkv", 1 / 1000)])
def test_variable_rate(tmp_path: Path, suffix: str, tick: float) -> None:
    probe = probe_video(write_vfr_video(tmp_path / f"v.{suffix}", FRAMES, list(TIMES)))
    assert probe.variable_frame_rate
    assert probe.frames == len(FRAMES)
    assert float(probe.fps) == pytest.approx(29 / (TIMES[-1] - TIMES[0]), rel=5e-3)
    times = np.array([float(probe.clock.time_of(frame)) for frame in range(30)])
    assert times - times[0] == pytest.approx(TIMES - TIMES[0], abs=1.01 * tick)
    # Players skip the time before the first frame.
    assert suffix == "mkv" or times[0] == 0


def test_last_frame_lasts_as_long_as_the_container_says(tmp_path: Path) -> None:
    # The helper pipes its frames in at one a second, which is how long the last one stays.
    video = write_vfr_video(tmp_path / "v.mp4", distinct_frames(4), [0, 0.1, 0.2, 0.3])
    assert probe_video(video).clock.duration == Fraction(13, 10)
    # What is shown last is not what is stored last: B-frames come after what they depend on.
    lossy = write_video(tmp_path / "w.mp4", distinct_frames(6), 10, lossless=False)
    assert probe_video(lossy).clock.duration == Fraction(6, 10)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_begins_earlier_delays_the_clock(tmp_path: Path, suffix: str) -> None:
    video = write_video(tmp_path / "v.mp4", FRAMES, Fraction(120_000, 1001), lossless=False)
    probe = probe_video(write_copy_after_sound(tmp_path / f"s.{suffix}", video, 0.5))
    tolerance = 0 if suffix == "mp4" else 0.001
    assert float(probe.clock.time_of(0)) == pytest.approx(0.5, abs=tolerance)
    assert float(probe.clock.time_of(29)) == pytest.approx(0.5 + 29 * 1001 / 120_000, abs=0.001)
    assert float(probe.fps) == pytest.approx(119.88, rel=0.01)
    assert (probe.frames, probe.timed) == (30, True)
    # The file lasts a second longer than its video: no frame is missing for that.
    assert probe.claimed_frames == (30 if suffix == "mp4" else None)


def test_one_frame(tmp_path: Path) -> None:
    probe = probe_video(write_video(tmp_path / "v.mp4", FRAMES[:1], 25))
    assert (probe.frames, probe.fps, probe.variable_frame_rate) == (1, Fraction(25), False)
    assert probe.clock.duration == Fraction(1, 25)


def _handedness(shape: np.ndarray) -> float:
    """1 or −1, which changes in a mirror but in no turn: the sign of a product of moments."""
    y, x = np.nonzero(shape)
    z = (x - x.mean()) + 1j * (y - y.mean())
    moments = np.sum(z**2), np.sum(z * z.conj() ** 2)
    return float(np.sign((moments[0] * moments[1] ** 2).imag))


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, 270])
@pytest.mark.parametrize("mirror", ["", "hflip", "vflip"])
def test_a_flag_that_mirrors_is_told_from_one_that_turns(
    tmp_path: Path, degrees: int, mirror: str
) -> None:
    # An L of which the upright is higher than the foot is wide: no turn makes it its mirror image.
    frames = np.zeros((3, 64, 64, 3), np.uint8)
    frames[:, 12:52, 20:28] = frames[:, 44:52, 28:44] = 255
    source = write_video(tmp_path / "s.mp4", frames, lossless=False)
    path = write_rotated_copy(tmp_path / "v.mp4", source, degrees, mirror=mirror)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-frames:v", "1"]
    pixels = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=True
    ).stdout
    shown = np.frombuffer(pixels, np.uint8).reshape(64, 64) > 128
    mirrored = _handedness(shown) != _handedness(frames[0, ..., 0] > 128)
    # FFmpeg does not mirror what stands askew.
    assert mirrored == (mirror != "" and degrees != 30)
    assert probe_video(path).mirrored == mirrored


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(8, 9)])
def test_size_is_that_of_square_pixels(tmp_path: Path, suffix: str, aspect: Fraction) -> None:
    frames = distinct_frames(20, height=36, width=64)
    probe = probe_video(write_squeezed_video(tmp_path / f"v.{suffix}", frames, aspect))
    assert (probe.width, probe.height, probe.pixel_aspect) == (64, 36, aspect)
    if suffix == "mp4":
        turned = probe_video(write_rotated_copy(tmp_path / "t.mp4", tmp_path / "v.mp4", 90))
        assert (turned.width, turned.height, turned.pixel_aspect) == (36, 64, aspect)


def test_pixels_of_no_camera_are_an_error(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "v.mkv", FRAMES, lossless=False)
    wide = write_copy(tmp_path / "w.mkv", plain, aspect="16:1")
    with pytest.raises(UserError, match=r"w\.mkv: its pixels claim to be 9 times as wide as high"):
        probe_video(wide)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_flag_gives_displayed_size(tmp_path: Path, degrees: int) -> None:
    upright = write_video(tmp_path / "upright.mp4", FRAMES, lossless=False)
    # FFmpeg sets the flag counter-clockwise.
    probe = probe_video(write_rotated_copy(tmp_path / "v.mp4", upright, -degrees))
    assert probe.rotation == degrees
    assert (probe.width, probe.height) == ((32, 18) if degrees == 180 else (18, 32))
    assert probe.content == probe_video(upright).content


@pytest.mark.parametrize(
    ("suffix", "first"), [("mp4", "tff"), ("mp4", "bff"), ("mkv", "tff"), ("avi", "tff")]
)
def test_interlaced(tmp_path: Path, suffix: str, first: str) -> None:
    frames = distinct_frames(8, height=64, width=64)
    path = write_interlaced_video(tmp_path / f"v.{suffix}", frames, first=first)
    assert probe_video(path).interlaced


def test_same_packets_have_the_same_content_in_any_container(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", FRAMES, lossless=False)
    content = probe_video(source).content
    for name in ("copy.mkv", "copy.mov", "copy.mp4"):
        assert probe_video(write_copy(tmp_path / name, source)).content == content
    with_sound = write_copy_after_sound(tmp_path / "sound.mp4", source, 0.2)
    assert probe_video(with_sound).content == content

    other = FRAMES.copy()
    other[-1] = 255 - other[-1]
    contents = {content}
    for number, frames in enumerate((other, FRAMES[1:], FRAMES[:-1], FRAMES[::-1])):
        video = write_video(tmp_path / f"{number}.mp4", frames, lossless=False)
        contents.add(probe_video(video).content)
    assert len(contents) == 5
    assert all(len(text) == 64 for text in contents)


def _decoded_count(path: Path) -> int:
    """Frames that FFmpeg gives when it writes every pixel."""
    options = ["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    decoded = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", path, *options],
        capture_output=True,
        check=True,
    ).stdout
    return len(decoded) // (32 * 18)


@pytest.mark.parametrize("make", ["lossy", "vfr", "trimmed", "hidden", "interrupted"])
def test_counts_what_decodes(tmp_path: Path, make: str) -> None:
    path = tmp_path / "v.mp4"
    whole = write_video(tmp_path / "whole.mp4", FRAMES, 120, lossless=False)
    if make == "lossy":
        path = whole
    elif make == "vfr":
        write_vfr_video(path, FRAMES, list(TIMES))
    elif make == "trimmed":
        write_trimmed_copy(path, whole, start_s=0.1)
    elif make == "hidden":
        # Each lossless frame stands alone, so that FFmpeg does not even list the hidden ones.
        write_copy_with_hidden_beginning(path, write_video(whole, FRAMES, 120), hidden_s=0.1)
    else:
        # Lossless packets depend on none but the one before, so all but the cut one decode.
        whole = write_video(whole, FRAMES)
        write_truncated_copy(path, whole, share=0.6)
    expected = _decoded_count(path)
    cut = 1 if make == "interrupted" else 0
    probe = probe_video(path)
    assert 0 <= probe.frames - expected <= cut
    assert expected < 30 or make in ("lossy", "vfr")
    assert (probe.clock.frames, probe.clock.time_of(0)) == (probe.frames, Fraction(0))
    # What an edit list hides on purpose is not missing.
    assert probe.claimed_frames == (None if make in ("trimmed", "hidden") else 30)


def test_frames_that_depend_on_lost_ones_are_not_counted(tmp_path: Path) -> None:
    path = write_cut_in_open_group(tmp_path / "v.mkv", distinct_frames(60), 0.5)
    count = _decoded_count(path)
    copied = subprocess.run(
        f"{imageio_ffmpeg.get_ffmpeg_exe()} -v quiet -i {path} -c copy -f framecrc -".split(),
        capture_output=True,
        check=True,
    ).stdout
    assert copied.count(b"\n0,") > count
    probe = probe_video(path)
    assert (probe.frames, probe.clock.time_of(0)) == (count, Fraction(0))


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
        (_garbage, "FFmpeg cannot read the video (moov atom not found)"),
        (_without_packets, "FFmpeg cannot read the video (Invalid NAL unit size"),
        (_zeroed_packets, "FFmpeg cannot read the video (Invalid NAL unit size"),
        (_playlist, "FFmpeg cannot read the video (Format not on whitelist"),
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


def _let_ffmpeg_say(
    monkeypatch: pytest.MonkeyPatch, folder: Path, packets: str, decoded: Sequence[int] = (0,)
) -> Path:
    """Put a program in FFmpeg's place; `packets` is an expression that gives an iterable."""
    frames = "".join(f"0, {pts}, {pts}, 1, 9, 0xaa\n" for pts in decoded)
    script = folder / "ffmpeg"
    script.write_text(
        f"#!{sys.executable}\n"
        "import itertools, sys\n"
        f"sys.stdout.write({HEADER!r})\n"
        f"lines = [{frames!r}] if 'wrapped_avframe' in sys.argv else {packets}\n"
        "sys.stdout.writelines(lines)\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(script))
    return _garbage(folder)


@pytest.mark.parametrize(
    ("packets", "message"),
    [
        ([], "no frame decodes"),
        (["0, 0, 0, 1, 9, 0xaa, F=0x5\n", "0, 1, 1, 1, 9, 0xaa, F=0x4\n"], "no frame decodes"),
        (["0, 0, 0, 0, 9, 0xaa\n"], "no frame of the video has a usable time"),
        (["0, 5, 5, 1, 9, 0xaa\n"] * 2, "no frame of the video has a usable time"),
        ([f"0, {t}, {t}, 1, 9, 0xaa\n" for t in (0, 2**62)], "no frame of the video has a usable"),
        ([f"0, {-(2**63)}, {-(2**63)}, 1, 9, 0xaa\n"], "no frame of the video has a usable time"),
    ],
    ids=["none", "all hidden", "one without duration", "one moment", "huge", "no times at all"],
)
def test_streams_without_a_usable_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packets: list[str], message: str
) -> None:
    path = _let_ffmpeg_say(monkeypatch, tmp_path, repr(packets))
    with pytest.raises(UserError, match=message):
        probe_video(path)


def test_size_and_checksum_of_every_packet_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = ["0, 1, 1, 1, 9, 0xaa\n", "0, 1, 1, 1, 9, 0xab\n", "0, 1, 1, 1, 8, 0xaa\n"]
    contents = set()
    for line in last:
        packets = ["0, 0, 0, 1, 9, 0xaa\n", line]
        path = _let_ffmpeg_say(monkeypatch, tmp_path, repr(packets))
        contents.add(probe_video(path).content)
    assert len(contents) == 3


@pytest.mark.parametrize("lost", [[-2, -1], [0, 0]], ids=["before 0", "all at 0"])
def test_packets_before_the_first_decoded_frame_are_not_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: list[int]
) -> None:
    packets = [f"0, {pts}, {pts}, 1, 9, 0xaa\n" for pts in (*lost, *range(20))]
    path = _let_ffmpeg_say(monkeypatch, tmp_path, repr(packets), decoded=range(16))
    probe = probe_video(path)
    assert (probe.frames, probe.timed) == (20, True)
    assert list(probe.clock.ticks) == list(range(21))


def test_memory_does_not_grow_with_the_text_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 30_000
    lines = f"(f'0, {{i:10d}}, {{i:10d}}, 1, 9000, 0x{{i:08x}}, F=0x0\\n' for i in range({count}))"
    path = _let_ffmpeg_say(monkeypatch, tmp_path, lines, decoded=range(16))
    path.write_bytes(bytes(count))
    tracemalloc.start()
    probe = probe_video(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (probe.frames, probe.fps) == (count, Fraction(120))
    # The text alone is 51 bytes a packet; three hours at 120 frames a second must fit in 200 MB.
    assert peak / count < 150


def test_a_report_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "(f'0, {i}, {i}, 1, 0, 0x1\\n' for i in itertools.count())"
    path = _let_ffmpeg_say(monkeypatch, tmp_path, lines, decoded=range(16))
    assert probe_video(path).frames == path.stat().st_size


@cache
def _header_of_a_video() -> tuple[Path, bytes]:
    path = write_video(Path(mkdtemp()) / "v.mp4", FRAMES)
    return path, path.read_bytes()[:1200]


def test_promised_frames_of_any_layout(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", FRAMES)
    content = source.read_bytes()
    moov, mdat = content.index(b"moov") - 4, content.index(b"mdat") - 4
    before, header, after = content[:moov], content[moov:mdat], content[mdat:]
    long_box = (1).to_bytes(4) + b"free" + (20).to_bytes(8) + b"1234"
    open_end = bytes(4) + header[4:]
    for layout, expected in (
        (before + header + after, 30),
        (before + after + header, 30),
        (before + long_box + header + after, 30),
        (before + after + open_end, 30),
        (before + after, None),
        (before + header[:-800] + after, None),
    ):
        source.write_bytes(layout)
        assert module._samples_in_header(source) == expected


def test_a_fragmented_file_promises_nothing(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", FRAMES)
    path = write_copy(tmp_path / "v.mp4", whole, movflags="frag_keyframe+empty_moov")
    probe = probe_video(path)
    assert (probe.frames, probe.claimed_frames) == (30, None)


@given(st.dictionaries(st.integers(0, 1199), st.integers(0, 255), max_size=8))
@example({3: 1})
def test_any_header_is_read_or_passed_over(changes: dict[int, int]) -> None:
    path, header = _header_of_a_video()
    content = bytearray(header)
    for place, value in changes.items():
        content[place] = value
    path.write_bytes(content)
    found = module._samples_in_header(path)
    assert found is None or 0 < found < 2**32
    assert changes or found == 30


@given(period=st.floats(3, 4000), count=st.integers(2, 200), drop=st.integers(1, 10_000))
def test_rounding_is_constant_and_a_dropped_frame_is_not(
    period: float, count: int, drop: int
) -> None:
    times = np.round(np.arange(count + 3) * period).astype(np.int64)
    assert not is_variable(times[1:] - times[:-1])
    # An inner frame: without the first or last one the rest is still constant.
    rest = np.delete(times, 1 + drop % (count + 1))
    assert is_variable(rest[1:] - rest[:-1])
