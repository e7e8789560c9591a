"""How each stroke and each pause is moved: tables of key poses, no code branches.

A programme is three tracks of key poses; between two of them the player moves smoothly. Times are
seconds from the moment of contact (strokes) or from the start (pauses). Places are metres from the
middle of the shoulders in the player's own axes: forward = to the table, right = to the side of
the playing hand, up. A left-hander plays the same tables mirrored, so forehand and backhand are
relative to the playing hand, as in the annotations of TTStroke-21.

What tells the classes apart is the path of the racket: up and forward with topspin, from below the
knee to above the head with a loop, down with backspin, across with sidespin, level with a hit,
short with a block or flip; a forehand starts beside or behind the body and closes inwards, a
backhand starts before the belly and opens outwards; a serve begins with the toss of the free hand.
At contact all of them look much alike.
"""

from __future__ import annotations

from typing import NamedTuple


class Racket(NamedTuple):
    """Where the playing hand is."""

    at: float
    forward: float
    right: float
    up: float
    tip: float
    """Where the wrist points the racket: 1 up, -1 down, 0 on along the forearm."""


class Free(NamedTuple):
    """Where the free hand is."""

    at: float
    forward: float
    right: float
    up: float


class Body(NamedTuple):
    """Where the player stands, and how."""

    at: float
    forward: float
    """Metres from the player's usual place."""
    right: float
    crouch: float
    """Metres by which the hips sink; in the ready stance 0."""
    lean: float
    """How far the shoulders are before the hips, in metres."""


class Flight(NamedTuple):
    """How the ball leaves the racket."""

    drop: float
    """Downward acceleration in m/s²: topspin more than gravity's 9.8, backspin less."""
    bow: float = 0.0
    """Sideways acceleration in m/s²."""
    speed: float = 1.0
    """1 takes half a second to the other half of the table."""


class Programme(NamedTuple):
    """Key poses of one stroke or pause; before and after, the player is in the ready stance."""

    racket: tuple[Racket, ...]
    free: tuple[Free, ...] = ()
    body: tuple[Body, ...] = ()
    flight: Flight | None = None
    """Of strokes only."""
    serve: bool = False


READY_RACKET = Racket(0, 0.36, 0.14, -0.32, 0.5)
READY_FREE = Free(0, 0.34, -0.20, -0.34)
READY_BODY = Body(0, 0.0, 0.0, 0.0, 0.16)

R, F, B = Racket, Free, Body

TOSS = (
    F(-0.62, 0.38, -0.12, -0.34),
    F(-0.44, 0.38, -0.12, -0.42),
    F(-0.30, 0.40, -0.12, 0.20),
    F(-0.14, 0.30, -0.26, -0.02),
)
"""The free hand throws the ball up, then makes way."""
RELEASE_S = -0.34
"""When the ball leaves the free hand."""

STROKES: dict[str, Programme] = {
    "Serve Forehand Backspin": Programme(
        racket=(
            R(-0.40, 0.20, 0.30, 0.05, 0.8),
            R(-0.20, -0.34, 0.40, 0.44, 0.9),
            R(0.00, 0.36, 0.28, -0.34, 0.0),
            R(0.18, 0.46, -0.20, -0.74, -0.9),
        ),
        free=TOSS,
        body=(B(-0.20, 0.0, 0.0, -0.04, 0.10), B(0.18, 0.0, 0.0, 0.14, 0.28)),
        flight=Flight(4.0, speed=0.9),
        serve=True,
    ),
    "Serve Forehand Loop": Programme(  # one and a half circles: over the back, under, over again
        racket=(
            R(-0.42, 0.40, 0.36, -0.40, 0.0),
            R(-0.32, 0.36, 0.36, 0.30, 0.8),
            R(-0.22, -0.18, 0.42, 0.45, 0.8),
            R(-0.13, -0.48, 0.42, -0.10, -0.2),
            R(-0.06, -0.15, 0.42, -0.66, -0.9),
            R(0.00, 0.36, 0.34, -0.42, 0.0),
            R(0.09, 0.52, 0.26, 0.15, 0.8),
            R(0.19, 0.02, 0.30, 0.52, 1.0),
            R(0.30, -0.34, 0.40, 0.05, 0.2),
        ),
        free=TOSS,
        body=(B(-0.06, 0.0, 0.0, 0.10, 0.16), B(0.19, 0.0, 0.0, -0.05, 0.10)),
        flight=Flight(17.0),
        serve=True,
    ),
    "Serve Forehand Sidespin": Programme(  # a pendulum across the body, racket hanging
        racket=(
            R(-0.40, 0.24, 0.40, -0.10, 0.0),
            R(-0.20, -0.10, 0.66, -0.06, -0.3),
            R(0.00, 0.36, 0.26, -0.50, -1.0),
            R(0.12, 0.40, -0.30, -0.30, -0.9),
            R(0.24, 0.05, -0.42, 0.02, -0.3),
        ),
        free=TOSS,
        body=(B(-0.20, 0.0, 0.10, 0.0, 0.14), B(0.18, 0.0, -0.12, 0.06, 0.24)),
        flight=Flight(9.8, bow=-6.0),
        serve=True,
    ),
    "Serve Forehand Topspin": Programme(
        racket=(
            R(-0.40, 0.10, 0.36, -0.40, 0.0),
            R(-0.18, -0.50, 0.36, -0.56, -0.6),
            R(0.00, 0.36, 0.28, -0.34, 0.0),
            R(0.18, 0.52, -0.06, 0.32, 0.9),
        ),
        free=TOSS,
        body=(B(-0.18, -0.05, 0.0, 0.10, 0.18), B(0.18, 0.06, 0.0, -0.04, 0.18)),
        flight=Flight(17.0, speed=1.1),
        serve=True,
    ),
    "Serve Backhand Backspin": Programme(
        racket=(
            R(-0.40, 0.34, -0.20, 0.05, 0.6),
            R(-0.20, 0.26, -0.48, 0.42, 0.9),
            R(0.00, 0.42, 0.00, -0.34, 0.0),
            R(0.18, -0.04, 0.58, -0.66, -0.8),
        ),
        free=TOSS,
        body=(B(-0.20, 0.0, 0.0, -0.04, 0.10), B(0.18, 0.0, 0.0, 0.14, 0.24)),
        flight=Flight(4.0, speed=0.9),
        serve=True,
    ),
    "Serve Backhand Loop": Programme(  # the same circles, but across the body
        racket=(
            R(-0.42, 0.48, 0.24, -0.20, 0.2),
            R(-0.32, 0.36, 0.30, 0.40, 0.9),
            R(-0.22, 0.26, -0.20, 0.50, 0.8),
            R(-0.13, 0.22, -0.52, -0.06, -0.2),
            R(-0.06, 0.32, -0.34, -0.66, -0.9),
            R(0.00, 0.46, 0.02, -0.42, 0.0),
            R(0.09, 0.34, 0.46, 0.05, 0.6),
            R(0.19, 0.24, 0.28, 0.50, 1.0),
            R(0.30, 0.26, -0.30, 0.34, 0.6),
        ),
        free=TOSS,
        body=(B(-0.06, 0.0, 0.0, 0.10, 0.20), B(0.19, 0.0, 0.0, -0.05, 0.08)),
        flight=Flight(17.0),
        serve=True,
    ),
    "Serve Backhand Sidespin": Programme(
        racket=(
            R(-0.40, 0.40, -0.26, -0.20, 0.0),
            R(-0.20, 0.26, -0.50, 0.02, -0.2),
            R(0.00, 0.42, 0.02, -0.50, -1.0),
            R(0.12, 0.20, 0.50, -0.36, -0.9),
            R(0.24, -0.22, 0.60, 0.05, -0.2),
        ),
        free=TOSS,
        body=(B(-0.20, 0.0, -0.10, 0.0, 0.18), B(0.18, 0.0, 0.14, 0.06, 0.16)),
        flight=Flight(9.8, bow=6.0),
        serve=True,
    ),
    "Serve Backhand Topspin": Programme(
        racket=(
            R(-0.40, 0.34, -0.10, -0.46, 0.0),
            R(-0.18, 0.14, -0.32, -0.74, -0.9),
            R(0.00, 0.42, -0.02, -0.34, 0.0),
            R(0.18, 0.44, 0.44, 0.36, 0.9),
        ),
        free=TOSS,
        body=(B(-0.18, -0.02, 0.0, 0.12, 0.22), B(0.18, 0.04, 0.0, -0.05, 0.12)),
        flight=Flight(17.0, speed=1.1),
        serve=True,
    ),
    "Offensive Forehand Hit": Programme(  # level and straight through, the whole body behind it
        racket=(
            R(-0.36, 0.10, 0.34, -0.16, 0.5),
            R(-0.17, -0.54, 0.36, -0.08, 0.4),
            R(0.00, 0.36, 0.30, -0.14, 0.4),
            R(0.13, 0.66, -0.06, -0.04, 0.4),
            R(0.24, 0.40, -0.34, 0.04, 0.6),
        ),
        free=(F(-0.17, 0.44, -0.10, -0.05), F(0.13, -0.05, -0.36, -0.24)),
        body=(B(-0.20, -0.16, 0.05, 0.02, 0.08), B(0.13, 0.20, -0.05, 0.0, 0.28)),
        flight=Flight(12.0, speed=1.5),
    ),
    "Offensive Forehand Loop": Programme(  # from below the knee to above the head
        racket=(
            R(-0.38, 0.05, 0.40, -0.50, -0.2),
            R(-0.18, -0.42, 0.44, -0.74, -1.0),
            R(0.00, 0.30, 0.38, -0.20, 0.3),
            R(0.17, 0.34, -0.10, 0.60, 1.0),
            R(0.28, 0.34, -0.30, 0.40, 0.8),
        ),
        free=(F(-0.18, 0.36, -0.16, -0.20), F(0.17, 0.10, -0.46, -0.30)),
        body=(B(-0.18, -0.06, 0.05, 0.24, 0.24), B(0.17, 0.05, -0.05, -0.08, 0.08)),
        flight=Flight(20.0, speed=1.2),
    ),
    "Offensive Forehand Flip": Programme(  # steps in under the ball, then flicks the wrist
        racket=(
            R(-0.30, 0.40, 0.40, -0.44, -0.2),
            R(-0.12, 0.40, 0.52, -0.46, -1.0),
            R(0.00, 0.54, 0.30, -0.36, 0.0),
            R(0.09, 0.44, -0.14, -0.02, 1.0),
            R(0.20, 0.32, -0.30, -0.02, 1.0),
        ),
        body=(
            B(-0.36, 0.0, 0.0, 0.0, 0.16),
            B(-0.10, 0.36, 0.20, 0.12, 0.36),
            B(0.12, 0.36, 0.20, 0.08, 0.32),
            B(0.44, 0.0, 0.0, 0.0, 0.16),
        ),
        flight=Flight(13.0, speed=1.2),
    ),
    "Offensive Backhand Hit": Programme(  # level, opens outwards from the belly
        racket=(
            R(-0.36, 0.24, -0.20, -0.24, 0.2),
            R(-0.17, 0.06, -0.36, -0.20, 0.2),
            R(0.00, 0.46, -0.04, -0.16, 0.4),
            R(0.13, 0.48, 0.46, -0.04, 0.4),
            R(0.24, 0.16, 0.64, 0.02, 0.4),
        ),
        free=(F(-0.17, 0.30, -0.24, -0.30), F(0.13, -0.20, -0.42, -0.20)),
        body=(B(-0.20, -0.16, -0.05, 0.02, 0.20), B(0.13, 0.20, 0.05, 0.0, 0.16)),
        flight=Flight(12.0, speed=1.5),
    ),
    "Offensive Backhand Loop": Programme(
        racket=(
            R(-0.38, 0.26, -0.14, -0.54, -0.4),
            R(-0.18, 0.14, -0.34, -0.80, -1.0),
            R(0.00, 0.44, -0.04, -0.22, 0.3),
            R(0.17, 0.06, 0.52, 0.54, 1.0),
            R(0.28, -0.10, 0.60, 0.28, 0.8),
        ),
        free=(F(-0.18, 0.30, -0.24, -0.36), F(0.17, -0.16, -0.44, -0.36)),
        body=(B(-0.18, -0.04, -0.05, 0.24, 0.30), B(0.17, 0.04, 0.05, -0.08, 0.04)),
        flight=Flight(20.0, speed=1.2),
    ),
    "Offensive Backhand Flip": Programme(
        racket=(
            R(-0.30, 0.40, -0.20, -0.42, -0.2),
            R(-0.12, 0.38, -0.44, -0.44, -1.0),
            R(0.00, 0.56, -0.10, -0.36, 0.0),
            R(0.09, 0.42, 0.42, -0.04, 1.0),
            R(0.20, 0.20, 0.54, -0.02, 1.0),
        ),
        body=(
            B(-0.36, 0.0, 0.0, 0.0, 0.16),
            B(-0.10, 0.36, -0.20, 0.12, 0.36),
            B(0.12, 0.36, -0.20, 0.08, 0.32),
            B(0.44, 0.0, 0.0, 0.0, 0.16),
        ),
        flight=Flight(13.0, speed=1.2),
    ),
    "Defensive Forehand Push": Programme(  # slides under the ball, slow, far forward
        racket=(
            R(-0.34, 0.04, 0.40, -0.04, 0.6),
            R(-0.20, -0.20, 0.54, -0.02, 0.6),
            R(0.00, 0.34, 0.38, -0.40, 0.1),
            R(0.24, 0.64, 0.04, -0.48, 0.1),
            R(0.36, 0.54, 0.00, -0.42, 0.2),
        ),
        body=(B(-0.20, 0.0, 0.12, 0.04, 0.12), B(0.24, 0.16, 0.12, 0.08, 0.36)),
        flight=Flight(5.0, speed=0.7),
    ),
    "Defensive Forehand Block": Programme(  # the racket goes out to the side and stands there
        racket=(
            R(-0.22, 0.16, 0.56, -0.16, 0.8),
            R(-0.08, 0.14, 0.58, -0.14, 0.9),
            R(0.00, 0.30, 0.52, -0.12, 0.9),
            R(0.07, 0.20, 0.56, -0.14, 0.9),
            R(0.24, 0.20, 0.54, -0.16, 0.8),
        ),
        body=(B(-0.16, 0.0, 0.12, 0.0, 0.10), B(0.20, 0.0, 0.12, 0.0, 0.10)),
        flight=Flight(9.8),
    ),
    "Defensive Forehand Backspin": Programme(  # the chop: steps back, cuts from head to knee
        racket=(
            R(-0.38, 0.06, 0.34, 0.16, 0.9),
            R(-0.18, -0.42, 0.42, 0.42, 0.8),
            R(0.00, 0.22, 0.36, -0.30, 0.0),
            R(0.18, 0.54, -0.10, -0.66, -0.5),
            R(0.30, 0.56, -0.14, -0.54, -0.3),
        ),
        free=(F(-0.18, 0.36, -0.20, 0.00), F(0.18, -0.10, -0.40, -0.20)),
        body=(
            B(-0.46, 0.0, 0.0, 0.0, 0.16),
            B(-0.14, -0.34, 0.14, -0.04, 0.06),
            B(0.20, -0.16, 0.10, 0.20, 0.28),
            B(0.56, 0.0, 0.0, 0.0, 0.16),
        ),
        flight=Flight(3.0, speed=0.8),
    ),
    "Defensive Backhand Push": Programme(
        racket=(
            R(-0.34, 0.24, -0.24, 0.00, 0.5),
            R(-0.20, 0.20, -0.44, 0.00, 0.5),
            R(0.00, 0.44, -0.14, -0.38, 0.1),
            R(0.24, 0.58, 0.30, -0.46, 0.1),
            R(0.36, 0.48, 0.34, -0.40, 0.2),
        ),
        body=(B(-0.20, 0.0, -0.14, 0.06, 0.20), B(0.24, 0.20, -0.14, 0.10, 0.32)),
        flight=Flight(5.0, speed=0.7),
    ),
    "Defensive Backhand Block": Programme(  # before the belly, forward to the ball and back
        racket=(
            R(-0.22, 0.22, -0.24, -0.30, 0.4),
            R(-0.08, 0.20, -0.26, -0.30, 0.4),
            R(0.00, 0.54, -0.24, -0.18, 0.6),
            R(0.07, 0.40, -0.24, -0.24, 0.5),
            R(0.24, 0.30, -0.24, -0.30, 0.4),
        ),
        body=(B(-0.16, 0.0, -0.12, 0.06, 0.22), B(0.20, 0.0, -0.12, 0.06, 0.22)),
        flight=Flight(9.8),
    ),
    "Defensive Backhand Backspin": Programme(
        racket=(
            R(-0.38, 0.26, -0.20, 0.16, 0.8),
            R(-0.18, 0.20, -0.50, 0.38, 0.8),
            R(0.00, 0.36, 0.00, -0.30, 0.0),
            R(0.18, 0.00, 0.60, -0.64, -0.7),
            R(0.30, -0.06, 0.60, -0.52, -0.4),
        ),
        free=(F(-0.18, 0.30, -0.24, 0.00), F(0.18, -0.16, -0.42, -0.20)),
        body=(
            B(-0.46, 0.0, 0.0, 0.0, 0.16),
            B(-0.14, -0.34, -0.16, -0.04, 0.12),
            B(0.20, -0.16, -0.16, 0.20, 0.22),
            B(0.56, 0.0, 0.0, 0.0, 0.16),
        ),
        flight=Flight(3.0, speed=0.8),
    ),
}
"""The 20 strokes of TTStroke-21, in the order of the data set's own class list."""

PAUSES: dict[str, Programme] = {
    "walk away and back": Programme(
        racket=(R(0.3, 0.20, 0.26, -0.50, -0.4), R(1.1, 0.18, 0.26, -0.50, -0.4)),
        free=(F(0.3, 0.10, -0.26, -0.52), F(1.1, 0.14, -0.26, -0.52)),
        body=(
            B(0.1, 0.0, 0.0, -0.02, 0.10),
            B(0.7, -0.45, 0.0, -0.06, 0.04),
            B(1.3, 0.0, 0.0, -0.02, 0.12),
        ),
    ),
    "side step": Programme(
        racket=(R(0.3, 0.30, 0.22, -0.36, 0.2), R(0.9, 0.34, 0.10, -0.30, 0.5)),
        body=(
            B(0.1, 0.0, 0.0, 0.0, 0.16),
            B(0.5, 0.05, 0.40, 0.04, 0.16),
            B(1.0, -0.05, -0.30, 0.04, 0.16),
            B(1.4, 0.0, 0.0, 0.0, 0.16),
        ),
    ),
    "pick up the ball": Programme(
        racket=(R(0.4, 0.10, 0.36, -0.40, -0.2), R(0.8, 0.10, 0.36, -0.40, -0.2)),
        free=(F(0.3, 0.30, -0.10, -0.50), F(0.6, 0.34, -0.06, -0.56), F(1.0, 0.36, -0.14, -0.30)),
        body=(
            B(0.1, 0.0, 0.0, 0.0, 0.16),
            B(0.6, 0.10, 0.0, 0.34, 0.42),
            B(1.2, 0.0, 0.0, -0.04, 0.10),
        ),
    ),
    "wipe the forehead": Programme(
        racket=(
            R(0.3, 0.26, 0.18, 0.00, 0.6),
            R(0.5, 0.22, 0.00, 0.20, 0.8),
            R(0.7, 0.22, 0.24, 0.22, 0.8),
            R(0.9, 0.22, 0.00, 0.20, 0.8),
        ),
        body=(B(0.4, 0.0, 0.0, -0.08, 0.04), B(0.9, 0.0, 0.0, -0.08, 0.04)),
    ),
    "dry the hand on the table": Programme(
        racket=(R(0.4, 0.18, 0.30, -0.42, 0.0), R(1.0, 0.18, 0.30, -0.42, 0.0)),
        free=(
            F(0.35, 0.56, -0.10, -0.36),
            F(0.5, 0.50, -0.34, -0.36),
            F(0.65, 0.56, -0.06, -0.36),
            F(0.8, 0.50, -0.34, -0.36),
            F(0.95, 0.56, -0.06, -0.36),
        ),
        body=(
            B(0.1, 0.0, 0.0, 0.0, 0.16),
            B(0.4, 0.30, 0.0, 0.06, 0.34),
            B(0.9, 0.30, 0.0, 0.06, 0.34),
            B(1.3, 0.0, 0.0, 0.0, 0.16),
        ),
    ),
    "fan with the racket": Programme(
        racket=(
            R(0.25, 0.44, 0.10, -0.24, 0.1),
            R(0.4, 0.44, 0.10, -0.36, 0.1),
            R(0.5, 0.44, 0.10, -0.22, 0.1),
            R(0.65, 0.44, 0.10, -0.36, 0.1),
            R(0.75, 0.44, 0.10, -0.22, 0.1),
            R(0.9, 0.44, 0.10, -0.36, 0.1),
        ),
        body=(B(0.3, 0.0, 0.0, -0.05, 0.08), B(0.9, 0.0, 0.0, -0.05, 0.08)),
    ),
    "stretch": Programme(
        racket=(
            R(0.3, 0.20, 0.40, -0.10, 0.4),
            R(0.6, 0.05, 0.34, 0.56, 1.0),
            R(0.8, 0.05, 0.34, 0.56, 1.0),
            R(1.1, 0.16, 0.34, -0.40, 0.0),
        ),
        free=(
            F(0.3, 0.20, -0.40, -0.10),
            F(0.6, 0.05, -0.34, 0.56),
            F(0.8, 0.05, -0.34, 0.56),
            F(1.1, 0.16, -0.34, -0.40),
        ),
        body=(B(0.6, 0.0, 0.0, -0.10, 0.0), B(0.8, 0.0, 0.0, -0.10, 0.0)),
    ),
    "loosen the arms": Programme(
        racket=(
            R(0.2, 0.14, 0.34, -0.50, -0.6),
            R(0.35, 0.30, 0.34, -0.42, 0.2),
            R(0.5, 0.00, 0.36, -0.50, -0.6),
            R(0.65, 0.30, 0.34, -0.42, 0.2),
            R(0.8, 0.00, 0.36, -0.50, -0.6),
            R(0.95, 0.26, 0.30, -0.44, 0.0),
        ),
        free=(
            F(0.2, 0.14, -0.34, -0.50),
            F(0.35, 0.00, -0.36, -0.50),
            F(0.5, 0.30, -0.34, -0.42),
            F(0.65, 0.00, -0.36, -0.50),
            F(0.8, 0.30, -0.34, -0.42),
        ),
        body=(B(0.2, 0.0, 0.0, -0.08, 0.04), B(0.95, 0.0, 0.0, -0.08, 0.04)),
    ),
}
"""What players do between strokes: the negatives, with as much motion as strokes have."""
