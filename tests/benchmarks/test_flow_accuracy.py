"""The flow said to be exact is that of the frames, and errors are counted against it."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from benchmarks import flow_accuracy
from benchmarks.flow_accuracy import (
    HEIGHT,
    WIDTH,
    Ellipse,
    ExactPair,
    Limb,
    Torso,
    player_pair,
    player_pairs,
    texture_pair,
    texture_pairs,
    topmost,
    traced_painter,
)
from benchmarks.footage import BLUR
from twinstroke.flow.estimators import estimate_flow
from twinstroke.settings.flow import Estimator, FlowSettings
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.synthesize.player import draw_player, perform
from twinstroke.synthesize.scene import Painter, draw_camera, draw_look
from twinstroke.synthesize.timing import VideoPlan, plan_videos

Field = NDArray[np.float32]
PLANS = plan_videos(SynthesizeSettings(train_players=6, strokes_per_player=1), 0)
SHIFTS = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
X, Y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))


def residual(pair: ExactPair, flow: Field) -> Field:
    """Grey levels by which the second frame, warped back by a flow, misses the first, (H, W)."""
    there = [Y + flow[..., 1], X + flow[..., 0]]
    back = map_coordinates(pair.second.astype(np.float32), there, mode="nearest")
    return np.asarray(np.abs(back - pair.first), np.float32)


def instant(plan: VideoPlan) -> int:
    """A frame shortly after contact, when racket and ball are in full motion and apart."""
    return (plan.strokes[0].begin + plan.strokes[0].end) // 2 + 10


def plain_painter(plan: VideoPlan, **colours: tuple[int, int, int]) -> Painter:
    """The painter of `render_dataset`, with other colours."""
    rng = np.random.default_rng([0, 3, plan.number])
    player = draw_player(rng)
    camera = draw_camera(rng, WIDTH, HEIGHT, player)
    look = replace(draw_look(rng), **colours)
    performance = perform(plan, player, rng)
    return Painter(performance, camera, look, player.girth, (WIDTH, HEIGHT), rng)


def coverage(plan: VideoPlan, part: str, frame: int) -> NDArray[np.float64]:
    """How much of each pixel a part takes, 0 to 1: what differs when only its colour does."""
    dark, light = (
        plain_painter(plan, **{part: (level,) * 3}).paint(frame).astype(float)
        for level in (20, 220)
    )
    return np.asarray((light - dark).mean(axis=2) / 200)


# --- players -------------------------------------------------------------------------------------


def test_tracing_does_not_change_the_picture() -> None:
    for plan in PLANS[:2]:
        plain = cv2.cvtColor(plain_painter(plan).paint(instant(plan)), cv2.COLOR_BGR2GRAY)
        traced, _ = traced_painter(plan, 0).trace(instant(plan))
        np.testing.assert_array_equal(traced, plain)


@pytest.mark.parametrize("step", [1, 4])
def test_no_other_flow_explains_the_players_as_well_as_the_true_one(step: int) -> None:
    pairs = list(player_pairs(6, step))

    def missed(factor: float, right: float = 0, down: float = 0) -> float:
        shift = np.array([right, down], np.float32)
        found = [residual(pair, factor * pair.flow + shift)[pair.moving] for pair in pairs]
        return float(np.concatenate(found).mean())

    true = missed(1)
    # Two frames of sensor noise alone differ by 2.1, less where interpolation smooths one of them.
    assert true < 2.7
    assert missed(0) > 2 * true
    assert min(missed(0.9), missed(1.1)) > 1.03 * true
    for shift in SHIFTS:
        assert missed(1, *(0.25 * shift)) > 1.12 * true


@pytest.mark.parametrize("step", [1, 4])
def test_what_is_said_to_be_hidden_is_hidden(step: int) -> None:
    for pair in player_pairs(6, step):
        missed = residual(pair, pair.flow)
        hidden = ~pair.visible
        assert 0 < hidden.sum() < 0.03 * hidden.size
        assert missed[hidden].mean() > 5 * missed[pair.visible].mean()
        # And where it is not, hardly a pixel is far off: outlines are, where colours mix.
        assert np.mean(missed[pair.moving] > 25) < 0.01


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: str(plan.number))
@pytest.mark.parametrize("part", ["rubber", "ball"])
@pytest.mark.parametrize("step", [1, 4])
def test_racket_and_ball_are_drawn_where_the_flow_says(
    plan: VideoPlan, part: str, step: int
) -> None:
    frame = instant(plan)
    before, after = (coverage(plan, part, at) for at in (frame, frame + step))
    moved = [np.average(axis, weights=after) - np.average(axis, weights=before) for axis in (X, Y)]
    flow = player_pair(traced_painter(plan, 0), frame, step).flow
    np.testing.assert_allclose(flow[before > 0.8].mean(axis=0), moved, atol=0.12)


PARTS = {
    "rubber": [15],
    "hair": [11],
    "shoes": [2, 5],
    "shorts": [1, 4],
    "shirt": [7, 9, 12],
    "skin": [0, 3, 6, 8, 10, 13],
}
"""Which shapes have which colour, counted from the back."""


@pytest.mark.parametrize("part", PARTS)
def test_each_pixel_belongs_to_the_shape_whose_colour_it_has(part: str) -> None:
    for plan in PLANS:
        _, shapes = traced_painter(plan, 0).trace(instant(plan))
        places = np.stack([X.ravel(), Y.ravel()], axis=1).astype(float)
        said = np.isin(topmost(shapes, places), PARTS[part]).reshape(HEIGHT, WIDTH)
        painted = coverage(plan, part, instant(plan))
        # Nothing but pixels at outlines may differ.
        assert said[painted > 0.85].mean() > 0.92
        assert painted[said].mean() > 0.85
        assert said.sum() == pytest.approx(painted.sum(), rel=0.1)


def test_the_racket_turns_as_the_disc_in_the_hand() -> None:
    """Places between middle and rim, along the handle and across, as the camera sees them."""
    for plan in PLANS:
        rng = np.random.default_rng([0, 3, plan.number])
        player = draw_player(rng)
        camera = draw_camera(rng, WIDTH, HEIGHT, player)
        draw_look(rng)
        played = perform(plan, player, rng)
        handle = played.joints["racket"] - played.joints["hand"]
        across = np.cross(played.blade, handle)
        shares = [(0.4, 0.0), (-0.4, 0.0), (0.0, 0.4), (0.0, -0.4)]
        racket = played.joints["racket"]
        disc = np.stack([racket + a * handle + b * across for a, b in shares], axis=1)
        places = camera.project(disc)
        frames = instant(plan), instant(plan) + 4
        before, after = (traced_painter(plan, 0).trace(frame)[1][15] for frame in frames)
        moved = before.carried(places[frames[0]], after)
        # Within 1/16 px of the middle and 1° of the angle in both frames, and the rim.
        np.testing.assert_allclose(moved, places[frames[1]], atol=0.4)


def test_the_ball_that_is_gone_in_the_second_frame_is_not_visible() -> None:
    painter, frame = traced_painter(PLANS[0], 0), instant(PLANS[0])
    _, (*_, ball) = painter.trace(frame)
    assert isinstance(ball, Ellipse)
    x, y = np.rint(ball.centre).astype(int)
    assert player_pair(painter, frame, 1).visible[y, x]
    painter._places[frame + 1, -1] = -80  # five pixels out of the picture
    assert not player_pair(painter, frame, 1).visible[y, x]
    painter._in_play[frame + 1] = False
    assert not player_pair(painter, frame, 1).visible[y, x]


# --- shapes --------------------------------------------------------------------------------------


def test_a_limb_carries_places_along_and_across_itself() -> None:
    limb = Limb(np.array([10.0, 10]), np.array([20.0, 10]), 2)
    upright = Limb(np.array([5.0, 5]), np.array([5.0, 25]), 2)  # turned by 90°, twice as long
    places = np.array([[10.0, 10], [15, 10], [15, 11.5], [9, 10], [22, 9]])
    expected = np.array([[5.0, 5], [5, 15], [3.5, 15], [5, 4], [6, 27]])
    np.testing.assert_allclose(limb.carried(places, upright), expected, atol=1e-9)
    assert limb.covers(places).tolist() == [True, True, True, True, False]


def test_an_ellipse_carries_its_outline_to_its_outline() -> None:
    before = Ellipse(np.array([10.0, 10]), np.diag([2.0, 6.0]))
    after = Ellipse(np.array([30.0, 10]), np.array([[0.0, -3], [1, 0]]))
    places = np.array([[12.0, 10], [10, 16], [10, 10]])
    np.testing.assert_allclose(before.carried(places, after), [[30, 11], [27, 10], [30, 10]])
    edge = np.array([[11.9, 10], [12.1, 10], [10, 15.9], [13, 15]])
    assert before.covers(edge).tolist() == [True, False, True, False]


def test_a_torso_carries_corners_to_corners_and_moves_rigidly_as_a_whole() -> None:
    corners = np.array([[10.0, 10], [30, 12], [28, 40], [12, 40]])
    torso = Torso(corners, 4)
    inside = np.random.default_rng(0).uniform([8, 8], [32, 42], (50, 2))
    shift = np.array([3.5, -2.25])
    shifted = torso.carried(inside, Torso(corners + shift, 4))
    np.testing.assert_allclose(shifted, inside + shift, atol=1e-3)
    twisted = corners + np.array([[2.0, 0], [-2, 1], [1, 3], [-1, -2]])
    np.testing.assert_allclose(torso.carried(corners, Torso(twisted, 4)), twisted, atol=0.1)
    edge = np.array([[20.0, 40], [20, 43.9], [20, 44.1], [6.5, 10], [5.5, 10]])
    assert torso.covers(edge).tolist() == [True, True, False, True, False]


# --- textures ------------------------------------------------------------------------------------


def test_a_turn_and_a_zoom_are_those_of_complex_numbers() -> None:
    factor, centre = 1.03 * np.exp(1j * np.radians(2)), 160 + 90j
    linear = np.array([[factor.real - 1, -factor.imag], [factor.imag, factor.real - 1]])
    shift = -linear @ [160, 90]
    pair = texture_pair(linear, shift, np.random.default_rng(0))
    here = X + 1j * Y
    moved = centre + factor * (here - centre) - here
    np.testing.assert_allclose(pair.flow[..., 0], moved.real, atol=1e-4)
    np.testing.assert_allclose(pair.flow[..., 1], moved.imag, atol=1e-4)
    there = here + moved
    inside = (there.real >= 0) & (there.real <= 319) & (there.imag >= 0) & (there.imag <= 179)
    assert np.mean(pair.visible == inside) > 0.9999


def test_whole_pixels_shift_a_texture_exactly() -> None:
    pair = texture_pair(np.zeros((2, 2)), np.array([3.0, -2.0]), np.random.default_rng(1))
    np.testing.assert_array_equal(pair.second[:-2, 3:], pair.first[2:, :-3])


def test_no_other_flow_explains_textures_as_well_as_the_true_one() -> None:
    pairs = list(texture_pairs(4))
    longest = [np.linalg.norm(pair.flow, axis=2).max() for pair in pairs]
    np.testing.assert_allclose(longest, np.geomspace(0.5, 10, 4), rtol=1e-5)
    for pair in pairs:
        (u_down, v_down), (u_right, v_right) = (
            np.diff(pair.flow, axis=axis).mean(axis=(0, 1)) for axis in (0, 1)
        )
        np.testing.assert_allclose([u_right, u_down], [v_down, -v_right], atol=1e-6)
        true = residual(pair, pair.flow)[pair.visible].mean()
        assert true < 0.6  # rounding to whole grey levels, twice
        assert residual(pair, 0 * pair.flow)[pair.visible].mean() > 5 * true
        for shift in SHIFTS:
            wrong = pair.flow + (0.05 * shift).astype(np.float32)
            assert residual(pair, wrong)[pair.visible].mean() > 1.2 * true


# --- errors --------------------------------------------------------------------------------------


def still_pair() -> ExactPair:
    """Grey frames: half of the pixels move by (3, 4), one row of them unseen; half stand still."""
    frame = np.full((20, 20), 128, np.uint8)
    flow = np.zeros((20, 20, 2), np.float32)
    flow[:10] = 3, 4
    visible = np.ones((20, 20), np.bool_)
    visible[0] = False
    return ExactPair(frame, frame, flow, visible)


def test_errors_are_counted_where_they_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate is right but for 0.01 px where things move, and 5 px in a place unseen."""

    def estimate(first: object, second: object, settings: object) -> Field:
        flow = still_pair().flow.copy()
        flow[:10, :, 0] += np.float32(0.01)
        flow[0] += 5
        flow[1, :2] += 2
        return flow

    monkeypatch.setattr(flow_accuracy, "estimate_flow", estimate)
    zero, *cells = flow_accuracy.rows_of({"made": [still_pair(), still_pair()]})
    assert len(zero) == len(flow_accuracy.COLUMNS)
    # Of 380 visible pixels 180 move, by 5 px.
    assert zero == ["made", "zero flow", "0", "2.368", "5.000", "5.000", "100.0%", "0"]
    assert [row[1:3] for row in cells] == [
        [estimator, blur] for estimator in get_args(Estimator) for blur in ("0", "3")
    ]
    wrong = 2 * (np.hypot(2.01, 2) - 0.01)
    assert float(cells[0][3]) == pytest.approx((180 * 0.01 + wrong) / 380, abs=6e-4)
    assert float(cells[0][4]) == pytest.approx((180 * 0.01 + wrong) / 180, abs=6e-4)
    # 0.01 px is less than half of the unit in which flow is stored.
    assert float(cells[0][5]) == pytest.approx(2 * np.hypot(2, 2) / 180, abs=6e-4)
    assert cells[0][6] == "1.1%"


def test_the_blur_is_that_of_the_pipeline() -> None:
    pair = next(texture_pairs(1))
    plain, blurred = (
        estimate_flow(pair.first, pair.second, settings)
        for settings in (FlowSettings(estimator="dis", blur=0), FlowSettings(estimator="dis"))
    )
    errors = flow_accuracy.measure([pair])
    for blur, flow in ((0, plain), (BLUR, blurred)):
        expected = np.linalg.norm(flow - pair.flow, axis=2)[pair.visible]
        np.testing.assert_array_equal(errors["dis", blur].visible[0], expected)
    assert np.abs(plain - blurred).max() > 0.001
