"""Stuck, drifting and unit-flipped tags: found when they are there, not named when they are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.meters.suspects import beside_neighbours, drifting, on_grid, stuck, unit_flipped

NAN = float("nan")
ROWS, STEPS = 24, 360


def cells(seed, rows=ROWS, steps=STEPS, resolution=0.001):
    """Voltages of a line: a common ripple, own slow swings, noise, as a logger rounds them."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.normal(0, 0.002, steps))
    own = rng.normal(0, 0.010, (rows, steps))
    swing = np.zeros((rows, steps))
    for k in range(1, steps):
        swing[:, k] = 0.8 * swing[:, k - 1] + rng.normal(0, 0.005, rows)
    level = 3.95 + rng.normal(0, 0.05, (rows, 1))
    return np.round((level + common + own + swing) / resolution) * resolution


def test_sound_tags_are_hardly_ever_named():
    """40 stretches of 24 sound cells: below one in 1,000 for each of the three."""
    counts = dict.fromkeys(("stuck", "drifting", "unit"), 0)
    for seed in range(40):
        values = cells(seed)
        counts["stuck"] += len(stuck(values))
        counts["unit"] += len(unit_flipped(values))
        counts["drifting"] += len(drifting(beside_neighbours(values)))
    assert all(n <= 1 for n in counts.values()), counts


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, ROWS - 1), st.integers(60, 300))
def test_a_frozen_tag_is_found_with_its_time(seed, row, since):
    values = cells(seed)
    values[row, since:] = values[row, since]
    (found,) = stuck(values)
    assert (found.row, found.kind) == (row, "stuck")
    assert abs(found.since - since) <= 2
    assert "neighbours did" in found.sentence


def test_nothing_is_stuck_while_the_line_is_off():
    values = cells(1)
    values[:, 200:] = 0.0
    assert stuck(values) == []


def test_a_tag_that_always_was_constant_is_judged_by_its_neighbours():
    values = cells(2)
    values[5] = 3.9
    assert [s.row for s in stuck(values)] == [5]
    slow = np.full((3, STEPS), 955.0)  # and not where nothing moves
    assert stuck(slow) == []


def test_a_tag_alone_is_judged_by_itself():
    values = cells(3)[:1]
    values[0, 250:] = values[0, 249]
    assert [s.row for s in stuck(values)] == [0]


def test_a_slow_tag_that_changes_seldom_is_not_stuck():
    rng = np.random.default_rng(5)
    for _ in range(50):
        walk = np.round(np.cumsum(rng.normal(0, 0.3, (6, 1000)), axis=1))
        assert stuck(walk) == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, ROWS - 1), st.sampled_from([-1, 1]))
def test_a_drift_is_found(seed, row, way):
    values = cells(seed)
    values[row, 140:] += way * np.linspace(0, 0.12, STEPS - 140)
    found = drifting(beside_neighbours(values))
    assert row in [s.row for s in found]
    (own,) = (s for s in found if s.row == row)
    assert np.sign(own.value) == way
    assert abs(own.value) == pytest.approx(0.06, abs=0.05)
    assert 120 <= own.since <= 330


@pytest.mark.parametrize("factor", [1000, 3.6, 1 / 3.6, 10, 0.1, 1e-3])
def test_a_changed_unit_is_found(factor):
    values = 40 + cells(7)
    values[3, 180:] *= factor
    (found,) = unit_flipped(values)
    assert (found.row, found.since) == (3, 180)
    assert found.value == pytest.approx(factor)
    alone = unit_flipped(values[3:4])  # a meter has no neighbours
    assert [(s.row, s.since) for s in alone] == [(0, 180)]


def test_degrees_fahrenheit():
    rng = np.random.default_rng(1)
    values = 955 + rng.normal(0, 2, (4, 60))
    values[1, 30:] = values[1, 30:] * 1.8 + 32
    (found,) = unit_flipped(values, "degC")
    assert (found.row, found.since) == (1, 30)
    assert "degF" in found.sentence
    back = unit_flipped(values[1:2, ::-1].copy(), "degC")
    assert "degF to degC" in back[0].sentence


def test_a_unit_that_was_wrong_from_the_beginning():
    values = 40 + cells(8)
    values[4] *= 1000
    (found,) = unit_flipped(values)
    assert (found.row, found.since, found.value) == (4, 0, 1000)


def test_a_line_that_slows_to_a_tenth_has_no_unit_changed():
    values = 40 + cells(9)
    values[:, 200:] *= 0.1
    assert unit_flipped(values) == []


def test_the_grid_takes_the_last_and_the_mean():
    times = np.array([0, 10, 19, 40, 59, 60])
    values = np.array([1.0, 2.0, 6.0, NAN, 8.0, 9.0])
    last, mean = on_grid(times, values, 0, 20, 3)
    np.testing.assert_array_equal(last, [6.0, NAN, 8.0])
    np.testing.assert_array_equal(mean, [3.0, NAN, 8.0])
