"""Difference in differences over cells with a known effect."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analytics.studies.campaign import Group, compare, welch

EFFECT = -600.0


def line(rng, treated=12, control=12, days=30, effect=EFFECT, drift=0.0):
    """kWh/t of cells: a level of their own, a season they share, AR(1) days; the first `treated`
    get the effect in the second half."""
    cells = treated + control
    season = 80 * np.sin(np.arange(2 * days) / 9)
    noise = rng.normal(0, 60, (cells, 2 * days))
    for day in range(1, 2 * days):
        noise[:, day] += 0.6 * noise[:, day - 1]
    ageing = rng.normal(0, 1.5, (cells, 1)) * np.arange(2 * days)
    values = 12900 + rng.normal(0, 150, (cells, 1)) + season + noise + ageing
    values[:treated] += drift * np.arange(2 * days)
    values[:treated, days:] += effect
    return group(values[:treated], days), group(values[treated:], days)


def group(values, days, weights=None):
    weights = np.ones_like(values) if weights is None else weights
    return Group(values[:, :days], values[:, days:], weights[:, :days], weights[:, days:])


def test_a_retrofit_is_found_with_its_interval():
    found = compare(*line(np.random.default_rng(1)))
    assert found.effect.effect == pytest.approx(EFFECT, abs=found.effect.uncertainty)
    assert 20 < found.effect.uncertainty < 90
    assert found.effect.significant
    assert found.relabelled_p < 0.001
    assert not found.placebo.significant
    assert found.notes == ()
    change = found.treated_after - found.treated_before
    change -= found.control_after - found.control_before
    assert change == pytest.approx(found.effect.effect)


def test_intervals_hold_the_effect_19_times_of_20():
    rng = np.random.default_rng(17)
    held = []
    for _ in range(600):
        treated, control = line(rng, treated=8, control=14)
        (t0, t1), (c0, c1) = treated.changes, control.changes
        found = welch(t1 - t0, c1 - c0)
        held.append(abs(found.effect - EFFECT) <= found.uncertainty)
    assert 0.93 <= np.mean(held) <= 0.97


def test_without_an_effect_none_is_found():
    rng = np.random.default_rng(6)
    p = [compare(*line(rng, effect=0.0), seed=i).relabelled_p for i in range(20)]
    assert np.mean(np.array(p) < 0.05) <= 0.2
    assert np.mean(p) > 0.3


def test_groups_that_drift_apart_are_told():
    found = compare(*line(np.random.default_rng(1), effect=0.0, drift=15.0))
    assert found.trend.significant
    assert any("drifted apart before the measure already" in note for note in found.notes)
    assert any("placebo test finds an effect" in note for note in found.notes)


def test_welch_against_a_published_example():
    """Two samples of Welch's test as printed in R's help of `sleep` (extra ~ group):
    t = -1.8608, df = 17.776, 95 % interval -3.3655 to 0.2055; ours rounds df down to 17."""
    one = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    two = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    found = welch(one, two)
    assert found.effect == pytest.approx(-1.58)
    assert found.effect - found.uncertainty == pytest.approx(-3.3655, abs=0.01)
    assert found.effect + found.uncertainty == pytest.approx(0.2055, abs=0.01)
    assert found.p_value == pytest.approx(0.0794, abs=1e-3)


def test_days_count_by_their_weight():
    values = np.array([[1.0, 1, 1, 2, 2, 5], [3, 3, 3, 3, 3, 9], [0, 0, 0, 1, 1, 1]])
    weights = np.ones_like(values)
    weights[:, 5] = 0
    before, after = group(values, 3, weights).changes
    np.testing.assert_array_equal(before, [1, 3, 0])
    assert len(after) == 3
    np.testing.assert_allclose(after, [2, 3, 1])


def test_cells_without_enough_days_are_left_out():
    treated, control = line(np.random.default_rng(1), 4, 4)
    treated.after[0, 2:] = np.nan
    assert compare(treated, control).treated_cells == 3
    treated.after[1:3] = np.nan
    with pytest.raises(ValueError, match="1 cells with the measure have 3 known days"):
        compare(treated, control)


def test_one_cell_has_no_interval():
    found = welch(np.array([1.0]), np.array([2.0, 3.0]))
    assert math.isnan(found.effect)
    assert not found.significant


def test_the_same_seed_gives_the_same_p():
    groups = line(np.random.default_rng(1), effect=-30.0)
    assert compare(*groups, seed=3).relabelled_p == compare(*groups, seed=3).relabelled_p
