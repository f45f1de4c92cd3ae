"""Reconciliation against published and hand-worked cases, and its tests' error rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.meters.reconcile import (
    Balance,
    Measured,
    chi_square_above,
    chi_square_limit,
    reconcile,
)

NAN = float("nan")


def flows(values, u=1.0):
    sds = u if isinstance(u, list) else [u] * len(values)
    return [
        Measured(f"F{i + 1}", v, s, "MWh") for i, (v, s) in enumerate(zip(values, sds, strict=True))
    ]


# A heat exchanger with a bypass: Narasimhan, Jordache (1999), figure 1-2 and tables 1-1 to 1-3.
BYPASS = [
    Balance("splitter", {"F1": 1, "F2": -1, "F3": -1}),
    Balance("exchanger", {"F2": 1, "F4": -1}),
    Balance("valve", {"F3": 1, "F5": -1}),
    Balance("mixer", {"F4": 1, "F5": 1, "F6": -1}),
]


def test_the_published_bypass_example():
    result = reconcile(flows([101.91, 64.45, 34.65, 64.20, 36.44, 98.88]), BYPASS)
    got = [row.value for row in result.flows]
    np.testing.assert_allclose(got, [100.22, 64.50, 35.72, 64.50, 35.72, 100.22], atol=0.01)
    assert result.degrees == 4
    assert result.p_value > 0.05
    assert not result.gross
    assert "close within" in result.verdict


def test_the_published_bypass_example_with_flows_unmeasured():
    """Table 1-2: F1, F2, F5, F6 measured; table 1-3: only F1 and F2: then nothing is redundant."""
    some = flows([101.91, 64.45, NAN, NAN, 36.44, 98.88])
    result = reconcile(some, BYPASS)
    got = [row.value for row in result.flows]
    np.testing.assert_allclose(got, [100.49, 64.25, 36.24, 64.25, 36.24, 100.49], atol=0.01)
    few = reconcile(flows([101.91, 64.45, NAN, NAN, NAN, NAN]), BYPASS)
    got = [row.value for row in few.flows]
    np.testing.assert_allclose(got, [101.91, 64.45, 37.46, 64.45, 37.46, 101.91], atol=0.01)
    assert few.degrees == 0
    assert np.isnan(few.p_value)
    assert "measured twice" in few.verdict
    # nothing tells how the flow divides: not a number, never a guess
    split = reconcile(flows([101.91, NAN, NAN, NAN, NAN, 98.88]), BYPASS)
    assert np.isnan([row.value for row in split.flows[1:5]]).all()
    assert split.flows[0].value == pytest.approx((101.91 + 98.88) / 2)


def test_by_hand_two_readings_of_one_thing():
    result = reconcile(flows([10.0, 12.0], [1.0, 2.0]), [Balance("same", {"F1": 1, "F2": -1})])
    one, other = result.flows
    assert one.value == pytest.approx((10 / 1 + 12 / 4) / (1 + 1 / 4))  # weighted mean
    assert other.value == pytest.approx(one.value)
    assert one.value_uncertainty == pytest.approx((1 + 1 / 4) ** -0.5)
    assert result.chi_square == pytest.approx(2**2 / 5)
    assert one.test == pytest.approx(2 / 5**0.5)


def test_an_unmeasured_flow_has_the_uncertainty_of_its_parts():
    total = Balance("sum", {"F1": 1, "F2": -1, "F3": -1})
    result = reconcile(flows([10.0, 4.0, NAN], [0.3, 0.4, NAN]), [total])
    assert result.flows[2].value == pytest.approx(6.0)
    assert result.flows[2].value_uncertainty == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", range(6))
def test_a_gross_error_is_named(wrong):
    truth = np.array([100.0, 64, 36, 64, 36, 100])
    values = truth.copy()
    values[wrong] += 12
    result = reconcile(flows(values.tolist()), BYPASS)
    (found,) = result.gross
    assert f"F{wrong + 1}" in found.ids
    if len(found.ids) == 1:
        assert found.size == pytest.approx(12, abs=1e-6)
        np.testing.assert_allclose([row.value for row in result.flows], truth, atol=1e-6)
        assert "too high" in found.sentence
    assert result.flows[wrong].gross
    assert result.p_value < 1e-6


def test_two_gross_errors_are_named_one_after_the_other():
    values = [100.0, 64, 36, 64, 36, 100]
    values[1] += 15
    values[5] -= 15
    result = reconcile(flows(values), BYPASS)
    assert {name for g in result.gross for name in g.ids} == {"F2", "F6"}
    assert "without them the balances close" in result.verdict


def test_what_cannot_be_told_apart_is_said_to_be_so():
    result = reconcile(flows([100.0, 120.0]), [Balance("same", {"F1": 1, "F2": -1})])
    (found,) = result.gross
    assert found.ids == ("F1", "F2")
    assert "which" in found.sentence
    assert np.isnan([row.value for row in result.flows]).all()


@given(
    st.tuples(st.floats(1, 1e5), st.floats(1, 1e5)),
    st.lists(st.floats(-3, 3), min_size=6, max_size=6),
    st.lists(st.floats(0.5, 50), min_size=6, max_size=6),
)
def test_adjusted_values_close_every_balance_and_move_only_within_reason(two, noise, sds):
    u = np.array(sds)
    a, b = two
    truth = np.array([a + b, a, b, a, b, a + b])
    result = reconcile(flows((truth + u * noise).tolist(), u.tolist()), BYPASS)
    x = [row.value for row in result.flows]
    if not result.gross:
        for left, right in ((x[0], x[1] + x[2]), (x[1], x[3]), (x[2], x[4]), (x[3] + x[4], x[5])):
            assert left == pytest.approx(right, abs=1e-6 * (a + b))
        for row in result.flows:
            assert row.value_uncertainty <= row.uncertainty * (1 + 1e-9)


def test_error_rates_are_as_stated():
    """Without gross errors the global test speaks in 5 % of cases and a flow is named in at most
    5 %; an error of 8 standard uncertainties in a flow that two balances check is found."""
    rng = np.random.default_rng(4)
    truth = np.array([100.0, 64, 36, 64, 36, 100])
    spoke = named = 0
    squares = []
    for _ in range(1000):
        result = reconcile(flows((truth + rng.standard_normal(6)).tolist()), BYPASS)
        spoke += result.p_value < 0.05
        named += bool(result.gross)
        errors = np.array([row.value for row in result.flows]) - truth
        sds = np.array([row.value_uncertainty for row in result.flows])
        squares.append(np.nanmean((errors / sds) ** 2))
    assert 30 <= spoke <= 72
    assert named <= 60
    assert np.nanmean(squares) == pytest.approx(1.0, abs=0.15)  # the adjusted uncertainty is true
    found = 0
    for _ in range(200):
        values = truth + rng.standard_normal(6)
        values[1] += 8
        found += any("F2" in g.ids for g in reconcile(flows(values.tolist()), BYPASS).gross)
    assert found >= 190


@pytest.mark.parametrize(
    ("degrees", "limit"),
    [(1, 3.841), (2, 5.991), (3, 7.815), (4, 9.488), (9, 16.919), (30, 43.773)],
)
def test_chi_square_table(degrees, limit):
    """NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.4, upper 5 %."""
    assert chi_square_limit(degrees) == pytest.approx(limit, abs=6e-4)
    assert chi_square_above(limit, degrees) == pytest.approx(0.05, abs=2e-5)


def test_wrong_input_says_what():
    with pytest.raises(ValueError, match="F1: uncertainty 0 is not positive"):
        reconcile(flows([1.0], [0.0]), [])
    with pytest.raises(ValueError, match="there is no flow F9"):
        reconcile(flows([1.0]), [Balance("b", {"F9": 1})])
