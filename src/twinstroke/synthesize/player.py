"""One player: build, style, and the place of every joint in every frame.

Places are metres in the player's axes (forward, right, up), shape (..., 3), measured from the floor
below the player's usual place; "right" is the side of the playing hand, for left-handers too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import Akima1DInterpolator

from twinstroke.synthesize.motions import (
    PAUSES,
    READY_BODY,
    READY_FREE,
    READY_RACKET,
    RELEASE_S,
    STROKES,
    Programme,
)
from twinstroke.synthesize.timing import FPS, VideoPlan

Points = NDArray[np.float64]
Key = tuple[float, ...]
"""One key pose: its time in seconds, then values."""

HIP_HEIGHT, SPINE, UPPER_ARM, FOREARM, THIGH, SHIN = 0.84, 0.52, 0.29, 0.27, 0.45, 0.45
SHOULDER_HALF, HIP_HALF, STANCE_HALF, NECK, GRIP = 0.19, 0.11, 0.25, 0.25, 0.16
"""Lengths in metres of a person of average height."""

GRAVITY = 9.8
ON_PALM, OVER_NET, AWAY = np.array([[0, 0, 0.05], [0, 0, 0.3], [1.2, 0, 0.05]])
"""Metres from the palm to the ball, from the far end to the opponent's hit, beyond the landing."""
TABLE_END, TABLE_HALF, TABLE_LENGTH, TABLE_HEIGHT = 0.60, 0.7625, 2.74, 0.76
"""The table's near end, half its width, its length and height, in metres."""

STYLE_M, SLIP_M = 0.035, 0.025
"""Standard deviation of each key pose: of a player's own style, and from stroke to stroke."""


LEAVE_S, REGAIN_S = 0.22, 0.26
"""Seconds to leave the ready stance for the first key pose, and to regain it after the last."""
APART_S = 0.03
"""Key poses nearer than this to the one before, of another act, are left out."""


@dataclass(frozen=True)
class Player:
    """What is drawn once for each player; nothing of it depends on the strokes."""

    left_handed: bool
    height: float
    """1 is average."""
    girth: float
    """Thickness of body and limbs; 1 is average."""
    tempo: float
    """Durations of the key poses are divided by this."""
    amplitude: float
    """Paths of the hands are scaled by this."""
    bounce_m: float
    """How far the hips bob, in metres."""
    style: dict[str, Points]
    """For each stroke, the player's own displacement of its key poses, (keys, 3)."""


@dataclass(frozen=True)
class Performance:
    """Where everything is in every frame: each array is (frames, 3), in metres."""

    joints: dict[str, Points]
    blade: Points
    """Unit vector at right angles to the racket's blade."""
    ball: Points
    """NaN while it is out of play."""


@dataclass(frozen=True)
class _Act:
    """A programme put on the clock: key pose ``k`` is taken at ``start + k.at / tempo`` seconds."""

    programme: Programme
    start: float
    tempo: float

    def span(self) -> tuple[float, float]:
        """First and last moment, in seconds of the video."""
        racket, free, body = self.programme.racket, self.programme.free, self.programme.body
        tracks: tuple[Sequence[Key], ...] = (racket, free, body)
        times = [key[0] for track in tracks for key in track]
        return self.start + min(times) / self.tempo, self.start + max(times) / self.tempo


def draw_player(rng: np.random.Generator) -> Player:
    """Draw a player's hand, build and style."""
    return Player(
        left_handed=bool(rng.random() < 0.25),
        height=rng.uniform(0.93, 1.07),
        girth=rng.uniform(0.85, 1.25),
        tempo=rng.uniform(0.9, 1.12),
        amplitude=rng.uniform(0.94, 1.06),
        bounce_m=rng.uniform(0.008, 0.02),
        style={
            label: rng.normal(0, STYLE_M, (len(programme.racket), 3))
            for label, programme in STROKES.items()
        },
    )


def perform(plan: VideoPlan, player: Player, rng: np.random.Generator) -> Performance:
    """Play a whole video.

    Args:
        plan: Strokes and length of the video.
        player: Who plays.
        rng: Source of chance for what differs from stroke to stroke and in the pauses.

    Returns:
        Places of all joints and of the ball in each of the plan's frames.
    """
    strokes = [
        _stroke_act(stroke.label, (stroke.begin + stroke.end) / 2 / FPS, player, rng)
        for stroke in plan.strokes
    ]
    borders = [
        0,
        *(edge for stroke in plan.strokes for edge in (stroke.begin, stroke.end)),
        plan.frames,
    ]
    acts: list[_Act] = []
    for number, (begin, end) in enumerate(zip(borders[::2], borders[1::2], strict=True)):
        after = strokes[number - 1].span()[1] if number else 0.0
        before = strokes[number].span()[0] if number < len(strokes) else np.inf
        acts += _pause_acts(max(begin / FPS, after), min(end / FPS, before), rng)
        acts += strokes[number : number + 1]

    clock = np.arange(plan.frames) / FPS
    racket = _track([(act, act.programme.racket) for act in acts], READY_RACKET, clock)
    free = _track([(act, act.programme.free) for act in acts], READY_FREE, clock)
    body = _track([(act, act.programme.body) for act in acts], READY_BODY, clock)
    racket[:, :3] = racket[:, :3] * player.amplitude + _sway(clock, 0.02, rng)
    free = free * player.amplitude + _sway(clock, 0.02, rng)
    body[:, :2] += _sway(clock, 0.03, rng)[:, :2]
    body[:, 2] += player.bounce_m * np.sin(2 * np.pi * rng.uniform(1.5, 2.2) * clock)
    joints = _skeleton(racket, free, body, player.height)
    return Performance(
        joints, _blade(joints), _ball(strokes, joints["free_hand"], joints["racket"], rng)
    )


def _stroke_act(label: str, middle: float, player: Player, rng: np.random.Generator) -> _Act:
    programme = STROKES[label]
    slip = player.style[label] + rng.normal(0, SLIP_M, player.style[label].shape)
    racket = tuple(
        key._replace(forward=key.forward + f, right=key.right + r, up=key.up + u)
        for key, (f, r, u) in zip(programme.racket, slip.tolist(), strict=True)
    )
    return _Act(
        programme._replace(racket=racket),
        start=middle + rng.uniform(-0.05, 0.05),
        tempo=player.tempo * rng.uniform(0.95, 1.05),
    )


def _pause_acts(begin: float, end: float, rng: np.random.Generator) -> list[_Act]:
    """Fill the time between two strokes (seconds) with what fits into it."""
    acts: list[_Act] = []
    now = begin + rng.uniform(0.05, 0.25)
    for name in rng.permutation(list(PAUSES)):
        act = _Act(PAUSES[name], now, rng.uniform(0.9, 1.35))
        stop = act.span()[1] + 0.2
        if stop < end:
            acts.append(act)
            now = stop + rng.uniform(0.0, 0.3)
    return acts


def _track(
    parts: Sequence[tuple[_Act, Sequence[Key]]],
    ready: Key,
    clock: Points,
) -> Points:
    """Join key poses smoothly; before and after each act the player is ready.

    Returns:
        Values of the track without its time column, (frames, columns).
    """
    rows: list[Key] = [(-1.0, *ready[1:])]
    for act, keys in parts:
        if keys:
            timed = [(act.start + key[0] / act.tempo, *key[1:]) for key in keys]
            around = [
                (timed[0][0] - LEAVE_S, *ready[1:]),
                *timed,
                (timed[-1][0] + REGAIN_S, *ready[1:]),
            ]
            rows += [row for row in around if row[0] > rows[-1][0] + APART_S]
    rows.append((max(float(clock[-1]), rows[-1][0]) + 1.0, *ready[1:]))
    table = np.array(rows)
    return np.asarray(Akima1DInterpolator(table[:, 0], table[:, 1:], method="makima")(clock))


def _sway(clock: Points, size_m: float, rng: np.random.Generator) -> Points:
    """Slow aimless motion, (frames, 3): nobody stands still."""
    hertz, phase = rng.uniform(0.2, 1.2, (3, 3)), rng.uniform(0, 2 * np.pi, (3, 3))
    waves = np.sin(2 * np.pi * hertz * clock[:, None, None] + phase)
    return np.asarray(size_m / 2 * waves.sum(axis=1))


def _skeleton(racket: Points, free: Points, body: Points, height: float) -> dict[str, Points]:
    forward, right, crouch, lean = body.T
    hips = np.stack([forward, right, HIP_HEIGHT - crouch], axis=1)
    chest = hips + np.stack(
        [lean, 0 * lean, np.sqrt(SPINE**2 - np.minimum(lean, 0.5) ** 2)], axis=1
    )
    # The shoulders follow the racket: turned back with the backswing, open after it.
    turn = 0.8 * racket[:, 1] + 0.5 * (0.3 - racket[:, 0])
    across = np.stack([-np.sin(turn), np.cos(turn), 0 * turn], axis=1)
    hip_across = np.stack([-np.sin(turn / 2), np.cos(turn / 2), 0 * turn], axis=1)
    joints = {
        "chest": chest,
        "head": chest + np.array([0.05, 0, NECK]),
        "shoulder": chest + SHOULDER_HALF * across,
        "free_shoulder": chest - SHOULDER_HALF * across,
        "hip": hips + HIP_HALF * hip_across,
        "free_hip": hips - HIP_HALF * hip_across,
    }
    down = np.array([-0.5, 0.5, -1.0])
    for side, target, pole in (
        ("", racket[:, :3], down),
        ("free_", free, down * [1, -1, 1]),
    ):
        joints[f"{side}elbow"], joints[f"{side}hand"] = _bend(
            joints[f"{side}shoulder"], chest + target, UPPER_ARM, FOREARM, pole
        )
    joints["racket"] = joints["hand"] + GRIP * _pointing(joints, racket[:, 3])
    for side, sign in (("", 1), ("free_", -1)):
        joints[f"{side}knee"], joints[f"{side}foot"] = _bend(
            joints[f"{side}hip"],
            _feet(forward, right, sign),
            THIGH,
            SHIN,
            np.array([1.0, 0.3 * sign, 0.0]),
        )
    return {name: place * height for name, place in joints.items()}


def _pointing(joints: dict[str, Points], tip: Points) -> Points:
    along = _unit(joints["hand"] - joints["elbow"])
    return _unit(along + 1.6 * tip[:, None] * np.array([0.0, 0.0, 1.0]))


def _blade(joints: dict[str, Points]) -> Points:
    along = _unit(joints["racket"] - joints["hand"])
    facing = np.array([0.55, 0.75, 0.2])
    return _unit(facing - (along @ facing)[:, None] * along)


def _feet(forward: Points, right: Points, sign: int) -> Points:
    """Feet that follow the body: while it travels, they step in turn."""
    pace = np.hypot(np.gradient(forward), np.gradient(right)) * FPS
    stepping = np.clip(pace / 0.5, 0, 1)
    phase = np.cumsum(pace / FPS) * 2 * np.pi / 0.55 + (np.pi if sign > 0 else 0)
    return np.stack(
        [
            forward + 0.06 * sign + 0.14 * stepping * np.sin(phase),
            right + STANCE_HALF * sign,
            0.02 + 0.10 * stepping * np.maximum(0, np.cos(phase)),
        ],
        axis=1,
    )


def _bend(
    root: Points, target: Points, upper: float, lower: float, pole: Points
) -> tuple[Points, Points]:
    """Place the middle joint of a two-bone limb by the law of cosines.

    Args:
        root: Shoulder or hip, (frames, 3).
        target: Where hand or foot should be, (frames, 3); out of reach, the limb points there.
        upper: Length of the bone at the root.
        lower: Length of the other bone.
        pole: Direction to which the joint bends, (3,).

    Returns:
        Middle joint and end of the limb, each (frames, 3).
    """
    reach = target - root
    length = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / np.maximum(length, 1e-9)
    span = np.clip(length, abs(upper - lower) + 0.05, 0.99 * (upper + lower))
    near = (upper**2 - lower**2 + span**2) / (2 * span)
    off = np.sqrt(np.maximum(upper**2 - near**2, 0))
    bend = _unit(pole - (along @ pole)[:, None] * along)
    return root + near * along + off * bend, root + span * along


def _unit(vectors: Points) -> Points:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9))


def _ball(
    strokes: Sequence[_Act], free_hand: Points, racket: Points, rng: np.random.Generator
) -> Points:
    ball = np.full_like(racket, np.nan)
    for act in strokes:
        flight = act.programme.flight
        contact = round(act.start * FPS)
        if flight is None or not 0 <= contact < len(ball):
            continue
        hit = racket[contact]
        if act.programme.serve:
            release = contact + round(RELEASE_S / act.tempo * FPS)
            held = release - round(0.5 * FPS)
            ball[held:release] = free_hand[held:release] + ON_PALM
            _fly(ball, release, contact, free_hand[release] + ON_PALM, hit, GRAVITY)
            first = _bounce(rng, TABLE_END + 0.45)
            _fly(ball, contact, contact + 14, hit, first, flight.drop)
            start, begin = first, contact + 14
        else:
            far, near = _bounce(rng, TABLE_END + TABLE_LENGTH + 0.3), _bounce(rng, TABLE_END + 0.5)
            _fly(ball, contact - 70, contact - 24, far + OVER_NET, near, GRAVITY)
            _fly(ball, contact - 24, contact, near, hit, GRAVITY)
            start, begin = hit, contact
        landing = _bounce(rng, TABLE_END + 2.0)
        lands = begin + round(0.42 / flight.speed * FPS)
        _fly(ball, begin, lands, start, landing, flight.drop, flight.bow)
        _fly(ball, lands, lands + 30, landing, landing + AWAY, GRAVITY)
    return ball


def _bounce(rng: np.random.Generator, forward: float) -> Points:
    return np.array([forward + rng.normal(0, 0.1), rng.uniform(-0.4, 0.4), TABLE_HEIGHT + 0.02])


def _fly(
    ball: Points, begin: int, end: int, start: Points, stop: Points, drop: float, bow: float = 0.0
) -> None:
    """Draw a parabola from `start` to `stop` into frames `begin` to `end` of `ball`."""
    frames = np.arange(max(begin, 0), min(end, len(ball)))
    passed, left = (frames - begin) / FPS, (end - frames) / FPS
    line = start + ((frames - begin) / (end - begin))[:, None] * (stop - start)
    sag = np.array([0.0, -bow / 2, drop / 2])
    ball[frames] = line + (passed * left)[:, None] * sag
