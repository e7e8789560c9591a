from __future__ import annotations

import errno
import re
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.disks import small_disk
from tests.videos import (
    distinct_frames,
    write_copy,
    write_damaged_copy,
    write_joined_video,
    write_late_copy,
    write_rotated_copy,
    write_truncated_copy,
    write_vfr_video,
    write_video,
)
from twinstroke.annotations.detection import Detection
from twinstroke.errors import UserError
from twinstroke.results.film import GROUND, LARGEST, LEAST_WIDTH, Layout, drawn_bar, write_film
from twinstroke.tables import StrokeClass
from twinstroke.video.probe import probe_video

CLASSES = [
    StrokeClass(label="Negative"),
    StrokeClass(label="Loop", hand="Forehand"),
    StrokeClass(label="Push", hand="Backhand"),
]
BLUE, VERMILLION = (0, 114, 178), (213, 94, 0)
FRAMES = 40
Frames = NDArray[np.uint8]


def _found(*strokes: tuple[int, int, str]) -> list[Detection]:
    return [
        Detection(
            video="x",
            begin=begin,
            end=end,
            label=label,
            begin_s=0,
            end_s=1,
            probability=0.87,
            stroke_probability=0.9,
        )
        for begin, end, label in strokes
    ]


STROKES = _found((0, 3, "Loop"), (9, 10, "Push"), (20, 33, "Loop"), (33, 40, "Push"))
LASTING = ["Loop"] * 3 + [""] * 6 + ["Push"] + [""] * 10 + ["Loop"] * 13 + ["Push"] * 7


def _ffmpeg(*arguments: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _frames(path: Path, layout: Layout) -> Frames:
    """Every frame of a film, uint8 (N, H, W, 3)."""
    data = _ffmpeg(
        *("-i", str(path), "-fps_mode", "passthrough", "-f", "rawvideo"),
        *("-pix_fmt", "rgb24", "-sws_flags", "accurate_rnd+full_chroma_int", "-"),
    )
    return np.frombuffer(data, np.uint8).reshape(-1, layout.height, layout.width, 3)


def _soft(count: int = FRAMES, height: int = 180, width: int = 320) -> Frames:
    """Frames that H.264 keeps well: a slope that moves, of another grey in each frame."""
    n, _, x, _ = np.ogrid[:count, :height, :width, :3]
    grey = np.broadcast_to(40 + 3 * n + x // 4, (count, height, width, 3))
    return np.ascontiguousarray(grey, np.uint8)


def _bars(frames: Frames, layout: Layout) -> list[str]:
    """What the colours of the bar say of each frame, at its left end, where no letter is."""
    top = layout.picture[1]
    patch = frames[:, top + 4 : top + layout.bar - 4, 1:6].astype(int)
    names = []
    for colour in np.median(patch, axis=(1, 2)):
        ground = tuple(int(GROUND[i : i + 2], 16) for i in (1, 3, 5))
        near = {
            name: np.abs(colour - known).max()
            for name, known in (("Loop", BLUE), ("Push", VERMILLION), ("", ground))
        }
        name = min(near, key=lambda key: near[key])
        assert near[name] < 40, colour
        names.append(name)
    return names


def _playheads(frames: Frames, layout: Layout) -> list[float]:
    """Middle of the white line in the lowest rows, in px."""
    rows = frames[:, -2:].astype(int).min(-1).mean(1)
    return [float(np.mean(np.nonzero(row > 150)[0])) + 0.5 for row in rows]


def _times(path: Path) -> list[Fraction]:
    clock = probe_video(path).clock
    return [clock.time_of(frame) for frame in range(clock.frames + 1)]


def _video(folder: Path, kind: str) -> Path:
    source, frames = folder / "source.mp4", _soft()
    if kind == "steady":
        return write_video(source, frames, 30)
    if kind == "29.97":
        return write_video(source, frames, Fraction(30_000, 1001))
    if kind == "variable":
        return write_vfr_video(source, frames, [(n + n // 7 + n // 19 * 3) / 47 for n in range(40)])
    if kind == "matroska":
        return write_vfr_video(
            folder / "source.mkv", frames, [(n + n // 7) / 240 for n in range(40)]
        )
    if kind == "late":
        return write_late_copy(source, write_video(folder / "s.mp4", frames, 25), 1.3)
    if kind == "avi":
        # With B-frames, whose times are lost so.
        lossy = write_video(source, frames, 30, lossless=False)
        return write_copy(folder / "source.avi", lossy)
    raise AssertionError(kind)


KINDS = ["steady", "29.97", "variable", "matroska", "late", "avi"]


@pytest.mark.parametrize("kind", KINDS)
def test_films_show_each_frame_at_its_time_and_each_stroke_on_its_frames(
    tmp_path: Path, kind: str
) -> None:
    video = _video(tmp_path, kind)
    probe = probe_video(video)
    # AVI does not tell when frames are shown.
    assert probe.timed == (kind != "avi")
    told: list[int] = []
    target = tmp_path / "new" / "film.mp4"
    layout = write_film(target, video, probe, STROKES, CLASSES, passed=told.append)
    assert sum(told) == FRAMES
    assert list(target.parent.iterdir()) == [target]
    frames = _frames(target, layout)
    assert len(frames) == FRAMES
    assert layout.picture == (320, 180)
    # The picture is untouched: all of it, in every frame.
    error = np.abs(frames[:, :180].astype(int) - _soft())
    assert error.mean() < 1.5
    assert error.max(axis=(1, 2, 3)).mean() < 12
    assert _bars(frames, layout) == LASTING
    times, own = _times(target), [probe.clock.time_of(n) for n in range(FRAMES + 1)]
    assert times[:-1] == pytest.approx(own[:-1], abs=1e-4)
    # How long the last frame of a variable rate lasts, the film may not know.
    if not probe.variable_frame_rate:
        assert times[-1] == pytest.approx(own[-1], abs=0.02)
    for time, place in zip(own, _playheads(frames, layout), strict=False):
        share = float((time - own[0]) / (own[-1] - own[0]))
        assert place == pytest.approx(2 + share * (layout.width - 4), abs=2.5)


def test_the_same_bytes_again(tmp_path: Path) -> None:
    video = write_video(tmp_path / "source.mp4", _soft(), 30)
    probe = probe_video(video)
    for name in ("one", "two/three"):
        write_film(tmp_path / name / "film.mp4", video, probe, STROKES[::-1], CLASSES)
    one, two = ((tmp_path / n / "film.mp4").read_bytes() for n in ("one", "two/three"))
    assert one == two
    # Neither versions nor settings.
    assert b"x264 - core" not in one
    assert not re.search(rb"Lav[cf]\d", one)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_videos_stand_upright(tmp_path: Path, degrees: int) -> None:
    frames = _soft(6, 320, 240)
    upright = np.rot90(frames, -degrees // 90, axes=(1, 2))
    source = write_video(tmp_path / "s.mp4", np.ascontiguousarray(upright), 30)
    video = write_rotated_copy(tmp_path / "source.mp4", source, degrees)
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), STROKES[:1], CLASSES)
    assert layout.picture == (240, 320)
    assert layout.width == LEAST_WIDTH
    shown = _frames(tmp_path / "f.mp4", layout)
    # In the middle, between margins.
    assert np.abs(shown[:, :320, 40:280].astype(int) - frames).mean() < 1.5
    assert shown[:, :320, :36].max() < 60
    assert shown[:, :320, 284:].max() < 60
    assert _bars(shown, layout) == ["Loop"] * 3 + [""] * 3


def test_large_videos_shrink_and_odd_sides_become_even(tmp_path: Path) -> None:
    video = write_video(tmp_path / "large.mp4", _soft(2, 1090, 1921), 30)
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), [], CLASSES)
    assert layout.picture == (LARGEST, 726)
    assert _frames(tmp_path / "f.mp4", layout).shape[0] == 2
    video = write_video(tmp_path / "odd.mp4", distinct_frames(3, 17, 31), 30)
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), [], CLASSES)
    assert (layout.picture, layout.width) == ((32, 16), LEAST_WIDTH)
    assert len(_frames(tmp_path / "f.mp4", layout)) == 3


def test_frames_that_change_their_size_stay_in_the_picture(tmp_path: Path) -> None:
    """Two streams in one, as a recorder leaves them whose input changed."""
    parts = []
    for name, side in (("a", "320x180"), ("b", "480x270")):
        part = tmp_path / f"{name}.h264"
        source = f"color=c=0x808080:size={side}:rate=25:duration=0.8"
        _ffmpeg(*("-f", "lavfi", "-i", source, "-c:v", "libx264", "-bf", "0", str(part)))
        parts.append(part.read_bytes())
    (tmp_path / "ab.h264").write_bytes(b"".join(parts))
    video = tmp_path / "source.mp4"
    _ffmpeg("-framerate", "25", "-i", str(tmp_path / "ab.h264"), "-c", "copy", str(video))
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), STROKES, CLASSES)
    frames = _frames(tmp_path / "f.mp4", layout)
    assert layout.picture == (320, 180)
    assert len(frames) == FRAMES
    assert np.abs(frames[:, :176].astype(int) - 128).max() < 12
    assert _bars(frames, layout) == LASTING


def test_turned_frames_that_change_their_size_are_an_error(tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    write_joined_video(video, _soft(), {}, {"size": "480x270"}, degrees=90)
    probe = probe_video(video)
    with pytest.raises(UserError, match=r"v\.mp4: its frames change from 320×180 to 480×270"):
        write_film(tmp_path / "f.mp4", video, probe, [], CLASSES)
    assert not (tmp_path / "f.mp4").exists()


def test_a_time_that_steps_back_does_no_harm(tmp_path: Path) -> None:
    source = write_video(tmp_path / "s.mp4", _soft(), 30)
    video = tmp_path / "source.mp4"
    # In ticks of 1/15360 s: frame 25 claims to be shown before frame 24.
    back = "setts=pts=PTS-700*eq(N\\,25):dts=DTS-2000"
    _ffmpeg("-i", str(source), "-c", "copy", "-bsf:v", back, str(video))
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), STROKES[:2], CLASSES)
    frames = _frames(tmp_path / "f.mp4", layout)
    assert _bars(frames, layout) == [*LASTING[:20], *[""] * 20]
    assert np.abs(frames[:, :176].astype(int) - _soft()[:, :176]).mean() < 1.5


def test_pixels_become_square(tmp_path: Path) -> None:
    source = write_video(tmp_path / "s.mkv", _soft(3, 180, 240), 30)
    video = write_copy(tmp_path / "source.mkv", source, aspect="16:9")
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), [], CLASSES)
    assert layout.picture == (320, 180)


def _with_sound(path: Path, video: Path, codec: str, begin_s: float) -> Path:
    """A click at 1 s of the sound's own time, which begins at `begin_s`."""
    click = "aevalsrc=if(between(t\\,1\\,1.02)\\,sin(5000*t)\\,0):d=2:s=48000"
    _ffmpeg(
        *("-i", str(video), "-itsoffset", str(begin_s), "-f", "lavfi", "-i", click),
        *("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", codec, str(path)),
    )
    return path


def _click(path: Path) -> float:
    """When the click is heard, in seconds on the player's clock."""
    data = _ffmpeg(
        *("-i", str(path), "-map", "0:a", "-af", "aresample=async=1:first_pts=0"),
        *("-f", "s16le", "-ac", "1", "-ar", "48000", "-"),
    )
    loud = np.abs(np.frombuffer(data, np.int16).astype(int)) > 3000
    return float(np.nonzero(loud)[0][0]) / 48_000


@pytest.mark.parametrize(
    ("codec", "suffix", "begin_s", "kept"),
    [
        ("aac", "mp4", 0, True),
        ("aac", "mp4", 0.5, True),
        ("libmp3lame", "mkv", 0, True),
        ("pcm_s16le", "mov", 0, False),
        ("libopus", "mkv", 0.25, False),
    ],
)
def test_sound_stays_with_the_picture(
    tmp_path: Path, codec: str, suffix: str, begin_s: float, kept: bool
) -> None:
    silent = write_video(tmp_path / "s.mp4", _soft(40), 20)
    video = _with_sound(tmp_path / f"source.{suffix}", silent, codec, begin_s)
    target = tmp_path / "f.mp4"
    write_film(target, video, probe_video(video), STROKES, CLASSES)
    assert _click(target) == pytest.approx(1 + begin_s, abs=0.01)
    assert _times(target)[:-1] == pytest.approx(_times(video)[:-1], abs=1e-4)
    packets = [[line.split(b",")[5] for line in _packets(path)] for path in (video, target)]
    assert (packets[0] == packets[1]) == kept


def _packets(path: Path) -> list[bytes]:
    report = _ffmpeg("-i", str(path), "-map", "0:a", "-c", "copy", "-f", "framecrc", "-")
    return [line for line in report.splitlines() if not line.startswith(b"#")]


def test_a_damaged_video_names_the_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "s.mp4", _soft(), 30, lossless=False)
    video = write_damaged_copy(tmp_path / "source.mp4", source, 20)
    probe = probe_video(video)
    with pytest.raises(UserError) as caught:
        write_film(tmp_path / "f.mp4", video, probe, STROKES, CLASSES)
    (problem,) = caught.value.problems
    assert "source.mp4: frame " in problem
    assert "does not decode" in problem
    number = int(problem.split("frame ")[1].split()[0])
    assert 10 <= number <= 24
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.mp4", "source.mp4"]


def test_a_video_cut_short_names_the_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "s.mp4", distinct_frames(40, 90, 160), 30)
    probe = probe_video(source)
    video = write_truncated_copy(tmp_path / "source.mp4", source, 0.6)
    with pytest.raises(UserError, match=r"source\.mp4: frame [12]\d does not decode"):
        write_film(tmp_path / "f.mp4", video, probe, STROKES, CLASSES)
    assert not (tmp_path / "f.mp4").exists()


def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    video = write_video(tmp_path / "source.mp4", distinct_frames(60, 180, 320), 30)
    with small_disk(tmp_path / "disk", 16) as disk:
        with pytest.raises(OSError, match=r"No space left on device: .*/f\.mp4'") as caught:
            write_film(disk / "f.mp4", video, probe_video(video), STROKES, CLASSES)
        assert caught.value.errno == errno.ENOSPC
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize(
    "label",
    [
        "$x^2_{",
        "a'; drawtext=x:y \\ \n%{pts} ,[v]",
        "压 " * 500,
        "W" * 5000,
        "",
        "\u202e\u0301\x1b[31m",
        "../../etc/passwd",
    ],
)
def test_labels_are_but_letters(label: str) -> None:
    image = drawn_bar([(label, "87 %", "#0072B2")], (426, 30))
    assert image.shape == (30, 426, 3)
    # The number at the right end, and the margins, are never written over.
    plain = drawn_bar([("", "87 %", "#0072B2")], (426, 30))
    assert np.array_equal(image[:, -60:], plain[:, -60:])
    assert (image[2:, :8] == BLUE).all()


def test_letters_are_seen_on_every_colour() -> None:
    for colour in ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"):
        image = drawn_bar([("Loop", "87 %", colour)], (320, 26)).astype(int)
        ground = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
        light, dark = sorted((_lightness(ground), _lightness(_extreme(image))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def _extreme(image: NDArray[np.int_]) -> tuple[int, ...]:
    flat = image[2:].reshape(-1, 3)
    far = np.abs(flat - flat[0]).sum(-1).argmax()
    return tuple(int(c) for c in flat[far])


def _lightness(rgb: Sequence[int]) -> float:
    r, g, b = (
        c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb
    )
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_strokes_that_overlap_share_the_bar(tmp_path: Path) -> None:
    video = write_video(tmp_path / "source.mp4", _soft(12), 30)
    strokes = _found((2, 8, "Loop"), (5, 10, "Push"))
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), strokes, CLASSES)
    frames = _frames(tmp_path / "f.mp4", layout)
    assert _bars(frames, layout) == [""] * 2 + ["Loop"] * 6 + ["Push"] * 2 + [""] * 2
    half = layout.width // 2
    right = frames[:, :, half:]
    shared = ["" if n < 2 else "Loop" if n < 5 else "Push" if n < 10 else "" for n in range(12)]
    # Frames 2 to 4 have one bar; its right half shows no letter at its left.
    assert _bars(right, layout) == shared


def test_the_timeline_has_each_stroke_at_its_place(tmp_path: Path) -> None:
    video = write_video(tmp_path / "source.mp4", _soft(), 30)
    layout = write_film(tmp_path / "f.mp4", video, probe_video(video), STROKES, CLASSES)
    frame = _frames(tmp_path / "f.mp4", layout)[15].astype(int)
    lane = frame[-layout.timeline + 2 : -2]
    upper, lower = lane[: len(lane) // 2].mean(0), lane[len(lane) // 2 :].mean(0)
    width = layout.width // FRAMES
    for number, label in enumerate(LASTING):
        if number == 15:  # the playhead
            continue
        middle = number * width + width // 2
        for own, hand, colour in ((upper, "Loop", BLUE), (lower, "Push", VERMILLION)):
            expected = colour if label == hand else (0x3A,) * 3
            assert np.abs(own[middle] - expected).max() < 60, (number, hand)
