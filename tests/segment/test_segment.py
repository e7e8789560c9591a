"""strokes.h5 holds what was decoded, cut where the region of interest lies."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.rows import sample
from twinstroke.hdf5 import new_hdf5
from twinstroke.parallel.workers import Workers
from twinstroke.regions import Box
from twinstroke.segment.crop import crop_around
from twinstroke.segment.strokes import Geometry, cut_strokes
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.normalize import MaskSettings, RoiSettings
from twinstroke.settings.preparation import Preparation
from twinstroke.tables import Sample, Video

HEIGHT, WIDTH, FRAMES = 30, 43, 40
PREPARATION = Preparation(
    kept_fps=60,
    width=WIDTH,
    flow=FlowSettings(estimator="dis"),
    mask=MaskSettings(),
    roi=RoiSettings(),
    margin=3,
)


@given(st.floats(-20, 70), st.floats(-20, 60), st.integers(1, 50), st.integers(1, 50))
def test_crop_is_a_window_of_the_zero_padded_picture(
    x: float, y: float, height: int, width: int
) -> None:
    picture = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH, 3), np.uint8)
    padded = np.pad(picture, ((100, 100), (100, 100), (0, 0)))
    top, left = round(y - height / 2) + 100, round(x - width / 2) + 100
    np.testing.assert_array_equal(
        crop_around(picture, np.array([x, y]), (height, width)),
        padded[top : top + height, left : left + width],
    )


@given(
    st.floats(-20, 70),
    st.floats(-20, 60),
    st.integers(1, 50),
    st.tuples(*[st.integers(0, 42)] * 2, *[st.integers(0, 29)] * 2),
)
def test_crop_of_a_region_is_that_of_a_picture_which_is_black_outside_it(
    x: float, y: float, side: int, edges: tuple[int, int, int, int]
) -> None:
    picture = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH, 3), np.uint8)
    (left, right), (top, bottom) = sorted(edges[:2]), sorted(edges[2:])
    black = np.zeros_like(picture)
    black[top : bottom + 1, left : right + 1] = picture[top : bottom + 1, left : right + 1]
    centre, size = np.array([x, y]), (side, side)
    np.testing.assert_array_equal(
        crop_around(picture, centre, size, Box(top, left, bottom + 1, right + 1)),
        crop_around(black, centre, size),
    )


class Made:
    """Files of one video of 40 frames, of which every second is kept: contents known."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(3)
        self.frame = np.arange(0, FRAMES, 2)
        kept = len(self.frame)
        self.rgb = random.integers(1, 255, (kept, HEIGHT, WIDTH, 3), np.uint8)
        self.flow = random.integers(-900, 900, (kept - 1, HEIGHT, WIDTH, 2)).astype(np.int16)
        self.mask = random.random((kept - 1, HEIGHT, WIDTH)) < 0.5
        self.roi = random.uniform(8, 24, (kept - 1, 2)).astype(np.float32)
        with new_hdf5(folder / "frames" / "v.h5", "f") as file:
            file.attrs["origin"] = "frames"
            file["rgb"], file["frame"] = self.rgb.transpose(0, 3, 1, 2), self.frame
        with new_hdf5(folder / "flow" / "v.h5", "g") as file:
            file.attrs["origin"] = "flow"
            file["flow"], file["frame"] = self.flow.transpose(0, 3, 1, 2), self.frame[:-1]
            file.attrs["estimator"], file.attrs["opencv"] = "dis", "0"
        with new_hdf5(folder / "motion" / "v.h5", "h") as file:
            file.attrs["content"] = "motion"
            file["mask"], file["roi"] = np.packbits(self.mask, axis=-1), self.roi
            file["frame"] = self.frame[:-1]

    def cut(self, k: int, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
        """What kept frame k must become."""
        inside = min(max(k, 0), len(self.frame) - 1)
        centre = self.roi[min(inside, len(self.roi) - 1)]
        flow = np.zeros((HEIGHT, WIDTH, 2), np.int16)
        if 0 <= k < len(self.flow):
            flow = np.where(self.mask[k][..., None], self.flow[k], np.int16(0))
        return crop_around(self.rgb[inside], centre, size), crop_around(flow, centre, size)


def run(folder: Path, samples: list[Sample], count: int = 0) -> Path:
    video = Video(
        video="v",
        path="v.mp4",
        sha256="",
        frames=FRAMES,
        fps=Fraction(120),
        width=WIDTH,
        height=HEIGHT,
        variable_frame_rate=False,
    )
    with Workers(count=count) as workers:
        cut_strokes(
            samples,
            [video],
            Geometry(window=(8, 10, 12), margin=3, frame_step=2, fps=60),
            preparation=PREPARATION,
            classes=["Negative", "Serve"],
            folder=folder,
            target=folder / "strokes.h5",
            store=folder / "store",
            workers=workers,
        )
    return folder / "strokes.h5"


@pytest.mark.parametrize(
    ("begin", "end", "clip"),
    [
        (4, 32, range(2, 16)),  # longer than the window: the whole stroke
        (11, 19, range(4, 12)),  # shorter: kept frames 6 to 9, and one window around them
        (0, 4, range(-3, 5)),  # reaches before the first frame
        (36, 40, range(15, 23)),  # reaches past the last frame
        (20, 40, range(10, 20)),  # ends with the last frame, which has no flow
    ],
)
def test_clip_of_a_sample(tmp_path: Path, begin: int, end: int, clip: range) -> None:
    made = Made(tmp_path)
    with h5py.File(run(tmp_path, [sample(begin, end)])) as file:
        rgb, flow, frame = file["rgb"][:], file["flow"][:], file["frame"][:]
    assert rgb.shape == (len(clip), 16, 18, 3)
    assert frame.tolist() == [min(max(k, 0), 19) * 2 for k in clip]
    for i, k in enumerate(clip):
        expected_rgb, expected_flow = made.cut(k, (16, 18))
        np.testing.assert_array_equal(rgb[i], expected_rgb)
        np.testing.assert_array_equal(flow[i], expected_flow)


def test_table_and_provenance(tmp_path: Path) -> None:
    Made(tmp_path)
    samples = [sample(4, 32), sample(11, 19), sample(0, 40)]
    path = run(tmp_path, samples)
    with h5py.File(path) as file:
        table = file["samples"]
        assert table["length"][:].tolist() == [14, 8, 20]
        assert table["offset"][:].tolist() == [0, 14, 22]
        assert table["sample"].asstr()[:].tolist() == [s.sample for s in samples]
        assert table["end"][:].tolist() == [32, 19, 40]
        assert json.loads(file.attrs["classes"]) == ["Negative", "Serve"]
        assert file.attrs["window"].tolist() == [8, 10, 12]
        assert file.attrs["flow_unit_px"] == 1 / 32
        assert file.attrs["estimator"] == "dis"
        assert file["rgb"].chunks == (8, 16, 18, 3)
    before = path.read_bytes()
    path.unlink()
    assert run(tmp_path, samples, count=2).read_bytes() == before
