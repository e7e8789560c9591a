"""What the stages wrote for a preset, and where its windows and crops lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from twinstroke.errors import UserError
from twinstroke.flow.stored import dequantised, fields
from twinstroke.normalize.stored import FlowStatistics
from twinstroke.regions import Box, PlayerRegion, Regions, place_file
from twinstroke.segment.strokes import Geometry
from twinstroke.tables import Sample, read_table

AGAIN = "run dvc repro segment first"


class Scene(NamedTuple):
    """A video, or the place of a player in it."""

    video: str
    place: PlayerRegion | None = None
    """None: the whole picture."""

    @property
    def name(self) -> str:
        """For people and names of files."""
        return f"{self.video} {self.place.region}" if self.place else self.video

    def box(self, size: tuple[int, int]) -> Box:
        """What counts of a kept frame of `size` (H, W)."""
        return self.place.box(size) if self.place else Box(0, 0, *size)


@dataclass(frozen=True)
class Source:
    """The outputs of the stages `index` to `segment` for one preset."""

    folder: Path
    """``data/<preset>``."""
    samples: list[Sample]
    geometry: Geometry
    """As in ``strokes.h5``: the settings may have changed since."""
    statistics: FlowStatistics
    regions: Regions

    @property
    def strokes(self) -> Path:
        """All samples, cut."""
        return self.folder / "strokes.h5"

    @property
    def scenes(self) -> list[Scene]:
        """Videos that have samples, in order, and the places in them."""
        videos = sorted({sample.video for sample in self.samples})
        return [Scene(video, place) for video in videos for place in self.regions.places(video)]

    def scene(self, sample: Sample) -> Scene:
        """Where a sample is."""
        return Scene(sample.video, self.regions.of(sample.video, sample.group))


class OpenVideo(NamedTuple):
    """The three open files of one video."""

    frames: h5py.File
    flow: h5py.File
    motion: h5py.File
    """Of what samples need; of some videos more frames and flow are kept, for detection."""
    described: NDArray[np.intp]
    """Where the flow of each row of `motion` stands."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of a kept frame."""
        height, width = self.frames["rgb"].shape[-2:]
        return int(height), int(width)


class Rectangle(NamedTuple):
    """Whole pixels of a kept frame; may reach beyond it."""

    left: int
    top: int
    width: int
    height: int

    def inside(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of its part within a frame of `size`; none where it lies outside."""
        rows = slice(max(0, self.top), max(0, self.top + self.height))
        columns = slice(max(0, self.left), max(0, self.left + self.width))
        return slice(*rows.indices(size[0])), slice(*columns.indices(size[1]))

    def reaches_beyond(self, size: tuple[int, int]) -> bool:
        """Tell whether a part of it lies outside a frame of `size`."""
        right, bottom = self.left + self.width, self.top + self.height
        return self.left < 0 or self.top < 0 or bottom > size[0] or right > size[1]


def window_at(centre: NDArray[np.floating], geometry: Geometry) -> Rectangle:
    """Where the network's window lies around a centre (x, y): the stored crop less its margin."""
    stored = crop_at(centre, geometry)
    margin = geometry.margin
    _, height, width = geometry.window
    return Rectangle(stored.left + margin, stored.top + margin, width, height)


def crop_at(centre: NDArray[np.floating], geometry: Geometry) -> Rectangle:
    """Where the crop that ``strokes.h5`` holds lies around a centre (x, y)."""
    height, width = geometry.crop
    left, top = round(float(centre[0]) - width / 2), round(float(centre[1]) - height / 2)
    return Rectangle(left, top, width, height)


def open_source(folder: Path) -> Source:
    """Read the small files of a preset, and see that all stages have run.

    Args:
        folder: ``data/<preset>``.

    Raises:
        UserError: A file is missing or older than the table of samples.
    """
    tables = [folder / "samples.csv", folder / "statistics.json", folder / "strokes.h5"]
    _require(tables)
    samples = read_table(folder / "samples.csv", Sample)
    table = folder / "regions.csv"
    regions = Regions(read_table(table, PlayerRegion) if table.exists() else [])
    _require(
        [
            path
            for video in sorted({sample.video for sample in samples})
            for path in (
                folder / "frames" / f"{video}.h5",
                folder / "flow" / f"{video}.h5",
                *(place_file(folder / "motion", video, p) for p in regions.places(video)),
            )
        ]
    )
    with h5py.File(folder / "strokes.h5") as file:
        stored = file["samples/sample"].asstr()[:].tolist()
        window, margin, step, fps = (
            file.attrs[name] for name in ("window", "margin", "frame_step", "fps")
        )
    if stored != [sample.sample for sample in samples]:
        raise UserError(
            f"{folder / 'strokes.h5'}: holds other samples than {folder / 'samples.csv'}; {AGAIN}"
        )
    frames, height, width = (int(size) for size in window)
    return Source(
        folder,
        samples,
        Geometry((frames, height, width), int(margin), int(step), float(fps)),
        FlowStatistics.model_validate_json((folder / "statistics.json").read_bytes()),
        regions,
    )


@contextmanager
def opened(source: Source, scene: Scene) -> Iterator[OpenVideo]:
    """Open the files of one video, or of a place in it.

    Raises:
        UserError: They do not belong together.
    """
    frames, flow = (source.folder / part / f"{scene.video}.h5" for part in ("frames", "flow"))
    motion = place_file(source.folder / "motion", *scene)
    with h5py.File(frames) as one, h5py.File(flow) as two, h5py.File(motion) as three:
        for path, file, name, channels in ((frames, one, "rgb", 3), (flow, two, "flow", 2)):
            if file[name].shape[1] != channels:
                raise UserError(
                    f"{path}: {name} has the shape {file[name].shape}, not (frames, {channels}, "
                    f"height, width): an older version wrote it; {AGAIN}"
                )
        known, frame = two["frame"][:], three["frame"][:]
        described = np.searchsorted(known, frame)
        if not np.isin(frame, known).all():
            raise UserError(f"{motion}: describes other frames than {flow}; {AGAIN}")
        yield OpenVideo(one, two, three, described)


def masks(video: OpenVideo, where: slice) -> NDArray[np.bool_]:
    """Foreground, bool (n, H, W), of some rows of the motion."""
    packed = video.motion["mask"][where]
    return np.unpackbits(packed, axis=-1, count=video.size[1]).astype(np.bool_)


def flow_of(video: OpenVideo, where: slice) -> NDArray[np.float32]:
    """Flow, (n, H, W, 2) in pixels, of the same rows; at least one."""
    rows = video.described[where]
    block = fields(video.flow, slice(rows[0], rows[-1] + 1))
    return dequantised(block[rows - rows[0]])


def _require(paths: list[Path]) -> None:
    if missing := [path for path in paths if not path.exists()]:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(f"{missing[0]}: not found{more}; {AGAIN}")
