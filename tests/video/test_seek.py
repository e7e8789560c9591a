"""Frames out of the middle of a video are those of a full decode, and no more is decoded for them.

What a full decode gives is asked of FFmpeg without any of the project's code.
"""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.videos import (
    Frames,
    distinct_frames,
    write_copy,
    write_copy_after_sound,
    write_copy_with_hidden_beginning,
    write_cut_in_open_group,
    write_damaged_copy,
    write_grouped_video,
    write_joined_video,
    write_late_copy,
    write_refreshed_video,
    write_rotated_copy,
    write_streams,
    write_trimmed_copy,
    write_truncated_copy,
    write_vfr_video,
    write_video,
    write_video_with_hidden_frames,
)
from twinstroke.errors import UserError
from twinstroke.results.film import write_film
from twinstroke.settings.limits import Limits
from twinstroke.timeline import every, kept_count, merged
from twinstroke.video import seek as module
from twinstroke.video.checks import check_decoding
from twinstroke.video.entry import FrameRun
from twinstroke.video.probe import probe_video
from twinstroke.video.seek import Pass, decoded_frames, plan_passes

WIDTH, HEIGHT = 32, 24
LIMITS = Limits(timeout_s=60)


def _moving(count: int) -> Frames:
    """A smooth picture that moves and flickers, so that each frame depends on the ones before."""
    n, y, x, c = np.ogrid[:count, :48, :64, :3]
    wave = np.sin(x / 5 + n / 3 + c) + np.cos(y / 4 - n / 7) + np.sin(n * 1.7)
    return np.asarray(128 + 40 * wave, np.uint8)


FRAMES = _moving(120)


def _full(path: Path) -> Frames:
    """All frames (N, 3, H, W), decoded from beginning to end."""
    scale = f"scale={WIDTH}:{HEIGHT}:flags=area+accurate_rnd+full_chroma_int+bitexact"
    options = ["-vf", scale, "-fps_mode", "passthrough", "-pix_fmt", "gbrp", "-f", "rawvideo", "-"]
    pixels = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", path, "-map", "V:0", *options],
        capture_output=True,
        check=True,
    ).stdout
    green_blue_red = np.frombuffer(pixels, np.uint8).reshape(-1, 3, HEIGHT, WIDTH)
    return green_blue_red[:, [2, 0, 1]]


def _plan(path: Path, kept: list[range], frames: int, step: int = 1) -> list[Pass]:
    return plan_passes(path, kept, every(step, frames), LIMITS)


def _pass(kept: Sequence[range], step: int = 1) -> Pass:
    """One that begins at the beginning."""
    return Pass(tuple(kept), None, np.concatenate([np.array(r) for r in kept]) * step)


def _decode(path: Path, one: Pass, batch: int = 8, limits: Limits = LIMITS) -> Frames:
    arrays = list(
        decoded_frames(
            path,
            one,
            width=WIDTH,
            height=HEIGHT,
            shrinks=True,
            batch=batch,
            limits=limits,
        )
    )
    assert all(0 < len(array) <= batch for array in arrays)
    return np.concatenate(arrays)


def _numbers(passes: list[Pass]) -> list[int]:
    return [k for one in passes for r in one.kept for k in r]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each run of FFmpeg that gives pixels: whether it entered in the middle."""
    entered = []

    def note(source: Path, wanted: object, entry: object, **options: object) -> FrameRun:
        entered.append(entry is not None)
        return FrameRun(source, wanted, entry, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "FrameRun", note)
    return entered


def _grouped(suffix: str, codec: str = "h264", group: int = 12) -> Callable[[Path], Path]:
    return lambda folder: write_grouped_video(folder / f"v.{suffix}", FRAMES, group, codec)


def _changed(
    write: Callable[..., Path], *arguments: object, suffix: str = "mp4", **options: str
) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        whole = _grouped("mp4")(folder)
        return write(folder / f"changed.{suffix}", whole, *arguments, **options)

    return make


def _irregular(folder: Path) -> Path:
    times = np.cumsum(np.random.default_rng(0).choice([1 / 120, 1 / 60, 1 / 15], 90))
    whole = write_vfr_video(folder / "whole.mkv", FRAMES[:90], times.tolist())
    groups = ["-enc_time_base", "1/1000", "-c:v", "libx264", "-x264-params", "keyint=12:scenecut=0"]
    copy = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", whole, "-fps_mode", "passthrough"]
    subprocess.run([*copy, *groups, folder / "v.mp4"], check=True)
    return folder / "v.mp4"


ENTERED: dict[str, Callable[[Path], Path]] = {
    "mp4": _grouped("mp4"),
    "mov": _grouped("mov"),
    "mkv": _grouped("mkv"),
    "3gp": _grouped("3gp"),
    "3g2": _grouped("3g2", "mpeg4"),
    "hevc mp4": _grouped("mp4", "hevc"),
    "hevc mkv": _grouped("mkv", "hevc"),
    "vp9": _grouped("webm", "vp9"),
    "vp8 with hidden frames": lambda folder: write_video_with_hidden_frames(
        folder / "v.webm", FRAMES
    ),
    "vp9 with hidden frames": lambda folder: write_video_with_hidden_frames(
        folder / "v.webm", FRAMES, "libvpx-vp9"
    ),
    "mpeg4": _grouped("mp4", "mpeg4"),
    "mjpeg": _grouped("mkv", "mjpeg"),
    "variable rate": _irregular,
    "rotated": _changed(write_rotated_copy, 90),
    "late": _changed(write_late_copy, 3),
    "late mkv": _changed(write_late_copy, 3, suffix="mkv"),
    "sound first": _changed(write_copy_after_sound, 0.5),
    "sound first mkv": _changed(write_copy_after_sound, 0.5, suffix="mkv"),
    "trimmed": _changed(write_trimmed_copy, 0.33),
    "hidden beginning": _changed(write_copy_with_hidden_beginning, 0.33),
    "fragmented": _changed(write_copy, movflags="frag_keyframe+empty_moov"),
}
FROM_THE_BEGINNING: dict[str, Callable[[Path], Path]] = {
    "avi": _grouped("avi"),
    "mpeg4 avi": _grouped("avi", "mpeg4"),
    "one group": _grouped("mp4", group=1000),
    "refreshed": lambda folder: write_refreshed_video(folder / "v.mp4", FRAMES),
    "open groups": lambda folder: write_cut_in_open_group(folder / "v.mkv", FRAMES, 0.5).with_name(
        "v-whole.mp4"
    ),
    "cut in an open group": lambda folder: write_cut_in_open_group(folder / "v.mkv", FRAMES, 0.5),
    "copy of avi": lambda folder: write_copy(folder / "b.mp4", _grouped("avi")(folder)),
}


@pytest.mark.parametrize("name", [*ENTERED, *FROM_THE_BEGINNING])
def test_bits_are_those_of_a_full_decode(tmp_path: Path, runs: list[bool], name: str) -> None:
    path = {**ENTERED, **FROM_THE_BEGINNING}[name](tmp_path)
    full = _full(path)
    count = len(full)
    last = kept_count(count, 4)
    for step, kept in (
        (1, [range(3, 6), range(50, 61), range(count - 2, count)]),
        (1, [range(count)]),
        (4, [range(12, 16), range(18, last)]),
    ):
        passes = _plan(path, kept, count, step)
        assert passes == pickle.loads(pickle.dumps(passes))  # noqa: S301 (our own bytes)
        numbers = [k for r in kept for k in r]
        assert _numbers(passes) == numbers
        found = np.concatenate([_decode(path, one) for one in passes])
        np.testing.assert_array_equal(found, full[np.array(numbers) * step])
        # One run each: none that had to begin anew.
        assert runs == [one.entry is not None for one in passes]
        if kept != [range(count)]:
            assert any(runs) == (name in ENTERED)
        runs.clear()


CHANGES: dict[str, dict[str, str | int]] = {
    "parameter sets": {"profile": "baseline", "refs": 1, "g": 7},
    "larger": {"size": "96x72"},
    "smaller": {"size": "32x24"},
    "colour range": {"color_range": "pc"},
    "pixel format": {"pix_fmt": "yuv444p"},
    "depth": {"pix_fmt": "yuv420p10le"},
    "B-frames": {"bf": 3, "size": "48x36"},
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("name", CHANGES)
def test_joined_videos_go_on_counting_where_one_begins_that_is_unlike(
    tmp_path: Path, runs: list[bool], name: str, suffix: str
) -> None:
    path = tmp_path / f"v.{suffix}"
    # Named, for what a part does not say of its colours FFmpeg takes from the part before.
    plain: dict[str, str | int] = {"color_range": "tv", "colorspace": "bt709"}
    changes = plain, {**plain, **CHANGES[name]}, plain
    # Each part is decoded alone, so that nothing changes midway.
    full = np.concatenate([_full(part) for part in write_joined_video(path, FRAMES, *changes)])
    assert len(full) == len(FRAMES)
    for step, kept in (
        (1, [range(120)]),
        (1, [range(2, 5), range(45, 50), range(100, 119)]),
        (3, [range(40)]),
    ):
        for one in (_pass(kept, step), *_plan(path, kept, 120, step)):
            found = _decode(path, one)
            np.testing.assert_array_equal(found, full[np.array(_numbers([one])) * step])
    assert any(runs)


def test_turned_frames_that_change_their_size_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    first, second = write_joined_video(path, FRAMES, {}, {"size": "96x72"}, degrees=90)
    before = _pass([range(0, 50)])
    turned = write_rotated_copy(tmp_path / "first.mp4", first, 90)
    np.testing.assert_array_equal(_decode(path, before), _full(turned)[:50])
    with pytest.raises(UserError, match=r"v\.mp4: its frames change from 64×48 to 96×72 .* 1 s"):
        _decode(path, _pass([range(55, 65)]))
    # Nothing changes after that.
    turned = write_rotated_copy(tmp_path / "second.mp4", second, 90)
    (after,) = _plan(path, [range(90, 110)], 120)
    assert after.entry is not None
    np.testing.assert_array_equal(_decode(path, after), _full(turned)[30:50])


@pytest.mark.parametrize(
    ("suffix", "sizes", "default", "used"),
    [
        ("mp4", (16, 64), 1, 1),
        ("mp4", (64, 16), 1, 1),
        ("mkv", (16, 64), 1, 1),
        ("mkv", (64, 16), 1, 1),
        ("mkv", (16, 64, 32), None, 1),
        ("mkv", (32, 32), None, 0),
        ("avi", (16, 64), None, 1),
    ],
)
def test_of_several_streams_all_runs_take_the_same(
    tmp_path: Path, suffix: str, sizes: tuple[int, ...], default: int | None, used: int
) -> None:
    sources = [
        write_video(tmp_path / f"{number}.mp4", distinct_frames(60 - number, side, side), 60)
        for number, side in enumerate(sizes)
    ]
    path = write_streams(tmp_path / f"v.{suffix}", *sources, default=default)
    probe = probe_video(path)
    assert probe.streams[0].number == used
    assert len(probe.streams) == len(sizes)
    assert (probe.frames, probe.width, probe.height) == (60 - used, sizes[used], sizes[used])
    assert check_decoding(path, "v", probe, None) == []
    full = _full(sources[used])
    for passes in (_plan(path, [range(40, 50)], 60 - used), [_pass([range(0, 60 - used)])]):
        (one,) = passes
        np.testing.assert_array_equal(_decode(path, one), full[_numbers(passes)])
    layout = write_film(tmp_path / "film.mp4", path, probe, [], [])
    assert layout.picture == (sizes[used], sizes[used])


def test_a_cover_picture_is_no_stream(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", FRAMES)
    cover = tmp_path / "cover.png"
    cv2.imwrite(str(cover), distinct_frames(1, 200, 200)[0])
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", cover, "-i", source]
    marks = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic"]
    subprocess.run([*command, *marks, tmp_path / "v.mp4"], check=True)
    probe = probe_video(tmp_path / "v.mp4")
    assert len(probe.streams) == 1
    assert (probe.frames, probe.width, probe.height) == (120, 64, 48)
    assert probe.claimed_frames == 120


@cache
def _example(codec: str) -> tuple[Path, Frames]:
    path = write_grouped_video(Path(mkdtemp()) / "v.mp4", _moving(300), 12, codec)
    return path, _full(path)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 299), st.integers(1, 40)), min_size=1, max_size=5),
    st.sampled_from([1, 2, 4, 7]),
    st.sampled_from(["h264", "hevc"]),
)
def test_any_ranges(wishes: list[tuple[int, int]], step: int, codec: str) -> None:
    path, full = _example(codec)
    last = kept_count(300, step)
    kept = merged(range(b // step, min(b // step + n, last)) for b, n in wishes)
    passes = _plan(path, kept, 300, step)
    assert _numbers(passes) == [k for r in kept for k in r]
    found = np.concatenate([_decode(path, one, batch=5) for one in passes])
    np.testing.assert_array_equal(found, full[np.array(_numbers(passes)) * step])


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 900)), min_size=1, max_size=8),
    st.integers(1, 5),
    st.sets(st.integers(1, 3999), max_size=40),
)
def test_no_group_is_decoded_twice(
    wishes: list[tuple[int, int]], step: int, places: set[int]
) -> None:
    kept = merged(range(b // step, (b + n) // step + 1) for b, n in wishes)
    entries = np.array(sorted(places), np.int64)
    parts = list(module._parts(kept, every(step, 10**5).numbers, entries))
    assert [k for _, part in parts for r in part for k in r] == [k for r in kept for k in r]
    begins = [entries[number] if number >= 0 else 0 for number, _ in parts]
    ends = [(part[-1].stop - 1) * step + 1 for _, part in parts]
    firsts = [part[0].start * step for _, part in parts]
    assert all(begin <= first for begin, first in zip(begins, firsts, strict=True))
    assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False))
    for (_, part), begin, next_first in zip(parts, begins, firsts[1:], strict=False):
        # A pass ends early for a gap that is worth a start, or because it is long enough.
        gap = [entry for entry in entries if ends[parts.index((_, part))] < entry <= next_first]
        worth = gap and gap[-1] - (part[-1].stop - 1) * step - 1 > module._START_FRAMES
        assert worth or sum(map(len, part)) >= module._PASS_FRAMES.start, begin
    for _, part in parts:
        for r, following in pairwise(part):
            a, b = (r.stop - 1) * step + 1, following.start * step
            assert not any(entry - a > module._START_FRAMES for entry in entries if entry <= b)


def test_a_long_range_is_shared_out() -> None:
    every_sixty = np.arange(60, 4800, 60)

    def lengths(frames: int) -> list[int]:
        parts = module._parts([range(frames)], np.arange(frames), every_sixty)
        return [sum(map(len, part)) for _, part in parts]

    # A quarter of what is left, up to the next entry.
    assert lengths(1800) == [420, 360, 300, 180, 180, 120, 120, 120]
    assert lengths(4800)[:5] == [420] * 5
    # Not for the rest of a range, which decodes sooner than FFmpeg starts.
    assert lengths(150) == [150]
    assert lengths(151) == [120, 31]


def test_more_ranges_than_an_argument_holds(tmp_path: Path) -> None:
    frames = np.tile(distinct_frames(100, 16, 16), (100, 1, 1, 1))
    path = write_grouped_video(tmp_path / "v.mp4", frames, 20_000)
    kept = [range(n, n + 1) for n in range(0, 10_000, 2)]
    passes = _plan(path, kept, 10_000)
    assert [len(one.kept) for one in passes] == [2000, 2000, 1000]
    found = np.concatenate([_decode(path, one, batch=64) for one in passes])
    np.testing.assert_array_equal(found, _full(path)[::2])


def test_damage_that_is_on_nobodys_way_does_not_matter(tmp_path: Path) -> None:
    frames = _moving(200)
    whole = write_grouped_video(tmp_path / "whole.mp4", frames, 20)
    full = _full(whole)
    kept = [range(65, 75), range(150, 170)]
    path = tmp_path / "v.mp4"
    for packet in (30, 45, 85, 110, 185):
        write_damaged_copy(path, whole, packet)
        passes = _plan(path, kept, 200)
        assert [one.entry.frame for one in passes if one.entry] == [60, 140]
        found = np.concatenate([_decode(path, one) for one in passes])
        np.testing.assert_array_equal(found, full[_numbers(passes)])


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_damage_on_the_way_is_named(tmp_path: Path, codec: str) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (100, 48, 64, 3), np.uint8)
    if codec == "h264":
        # Without B-frames, a packet is a frame.
        whole = write_video(tmp_path / "whole.mp4", frames)
    else:
        whole = write_grouped_video(tmp_path / "whole.mp4", frames, codec=codec)
    path = write_damaged_copy(tmp_path / "v.mp4", whole, 70)
    if codec == "mjpeg":
        # Damaged entropy-coded data gives odd pixels; a damaged header does not decode.
        content = bytearray(path.read_bytes())
        places = [n for n in range(len(content)) if content[n : n + 3] == b"\xff\xd8\xff"]
        content[places[70] : places[70] + 8] = bytes(8)
        path.write_bytes(content)
    for kept, first in (([range(40, 60), range(68, 90)], 70), ([range(71, 90)], 71)):
        passes = _plan(path, kept, 100)
        if codec == "mjpeg" and first == 71:
            assert len(_decode(path, passes[0])) == 19
            continue
        with pytest.raises(UserError) as caught:
            for one in passes:
                _decode(path, one)
        (problem,) = caught.value.problems
        assert problem.startswith(f"{path}: frame {first} does not decode, but is needed (")
        assert problem.endswith("; repair or re-encode the video, or leave it out")


def test_a_video_that_ends_early(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", FRAMES)
    path = write_truncated_copy(tmp_path / "v.mp4", whole, 0.6)
    (one,) = _plan(path, [range(10, 120)], 120)
    with pytest.raises(UserError, match=r"v\.mp4: frame \d\d does not decode"):
        _decode(path, one)
    with pytest.raises(UserError, match=r"whole\.mp4: frame 120 does not decode"):
        _decode(whole, _pass([range(110, 130)]))


@pytest.mark.parametrize("last", [66, 67, 68, 69])
def test_damage_after_the_last_wanted_frame_does_not_matter(tmp_path: Path, last: int) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (100, 48, 64, 3), np.uint8)
    # Without B-frames, packet 70 is frame 70.
    whole = write_video(tmp_path / "whole.mp4", noise)
    path = write_damaged_copy(tmp_path / "v.mp4", whole, 70)
    (one,) = _plan(path, [range(last - 20, last + 1)], 100)
    np.testing.assert_array_equal(_decode(path, one), _full(whole)[last - 20 : last + 1])


def test_false_entries_lead_back_to_the_beginning(tmp_path: Path, runs: list[bool]) -> None:
    path = write_grouped_video(tmp_path / "v.mp4", FRAMES)
    full = _full(path)
    kept = (range(70, 80), range(90, 95))
    (honest,) = _plan(path, list(kept), 120)
    entry = honest.entry
    assert entry is not None
    ticks = module._entries(path, 120, LIMITS).ticks
    assert (entry.frame, entry.pts) == (60, ticks[60])
    for wrong in (
        # No key frame; a time at which nothing is shown; a seek to the next entry.
        replace(entry, frame=61, pts=int(ticks[61])),
        replace(entry, pts=entry.pts + 1),
        replace(entry, seek_s="1.3"),
    ):
        runs.clear()
        found = _decode(path, replace(honest, entry=wrong))
        np.testing.assert_array_equal(found, full[[*kept[0], *kept[1]]])
        assert runs == [True, False], wrong
    runs.clear()
    np.testing.assert_array_equal(_decode(path, honest), full[[*kept[0], *kept[1]]])
    assert runs == [True]


@pytest.mark.parametrize("number", [59, 61, 119, 121])
def test_a_number_of_frames_that_does_not_fit_the_times(tmp_path: Path, number: int) -> None:
    path = write_grouped_video(tmp_path / "v.mp4", FRAMES)
    assert _plan(path, [range(40, 50)], number) == [_pass([range(40, 50)])]


def test_seeking_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_grouped_video(tmp_path / "v.mp4", FRAMES)
    kept = [range(70, 80), range(110, 115)]
    (one,) = _plan(path, kept, 120)
    assert one.entry is not None
    for seek_s in ("0.5", "1.5"):
        # Two groups before the entry, as in a file without index, and after it.
        monkeypatch.setattr(module, "_seek", lambda *_, to=seek_s: to)
        assert _plan(path, kept, 120) == [_pass(kept)]
    # One group before it is usual where the container counts otherwise.
    monkeypatch.setattr(module, "_seek", lambda *_: "0.9")
    (one,) = _plan(path, kept, 120)
    assert one.entry is not None
    np.testing.assert_array_equal(_decode(path, one), _full(path)[_numbers([one])])


def test_what_is_passed_over_gives_signs_of_life(tmp_path: Path) -> None:
    frames = np.tile(FRAMES, (6, 1, 1, 1))
    path = write_grouped_video(tmp_path / "v.mp4", frames, 1000)
    wanted = [range(500, 503), range(718, 720)]
    options = {"width": WIDTH, "height": HEIGHT, "shrinks": True, "batch": 8, "limits": LIMITS}
    run = FrameRun(path, wanted, None, **options)  # type: ignore[arg-type]
    # Frames 0 and 250 are no wanted ones, 500 is.
    assert sum(map(len, run.ffmpeg)) == (5 + 2) * WIDTH * HEIGHT * 3
    found = _decode(path, _pass(wanted))
    np.testing.assert_array_equal(found, _full(path)[[500, 501, 502, 718, 719]])


def test_nothing_wanted(tmp_path: Path) -> None:
    assert _plan(tmp_path / "none.mp4", [], 10) == []


def test_a_video_that_vanished(tmp_path: Path) -> None:
    path = write_grouped_video(tmp_path / "v.mp4", FRAMES)
    passes = _plan(path, [range(5), range(70, 80)], 120)
    path.unlink()
    for one in passes:
        with pytest.raises(UserError, match=r"v\.mp4: the video is gone; bring it back"):
            _decode(path, one)
    with pytest.raises(UserError, match=r"v\.mp4: the video is gone; bring it back"):
        _plan(path, [range(5)], 120)


def test_limits(tmp_path: Path) -> None:
    path = write_grouped_video(tmp_path / "v.mp4", FRAMES)
    least = Limits(max_pixels=64 * 48)
    small = Limits(max_pixels=64 * 48 - 1)
    passes = plan_passes(path, [range(70, 80)], every(1, 120), least)
    assert len(_decode(path, passes[0], limits=least)) == 10
    message = r"v\.mp4: its frames are larger than decode\.max_pixels \(3,071\)"
    with pytest.raises(UserError, match=message):
        plan_passes(path, [range(70, 80)], every(1, 120), small)
    with pytest.raises(UserError, match=message):
        _decode(path, passes[0], limits=small)

    # FFmpeg waits for somebody to write into it.
    fifo = tmp_path / "fifo.mp4"
    os.mkfifo(fifo)
    short = Limits(timeout_s=0.3)
    message = r"fifo\.mp4: FFmpeg gave nothing for 0\.3 s and was ended; .* decode\.timeout_s"
    for one in (*passes, _pass([range(5)])):
        with pytest.raises(UserError, match=message):
            _decode(fifo, one, limits=short)
