"""Counters that roll over, restart, shiver, stop and are replaced."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.counters import increments
from plant.batch import SECOND

NAN = float("nan")


def counted(values, jitter=0.5, rolls_over_at=NAN, most_per_s=10.0):
    times = np.arange(len(values), dtype=np.int64) * SECOND
    return increments(times, np.array(values, float), most_per_s, jitter, rolls_over_at)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 6, 8], [0, 1, 2]),
        ([5], [0]),
        ([5, NAN, 8], [0, 0, 3]),
        ([5, 4.8, 5.1, 6], [0, 0, 0.1, 0.9]),  # jitter: nothing is counted twice
        ([5, 6, 0, 2], [0, 1, 0, 2]),  # restarted
        ([5, 6, 3], [0, 1, 3]),  # restarted and counted three since
        ([5, 6, 4000, 4001], [0, 1, NAN, 1]),  # replaced
        ([NAN, NAN, 7, 8], [0, 0, 0, 1]),
    ],
)
def test_cases(values, expected):
    np.testing.assert_allclose(counted(values), expected, atol=1e-12)


def test_roll_over():
    np.testing.assert_allclose(counted([998, 999, 2], rolls_over_at=1000.0), [0, 1, 3])
    # too far for a roll-over: it was a restart
    np.testing.assert_allclose(counted([500, 501, 2], rolls_over_at=1000.0), [0, 1, 2])


@given(st.lists(st.floats(0, 9), min_size=1, max_size=50), st.data())
def test_counts_the_truth_through_roll_overs_and_gaps(steps, data):
    truth = np.cumsum(steps)
    shown = truth % 1000.0
    lost = data.draw(st.sets(st.integers(1, max(1, len(steps) - 1)), max_size=len(steps) // 2))
    values = [NAN if k in lost and k < len(steps) - 1 else v for k, v in enumerate(shown)]
    got = counted(values, jitter=0.0, rolls_over_at=1000.0)
    assert got.sum() == pytest.approx(truth[-1] - truth[0], abs=1e-9)
    assert (got >= 0).all()


@given(st.lists(st.floats(0, 1e6) | st.just(NAN), max_size=50))
def test_never_negative_and_never_faster_than_possible(values):
    got = counted(values)
    known = got[~np.isnan(got)]
    assert (known >= 0).all()
    assert (known <= 10.0 * max(1, len(values))).all()
