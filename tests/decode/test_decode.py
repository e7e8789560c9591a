"""Frame i is the i-th decoded frame, and only needed frames are kept."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decoding import decode_one, video_row
from tests.rows import sample
from tests.videos import (
    distinct_frames,
    write_rotated_copy,
    write_squeezed_video,
    write_truncated_copy,
    write_vfr_video,
    write_video,
)
from twinstroke.decode.frames import decode_videos
from twinstroke.decode.needed import needed_frames
from twinstroke.decode.stored import pictures
from twinstroke.errors import UserError
from twinstroke.parallel.workers import Workers
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.window import WindowSettings
from twinstroke.video.probe import probe_video


def test_constant_rate_frames_are_the_decoded_ones(tmp_path: Path) -> None:
    frames = distinct_frames(60)
    rgb, number = decode_one(
        write_video(tmp_path / "v.mp4", frames), 60, [sample(10, 20), sample(40, 49)]
    )
    # Each sample's frames and one more, to which its last flow leads.
    assert number.tolist() == [*range(10, 21), *range(40, 50)]
    np.testing.assert_array_equal(rgb, frames[number])


def test_variable_rate_frames_are_neither_repeated_nor_dropped(tmp_path: Path) -> None:
    frames = distinct_frames(40)
    times = np.cumsum(np.random.default_rng(0).choice([1 / 120, 1 / 60, 1 / 15], 40))
    rgb, number = decode_one(
        write_vfr_video(tmp_path / "v.mp4", frames, times.tolist()), 40, [sample(0, 40)]
    )
    assert number.tolist() == list(range(40))
    np.testing.assert_array_equal(rgb, frames)


def test_squeezed_frames_are_kept_as_they_are_seen(tmp_path: Path) -> None:
    _, y, x, c = np.ogrid[:1, :72, :128, :3]
    # Rings: a circle is a circle, in either video.
    rings = 128 + 90 * np.cos(np.hypot(x - 64, y - 36) / 6 + c)
    frames = np.repeat(rings.astype(np.uint8), 20, 0)
    plain = write_video(tmp_path / "plain.mp4", frames, 30, lossless=False)
    squeezed = write_squeezed_video(tmp_path / "squeezed.mp4", frames, Fraction(4, 3))
    kept = []
    for path in (plain, squeezed):
        probe = probe_video(path)
        rgb, _ = decode_one(
            path,
            20,
            [sample(4, 12, path.stem)],
            width=probe.width,
            height=probe.height,
            kept_width=64,
        )
        kept.append(rgb.astype(int))
    assert kept[0].shape == kept[1].shape
    assert np.abs(kept[0] - kept[1]).mean() < 4


def test_every_fourth_frame(tmp_path: Path) -> None:
    frames = distinct_frames(80)
    rgb, number = decode_one(
        write_video(tmp_path / "v.mp4", frames), 80, [sample(8, 48)], step=4, context=4
    )
    assert number.tolist() == list(range(4, 56, 4))
    np.testing.assert_array_equal(rgb, frames[number])


def test_lossy_frames_with_b_frames_stay_in_order(tmp_path: Path) -> None:
    shades = np.repeat(np.arange(20, 220, 5, dtype=np.uint8), 32 * 18 * 3).reshape(-1, 18, 32, 3)
    rgb, _ = decode_one(
        write_video(tmp_path / "v.mp4", shades, lossless=False), 40, [sample(0, 40)]
    )
    np.testing.assert_allclose(rgb.mean((1, 2, 3)), shades.mean((1, 2, 3)), atol=2.4)


def test_the_height_is_rounded_down(tmp_path: Path) -> None:
    """34 · 48 / 64 is 25.5."""
    path = write_video(tmp_path / "v.mp4", distinct_frames(9, 34, 64))
    rgb, _ = decode_one(path, 9, [sample(0, 8)], width=64, height=34, kept_width=48)
    assert rgb.shape == (9, 25, 48, 3)


def test_area_average_and_rotation(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (8, 32, 64, 3), np.uint8)
    upright = write_video(tmp_path / "upright.mp4", frames)
    turned = write_rotated_copy(tmp_path / "turned.mp4", upright, 90)
    for path, width, height, expected in (
        (upright, 64, 32, frames),
        (turned, 32, 64, np.rot90(frames, axes=(1, 2))),
    ):
        decode_videos(
            [video_row(path, 8, width, height)],
            [sample(0, 8, path.stem)],
            DecodeSettings(width=width // 2, frame_step=1, context=0),
            window=WindowSettings(frames=8, height=8, width=8),
            root=tmp_path,
            folder=tmp_path / path.stem,
            store=tmp_path / "store",
            workers=Workers(count=0),
        )
        with h5py.File(tmp_path / path.stem / f"{path.stem}.h5") as file:
            rgb = pictures(file, slice(None)).astype(float)
        blocks = expected.reshape(8, height // 2, 2, width // 2, 2, 3).mean((2, 4))
        assert np.abs(rgb - blocks).max() < 12  # FFmpeg averages chroma and luma apart
        assert np.abs(rgb - blocks).mean() < 3


def test_hundreds_of_strokes(tmp_path: Path) -> None:
    frames = distinct_frames(250, 8, 16)
    rgb, number = decode_one(
        write_video(tmp_path / "v.mkv", np.tile(frames, (12, 1, 1, 1))),
        3000,
        [sample(n, n + 8) for n in range(0, 2990, 12)],
        width=16,
        height=8,
    )
    assert len(number) == 250 * 9
    np.testing.assert_array_equal(rgb, frames[number % 250])


def test_what_flow_and_window_cannot_use_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(4))
    with pytest.raises(UserError, match=r"v\.mp4: 4 frames, of which every 4\. is kept") as error:
        decode_videos(
            [video_row(path, 4)],
            [sample(0, 4)],
            DecodeSettings(width=32, frame_step=4, context=0),
            window=WindowSettings(frames=8, height=20, width=20),
            root=tmp_path,
            folder=tmp_path / "frames",
            store=tmp_path / "store",
            workers=Workers(count=0),
        )
    assert "18 pixels high, less than window.height: 20" in error.value.problems[1]


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    peaks = []
    for count in (64, 640):
        path = write_video(
            tmp_path / f"{count}.mkv", np.tile(distinct_frames(32), (count // 32, 1, 1, 1))
        )
        tracemalloc.start()
        decode_one(path, count, [sample(0, count, path.stem)], read=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Ten times the frames, 1.7 kB each: what is held is a batch, not the video.
    assert peaks[1] < peaks[0] + 200_000


def test_finished_videos_are_kept_and_others_removed(tmp_path: Path) -> None:
    paths = [write_video(tmp_path / f"{n}.mp4", distinct_frames(20)) for n in "ab"]
    folder = tmp_path / "frames"

    def run(names: str, width: int = 32) -> tuple[int, int]:
        done = decode_videos(
            [video_row(p, 20) for p in paths if p.stem in names],
            [sample(4, 16, n) for n in names],
            DecodeSettings(width=width, frame_step=1, context=0),
            window=WindowSettings(frames=8, height=8, width=8),
            root=tmp_path,
            folder=folder,
            store=tmp_path / "store",
            workers=Workers(count=0),
        )
        return done.made, done.present

    assert run("ab") == (2, 0)
    before = (folder / "a.h5").read_bytes()
    (folder / "a.h5").unlink()
    (folder / ".a.h5.partial").write_bytes(b"half")
    assert run("ab") == (0, 2)
    assert (folder / "a.h5").read_bytes() == before
    assert run("a") == (0, 1)
    assert [p.name for p in folder.iterdir()] == ["a.h5"]
    assert run("a", width=16) == (1, 0)
    assert run("ab") == (0, 2), "what other parameters and fewer videos left"


def test_a_video_that_breaks_off_is_named_and_the_others_are_finished(tmp_path: Path) -> None:
    frames = np.random.default_rng(2).integers(0, 256, (60, 18, 32, 3), np.uint8)
    good = write_video(tmp_path / "good.mp4", frames)
    bad = write_truncated_copy(tmp_path / "bad.mp4", good, 0.5)
    with pytest.raises(UserError, match=r"bad\.mp4.*decode") as error:
        decode_videos(
            [video_row(bad, 60), video_row(good, 60)],
            [sample(0, 60, "bad"), sample(0, 60, "good")],
            DecodeSettings(width=32, frame_step=1, context=0),
            window=WindowSettings(frames=8, height=8, width=8),
            root=tmp_path,
            folder=tmp_path / "frames",
            store=tmp_path / "store",
            workers=Workers(count=0),
        )
    assert len(error.value.problems) == 1
    assert [p.name for p in (tmp_path / "frames").glob("*.h5")] == ["good.h5"]


def test_fewer_frames_than_announced(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(20))
    with pytest.raises(UserError, match=r"frame 20 does not decode, but is needed"):
        decode_one(path, 30, [sample(10, 30)])


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 120)), min_size=1, max_size=6),
    st.integers(1, 5),
    st.integers(8, 30),
    st.integers(0, 40),
)
def test_needed_frames_are_the_union_of_what_each_sample_needs(
    strokes: list[tuple[int, int]], step: int, window: int, context: int
) -> None:
    frames = 430
    samples = [sample(begin, begin + length) for begin, length in strokes]
    ranges = needed_frames(samples, frames=frames, window=window, frame_step=step, context=context)
    # A plain restatement, frame by frame.
    expected = set()
    for item in samples:
        inside = [k for k in range(frames) if item.begin <= k * step < item.end]
        if len(inside) < window:
            begin, end = -(-item.begin // step), -(-item.end // step)
            middle = (begin + end - window) // 2
            inside = list(range(middle, middle + window))
        around = -(-context // step)
        expected |= set(range(inside[0] - around, inside[-1] + 2 + around))
    expected &= {k for k in range(frames) if k * step < frames}
    assert [k for r in ranges for k in r] == sorted(expected)
    assert all(a.stop < b.start for a, b in pairwise(ranges))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize(("fps", "step"), [(120, 4), (60, 2), (Fraction(30_000, 1001), 1)])
def test_of_a_multiple_of_the_rate_the_bits_are_those_of_the_step(
    tmp_path: Path, suffix: str, fps: Fraction | int, step: int
) -> None:
    """The tables count kept frames where there is a rate, and source frames where there is none."""
    frames = distinct_frames(101)
    path = write_video(tmp_path / f"v.{suffix}", frames, fps)
    rate = round(float(fps / step), 2)
    for begin in (0, 24, 80):
        by_step, numbers = decode_one(path, 101, [sample(begin, begin + 20)], step=step)
        count = -(-101 // step)
        wanted = sample(begin // step, (begin + 20) // step)
        by_rate, places = decode_one(path, count, [wanted], rate=rate)
        np.testing.assert_array_equal(by_rate, by_step)
        np.testing.assert_array_equal(places * step, numbers)


def test_where_frames_were_dropped_the_one_beside_is_there_twice(tmp_path: Path) -> None:
    shown = [0, 1, 2, 3, 6, 7, 8, 9, 10, 12, 13, 14]
    frames = distinct_frames(15)
    path = write_vfr_video(tmp_path / "v.mp4", frames[shown], [n / 30 for n in shown])
    found, _ = decode_one(path, 15, [sample(0, 15)], rate=30, window=4)
    # In the middle between two, the later one: as frames are found for seconds.
    nearest = [0, 1, 2, 3, 3, 6, 6, 7, 8, 9, 10, 12, 12, 13, 14]
    np.testing.assert_array_equal(found, frames[nearest])


def test_a_video_that_has_other_frames_than_the_table_says(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", distinct_frames(60), 60)
    with pytest.raises(UserError, match=r"v\.mp4: 30 frames are to be kept, but 29 when it was"):
        decode_one(path, 29, [sample(0, 20)], rate=30)
