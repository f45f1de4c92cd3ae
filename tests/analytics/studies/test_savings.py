"""Savings: by hand, their intervals hold the truth, and CUSUM finds when they began."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analytics.studies.baseline import fit_baseline
from analytics.studies.savings import savings


def plant_days(rng, days, rho=0.0, sd=30.0):
    """t/day, ambient °C, MWh/day with AR(1) residuals; 12.9 MWh/t."""
    t = rng.normal(1080, 25, days)
    ambient = 15 + 10 * np.sin(np.arange(days) / 5)
    noise = np.empty(days)
    noise[0] = rng.normal(0, sd)
    for i in range(1, days):
        noise[i] = rho * noise[i - 1] + rng.normal(0, sd * math.sqrt(1 - rho**2))
    return t, ambient, 200 + 12.9 * t + 1.5 * ambient + noise


def run(rng, saved=0.0, rho=0.0, before=60, after=30):
    t, ambient, mwh = plant_days(rng, before + after, rho)
    mwh[before:] -= saved
    b, a = slice(0, before), slice(before, None)
    line = fit_baseline(
        ("MWh", mwh[b]), {"t": t[b], "°C": ambient[b]}, {"cells": np.full(60, 240.0)}
    )
    return savings(line, mwh[a], {"t": t[a], "°C": ambient[a]}, {"cells": np.full(after, 240.0)})


def test_one_day_at_the_mean_by_hand():
    """Anscombe's first set: t(0.95, 9) = 2.2622, s = 1.2366; at the mean ±t·s·√(1 + 1/11)."""
    x = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5], float)
    y = np.array([8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68])
    line = fit_baseline(("MWh", y), {"t": x}, {})
    assert line.fit.autocorrelation < 0  # so nothing widens the interval
    found = savings(line, np.array([6.0]), {"t": np.array([9.0])}, {})
    assert found.total == pytest.approx(7.5009 - 6.0, abs=1e-4)
    assert found.uncertainty == pytest.approx(2.2622 * 1.2366 * math.sqrt(12 / 11), abs=1e-3)
    assert not found.significant
    closed = 2.2622 * 1.26 * (1.2366 / 7.5009) * math.sqrt((1 + 2 / 11) / 1) * 7.5009
    assert found.ashrae_uncertainty == pytest.approx(closed, abs=1e-3)


@pytest.mark.parametrize(("rho", "least"), [(0.0, 0.92), (0.5, 0.88)])
def test_intervals_hold_the_truth(rho, least):
    """True savings 25 MWh a day for 30 days. With autocorrelation, ρ is estimated from the same 60
    days and too low, so the coverage falls a little short, as is known of AR(1) corrections."""
    rng = np.random.default_rng(11)
    held = [abs((s := run(rng, 25.0, rho)).total - 750) <= s.uncertainty for _ in range(400)]
    assert least <= np.mean(held) <= 0.98


def test_without_the_adjustment_autocorrelation_would_deceive():
    rng = np.random.default_rng(4)
    wide = np.mean([run(rng, 0.0, 0.6).uncertainty for _ in range(50)])
    narrow = np.mean([run(rng, 0.0, 0.0).uncertainty for _ in range(50)])
    assert wide > 1.5 * narrow


def test_cusum_finds_the_day_it_began():
    rng = np.random.default_rng(8)
    t, ambient, mwh = plant_days(rng, 120)
    mwh -= 1.5 * ambient
    mwh[90:] -= 60.0  # 30 days into the reporting period
    line = fit_baseline(("MWh", mwh[:60]), {"t": t[:60]}, {})
    found = savings(line, mwh[60:], {"t": t[60:]}, {})
    assert 26 <= found.change_day <= 32
    assert found.running[-1] == pytest.approx(found.total)
    assert found.total == pytest.approx(30 * 60, abs=found.uncertainty)
    assert run(np.random.default_rng(9)).change_day == -1


def test_gaps_count_for_nothing():
    rng = np.random.default_rng(2)
    t, _, mwh = plant_days(rng, 70)
    line = fit_baseline(("MWh", mwh[:60]), {"t": t[:60]}, {})
    actual, drivers = mwh[60:].copy(), t[60:].copy()
    actual[3], drivers[5] = np.nan, np.nan
    found = savings(line, actual, {"t": drivers}, {})
    assert found.days == 8
    assert np.isnan(found.daily[[3, 5]]).all()
    whole = savings(line, mwh[60:], {"t": t[60:]}, {})
    assert found.total == pytest.approx(np.delete(whole.daily, [3, 5]).sum())
    with pytest.raises(ValueError, match="no day of the reporting period"):
        savings(line, np.full(3, np.nan), {"t": t[:3]}, {})


def test_days_outside_of_what_was_learnt_are_told():
    rng = np.random.default_rng(2)
    t, _, mwh = plant_days(rng, 70)
    line = fit_baseline(("MWh", mwh[:60]), {"t": t[:60]}, {})
    beyond = t[60:].copy()
    beyond[:2] = 700.0
    notes = savings(line, mwh[60:], {"t": beyond}, {}).notes
    assert any("on 2 of 10 days: the baseline is extrapolated" in note for note in notes)
