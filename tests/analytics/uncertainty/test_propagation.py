"""First-order propagation against a Monte Carlo of the same expressions."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.uncertainty.propagation import Uncertain, relative, summed
from analytics.uncertainty.propagation import variance as variance_into

DRAWS = 400_000


def variance(quantity: Uncertain) -> np.ndarray:
    return variance_into(quantity, np.empty_like(quantity.value))


def test_the_same_error_above_and_below_cancels() -> None:
    charge = relative(np.array([[600.0, 500.0]]), {"current": np.array([[0.01, 0.02]])})
    energy = charge.times(3.95)
    assert np.sqrt(variance(energy / charge)) == pytest.approx(0, abs=1e-12)
    assert np.sqrt(variance(energy)) == pytest.approx(3.95 * np.array([[6.0, 10.0]]))


def test_a_sum_adds_common_causes_and_squares_the_others() -> None:
    value = np.array([[3.0, 4.0]])
    terms = Uncertain(value, {"own": value * 0.1, "factor.x": value * 0.1})
    total = summed(terms, "factor.")
    assert total.value == pytest.approx(np.array([[7.0]]))
    assert variance(total) == pytest.approx(np.array([[0.3**2 + 0.4**2 + 0.7**2]]))


def test_unknown_columns_are_left_out_of_a_sum() -> None:
    value = np.array([[3.0, np.nan], [np.nan, np.nan]])
    total = summed(Uncertain(value, {"own": value * 0.1}), "factor.")
    assert total.value[0, 0] == 3
    assert variance(total)[0, 0] == pytest.approx(0.09)
    assert np.isnan(total.value[1, 0])


def test_a_ratio_of_sums_is_what_a_monte_carlo_finds() -> None:
    """Electricity of two lines by one grid factor over their metal."""
    rng = np.random.default_rng(1)
    ac, metal, grid = np.array([[300.0, 200.0]]), np.array([[22.0, 17.0]]), 0.6
    u_ac, u_metal, u_grid = 0.004, 0.02, 0.03
    electricity = summed(relative(ac, {"meter": np.full((1, 2), u_ac)}), "factor.")
    made = summed(relative(metal, {"current": np.full((1, 2), u_metal)}), "factor.")
    factor = relative(np.array([[grid]]), {"factor.grid": np.array([[u_grid]])})
    intensity = electricity * factor / made
    draw = rng.normal(1, 1, (DRAWS, 5)) - 1
    top = (ac * (1 + u_ac * draw[:, :2])).sum(axis=1) * grid * (1 + u_grid * draw[:, 4])
    found = top / (metal * (1 + u_metal * draw[:, 2:4])).sum(axis=1)
    assert intensity.value[0, 0] == pytest.approx(grid * 500 / 39)
    assert np.sqrt(variance(intensity))[0, 0] == pytest.approx(found.std(), rel=0.01)


def test_at_keeps_the_relative_uncertainty_also_of_nothing() -> None:
    zero = Uncertain(np.zeros((1, 1)), {"own": np.zeros((1, 1))})
    assert variance(zero.at(np.zeros((1, 1)))) == 0
    two = relative(np.array([[2.0]]), {"own": np.array([[0.1]])})
    assert np.sqrt(variance(two.at(np.array([[3.0]])))) == pytest.approx(0.3)
