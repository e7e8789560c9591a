"""The picture: a fixed camera, a hall with a table, and the player drawn with thick lines.

Colours are drawn for each player on its own, so that no colour tells a class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from twinstroke.synthesize.player import (
    TABLE_END,
    TABLE_HALF,
    TABLE_HEIGHT,
    TABLE_LENGTH,
    Performance,
    Player,
)

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

SHIFT = 4
"""cv2 draws at 1/16 pixel: slow motion then moves smoothly, as optical flow needs it."""
NOISE_ROOM = 32
"""Rows and columns by which the noise texture exceeds the picture, to be shifted at random."""
NOISE_MEAN = 8.0
"""The texture is stored as uint8, raised by this; painting takes it off again."""


@dataclass(frozen=True)
class Camera:
    """A parallel projection: the camera stands beside the table, a little behind the player."""

    yaw: float
    """Radians by which the table points away from the camera."""
    tilt: float
    """Radians by which the camera looks down."""
    pixels: float
    """Pixels a metre."""
    left: float
    """Column of the player's usual place, before mirroring."""
    top: float
    """Row of the floor at the player's usual place."""
    mirror_at: float | None
    """Width of the picture if it is mirrored (left-handers), else None."""

    def project(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn places in metres, (..., 3), into columns and rows of the picture, (..., 2)."""
        forward, right, up = np.moveaxis(places, -1, 0)
        nearer = right * np.cos(self.yaw) - forward * np.sin(self.yaw)
        x = self.left + self.pixels * (forward * np.cos(self.yaw) + right * np.sin(self.yaw))
        y = self.top + self.pixels * (nearer * np.sin(self.tilt) - up * np.cos(self.tilt))
        return np.stack([x if self.mirror_at is None else self.mirror_at - x, y], axis=-1)

    @property
    def towards(self) -> NDArray[np.float64]:
        """Unit vector from the scene to the camera, (3,)."""
        return np.array(
            [
                -np.sin(self.yaw) * np.cos(self.tilt),
                np.cos(self.yaw) * np.cos(self.tilt),
                np.sin(self.tilt),
            ]
        )


@dataclass(frozen=True)
class Look:
    """Colours of one player and of the hall (blue, green, red)."""

    skin: Colour
    hair: Colour
    shirt: Colour
    shorts: Colour
    shoes: Colour
    rubber: Colour
    ball: Colour
    table: Colour
    wall: Colour
    floor: Colour


def draw_camera(rng: np.random.Generator, width: int, height: int, player: Player) -> Camera:
    """Draw where the camera stands: about the same for all players, never quite."""
    unit = min(width / 320, height / 180)
    return Camera(
        yaw=np.radians(rng.uniform(17, 27)),
        tilt=np.radians(rng.uniform(17, 25)),
        pixels=unit * 66 * rng.uniform(0.88, 1.12),
        left=width / 2 - unit * rng.uniform(45, 80),
        top=height / 2 + unit * rng.uniform(56, 70),
        mirror_at=width if player.left_handed else None,
    )


def draw_look(rng: np.random.Generator) -> Look:
    """Draw the colours."""

    def any_colour(low: int, high: int) -> Colour:
        blue, green, red = rng.integers(low, high, 3).tolist()
        return blue, green, red

    def shade(colour: Colour, low: float, high: float) -> Colour:
        factor = rng.uniform(low, high)
        return _scaled(colour, factor)

    tables: list[Colour] = [(150, 80, 30), (90, 110, 40), (60, 60, 60), (110, 50, 90)]
    rubbers: list[Colour] = [(40, 30, 190), (35, 35, 35), (160, 60, 30), (60, 130, 40)]
    wall = int(rng.integers(120, 200))
    return Look(
        skin=shade((150, 180, 225), 0.4, 1.0),
        hair=shade((60, 90, 130), 0.2, 1.3),
        shirt=any_colour(20, 240),
        shorts=any_colour(10, 120),
        shoes=any_colour(20, 240),
        rubber=rubbers[rng.integers(len(rubbers))],
        ball=[(245, 245, 245), (60, 160, 250)][rng.integers(2)],
        table=shade(tables[rng.integers(len(tables))], 0.8, 1.3),
        wall=(wall, wall + int(rng.integers(-15, 16)), wall + int(rng.integers(-15, 16))),
        floor=shade((100, 115, 140), 0.6, 1.2),
    )


class Painter:
    """Paints the frames of one video.

    The hall is painted once; a frame is a copy of it with the player and the ball on top, then
    flicker of the light and sensor noise from a bank.
    """

    def __init__(
        self,
        performance: Performance,
        camera: Camera,
        look: Look,
        girth: float,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        self._look = look
        self._shaded = replace(
            look,
            skin=_scaled(look.skin, 0.82),
            shirt=_scaled(look.shirt, 0.8),
            shorts=_scaled(look.shorts, 0.8),
        )
        self._lit_sleeve = _scaled(look.shirt, 1.15)
        self._facing = 1 if camera.mirror_at is None else -1
        self._camera = camera
        self._girth = girth
        width, height = size
        self._hall = _paint_hall(camera, look, width, height, rng)
        self._canvas = self._hall.copy()
        self._out = self._hall.copy()

        frames = len(performance.ball)
        self._names = list(performance.joints)
        places = np.stack([*performance.joints.values(), np.nan_to_num(performance.ball)], axis=1)
        self._places = _fixed(camera.project(places))  # (frames, joints and ball, 2)
        self._in_play = ~np.isnan(performance.ball[:, 0])
        # A disc seen at an angle is an ellipse, thin along the projected normal.
        normal = camera.project(performance.blade) - camera.project(np.zeros(3))
        self._blade_angle = np.degrees(np.arctan2(normal[:, 1], normal[:, 0]))
        self._blade_open = np.maximum(np.abs(performance.blade @ camera.towards), 0.25)

        texture = rng.normal(NOISE_MEAN, 2.0, (height + NOISE_ROOM, width + NOISE_ROOM, 3))
        self._noise = np.clip(np.rint(texture), 0, 255).astype(np.uint8)
        self._shifts = rng.integers(0, NOISE_ROOM, (frames, 2))
        clock = np.arange(frames)
        rate, phase = rng.uniform(0.0005, 0.004, 2), rng.uniform(0, 2 * np.pi, 2)
        flicker = np.sin(2 * np.pi * rate * clock[:, None] + phase).sum(axis=1)
        self._gain = 1 + 0.012 * flicker

    def paint(self, frame: int) -> Image:
        """Paint one frame, (H, W, 3) uint8 in blue, green, red; the next call overwrites it."""
        np.copyto(self._canvas, self._hall)
        *joints, ball = self._places[frame].tolist()
        place = dict(zip(self._names, joints, strict=True))
        self._leg(place, "free_", self._shaded)
        self._leg(place, "", self._look)
        self._limb(place["free_elbow"], place["free_hand"], 0.075, self._shaded.skin)
        self._limb(place["free_shoulder"], place["free_elbow"], 0.095, self._shaded.shirt)
        self._limb(place["chest"], place["head"], 0.10, self._look.skin)
        self._torso(place)
        self._head(place["head"])
        self._limb(place["shoulder"], place["elbow"], 0.10, self._lit_sleeve)
        self._limb(place["elbow"], place["hand"], 0.08, self._look.skin)
        self._racket(frame, place["hand"], place["racket"])
        if self._in_play[frame]:
            radius = self._length(0.03)
            cv2.circle(self._canvas, ball, radius, self._look.ball, -1, cv2.LINE_AA, SHIFT)
        down, right = self._shifts[frame]
        height, width = self._canvas.shape[:2]
        noise = self._noise[down : down + height, right : right + width]
        cv2.addWeighted(self._canvas, self._gain[frame], noise, 1.0, -NOISE_MEAN, self._out)
        return self._out

    def _length(self, metres: float) -> int:
        return round(metres * self._camera.pixels * (1 << SHIFT))

    def _limb(self, start: list[int], stop: list[int], metres: float, colour: Colour) -> None:
        thick = max(1, round(metres * self._girth * self._camera.pixels))
        cv2.line(self._canvas, start, stop, colour, thick, cv2.LINE_AA, SHIFT)

    def _leg(self, place: dict[str, list[int]], side: str, look: Look) -> None:
        knee, foot = place[f"{side}knee"], place[f"{side}foot"]
        toe = [foot[0] + self._facing * self._length(0.15), foot[1]]
        self._limb(knee, foot, 0.10, look.skin)
        self._limb(place[f"{side}hip"], knee, 0.15, look.shorts)
        self._limb(foot, toe, 0.08, look.shoes)

    def _torso(self, place: dict[str, list[int]]) -> None:
        corners = [place[name] for name in ("shoulder", "free_shoulder", "free_hip", "hip")]
        outline = np.array(corners, np.int32)
        thick = max(1, round(0.13 * self._girth * self._camera.pixels))
        cv2.polylines(self._canvas, [outline], True, self._look.shirt, thick, cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(
            self._canvas, cv2.convexHull(outline), self._look.shirt, cv2.LINE_AA, SHIFT
        )

    def _head(self, centre: list[int]) -> None:
        canvas, look, facing = self._canvas, self._look, self._facing
        axes, tilt = (self._length(0.095), self._length(0.12)), -18 * facing
        back = [centre[0] - facing * self._length(0.025), centre[1] - self._length(0.035)]
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, look.skin, -1, cv2.LINE_AA, SHIFT)
        cv2.ellipse(canvas, back, axes, tilt, 155, 385, look.hair, -1, cv2.LINE_AA, SHIFT)

    def _racket(self, frame: int, hand: list[int], centre: list[int]) -> None:
        self._limb(hand, centre, 0.035, (70, 110, 150))
        angle, wide = float(self._blade_angle[frame]), self._length(0.10)
        axes, colour = (round(self._blade_open[frame] * wide), wide), self._look.rubber
        cv2.ellipse(self._canvas, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA, SHIFT)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(points * (1 << SHIFT)).astype(np.int32)


def _scaled(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255, round(value * factor)) for value in colour)
    return blue, green, red


def _paint_hall(
    camera: Camera, look: Look, width: int, height: int, rng: np.random.Generator
) -> Image:
    hall = np.empty((height, width, 3), np.uint8)
    horizon = round(height * rng.uniform(0.44, 0.56))
    ramp = np.linspace(0.85, 1.1, height)[:, None]
    hall[:] = np.clip(ramp[:, :, None] * np.array(look.wall), 0, 255).astype(np.uint8)
    hall[horizon:] = look.floor
    for _ in range(rng.integers(2, 6)):  # posters and barriers along the wall
        x, y = int(rng.integers(0, width)), int(rng.integers(0, horizon))
        right = x + int(rng.integers(width // 16, width // 4))
        bottom = min(y + int(rng.integers(height // 12, height // 4)), horizon)
        cv2.rectangle(hall, (x, y), (right, bottom), rng.integers(30, 230, 3).tolist(), -1)
    _paint_table(hall, camera, look.table)
    return _textured(hall, rng)


def _paint_table(hall: Image, camera: Camera, colour: Colour) -> None:
    def flat(*places: tuple[float, float, float]) -> NDArray[np.int32]:
        return _fixed(camera.project(np.array(places)))

    near, far, side, top = TABLE_END, TABLE_END + TABLE_LENGTH, TABLE_HALF, TABLE_HEIGHT
    net, low, high = near + TABLE_LENGTH / 2, top - 0.05, top + 0.15
    thick = max(1, round(0.06 * camera.pixels))
    for forward in (near + 0.3, far - 0.3):
        for right in (-side + 0.1, side - 0.1):
            foot, head = flat((forward, right, 0), (forward, right, top)).tolist()
            cv2.line(hall, foot, head, (50, 50, 50), thick, cv2.LINE_AA, SHIFT)
    board = flat((near, -side, top), (far, -side, top), (far, side, top), (near, side, top))
    rim = flat((near, side, top), (far, side, top), (far, side, low), (near, side, low))
    mesh = flat((net, -side, top), (net, side, top), (net, side, high), (net, -side, high))
    middle = flat((near, 0, top), (far, 0, top))
    cv2.fillConvexPoly(hall, rim, _scaled(colour, 0.6), cv2.LINE_AA, SHIFT)
    cv2.fillConvexPoly(hall, board, colour, cv2.LINE_AA, SHIFT)
    cv2.polylines(hall, [board], True, (235, 235, 235), 1, cv2.LINE_AA, SHIFT)
    cv2.polylines(hall, [middle], False, (225, 225, 225), 1, cv2.LINE_AA, SHIFT)
    cv2.fillConvexPoly(hall, mesh, (70, 70, 70), cv2.LINE_AA, SHIFT)
    cv2.polylines(hall, [mesh[2:]], False, (240, 240, 240), 1, cv2.LINE_AA, SHIFT)


def _textured(hall: Image, rng: np.random.Generator) -> Image:
    # On a bare wall optical flow is undetermined and its estimates run wild.
    height, width = hall.shape[:2]
    mottle = np.zeros((height, width), np.float32)
    for grain in (3, 8, 20):
        coarse = rng.normal(0, 4, (height // grain + 2, width // grain + 2)).astype(np.float32)
        mottle += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(hall + mottle[:, :, None], 0, 255), np.uint8)
