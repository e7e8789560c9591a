"""How far the estimators of optical flow are from the truth, on frames whose flow is known exactly.

*Players* are frames of the built-in data set. Each of their shapes (a limb, the head, the torso,
the racket, the ball) is drawn from a few numbers, so it is known which shape is seen at a pixel,
and where that place of the shape is in the later frame. *Textures* are one continuous function,
seen before and after a turn, a zoom and a shift.

Places are pixels, x to the right and y down; whole numbers are the centres of pixels.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import polar
from scipy.optimize import nnls

from benchmarks.footage import BLUR, Bench, painter_of
from benchmarks.measuring import Section, table
from twinstroke.flow.estimators import estimate_flow
from twinstroke.flow.stored import FLOW_UNIT_PX, dequantised, quantised
from twinstroke.settings.flow import Estimator, FlowSettings
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.synthesize.player import Performance
from twinstroke.synthesize.scene import SHIFT, Camera, Colour, Painter
from twinstroke.synthesize.timing import VideoPlan, plan_videos

Flow = NDArray[np.float32]
Places = NDArray[np.float64]
Mask = NDArray[np.bool_]

PAIRS = 4
"""Pairs of each kind."""
FAR_PX = 1.0
COLUMNS = (
    "pairs",
    "estimator",
    "blur",
    "all",
    "moving",
    "moving, stored",
    "moving, off by > 1 px",
    "ms",
)
WIDTH, HEIGHT = 320, 180
MOVING_PX = 0.1
"""What moves by less than this counts as standing still."""
SWING_FRAMES = 30
"""Pairs begin at most this far from the middle of a stroke, a quarter of a second."""
RIM_PX = 0.5
"""cv2 fills what lies within a shape and draws its outline on top, which makes it wider by this."""
EVEN_PX = 0.5
"""How far a place in the torso may seem to be off, so that all its corners carry it evenly."""
SHORTEST_WAVE_PX, LONGEST_WAVE_PX, WAVES = 8, 80, 64
CONTRAST = 45.0
"""Standard deviation of a texture, in grey levels."""


@dataclass(frozen=True)
class ExactPair:
    """Two frames and the motion from the first to the second."""

    first: NDArray[np.uint8]
    """Grey, (H, W)."""
    second: NDArray[np.uint8]
    flow: NDArray[np.float32]
    """(u, v) in pixels for each pixel of `first`, (H, W, 2)."""
    visible: Mask
    """Where what is seen in `first` is seen in `second` too, (H, W)."""

    @property
    def moving(self) -> Mask:
        """Visible pixels that move, (H, W)."""
        return np.asarray(self.visible & (np.linalg.norm(self.flow, axis=2) > MOVING_PX))


@dataclass
class Errors:
    """End-point errors of one estimator in pixels, an array a pair, and its times."""

    visible: list[Flow] = field(default_factory=list)
    moving: list[Flow] = field(default_factory=list)
    stored: list[Flow] = field(default_factory=list)
    """Of `moving`, after the rounding with which flow is stored."""
    seconds: list[float] = field(default_factory=list)

    def add(self, estimated: Flow, pair: ExactPair, seconds: float) -> None:
        """Hold one estimate against the truth."""
        error = _end_point_error(estimated, pair)
        self.visible.append(error[pair.visible])
        self.moving.append(error[pair.moving])
        self.stored.append(_end_point_error(dequantised(quantised(estimated)), pair)[pair.moving])
        self.seconds.append(seconds)


def accuracy(_: Bench) -> Section:
    """Measure on players and textures, in about a minute."""
    kinds = {
        "players, 120 fps": player_pairs(PAIRS, step=1),
        "players, every 4th frame": player_pairs(PAIRS, step=4),
        "textures": texture_pairs(PAIRS),
    }
    return Section(
        "Accuracy of optical flow",
        [],
        f"Estimators of OpenCV {cv2.__version__} against exactly known flow at 320×180, "
        f"{PAIRS} pairs of frames of each kind: players of the built-in data set in "
        "mid-stroke, before video compression, and smooth textures that turn, zoom and shift "
        "by up to 10 px. Errors are mean end-point errors in pixels over *all* pixels that are "
        "seen in both frames, and over those of them that are *moving*; *stored* is after "
        f"rounding to 1/{round(1 / FLOW_UNIT_PX)} px. The time of a pair is the median on one "
        "thread, without blur. The players' clothes are plain, so that inside them an estimator "
        "has only the outlines to go by; on real ones, as on textures, it has more.",
        [table(COLUMNS, rows_of(kinds))],
    )


def rows_of(kinds: Mapping[str, Iterable[ExactPair]]) -> list[list[str]]:
    """Measure each kind of pairs; give the cells of `COLUMNS` for each estimator and blur."""
    rows = []
    for kind, pairs in kinds.items():
        for (estimator, blur), errors in measure(pairs).items():
            visible, moving, stored = (
                np.concatenate(part) for part in (errors.visible, errors.moving, errors.stored)
            )
            rows.append(
                [
                    kind,
                    estimator,
                    str(blur),
                    *(f"{part.mean():.3f}" for part in (visible, moving, stored)),
                    f"{np.mean(moving > FAR_PX):.1%}",
                    f"{1000 * np.median(errors.seconds):.0f}",
                ]
            )
    return rows


def measure(pairs: Iterable[ExactPair]) -> dict[tuple[str, int], Errors]:
    """Errors for each estimator and blur; the first estimator is that nothing moves.

    The estimators take turns on each pair, so that what disturbs the machine hits all alike.
    """
    measured: defaultdict[tuple[str, int], Errors] = defaultdict(Errors)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for pair in pairs:
            measured["zero flow", 0].add(np.zeros_like(pair.flow), pair, 0)
            for estimator in get_args(Estimator):
                settings = FlowSettings(estimator=estimator, blur=0)
                start = time.perf_counter()
                flow = estimate_flow(pair.first, pair.second, settings)
                seconds = time.perf_counter() - start
                measured[estimator, 0].add(flow, pair, seconds)
                # As `estimate_flow` does, without estimating once more.
                blurred = cv2.GaussianBlur(flow, (BLUR, BLUR), 0)
                measured[estimator, BLUR].add(np.asarray(blurred, np.float32), pair, seconds)
    finally:
        cv2.setNumThreads(threads)
    return measured


def _end_point_error(flow: Flow, pair: ExactPair) -> Flow:
    return np.asarray(np.linalg.norm(flow - pair.flow, axis=2))


# --- pairs ----------------------------------------------------------------------------------------


def player_pairs(count: int, step: int, seed: int = 0) -> Iterator[ExactPair]:
    """Frames of different players in mid-stroke, as they are before video compression.

    Args:
        count: Number of players, and of pairs.
        step: Frames of 1/120 s from the first frame to the second; the first does not depend on it.
        seed: Seed of the data set.
    """
    settings = SynthesizeSettings(train_players=count, strokes_per_player=1)
    for plan in plan_videos(settings, seed):
        offset = np.random.default_rng([seed, plan.number]).integers(-SWING_FRAMES, SWING_FRAMES)
        middle = (plan.strokes[0].begin + plan.strokes[0].end) // 2
        yield player_pair(traced_painter(plan, seed), middle + int(offset), step)


def traced_painter(plan: VideoPlan, seed: int) -> TracedPainter:
    """Make the painter with which `render_dataset` renders this plan from this seed."""
    rng = np.random.default_rng([seed, 3, plan.number])
    return painter_of(plan, (WIDTH, HEIGHT), rng, TracedPainter)


def player_pair(painter: TracedPainter, frame: int, step: int) -> ExactPair:
    """Two frames of one video, and the motion between them."""
    first, before = painter.trace(frame)
    second, after = painter.trace(frame + step)
    here = _pixel_centres(*first.shape)
    there = here.copy()
    seen = topmost(before, here)
    # Only the ball, which is drawn last, can be there in one frame and not in the other.
    for number, (shape, later) in enumerate(zip(before, after, strict=False)):
        there[seen == number] = shape.carried(here[seen == number], later)
    visible = (topmost(after, there) == seen) & _inside(there, *first.shape)
    return _pair(first, second, there - here, visible)


def texture_pairs(count: int, seed: int = 0) -> Iterator[ExactPair]:
    """Smooth random textures that turn, grow or shrink, and shift by half a pixel to ten."""
    for number, longest in enumerate(np.geomspace(0.5, 10, count)):
        rng = np.random.default_rng([seed, number])
        grow, turn = rng.normal(0, 0.01, 2)
        linear = np.array([[grow, -turn], [turn, grow]])
        shift = rng.normal(0, 1, 2) - linear @ [WIDTH / 2, HEIGHT / 2]
        # The motion is linear in place, so it is longest in a corner.
        corners = np.array([(x, y) for x in (0, WIDTH - 1) for y in (0, HEIGHT - 1)])
        scale = longest / np.linalg.norm(corners @ linear.T + shift, axis=1).max()
        yield texture_pair(scale * linear, scale * shift, rng)


def texture_pair(linear: Places, shift: Places, rng: np.random.Generator) -> ExactPair:
    """A texture of which each place p moves by ``linear @ p + shift``.

    Args:
        linear: (2, 2).
        shift: Pixels, (2,).
        rng: Source of chance for the texture.
    """
    here = _pixel_centres(HEIGHT, WIDTH)
    flow = here @ linear.T + shift
    origin = (here - shift) @ np.linalg.inv(np.eye(2) + linear).T
    texture = _Texture(rng)
    first, second = (texture(places).reshape(HEIGHT, WIDTH) for places in (here, origin))
    return _pair(first, second, flow, _inside(here + flow, HEIGHT, WIDTH))


class _Texture:
    """A sum of waves in all directions: grey levels that are defined between the pixels too."""

    def __init__(self, rng: np.random.Generator) -> None:
        length = np.geomspace(SHORTEST_WAVE_PX, LONGEST_WAVE_PX, WAVES)
        direction = rng.uniform(0, 2 * np.pi, WAVES)
        self._wave = 2 * np.pi / length * np.array([np.cos(direction), np.sin(direction)])
        self._phase = rng.uniform(0, 2 * np.pi, WAVES)

    def __call__(self, places: Places) -> NDArray[np.uint8]:
        """Grey levels at places (N, 2)."""
        waves = np.sin(places @ self._wave + self._phase).sum(axis=1)
        grey = 128 + CONTRAST * np.sqrt(2 / WAVES) * waves
        return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)


def _pair(
    first: NDArray[np.uint8], second: NDArray[np.uint8], flow: Places, visible: Mask
) -> ExactPair:
    field = flow.reshape(*first.shape, 2).astype(np.float32)
    return ExactPair(first, second, field, visible.reshape(first.shape))


def _pixel_centres(height: int, width: int) -> Places:
    """(H · W, 2), row by row."""
    y, x = np.indices((height, width))
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(float)


def _inside(places: Places, height: int, width: int) -> Mask:
    return np.asarray(np.all((places >= 0) & (places <= [width - 1, height - 1]), axis=1))


# --- what players are drawn of --------------------------------------------------------------------


class Shape(Protocol):
    """Something drawn in one frame."""

    def covers(self, places: Places) -> Mask:
        """Which places (N, 2) it covers, (N,)."""

    def carried(self, places: Places, later: Any) -> Places:
        """Where places of it, (N, 2), are when it has become `later`, a shape of its own kind."""


@dataclass(frozen=True)
class Limb:
    """A thick line with round ends. Its ends are rigid; between them it may shrink or grow."""

    start: Places
    stop: Places
    radius: float

    def covers(self, places: Places) -> Mask:  # noqa: D102
        return np.asarray(_distance(places, self.start, self.stop) <= self.radius)

    def carried(self, places: Places, later: Limb) -> Places:  # noqa: D102
        (length, axes), (length_then, axes_then) = self._axes(), later._axes()
        along, across = axes @ (places - self.start).T
        beyond = along - np.clip(along, 0, length)
        along = (along - beyond) * length_then / length + beyond
        return later.start + np.stack([along, across], axis=1) @ axes_then

    def _axes(self) -> tuple[float, Places]:
        """Length, and unit vectors along and across as rows."""
        along = self.stop - self.start
        length = max(float(np.linalg.norm(along)), 1e-9)
        x, y = along / length
        return length, np.array([[x, y], [-y, x]])


@dataclass(frozen=True)
class Ellipse:
    """A filled ellipse, or sector of one."""

    centre: Places
    disc: Places
    """What makes the ellipse of the unit disc, (2, 2)."""
    gap: tuple[float, float] | None = None
    """Degrees between which the unit disc is left out."""

    def covers(self, places: Places) -> Mask:  # noqa: D102
        x, y = np.linalg.solve(self.disc, (places - self.centre).T)
        inside = np.hypot(x, y) <= 1
        if self.gap:
            angle = np.degrees(np.arctan2(y, x))
            inside &= (angle < self.gap[0]) | (angle > self.gap[1])
        return np.asarray(inside)

    def carried(self, places: Places, later: Ellipse) -> Places:  # noqa: D102
        on_disc = np.linalg.solve(self.disc, (places - self.centre).T)
        return later.centre + (later.disc @ on_disc).T


@dataclass(frozen=True)
class Torso:
    """All within a distance of the hull of four corners, which may cross when the torso twists.

    A place is a mix of the corners, as even as it may be; what sticks out of the hull is rigid.
    """

    corners: Places
    radius: float

    def covers(self, places: Places) -> Mask:  # noqa: D102
        hull = cv2.convexHull(self.corners.astype(np.float32))[:, 0].astype(float)
        edges = list(zip(hull, np.roll(hull, -1, axis=0), strict=True))
        near = np.min([_distance(places, *edge) for edge in edges], axis=0) <= self.radius
        sides = [_cross(stop - start, places - start) for start, stop in edges]
        within = np.all(np.array(sides) >= 0, axis=0) | np.all(np.array(sides) <= 0, axis=0)
        return np.asarray(near | within)

    def carried(self, places: Places, later: Torso) -> Places:  # noqa: D102
        must = 1e4  # that the weights sum to 1 counts far more than any distance
        system = np.vstack([self.corners.T, np.full(4, must), EVEN_PX * np.eye(4)])
        sides = np.zeros((len(places), 7))
        sides[:, :2], sides[:, 2] = places, must
        weights = np.array([nnls(system, side)[0] for side in sides]).reshape(-1, 4)
        return places + weights @ (later.corners - self.corners)


class TracedPainter(Painter):
    """Paints the same frames as its parent, and notes each shape that it draws."""

    def __init__(self, performance: Performance, camera: Camera, *others: Any) -> None:
        super().__init__(performance, camera, *others)
        self._shapes: list[Shape] = []
        # The disc of the racket turns in its plane, which the ellipse drawn of it does not tell.
        handle = performance.joints["racket"] - performance.joints["hand"]
        axes = np.stack([handle, np.cross(performance.blade, handle)], axis=1)
        self._racket_axes = camera.project(axes) - camera.project(np.zeros(3))

    def trace(self, frame: int) -> tuple[NDArray[np.uint8], Sequence[Shape]]:
        """Paint one frame; give it in grey, (H, W), and its shapes from the back to the front."""
        self._shapes = []
        grey = cv2.cvtColor(self.paint(frame), cv2.COLOR_BGR2GRAY)
        if self._in_play[frame]:
            ball = _floating(self._places[frame, -1])
            self._shapes.append(Ellipse(ball, self._disc(0.03, 0.03)))
        return np.asarray(grey, np.uint8), self._shapes

    def _limb(self, start: list[int], stop: list[int], metres: float, colour: Colour) -> None:
        super()._limb(start, stop, metres, colour)
        self._shapes.append(Limb(_floating(start), _floating(stop), self._radius(metres)))

    def _torso(self, place: dict[str, list[int]]) -> None:
        super()._torso(place)
        corners = [place[name] for name in ("shoulder", "free_shoulder", "free_hip", "hip")]
        self._shapes.append(Torso(_floating(corners), self._radius(0.13)))

    def _head(self, centre: list[int]) -> None:
        super()._head(centre)
        middle, towards = _floating(centre), self._facing
        back = middle - [towards * self._pixels(0.025), self._pixels(0.035)]
        skull = self._disc(0.095, 0.12)
        hair = Ellipse(back, _turned(-18 * towards) @ skull, gap=(25, 155))
        self._shapes += [Ellipse(middle, skull), hair]

    def _racket(self, frame: int, hand: list[int], centre: list[int]) -> None:
        super()._racket(frame, hand, centre)
        turned = _turned(round(self._blade_angle[frame]))  # cv2 rounds it
        ellipse = turned @ self._disc(0.10 * self._blade_open[frame], 0.10)
        in_plane, _ = polar(np.linalg.solve(ellipse, self._racket_axes[frame].T))
        self._shapes.append(Ellipse(_floating(centre), ellipse @ in_plane))

    def _radius(self, metres: float) -> float:
        thick = max(1, round(metres * self._girth * self._camera.pixels))
        return (thick + thick % 2) / 2 + RIM_PX  # cv2 draws odd lines one pixel thicker

    def _pixels(self, metres: float) -> float:
        return self._length(metres) / (1 << SHIFT)

    def _disc(self, across: float, down: float) -> Places:
        """What makes the unit disc an ellipse with these half axes in metres, (2, 2)."""
        return np.diag([self._pixels(across) + RIM_PX, self._pixels(down) + RIM_PX])


def topmost(shapes: Sequence[Shape], places: Places) -> NDArray[np.int64]:
    """Number of the shape that is seen at each place (N, 2), -1 where it is the hall, (N,)."""
    seen = np.full(len(places), -1)
    for number, shape in enumerate(shapes):
        seen[shape.covers(places)] = number
    return seen


def _floating(fixed: Any) -> Places:
    """Pixels from cv2's fixed-point numbers."""
    return np.asarray(fixed) / (1 << SHIFT)


def _turned(degrees: float) -> Places:
    x, y = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[x, -y], [y, x]])


def _cross(one: Places, other: Places) -> Places:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])


def _distance(places: Places, start: Places, stop: Places) -> Places:
    """From places (N, 2) to a line from start to stop, (N,)."""
    along = stop - start
    share = (places - start) @ along / max(float(along @ along), 1e-9)
    nearest = start + np.clip(share, 0, 1)[:, None] * along
    return np.asarray(np.linalg.norm(places - nearest, axis=1))
