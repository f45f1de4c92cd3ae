"""Statistics of monitoring: regression with its doubt, cumulative sums, moving averages.

All take and give plain arrays. A NaN among the values of a chart is a gap: the chart stands still
there and its series is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import Floats, kernel

Indices = NDArray[np.int64]

SINGULAR = 1e12
"""Condition number of the correlations from which terms count as linearly dependent."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A least-squares line y = b0 + Σ bj·xj. Arrays begin with the intercept."""

    coefficients: Floats  # [terms + 1]
    standard_errors: Floats  # [terms + 1]
    p_values: Floats  # [terms + 1], two-sided, of a coefficient that is zero
    covariance: Floats  # [terms + 1, terms + 1]
    residuals: Floats  # [n]
    r2: float
    cv_rmse: float  # residual_sd over the mean of y
    residual_sd: float  # with n − terms − 1 degrees of freedom
    durbin_watson: float
    autocorrelation: float  # of the residuals, at lag 1
    n: int

    @property
    def effective_n(self) -> float:
        """Independent points that n autocorrelated ones are worth: n·(1 − ρ)/(1 + ρ), at most n.

        Source: ASHRAE Guideline 14-2014, §4.2.11.
        """
        rho = max(self.autocorrelation, 0.0)
        return self.n * (1 - rho) / (1 + rho)

    @property
    def adjusted_standard_errors(self) -> Floats:
        """Standard errors where the residuals are AR(1): times √(n / effective n)."""
        return self.standard_errors * math.sqrt(self.n / self.effective_n)

    def predict(self, terms: Floats) -> Floats:
        """y of the line at each row. [m, terms] -> [m]"""
        values: Floats = self.coefficients[0] + np.einsum("ij,j->i", terms, self.coefficients[1:])
        return values


def ols(y: Floats, terms: Floats) -> Fit:
    """Ordinary least squares with an intercept. [n], [n, terms] -> Fit

    ValueError where a value is not finite, n is at most terms + 1, a term does not vary, or the
    terms are linearly dependent. They are centred and scaled first: their sizes do not matter.
    """
    n, count = terms.shape
    freedom = n - count - 1
    if freedom < 1:
        raise ValueError(f"{n} points are too few for {count} terms and an intercept")
    if not (np.isfinite(y).all() and np.isfinite(terms).all()):
        raise ValueError("a regression needs finite values; leave out the rows with gaps")
    means, y_mean = terms.mean(axis=0), y.mean()
    centred = terms - means
    scales = np.sqrt((centred**2).mean(axis=0))
    if (scales <= 1e-12 * np.abs(means)).any() or (scales == 0).any():
        raise ValueError("a term does not vary; leave it out")
    # einsum, not @: BLAS may split a long sum over threads, and the last bits would follow
    scaled = centred / scales
    gram = np.einsum("ij,ik->jk", scaled, scaled)
    if np.linalg.cond(gram) > SINGULAR:
        raise ValueError("terms are linearly dependent; leave one out")
    inverse = np.linalg.inv(gram)
    slopes = np.einsum("jk,k->j", inverse, np.einsum("ij,i->j", scaled, y - y_mean))
    residuals = (y - y_mean) - np.einsum("ij,j->i", scaled, slopes)
    squares = float((residuals**2).sum())
    total = float(((y - y_mean) ** 2).sum())
    variance = squares / freedom
    spread = np.zeros((count + 1, count + 1))
    spread[0, 0], spread[1:, 1:] = 1 / n, inverse
    back = np.eye(count + 1)  # from the scaled terms to the given ones
    back[0, 1:] = -means / scales
    back[1:, 1:] = np.diag(1 / scales)
    coefficients = np.einsum("ij,j->i", back, np.concatenate(([y_mean], slopes)))
    covariance = variance * np.einsum("ij,jk,lk->il", back, spread, back)
    errors = np.sqrt(np.diag(covariance))
    steps = float((np.diff(residuals) ** 2).sum())
    lagged = float((residuals[1:] * residuals[:-1]).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        t = coefficients / errors
    return Fit(
        coefficients=coefficients,
        standard_errors=errors,
        p_values=np.array([student_p(value, freedom) for value in t]),
        covariance=covariance,
        residuals=residuals,
        r2=1 - squares / total if total else math.nan,
        cv_rmse=math.sqrt(variance) / abs(y_mean) if y_mean else math.nan,
        residual_sd=math.sqrt(variance),
        durbin_watson=steps / squares if squares else math.nan,
        autocorrelation=lagged / squares if squares else 0.0,
        n=n,
    )


def student_p(t: float, freedom: int) -> float:
    """Probability of a Student t at least as far from zero. -> 0…1; NaN of NaN

    The finite series for whole degrees of freedom. Source: Abramowitz & Stegun 26.7.3, 26.7.4.
    """
    if math.isnan(t):
        return math.nan
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(freedom // 2):
        total += term
        term *= square * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return max(0.0, 1 - inside)


def student_quantile(confidence: float, freedom: int) -> float:
    """t that a Student variable stays within, either side, with this confidence. -> t"""
    low, high = 0.0, 1.0
    while student_p(high, freedom) > 1 - confidence:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        if student_p(middle, freedom) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, slots=True)
class Cusum:
    """Tabular cumulative sums in units of the values. Indices begin at 0."""

    plus: Floats  # [n], NaN at gaps
    minus: Floats  # [n]
    signals: Indices  # where either sum is above its limit
    change_point: int  # first value of the run that led to the first signal; −1 without one
    limit: float


def tabular_cusum(
    values: Floats, mean: float, sigma: float, k: float = 0.5, h: float = 5.0
) -> Cusum:
    """C⁺ = max(0, x − (μ + K) + C⁺), C⁻ = max(0, (μ − K) − x + C⁻), K = k·σ, limit h·σ.

    [n], unit of the values, both times σ -> Cusum. The change point is the value after the sum
    last stood at zero. Source: Montgomery, Introduction to Statistical Quality Control, §9.1.
    """
    plus, minus, starts_plus, starts_minus = _cusum(values, mean, k * sigma)
    limit = h * sigma
    signals = np.flatnonzero((plus > limit) | (minus > limit))
    change = -1
    if len(signals):
        first = signals[0]
        change = int(starts_plus[first] if plus[first] > limit else starts_minus[first])
    return Cusum(plus, minus, signals, change, limit)


@kernel
def _cusum(values: Floats, mean: float, slack: float) -> tuple[Floats, Floats, Indices, Indices]:
    """Both sums, and where each began to grow. [n], unit of the values -> four of [n]"""
    n = len(values)
    plus, minus = np.full(n, np.nan), np.full(n, np.nan)
    starts_plus, starts_minus = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    up = down = 0.0
    up_start = down_start = -1
    for i in range(n):
        if np.isnan(values[i]):
            continue
        up_start = i if up == 0 else up_start
        down_start = i if down == 0 else down_start
        up = max(0.0, values[i] - (mean + slack) + up)
        down = max(0.0, (mean - slack) - values[i] + down)
        plus[i], minus[i] = up, down
        starts_plus[i], starts_minus[i] = up_start, down_start
    return plus, minus, starts_plus, starts_minus


@dataclass(frozen=True, slots=True)
class Ewma:
    """Exponentially weighted moving averages between their limits. Indices begin at 0."""

    averages: Floats  # [n], NaN at gaps
    lower: Floats  # [n]
    upper: Floats  # [n]
    signals: Indices


def ewma(
    values: Floats, mean: float, sigma: float, weight: float = 0.1, width: float = 2.7
) -> Ewma:
    """z = λx + (1 − λ)z from z = μ; limits μ ± Lσ√(λ/(2 − λ)·[1 − (1 − λ)^2t]) at the t-th value.

    [n], unit of the values, λ = weight, L = width -> Ewma.
    Source: Montgomery, Introduction to Statistical Quality Control, §9.2.
    """
    known = ~np.isnan(values)
    count = np.where(known, np.cumsum(known), np.nan)
    grown = 1 - (1 - weight) ** (2 * count)
    half = width * sigma * np.sqrt(weight / (2 - weight) * grown)
    averages = _ewma(values, mean, weight)
    signals = np.flatnonzero(np.abs(averages - mean) > half)
    return Ewma(averages, mean - half, mean + half, signals)


@kernel
def _ewma(values: Floats, mean: float, weight: float) -> Floats:
    averages = np.full(len(values), np.nan)
    level = mean
    for i in range(len(values)):
        if not np.isnan(values[i]):
            level = weight * values[i] + (1 - weight) * level
            averages[i] = level
    return averages


PERIOD_S = 600.0
FLOOD_ABOVE, FLOOD_BELOW = 10, 5
CHATTERING, CHATTERING_S = 3, 60.0


def chatters(times_s: Floats) -> bool:
    """Whether one alarm came three times within a minute. [n] -> bool. Source: ANSI/ISA-18.2"""
    ordered = np.sort(times_s)
    span = ordered[CHATTERING - 1 :] - ordered[: 1 - CHATTERING]
    return bool((span <= CHATTERING_S).any())
