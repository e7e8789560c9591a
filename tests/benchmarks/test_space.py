"""Frames that are needed are counted, and bytes are those of the files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from benchmarks import space
from benchmarks.footage import Footage, pattern
from tests.videos import distinct_frames
from twinstroke.annotations.strokes import Stroke
from twinstroke.parallel.workers import Workers
from twinstroke.video.entry import Entry
from twinstroke.video.seek import Pass


def test_the_time_table_is_like_ttstroke_21() -> None:
    videos = space.time_table()
    strokes = [stroke for own in videos for stroke in own]
    assert (len(videos), len(strokes)) == (129, 1048)
    lengths = [stroke.end - stroke.begin for stroke in strokes]
    assert min(lengths) >= 36
    assert max(lengths) <= 312
    assert abs(np.median(lengths) - 180) < 5
    gaps = [b.begin - a.end for own in videos for a, b in pairwise(own)]
    assert abs(np.median(gaps) - 202) < 10
    assert max(own[-1].end for own in videos) <= space.FRAMES
    assert abs(space.VIDEOS * space.FRAMES - 675_000) < 1000
    # All negatives that the paper had at hand can be cut, and hardly more.
    at_hand = sum(map(len, space.with_negatives(videos, 10_000))) - len(strokes)
    assert 681 <= at_hand < 720


def test_negatives_are_drawn_from_the_gaps() -> None:
    videos = [[Stroke("0", 450, 500)], [Stroke("1", 100, 150), Stroke("1", 351, 400)]]
    assert space.with_negatives(videos, 10) == [
        [(450, 500), (0, 200), (200, 400)],
        [(100, 150), (351, 400), (150, 350)],
    ]
    assert sum(map(len, space.with_negatives(videos, 1))) == 4


def test_needed_frames_are_counted(tmp_path: Path) -> None:
    # Key frames at 0, 120, 240 ….
    footage = Footage.of(pattern(tmp_path / "v.mp4", (64, 36), 600))
    assert footage.video.frames == 600
    with Workers(count=0) as workers:
        own = space.needs(footage, [[(300, 450), (400, 500)]], workers)
    everything = 600
    assert own.inside == 200 / everything
    assert own.without_context == 201 / everything  # one more frame, to which flow leads
    assert own.kept == 241 / everything  # 20 frames on each side
    assert own.pairs == 240 / everything
    # From the key frame 240 to the frame 520, by however many passes.
    assert own.decoded == 281 / everything


def test_a_pass_decodes_from_its_entry_to_its_last_frame() -> None:
    entry = Entry(frame=240, pts=0, seek_s="2")
    wanted = [(range(10, 20), range(30, 40)), (range(300, 310),)]
    numbers = [np.concatenate(own) for own in wanted]
    passes = [Pass(wanted[0], None, numbers[0]), Pass(wanted[1], entry, numbers[1])]
    assert list(space.lengths(passes)) == [40, 70]


def test_what_is_put_into_png_and_npy_weighs_as_much_as_the_files(tmp_path: Path) -> None:
    rgb = distinct_frames(2).transpose(0, 3, 1, 2)
    flow = np.zeros((*rgb.shape[2:], 2), np.float32)
    np.save(tmp_path / "flow.npy", flow)
    for number, planes in enumerate(rgb):
        cv2.imwrite(str(tmp_path / f"{number}.png"), planes.transpose(1, 2, 0)[..., ::-1])
    pictures = [(tmp_path / f"{number}.png").stat().st_size for number in range(2)]
    expected = np.mean(pictures) + (tmp_path / "flow.npy").stat().st_size
    assert space.plain_bytes(rgb) == expected
