"""The pictures show what the files hold, and a wrong crop stands out."""

from __future__ import annotations

import csv
import html
import shutil
import tracemalloc
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import cv2
import h5py
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle as Box
from numpy.typing import NDArray

from tests.clone import ROOT
from tests.command import twinstroke
from twinstroke.colours import BEYOND, OUTLINE, OUTSIDE, WINDOW, colour_wheel, flow_colours
from twinstroke.errors import UserError
from twinstroke.hdf5 import new_hdf5
from twinstroke.inspection.choice import spread
from twinstroke.inspection.draw import inspect
from twinstroke.inspection.measure import measure, sample_row, video_row
from twinstroke.inspection.moments import moments_of
from twinstroke.inspection.sheets import contact_sheet
from twinstroke.inspection.source import Scene as Place
from twinstroke.inspection.source import open_source
from twinstroke.inspection.tracks import video_picture, with_gaps
from twinstroke.normalize.stored import FlowStatistics
from twinstroke.sample_ids import named
from twinstroke.tables import Sample, write_table

HEIGHT, WIDTH, STEP = 40, 60, 2
T, H, W, MARGIN = 8, 12, 16, 3
GROUND, PLAYER = (70, 90, 60), (40, 60, 200)


def sample(begin: int, end: int, video: str = "v", label: str = "Serve") -> Sample:
    return Sample(
        sample=f"{video}:{begin}-{end}",
        video=video,
        begin=begin,
        end=end,
        label=label,
        class_index=0,
        split="train",
        origin="annotated",
    )


class Scene:
    """A player, 8 px wide and 10 high, who moves right by 1 px a kept frame and down by 0.5."""

    def __init__(self, kept: int = 24, frame: NDArray[np.int64] | None = None) -> None:
        self.frame = np.arange(0, kept * STEP, STEP) if frame is None else frame
        kept = len(self.frame)
        gaps = np.diff(self.frame) != STEP
        self.pairs = np.flatnonzero(~gaps)
        self.rgb = np.full((kept, HEIGHT, WIDTH, 3), GROUND, np.uint8)
        self.mask = np.zeros((len(self.pairs), HEIGHT, WIDTH), np.bool_)
        # Outside the mask is flow too, which must count nowhere.
        self.flow = np.full((len(self.pairs), HEIGHT, WIDTH, 2), 300, np.int16)
        self.roi = np.empty((len(self.pairs), 2), np.float32)
        for n in range(kept):
            x: int = 12 + n % 24
            self.rgb[n, 14:24, x : x + 8] = PLAYER
        for row, n in enumerate(self.pairs.tolist()):
            x = 12 + n % 24
            self.mask[row, 14:24, x : x + 8] = True
            self.flow[row, 14:24, x : x + 8] = 32, 16
            self.roi[row] = x + 4, 19

    def centre(self, at: int) -> NDArray[np.float32]:
        """Of kept frame `at`, without gaps."""
        own: NDArray[np.float32] = self.roi[min(at, len(self.roi) - 1)]
        return own

    def cut(self, kept: int) -> tuple[NDArray[np.uint8], NDArray[np.int16], int]:
        """Stored crop and flow of kept frame `kept`, which may lie outside the video."""
        at = min(max(kept, 0), len(self.frame) - 1)
        flow = np.zeros((HEIGHT, WIDTH, 2), np.int16)
        if kept == at and at < len(self.flow):
            flow = self.flow[at] * self.mask[at][..., None]
        x, y = self.centre(at)
        left, top = round(x - W / 2 - MARGIN) + 200, round(y - H / 2 - MARGIN) + 200
        where = slice(top, top + H + 2 * MARGIN), slice(left, left + W + 2 * MARGIN)
        beyond = ((200, 200), (200, 200), (0, 0))
        return np.pad(self.rgb[at], beyond)[where], np.pad(flow, beyond)[where], at


def clip_of(own: Sample) -> range:
    """Kept frames of a clip, by hand: the stroke, or a window around a shorter one."""
    first, last = -(-own.begin // STEP), -(-own.end // STEP)
    if last - first < T:
        first = (first + last - T) // 2
        last = first + T
    return range(first, last)


def write_preset(
    folder: Path, scenes: dict[str, Scene], samples: Sequence[Sample], stored: bool = True
) -> Path:
    """What the stages `index` to `segment` write."""
    for video, scene in scenes.items():
        with new_hdf5(folder / "frames" / f"{video}.h5", "f") as file:
            file["rgb"] = np.ascontiguousarray(scene.rgb.transpose(0, 3, 1, 2))
            file["frame"] = scene.frame
        with new_hdf5(folder / "flow" / f"{video}.h5", "f") as file:
            file["flow"] = np.ascontiguousarray(scene.flow.transpose(0, 3, 1, 2))
            file["frame"] = scene.frame[scene.pairs]
        with new_hdf5(folder / "motion" / f"{video}.h5", "f") as file:
            file["mask"] = np.packbits(scene.mask, axis=-1)
            file["roi"], file["frame"] = scene.roi, scene.frame[scene.pairs]
            moving = np.abs(scene.flow * scene.mask[..., None]).astype(np.float32) / 32
            file["peak"] = moving.max((1, 2))
    clips = [clip_of(own) for own in samples]
    lengths = np.array([len(clip) for clip in clips])
    cuts = [
        (scenes[own.video], *scenes[own.video].cut(kept))
        for own, clip in zip(samples, clips, strict=True)
        for kept in (clip if stored else clip[:1])
    ]
    with new_hdf5(folder / "strokes.h5", "f") as file:
        file["rgb"] = np.stack([cut[1] for cut in cuts])
        file["flow"] = np.stack([cut[2] for cut in cuts])
        file["roi"] = np.stack([scene.centre(at) for scene, _, _, at in cuts])
        file["frame"] = np.array([scene.frame[at] for scene, _, _, at in cuts])
        file["samples/offset"] = np.cumsum(lengths) - lengths
        file.create_dataset(
            "samples/sample", data=[own.sample for own in samples], dtype=h5py.string_dtype()
        )
        file.attrs["window"], file.attrs["margin"] = (T, H, W), MARGIN
        file.attrs["frame_step"], file.attrs["fps"] = STEP, 30.0
    statistics = FlowStatistics(
        rule="normal",
        scale=(6.0, 3.0),
        mean=(1, 1),
        deviation=(1, 1),
        frames_used=(1, 1),
        frames=1,
    )
    (folder / "statistics.json").write_text(statistics.model_dump_json())
    write_table(folder / "samples.csv", samples, Sample)
    return folder


class Drawn:
    """A figure as pixels, which are found by the coordinates of its axes."""

    def __init__(self, figure: Figure) -> None:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        self.figure = figure
        pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        self.pixels = np.asarray(pixels)[..., :3].astype(int)

    def at(self, axes: Axes, x: float, y: float) -> tuple[int, int]:
        column, row = axes.transData.transform((x, y))
        return round(len(self.pixels) - row), round(column)

    def distance(self, axes: Axes, x: float, y: float, colour: str | tuple[int, ...]) -> int:
        """Of the pixel that is most like a colour, at most 2 pixels away."""
        row, column = self.at(axes, x, y)
        wanted = np.array([255 * c for c in to_rgb(colour)] if isinstance(colour, str) else colour)
        near = self.pixels[row - 2 : row + 3, column - 2 : column + 3]
        return int(np.abs(near - wanted).max(-1).min())

    def shows(self, axes: Axes, x: float, y: float, colour: str | tuple[int, ...]) -> bool:
        return self.distance(axes, x, y, colour) <= 12


def sheet(folder: Path, own: Sample) -> Drawn:
    source = open_source(folder)
    measures = measure(source, Place(own.video))
    row = sample_row(own, measures, source.geometry)
    return Drawn(contact_sheet(source, own, row, moments_of(source, own)))


def test_flow_colours_by_direction_and_magnitude() -> None:
    field = np.array([[[3, 0], [0, 3], [-3, 0], [0, -3]], [[0, 0], [1.5, 0], [9, 0], [0, 0]]])
    found = flow_colours(field.astype(np.float32), 3)
    directions = [[255, 0, 0], [128, 255, 0], [0, 255, 255], [128, 0, 255]]
    np.testing.assert_allclose(found[0], directions, atol=1)
    assert found[1, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(found[1, 1], [255, 128, 128], atol=1)
    assert found[1, 2].tolist() == [255, 0, 0]


def test_wheel_is_the_legend_of_the_flow() -> None:
    wheel = colour_wheel(20)
    assert wheel[20, 20].tolist() == [255, 255, 255]
    assert wheel[20, 40].tolist() == [255, 0, 0]
    np.testing.assert_allclose(wheel[40, 20], [128, 255, 0], atol=1)
    np.testing.assert_allclose(wheel[0, 20], [128, 0, 255], atol=1)
    assert wheel[0, 0].tolist() == [255, 255, 255]


def test_sheet_draws_each_thing_in_its_place(tmp_path: Path) -> None:
    own = sample(10, 26)
    scene = Scene()
    # Kept frame 5, the first of the window: the player is at x 17 to 24, y 14 to 23. Something
    # else moves to the left of it, outside the window.
    scene.mask[:, 30:34, 2:6] = True
    scene.flow[:, 30:34, 2:6] = -32, 0
    # Foreground at rest, within the margin.
    scene.mask[:, 20:22, 10:12] = True
    scene.flow[:, 20:22, 10:12] = 0
    drawn = sheet(write_preset(tmp_path, {"v": scene}, [own]), own)
    frame, flow, stored, stored_flow = drawn.figure.axes[:4]
    # The window is 16 x 12 around (21, 19): x 13 to 28, y 13 to 24.
    for x, y in ((12.5, 16), (28.5, 16), (16, 12.5), (16, 24.5), (12.5, 12.5), (28.5, 24.5)):
        for axes in (frame, flow):
            assert drawn.shows(axes, x, y, WINDOW)
    for x, y in ((10.5, 16), (14.5, 16), (30.5, 16), (19, 10.5), (26.7, 26.5)):
        assert not drawn.shows(frame, x, y, WINDOW)
    # The margin is 3 px wider on each side.
    for x, y in ((9.5, 16), (31.5, 16), (16, 9.5), (16, 27.5)):
        assert drawn.shows(frame, x, y, "white")
    assert not drawn.shows(frame, 8, 16, "white")
    assert drawn.shows(frame, 20.5, 18.5, WINDOW)
    for x, y in ((16.5, 20), (24.5, 20), (19, 23.5), (5.5, 31.5)):
        # Thinner than two pixels, so that it is mixed with what it lies on.
        assert drawn.distance(frame, x, y, OUTLINE) < 120
    for x, y in ((21, 16), (26.5, 20), (34, 20), (5.5, 27)):
        assert drawn.distance(frame, x, y, OUTLINE) > 160
    assert drawn.shows(frame, 40, 30, GROUND)
    assert drawn.shows(frame, 23, 21, PLAYER)
    veil = tuple((np.array(GROUND) + 255 * np.array(to_rgb(OUTSIDE))) / 2)
    assert drawn.shows(frame, 3.5, 31.5, veil)
    assert drawn.shows(frame, 10.5, 20.5, veil)
    # Right and a little down; left; rest, also where flow lies outside the foreground.
    full = np.hypot(1, 0.5)
    player = tuple(flow_colours(np.array([[[1, 0.5]]], np.float32), full)[0, 0].tolist())
    other = tuple(flow_colours(np.array([[[-1, 0]]], np.float32), full)[0, 0].tolist())
    assert drawn.shows(flow, 23, 21, player)
    assert drawn.shows(flow, 3.5, 31.5, other)
    assert drawn.shows(flow, 50, 5, "white")
    # In the stored crop, 22 x 18, all is 10 px further left and 10 px higher.
    assert drawn.shows(stored, 13, 11, PLAYER)
    assert drawn.shows(stored, 5, 11, GROUND)
    assert drawn.shows(stored, 2.5, 8, WINDOW)
    assert drawn.shows(stored_flow, 13, 11, player)
    assert drawn.shows(stored_flow, 4.5, 11, "white")
    assert frame.get_title() == "frame 10: holds 80%"
    assert drawn.figure.axes[4].get_title() == "frame 12: holds 80%"
    titles = drawn.figure.get_suptitle()
    assert "v:10-26: Serve (train), frames 10 to 25 of v" in titles
    assert "holds 80% of the foreground and 85% of its motion" in titles
    assert len(drawn.figure.axes) == 4 * 8 + 1


def test_crop_beyond_the_picture_is_drawn_there(tmp_path: Path) -> None:
    scene = Scene()
    scene.roi[:] = 4, 35
    own = sample(10, 26)
    drawn = sheet(write_preset(tmp_path, {"v": scene}, [own]), own)
    frame, flow, stored, _ = drawn.figure.axes[:4]
    # Window x -4 to 11, y 29 to 40; with the margin x -7 to 14, y 26 to 43.
    for axes in (frame, flow):
        assert drawn.shows(axes, -4.5, 36, WINDOW)
        assert drawn.shows(axes, 3, 40.5, WINDOW)
        assert drawn.shows(axes, -7.5, 36, "white")
        assert drawn.shows(axes, -2, 32, BEYOND)
        assert drawn.shows(axes, 30, 42, BEYOND)
    assert drawn.shows(frame, 3, 38, GROUND)
    assert drawn.shows(stored, 5, 12, "black")
    assert drawn.shows(stored, 12, 5, GROUND)
    assert "reaches beyond the picture in 100%" in drawn.figure.get_suptitle()


def test_before_the_first_and_after_the_last_frame(tmp_path: Path) -> None:
    early, late, last = sample(0, 4), sample(44, 48), sample(32, 48)
    folder = write_preset(tmp_path, {"v": Scene()}, [early, late, last])
    source = open_source(folder)
    # Clips of kept frames -3 to 4, 19 to 26 and 16 to 23, of which 23 is the last one.
    notes = {own.sample: [m.note for m in moments_of(source, own)] for own in (early, late, last)}
    repeated, without = "repeated: no flow", "last frame: no flow"
    assert notes[early.sample] == [repeated] * 3 + [""] * 5
    assert notes[late.sample] == [""] * 4 + [without] + [repeated] * 3
    assert notes[last.sample] == [""] * 7 + [without]
    for own in (early, late, last):
        moments = moments_of(source, own)
        assert all(moment.agrees for moment in moments)
        assert [m.mask.any() for m in moments] == [not note for note in notes[own.sample]]
        assert [m.frame // STEP for m in moments] == [min(max(k, 0), 23) for k in clip_of(own)]
    drawn = sheet(folder, early)
    assert [axes.get_title() for axes in drawn.figure.axes[:2]] == ["frame 0", repeated]
    assert drawn.shows(drawn.figure.axes[1], 16, 15, "white")
    assert not drawn.shows(drawn.figure.axes[13], 15, 22, "white")


def test_moments_are_spread_over_the_middle_of_a_long_clip(tmp_path: Path) -> None:
    own = sample(4, 40)
    folder = write_preset(tmp_path, {"v": Scene()}, [own])
    # 18 kept frames from 2 on; the window of 8 begins 5 later.
    assert [m.frame // STEP for m in moments_of(open_source(folder), own)] == list(range(7, 15))


def test_stored_crop_that_is_not_the_frames(tmp_path: Path) -> None:
    own = sample(10, 26)
    folder = write_preset(tmp_path / "data", {"v": Scene()}, [own])
    with h5py.File(folder / "strokes.h5", "r+") as file:
        file["rgb"][:] = np.roll(file["rgb"][:], 1, axis=2)
    source = open_source(folder)
    found = inspect(source, [own], min_motion=1, folder=tmp_path / "out")
    assert found.stale == [own.sample]
    assert "NOT what the frame shows" in sheet(folder, own).figure.get_suptitle()


def random_scene(seed: int) -> Scene:
    """Two runs of frames with a gap, all of them noise."""
    scene = Scene(frame=np.concatenate([np.arange(0, 100, STEP), np.arange(200, 300, STEP)]))
    random = np.random.default_rng(seed)
    count = len(scene.pairs)
    scene.mask[:] = random.random(scene.mask.shape) < 0.3
    scene.flow[:] = np.rint(random.normal(0, 100, scene.flow.shape))
    scene.roi[:] = random.uniform((-5, 0), (WIDTH, HEIGHT), (count, 2))
    # Frames without foreground, and with foreground that is at rest.
    scene.mask[3] = False
    scene.flow[4] = 0
    return scene


def test_numbers_of_a_video(tmp_path: Path) -> None:
    scene = random_scene(5)
    folder = write_preset(tmp_path, {"v": scene}, [sample(10, 90)])
    source = open_source(folder)
    row = video_row("v", measure(source, Place("v")), source.geometry)

    length = np.hypot(*np.moveaxis(scene.flow / 32, -1, 0))
    inside = length[scene.mask]
    assert row.frames == 100
    assert row.flow_mean == pytest.approx(inside.mean(), abs=0.002)
    assert row.flow_median == pytest.approx(np.median(inside), abs=1 / 32)
    assert row.flow_p95 == pytest.approx(np.quantile(inside, 0.95), abs=1 / 32)
    assert row.flow_largest == pytest.approx(inside.max(), abs=1 / 64)
    assert row.foreground == pytest.approx(scene.mask.mean())
    assert row.still == pytest.approx(2 / 98)

    shares, weighted, beyond, wide = [], [], [], []
    for mask, way, (x, y) in zip(scene.mask, length, scene.roi.tolist(), strict=True):
        left = round(x - (W + 2 * MARGIN) / 2) + MARGIN
        top = round(y - (H + 2 * MARGIN) / 2) + MARGIN
        row_, column = np.mgrid[:HEIGHT, :WIDTH]
        held = (row_ >= top) & (row_ < top + H) & (column >= left) & (column < left + W)
        moving = way * mask
        shares += [1 - (mask & held).sum() / mask.sum()] if mask.any() else []
        weighted += [1 - moving[held].sum() / moving.sum()] if moving.any() else []
        beyond.append(held.sum() < H * W)
        larger = cv2.dilate(held.astype(np.uint8), np.ones((2 * MARGIN + 1, 2 * MARGIN + 1)))
        size = (H + 2 * MARGIN) * (W + 2 * MARGIN)
        wide.append(larger.sum() < size)
    assert row.foreground_outside == pytest.approx(np.mean(shares))
    assert row.motion_outside == pytest.approx(np.mean(weighted), rel=1e-5)
    assert row.window_beyond == pytest.approx(np.mean(beyond))
    assert row.crop_beyond == pytest.approx(np.mean(wide))

    ways = np.linalg.norm(np.diff(scene.roi, axis=0), axis=1)
    ways[48] = 0  # The gap.
    assert row.largest_jump == pytest.approx(ways.max())


def test_jump_over_a_gap_is_none(tmp_path: Path) -> None:
    scene = Scene(frame=np.concatenate([np.arange(0, 40, STEP), np.arange(200, 240, STEP)]))
    scene.roi[: len(scene.roi) // 2] = 20, 20
    scene.roi[len(scene.roi) // 2 :] = 50, 20
    source = open_source(write_preset(tmp_path, {"v": scene}, [sample(0, 20)]))
    assert video_row("v", measure(source, Place("v")), source.geometry).largest_jump == 0


def test_video_without_motion_is_most_suspicious(tmp_path: Path) -> None:
    scene = Scene()
    scene.mask[:] = False
    own = sample(10, 26)
    folder = write_preset(tmp_path / "data", {"v": scene, "w": Scene()}, [own, sample(0, 20, "w")])
    found = inspect(open_source(folder), [own], min_motion=None, folder=tmp_path / "out")
    row = found.videos[0]
    assert (row.video, row.motion_outside, row.flow_p95, row.flow_largest) == ("v", 1, 0, 0)
    assert row.why.startswith("nothing moves in 100% of the frames")


def test_sample_counts_the_frames_of_its_clip(tmp_path: Path) -> None:
    scene = Scene()
    # Kept frames 5 to 12 are the clip; 8 to 12 look elsewhere.
    scene.roi[8:] = 50, 10
    source = open_source(write_preset(tmp_path, {"v": scene}, [sample(10, 26)]))
    row = sample_row(sample(10, 26), measure(source, Place("v")), source.geometry)
    assert row.motion_outside == pytest.approx(5 / 8)
    assert "in 62% of the frames, as in 16, most of what moves lies outside the crop" in row.why


def test_wrong_crop_comes_first_and_is_told_in_words(tmp_path: Path) -> None:
    scenes = {name: Scene() for name in ("a", "b", "c", "d")}
    scenes["c"].roi[:] = 50, 30
    samples = [sample(10, 26, video) for video in scenes]
    samples.append(sample(30, 44, "c", "Negative"))
    folder = write_preset(tmp_path / "data", scenes, samples)
    found = inspect(open_source(folder), samples, min_motion=1, folder=tmp_path / "out")
    assert [row.video for row in found.videos] == ["c", "a", "b", "d"]
    assert {row.video for row in found.samples[:2]} == {"c"}
    assert found.videos[0].motion_outside > 0.8
    assert "most of what moves lies outside the crop" in found.videos[0].why
    assert [row.why for row in found.videos[1:]] == ["", "", ""]
    with (tmp_path / "out" / "videos.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["video"] for row in rows] == ["c", "a", "b", "d"]
    assert float(rows[0]["motion_outside"]) == found.videos[0].motion_outside
    # The page shows them in the same order.
    sources = images((tmp_path / "out" / "index.html").read_text())
    assert [s for s in sources if s.startswith("videos/")] == [f"videos/{v}.png" for v in "cabd"]
    assert sources[0].startswith("samples/c_")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.mask.__setitem__(slice(None), True), "of the picture counts as moving"),
        (lambda s: s.roi.__setitem__((slice(None), 0), 3), "reaches beyond the picture"),
        (lambda s: s.roi.__setitem__((8, 1), 23.5), "the crop leaps by 5 px"),
        (lambda s: s.flow.__setitem__(slice(3, None), 0), "nothing moves in 87% of the frames"),
    ],
)
def test_words_for_what_stands_out(tmp_path: Path, change: object, words: str) -> None:
    scene = Scene()
    assert callable(change)
    change(scene)
    source = open_source(write_preset(tmp_path, {"v": scene}, [sample(10, 26)]))
    assert words in video_row("v", measure(source, Place("v")), source.geometry).why


def test_memory_does_not_grow_with_a_video(tmp_path: Path) -> None:
    def peak(kept: int) -> int:
        folder = tmp_path / str(kept)
        source = open_source(write_preset(folder, {"v": Scene(kept)}, [sample(10, 26)]))
        measure(source, Place("v"))
        tracemalloc.start()
        measure(source, Place("v"))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    # Flow in one piece would need 500 x 40 x 60 x 2 x 4 bytes.
    assert peak(500) < peak(100) + 1e6


def test_picture_of_a_video(tmp_path: Path) -> None:
    scene = random_scene(1)
    samples = [sample(10, 90), sample(202, 240, label="Cost $5 $ Loop"), sample(242, 280)]
    samples[2] = samples[2].model_copy(update={"label": "Negative"})
    source = open_source(write_preset(tmp_path, {"v": scene}, samples, stored=False))
    measures = measure(source, Place("v"))
    row = video_row("v", measures, source.geometry)
    drawn = Drawn(video_picture(source, Place("v"), row, measures, 2.0))
    track, peak, flow, share, picture, _ = drawn.figure.axes
    frame = scene.frame[scene.pairs]
    x, y = (line.get_xydata() for line in track.get_lines())
    gap = np.flatnonzero(np.isnan(np.asarray(x)[:, 0]))
    assert gap.tolist() == [49]
    np.testing.assert_array_equal(np.delete(x, 49, 0), np.stack([frame, scene.roi[:, 0]], 1))
    np.testing.assert_array_equal(np.delete(y, 49, 0)[:, 1], scene.roi[:, 1])
    spans = [(p.get_x(), p.get_width()) for p in track.patches if isinstance(p, Box)]
    assert spans == [(10, 80), (202, 38), (242, 38)]
    assert [text.get_text() for text in track.texts] == ["Serve", r"Cost \$5 \$ Loop"]
    levels = {
        str(line.get_label()): np.asarray(line.get_ydata())[0]
        for line in peak.get_lines()
        if len(np.asarray(line.get_ydata())) == 2
    }
    assert levels == {"scale of u: 6.0 px": 6, "scale of v: 3.0 px": 3, "min_motion: 2 px": 2}
    (mean,) = flow.get_lines()
    expected = np.hypot(*(scene.flow[7][scene.mask[7]].T / 32)).mean()
    assert np.asarray(mean.get_ydata())[7] == pytest.approx(expected, rel=1e-6)
    assert np.asarray(share.get_lines()[0].get_ydata())[7] == pytest.approx(scene.mask[7].mean())
    # The window at the middle one of the 98 frames.
    x, y = scene.roi[49]
    left, top = round(x - W / 2 - MARGIN) + MARGIN, round(y - H / 2 - MARGIN) + MARGIN
    assert drawn.shows(picture, left - 0.5, top + 5, WINDOW)
    assert drawn.shows(picture, left + W - 0.5, top + 5, WINDOW)
    assert not drawn.shows(picture, left + W + 2.5, top + 5, WINDOW)


def test_line_breaks_where_frames_are_missing() -> None:
    frame, values = with_gaps(np.array([0, 2, 8, 10]), np.array([1.0, 2, 3, 4]), 2)
    np.testing.assert_array_equal(frame, [0, 2, np.nan, 8, 10])
    np.testing.assert_array_equal(values, [1, 2, np.nan, 3, 4])


def test_samples_are_spread_over_classes_and_videos() -> None:
    samples = [
        sample(100 * n + start, 100 * n + 50, video, label)
        for start, label, count in ((0, "Negative", 20), (1, "Serve", 9), (2, "Loop", 3))
        for video in ("a", "b", "c")
        for n in range(count)
    ]
    chosen = spread(samples, 9)
    assert sorted(s.label for s in chosen) == ["Loop"] * 3 + ["Negative"] * 3 + ["Serve"] * 3
    for video in "abc":
        assert sum(s.video == video for s in chosen) == 3
    assert spread(samples[::-1], 9) == chosen
    assert spread(chosen, 50) != []
    assert len(spread(chosen, 50)) == 9


def test_unknown_samples_get_the_closest_ids() -> None:
    samples = [sample(10, 26), sample(30, 40)]
    assert named(samples, ["v:30-40", "v:10-26", "v:30-40"]) == samples[::-1]
    with pytest.raises(UserError) as caught:
        named(samples, ["v:10-27", "nothing like it"])
    first, second = caught.value.problems
    assert "'v:10-27': no sample has this id; closest: v:10-26" in first
    assert "samples.csv lists all ids" in second


@pytest.mark.parametrize("name", ["samples.csv", "statistics.json", "strokes.h5", "motion/v.h5"])
def test_stages_that_have_not_run(tmp_path: Path, name: str) -> None:
    folder = write_preset(tmp_path, {"v": Scene()}, [sample(10, 26)])
    (folder / name).unlink()
    with pytest.raises(UserError, match=rf"{name}: not found; run dvc repro segment first"):
        open_source(folder)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    folder = write_preset(tmp_path, {"v": Scene()}, [sample(10, 26)])
    with h5py.File(folder / "motion/v.h5", "r+") as file:
        file["frame"][0] = 1
    with pytest.raises(UserError, match=r"motion/v\.h5: describes other frames"):
        measure(open_source(folder), Place("v"))
    with h5py.File(folder / "flow/v.h5", "r+") as file:
        flow = file["flow"][:].transpose(0, 2, 3, 1)
        del file["flow"]
        file["flow"] = flow
    with pytest.raises(UserError, match=r"flow/v\.h5: flow has the shape .* older version"):
        measure(open_source(folder), Place("v"))
    write_table(folder / "samples.csv", [sample(10, 28)], Sample)
    with pytest.raises(UserError, match="holds other samples"):
        open_source(folder)


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.sources.append(unquote(dict(attrs)["src"] or ""))


def images(page: str) -> list[str]:
    parser = _Images()
    parser.feed(page)
    assert not parser.tags & {"script", "u", "link"}
    return parser.sources


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the preset `tiny`, whose stages have run on one oddly named video."""
    (tmp_path / "presets").mkdir()
    shutil.copy(ROOT / "tests" / "tiny.yaml", tmp_path / "presets")
    params = (ROOT / "params.yaml").read_text().replace("preset: demo", "preset: tiny")
    (tmp_path / "params.yaml").write_text(params)
    odd = '100%41 <u>"odd" & $x^2$ #1'
    scenes = {odd: Scene(), "v": Scene()}
    samples = [sample(10, 26, odd, "<u>Serve"), sample(30, 44), sample(10, 26)]
    scenes[odd].roi[:] = 50, 30
    write_preset(tmp_path / "data" / "tiny", scenes, samples)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_program(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert twinstroke("inspect") == 0
    odd = '100%41 <u>"odd" & $x^2$ #1'
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == (
        "inspect: 1 of 2 videos and 1 of 3 samples look suspicious; 3 samples are drawn; open "
        "reports/tiny/inspect/index.html"
    )
    assert printed[1].startswith(f"inspect: video {odd}: in ")
    assert printed[2].startswith(f"inspect: sample {odd}:10-26 (<u>Serve): in ")
    folder = project / "reports" / "tiny" / "inspect"
    page = (folder / "index.html").read_text()
    assert html.escape(f"{odd}:10-26: <u>Serve (train)") in page
    sources = images(page)
    assert len(sources) == 5
    assert sources[0] == f"samples/{odd.replace('#', '_')}_10-26.png"
    for source in sources:
        assert cv2.imread(str(folder / source)) is not None
    pictures = {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
    assert pictures == set(sources)

    # Chosen by hand: the sheets of the first call are gone, the suspicious sample is listed.
    before = (folder / "videos" / "v.png").read_bytes()
    assert twinstroke("inspect", "v:30-44") == 0
    assert [path.name for path in (folder / "samples").iterdir()] == ["v_30-44.png"]
    assert f"<td>{html.escape(odd)}:10-26<td>" in (folder / "index.html").read_text()
    assert (folder / "videos" / "v.png").read_bytes() == before
    assert twinstroke("inspect", "--count", 1) == 0
    assert len(list((folder / "samples").iterdir())) == 1


def test_program_tells_what_is_wrong(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert twinstroke("inspect", "v:30-45") == 1
    words = "'v:30-45': no sample has this id; closest: v:30-44, v:10-26"
    assert capsys.readouterr().err == f"error: {words}\n"
    assert twinstroke("inspect", "--count", -1) == 2
    assert "-1 is not in the range x>=0" in capsys.readouterr().err
    with h5py.File(project / "data/tiny/strokes.h5", "r+") as file:
        file["rgb"][:] = 0
    assert twinstroke("inspect") == 0
    assert "strokes.h5 is old" in capsys.readouterr().out
    shutil.rmtree(project / "data/tiny/motion")
    assert twinstroke("inspect") == 1
    assert "(and 1 more); run dvc repro segment first" in capsys.readouterr().err
