"""Seconds become frames by timestamps: closed forms for constant rates, brute force for others."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.annotations.records import Seconds, frame_number, seconds
from twinstroke.timeline import Kept, every
from twinstroke.video.clock import Clock, exact_rate

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


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=60),
    st.integers(-500, 1000),
    st.fractions(Fraction(1, 200), 1, max_denominator=2000),
)
def test_kept_frames_are_the_nearest_to_the_times_of_a_grid(
    gaps: list[int], first: int, interval: Fraction
) -> None:
    """The plain statement: for the time k · interval after the first frame the nearest frame."""
    clock = Clock(first + np.concatenate([[0], np.cumsum(gaps)]), Fraction(1, 1000))
    times = [clock.time_of(n) for n in range(clock.frames)]
    times.append(min(clock.duration, times[-1] + interval))
    expected = []
    for k in range(2 + int(clock.duration - clock.time_of(0)) * 200 + 200):
        time = clock.time_of(0) + k * interval
        distances = [abs(own - time) for own in times]
        nearest = max(n for n, distance in enumerate(distances) if distance == min(distances))
        if nearest == clock.frames:
            break
        expected.append(nearest)
    kept = clock.kept(interval)
    # Where more than half would be repeated, that is known without all of them.
    assert kept.numbers.tolist() == expected[: 2 * clock.frames + 1]
    assert kept.frames == clock.frames


@pytest.mark.parametrize("text", ["12.120000000000001", "62.53333333333333", "0.1", "7"])
def test_seconds_may_have_all_decimals_of_a_double(text: str) -> None:
    assert seconds(text) == Seconds(Fraction(text))


def test_memory_does_not_grow_with_gaps_of_a_damaged_file() -> None:
    clock = Clock(np.array([0, 1, 2, 10**12, 10**12 + 1]), Fraction(1, 30))
    kept = clock.kept(Fraction(1, 30))
    assert len(kept) <= 9
    assert kept.repeated > 0.3


@pytest.mark.parametrize("fps", [0.001, 0.1, 0.9, 23.5, 30, 59.94, 119.88])
def test_a_rate_is_what_its_decimals_say_or_television_has(fps: float) -> None:
    assert float(exact_rate(fps)) == pytest.approx(fps, rel=1e-5)


@given(
    st.sampled_from([30, 60, 120, 240, 50, 25, Fraction(30_000, 1001), NTSC_120]),
    st.integers(1, 9),
    st.integers(1, 300),
    st.sampled_from([1000, 90_000, 12_800]),
)
def test_of_a_multiple_of_the_rate_every_nth_frame_is_kept(
    fps: Fraction | int, step: int, frames: int, ticks_a_second: int
) -> None:
    """Also where times are rounded to whole ticks, as containers have them."""
    ticks = [round(n / Fraction(fps) * ticks_a_second) for n in range(frames + 1)]
    kept = Clock(np.array(ticks), Fraction(1, ticks_a_second)).kept(step / Fraction(fps))
    assert kept.numbers.tolist() == every(step, frames).numbers.tolist()
    assert kept.repeated == 0


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.integers(0, 9),
    st.integers(0, 200),
)
def test_places_among_kept_frames(gaps: list[int], more: int, number: int) -> None:
    numbers = np.cumsum([0, *gaps])
    kept = Kept(numbers, int(numbers[-1]) + 1 + more)
    number %= kept.frames + 1
    assert kept.place(number) == sum(own < number for own in numbers.tolist())
    assert kept.place(kept.frame(kept.place(number))) == kept.place(number)
    for place in range(len(kept) + 1):
        assert kept.frame(place) == [*numbers.tolist(), kept.frames][place]
    for first, then, twice in zip(
        numbers.tolist(), [*numbers.tolist()[1:], kept.frames], range(1, 99, 2), strict=False
    ):
        assert kept.between(twice - 1) == first
        assert kept.between(twice) == math.ceil((first + then) / 2)
    assert kept.between(2 * len(kept)) == kept.frames


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
