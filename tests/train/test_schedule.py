"""The rule of warm restarts, fed with curves."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstroke.settings.train import Restart, RestartSettings
from twinstroke.train.schedule import WarmRestarts

PAPER = RestartSettings()


def decisions(
    losses: list[float], accuracies: list[float], rule: RestartSettings = PAPER
) -> tuple[list[Restart | None], list[float]]:
    """Reason after each epoch, and the rate at which each epoch ran."""
    schedule = WarmRestarts(0.01, rule)
    reasons: list[Restart | None] = []
    rates: list[float] = []
    for loss, accuracy in zip(losses, accuracies, strict=True):
        rates.append(schedule.rate)
        reasons.append(schedule.after_epoch(loss, accuracy))
    return reasons, rates


def test_falling_loss_is_left_alone() -> None:
    reasons, rates = decisions([3 / (1 + e) for e in range(400)], [0.5] * 400)
    assert set(reasons) == {None}
    assert set(rates) == {0.01}


def test_rising_loss_restarts_every_50_epochs_through_all_rates() -> None:
    reasons, rates = decisions([1 + 0.01 * e for e in range(300)], [0.5] * 300)
    assert [e + 1 for e, reason in enumerate(reasons) if reason] == [50, 100, 150, 200, 250, 300]
    assert set(reasons) == {None, "loss"}
    assert rates[::50] == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5, 1e-2, 1e-3])
    assert all(rates[50 * i] == rate for i in range(6) for rate in rates[50 * i : 50 * i + 50])


def test_the_last_25_epochs_are_compared_with_35_before() -> None:
    # 60 epochs in a valley of a wave: down for 30, up again for 30 to the height of the start.
    def loss(epoch: int) -> float:
        return abs(epoch - 30) / 30

    reasons, _ = decisions([loss(e) for e in range(70)], [0.5] * 70)
    first = reasons.index("loss") + 1
    for last in range(50, first + 1):
        recent = [loss(e) for e in range(last - 25, last)]
        before = [loss(e) for e in range(max(0, last - 60), last - 25)]
        assert (sum(recent) / 25 > sum(before) / len(before)) == (last == first)
    assert 50 < first < 70


def test_losses_before_a_restart_do_not_count() -> None:
    # After the restart all losses are alike, and far above those before it.
    reasons, _ = decisions([0.1] * 49 + [9.0] + [5.0] * 200, [0.5] * 250)
    assert [e + 1 for e, reason in enumerate(reasons) if reason] == [50]


def test_a_fall_of_accuracy_restarts_at_once() -> None:
    accuracies = [0.2, 0.5, 0.8, 0.57, 0.55, 0.9, 0.62, 0.64]
    reasons, rates = decisions([1.0] * 8, accuracies)
    # 0.55 < 0.7 · 0.8 and 0.62 < 0.7 · 0.9; 0.57 and 0.64 are not.
    assert reasons == [None, None, None, None, "accuracy", None, "accuracy", None]
    assert rates == pytest.approx([1e-2] * 5 + [1e-3] * 2 + [1e-4])


def test_near_chance_nothing_falls() -> None:
    accuracies = [0.03, 0.09, 0.03, 0.06, 0.24, 0.01, 0.25, 0.1]
    reasons, _ = decisions([1.0] * 8, accuracies)
    assert reasons == [None] * 7 + ["accuracy"]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_restarts_at_once(loss: float) -> None:
    reasons, _ = decisions([1.0, loss, 1.0], [0.1, 0.1, 0.1])
    assert reasons == [None, "loss", None]


def test_other_factors_and_rates() -> None:
    rule = RestartSettings(patience=4, recent=2, before=2, factor=5, lowest_rate=1e-4)
    _, rates = decisions([float(e) for e in range(20)], [0.5] * 20, rule)
    # A fourth division would lead to 8e-5, below the lowest rate.
    assert rates[::4] == pytest.approx([1e-2, 2e-3, 4e-4, 1e-2, 2e-3])


def test_lengths_scale_with_the_epochs_of_a_preset() -> None:
    assert PAPER.scaled(1500) == PAPER
    half = PAPER.scaled(750)
    assert (half.patience, half.recent, half.before) == (25, 12, 18)
    least = PAPER.scaled(12)
    assert (least.patience, least.recent, least.before) == (4, 2, 2)
    assert half.model_copy(update={"patience": 50, "recent": 25, "before": 35}) == PAPER


CURVES = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=80)
SMALL = RestartSettings(patience=5, recent=2, before=3)


@given(CURVES)
def test_rates_only_change_at_restarts_and_stay_in_range(curve: list[tuple[float, float]]) -> None:
    losses, accuracies = ([outcome[part] for outcome in curve] for part in (0, 1))
    reasons, rates = decisions(losses, accuracies, SMALL)
    for reason, (now, then) in zip(reasons, pairwise(rates), strict=False):
        assert (now != then) == (reason is not None)
        assert then in (pytest.approx(now / 10), 0.01, now)
    assert all(9.9e-6 < rate <= 0.01 for rate in rates)


@given(CURVES, st.integers(0, 80))
def test_resumed_at_any_epoch_it_decides_the_same(
    curve: list[tuple[float, float]], cut: int
) -> None:
    whole, first, second = (WarmRestarts(0.01, SMALL) for _ in range(3))
    expected = [whole.after_epoch(*outcome) for outcome in curve]
    found = [first.after_epoch(*outcome) for outcome in curve[:cut]]
    second.load_state_dict(first.state_dict())
    found += [second.after_epoch(*outcome) for outcome in curve[cut:]]
    assert found == expected
    assert second.rate == whole.rate
