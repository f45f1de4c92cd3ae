"""Savings against a baseline, with their uncertainty and when they began. IPMVP option C.

Savings are predicted minus actual energy. Their uncertainty is the regression's own prediction
error, widened where the residuals of the baseline are autocorrelated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.studies.baseline import Baseline, changed_static, matrix
from analytics.studies.statistics import student_quantile, tabular_cusum

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
BEYOND = 0.1
"""Share of a driver's range in the baseline that a day may lie outside of it."""


@dataclass(frozen=True, slots=True)
class Savings:
    """predicted, actual, daily, running: float64[days], NaN at gaps; running adds up daily.

    total and uncertainty (half of the 95 % interval) are over the known days, in the unit of the
    energy. ashrae_uncertainty is the same by ASHRAE Guideline 14's closed form.
    """

    predicted: Floats
    actual: Floats
    daily: Floats
    running: Floats
    days: int
    total: float
    uncertainty: float
    ashrae_uncertainty: float
    change_day: int  # first day of the lasting change that CUSUM found; -1: none
    notes: tuple[str, ...]

    @property
    def significant(self) -> bool:
        return abs(self.total) > self.uncertainty


def savings(
    baseline: Baseline,
    actual: Floats,
    drivers: Mapping[str, Floats],
    static: Mapping[str, Floats],
) -> Savings:
    """What was saved in a period. All values float64[days]. ValueError when no day is known.

    Variance of the sum over m days: s²·m·(n/n') + x'Cx·(n/n') with x the sum of the days' rows and
    C the coefficients' covariance; n' = n(1 − ρ)/(1 + ρ). Closed form for comparison: ASHRAE
    Guideline 14-2014, t·1.26·CV(RMSE)·√(n/n'·(1 + 2/n')/m) of the predicted energy.
    """
    x = matrix(drivers, len(actual))
    predicted = np.asarray(baseline.predict(x))
    daily = predicted - actual
    known = np.isfinite(daily)
    days = int(known.sum())
    if days == 0:
        raise ValueError(
            f"no day of the reporting period has {baseline.energy} and all of "
            f"{', '.join(baseline.drivers)}: choose days with data"
        )
    fit = baseline.fit
    widen = fit.n / fit.effective_n
    row = np.concatenate([[days], x[known].sum(0)])
    variance = widen * (fit.residual_sd**2 * days + row @ fit.covariance @ row)
    t = student_quantile(CONFIDENCE, fit.n - len(baseline.drivers) - 1)
    expected = float(predicted[known].sum())
    closed = 1.26 * abs(fit.cv_rmse) * math.sqrt(widen * (1 + 2 / fit.effective_n) / days)
    chart = tabular_cusum(daily, 0.0, fit.residual_sd * math.sqrt(widen))
    return Savings(
        predicted=predicted,
        actual=actual,
        daily=daily,
        running=np.where(known, np.cumsum(np.where(known, daily, 0.0)), np.nan),
        days=days,
        total=float(daily[known].sum()),
        uncertainty=t * math.sqrt(variance),
        ashrae_uncertainty=t * closed * abs(expected),
        change_day=chart.change_point,
        notes=(
            *baseline.shortfalls,
            *changed_static(baseline, static),
            *_beyond(baseline, x[known]),
        ),
    )


def _beyond(baseline: Baseline, x: Floats) -> list[str]:
    """Drivers of days that lie outside of what the baseline has seen."""
    reach = BEYOND * (baseline.high - baseline.low)
    outside = (x < baseline.low - reach) | (x > baseline.high + reach)
    return [
        f"{name} is outside {low:g} to {high:g} of the baseline on {count} of {len(x)} days: "
        "the baseline is extrapolated there"
        for name, low, high, count in zip(
            baseline.drivers, baseline.low, baseline.high, outside.sum(0), strict=True
        )
        if count
    ]
