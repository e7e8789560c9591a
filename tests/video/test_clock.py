"""Seconds become frames by timestamps: closed forms for constant rates, brute force for others."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.records import Seconds, frame_number, seconds
from twinstroke.annotations.resolve import exact_rate
from twinstroke.video.clock import Clock

NTSC_120 = Fraction(120_000, 1001)


def constant(fps: Fraction, frames: int) -> Clock:
    """Frame n begins at n / fps, exactly."""
    return Clock(np.arange(frames + 1) * fps.denominator, Fraction(1, fps.numerator))


def test_a_rounded_rate_is_wrong_after_eight_seconds() -> None:
    clock = constant(NTSC_120, 200_000)
    for frame in (0, 999, 1000, 1001, 5000, 199_999, 200_000):
        time = frame / NTSC_120
        assert clock.time_of(frame) == time
        assert clock.frame_at(time) == frame
    assert round(clock.time_of(5000) * 120) == 5005


@given(
    st.lists(st.integers(2, 60), min_size=1, max_size=200),
    st.integers(0, 1000),
    st.fractions(-1, 20, max_denominator=10_000),
)
def test_nearest_boundary_against_brute_force(gaps: list[int], first: int, time: Fraction) -> None:
    clock = Clock(first + np.concatenate([[0], np.cumsum(gaps)]), Fraction(1, 1000))
    distances = [abs(clock.time_of(n) - time) for n in range(clock.frames + 1)]
    nearest = [n for n, distance in enumerate(distances) if distance == min(distances)]
    assert clock.frame_at(time) == nearest[-1]


@given(st.lists(st.integers(3, 60), min_size=1, max_size=200), st.integers(0, 1000))
def test_milliseconds_are_enough_to_write_frames(gaps: list[int], first: int) -> None:
    """Frames of 1.5 ms or more, in ticks of half a millisecond, survive rounding to 1 ms."""
    clock = Clock(first + np.concatenate([[0], np.cumsum(gaps)]), Fraction(1, 2000))
    for frame in range(clock.frames + 1):
        assert clock.frame_at(Fraction(round(clock.time_of(frame) * 1000), 1000)) == frame


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", Fraction(12)),
        ("12.345", Fraction(12345, 1000)),
        ("12,5", Fraction(25, 2)),
        ("1:02.5", Fraction(125, 2)),
        ("01:02:03.250", Fraction(3723250, 1000)),
        ("90:00", Fraction(5400)),
        (" 0:00.008 ", Fraction(1, 125)),
        ("7.", Fraction(7)),
    ],
)
def test_times_that_are_understood(text: str, value: Fraction) -> None:
    assert seconds(text) == Seconds(value)


@pytest.mark.parametrize(
    "text",
    ["", "nan", "inf", "-1", "+1", "1e3", "1:60", "1:60:00", "1:2:3:4", ":5", "1.2.3", "0x1"],
)
def test_texts_that_are_no_times(text: str) -> None:
    assert seconds(text) is None


@pytest.mark.parametrize("text", ["١", "9" * 400, "1:" + "0" * 5000, "1\n2"])
def test_digits_that_are_no_times(text: str) -> None:
    assert seconds(text) is None


@pytest.mark.parametrize("text", ["", "1.0", "-1", "+1", "1e3", "nan", "1_0", "٣", "9" * 13])
def test_frames_that_are_not(text: str) -> None:
    assert frame_number(text) is None


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        (29.97, Fraction(30_000, 1001)),
        (23.976, Fraction(24_000, 1001)),
        (59.94, Fraction(60_000, 1001)),
        (119.88, NTSC_120),
        (30.0, Fraction(30)),
        (25.0, Fraction(25)),
        (12.5, Fraction(25, 2)),
        (1000.0, Fraction(1000)),
    ],
)
def test_rates_as_people_write_them(written: float, exact: Fraction) -> None:
    assert exact_rate(written) == exact
