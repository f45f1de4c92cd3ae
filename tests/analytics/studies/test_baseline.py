"""The baseline on Anscombe's first data set (The American Statistician 27, 1973): every published
statistic, and what practice asks."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.studies.baseline import changed_static, fit_baseline

X = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5], float)
Y = np.array([8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68])


def anscombe(**static):
    static = {name: np.full(11, float(v)) for name, v in static.items()}
    return fit_baseline(("MWh", Y), {"t": X}, static)


def test_anscombe():
    baseline = anscombe()
    assert baseline.fit.coefficients == pytest.approx([3.0001, 0.5001], abs=5e-5)
    assert baseline.fit.standard_errors == pytest.approx([1.1247, 0.1179], abs=5e-5)
    assert baseline.fit.r2 == pytest.approx(0.6665, abs=5e-5)
    assert baseline.fit.residual_sd == pytest.approx(1.2366, abs=5e-5)
    assert baseline.fit.p_values[1] == pytest.approx(0.00217, abs=5e-6)
    assert (baseline.low[0], baseline.high[0]) == (4, 14)
    np.testing.assert_allclose(
        baseline.predict(np.array([[10.0], [np.nan]])), [8.001, np.nan], 1e-4
    )


def test_what_practice_asks_of_it():
    assert anscombe().shortfalls == (
        "R² 0.67 is below 0.75: the drivers explain too little of the energy",
    )
    noise = np.random.default_rng(1).standard_normal(11)
    weak = fit_baseline(("MWh", Y), {"t": X, "ambient": noise}, {}).shortfalls
    assert any(text.startswith("ambient has p = ") for text in weak)
    short = fit_baseline(("MWh", Y[:6]), {"t": X[:6]}, {}).shortfalls
    assert any(text.startswith("6 days are fewer than 10") for text in short)


def test_days_with_a_gap_are_left_out():
    y = np.append(Y, [np.nan, 7.0])
    x = np.append(X, [9.0, np.nan])
    baseline = fit_baseline(("MWh", y), {"t": x}, {})
    assert baseline.left_out == 2
    assert baseline.fit.n == 11
    assert baseline.fit.coefficients == pytest.approx(anscombe().fit.coefficients)


def test_too_few_days_say_what_to_do():
    with pytest.raises(ValueError, match=r"2 days have MWh and all of t; .* take a longer period"):
        fit_baseline(("MWh", Y[:2]), {"t": X[:2]}, {})
    with pytest.raises(ValueError, match="linearly dependent"):
        fit_baseline(("MWh", Y), {"t": X, "kg": 1000 * X}, {})


def test_a_changed_static_factor_asks_for_another_baseline():
    baseline = anscombe(cells=240)
    assert changed_static(baseline, {"cells": np.full(3, 240.0)}) == []
    assert changed_static(baseline, {"cells": np.full(3, 236.0)}) == []
    (said,) = changed_static(baseline, {"cells": np.full(3, 230.0)})
    assert said.startswith("cells is 230 and was 240 in the baseline period: fit")
