"""Thinning keeps what a chart must show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from api.decimate import buckets, decimate, envelope

VALUES = st.floats(-1e6, 1e6) | st.just(float("nan"))


@st.composite
def series(draw):
    rows = draw(st.integers(1, 300))
    steps = draw(npst.arrays(np.int64, rows, elements=st.integers(1, 10**12)))
    values = draw(npst.arrays(np.float64, (rows, 2, 2), elements=VALUES))
    return np.cumsum(steps), values, draw(st.integers(2, 60))


@given(series())
@settings(max_examples=200, deadline=None)
def test_decimated_series_keeps_times_extremes_and_order(case):
    times, values, most = case
    thin_times, thin = decimate(times, values, most)
    assert 0 < len(thin_times) <= max(most, 1) or len(times) <= most
    assert (np.diff(thin_times) > 0).all()
    assert np.isin(thin_times, times).all()
    assert thin.shape == (len(thin_times), 2, 2)
    for i, j in np.ndindex(2, 2):
        whole, part = values[:, i, j], thin[:, i, j]
        known = whole[~np.isnan(whole)]
        shown = part[~np.isnan(part)]
        assert np.isin(shown, known).all()
        assert bool(len(known)) == bool(len(shown))
        if len(known):
            assert shown.min() == known.min()
            assert shown.max() == known.max()


def test_few_rows_are_left_alone():
    times, values = np.arange(5), np.arange(5.0)
    assert decimate(times, values, 5)[1] is values


def test_extremes_of_a_stretch_come_in_their_order():
    times = np.arange(8) * 10
    values = np.array([0.0, 9, 1, 2, 7, 3, -5, 4])
    thin_times, thin = decimate(times, values, 4)
    assert thin_times.tolist() == [0, 30, 40, 70]
    assert thin.tolist() == [0, 9, 7, -5]


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
def test_buckets_cover_all_rows_and_leave_gaps_out(most):
    times = np.concatenate([np.arange(50), np.arange(10_000, 10_050)])
    starts = buckets(times, most)
    assert starts[0] == 0
    assert len(starts) <= most
    low, high = envelope(times.astype(float), starts)
    assert low[0] == 0
    assert high[-1] == 10_049
