"""Charts and baselines of a column of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analytics.formula.alarm_rate import ALARM_RATE
from analytics.formula.columns import VALUES, Floats, column_names, from_file, numbers
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result
from analytics.studies import statistics

REFERENCE = 50
FEWEST = 5
LEAST_R2 = 0.75
LARGEST_P = 0.1
FEW_POINTS = 10
LARGEST_INFLATION = 10


def _series(given: Given) -> Floats:
    if not from_file(given):
        return np.array(given["values"])
    (values,) = numbers(given["file"], [given["column"]])
    if gaps := int(np.isnan(values).sum()):
        given.note(f"{gaps} of {len(values)} values are gaps: the chart stands still there")
    return values


def _normal(given: Given, values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of the normal course: given, or of the first values."""
    known = values[~np.isnan(values)]
    if "mean" in given and "sigma" in given:
        if "reference" in given:
            raise FormulaError("reference tells mean and sigma; leave it out, or one of them")
        return given["mean"], given["sigma"]
    if len(known) < FEWEST:
        raise FormulaError(
            f"mean and sigma are told by {FEWEST} values at least, not by {len(known)}; give both"
        )
    count = int(given.get("reference", min(max(len(known) // 2, FEWEST), REFERENCE)))
    if count > len(known):
        raise FormulaError(f"reference = {count}: there are {len(known)} values; give at most that")
    first = known[:count]
    mean = given.get("mean", float(first.mean()))
    sigma = given.get("sigma", float(first.std(ddof=1)))
    if sigma <= 1e-12 * abs(mean):
        raise FormulaError(f"the first {count} values do not vary; give sigma")
    given.note(f"mean and sigma, where not given, are those of the first {count} values")
    steps = first - first.mean()
    rho = float((steps[1:] * steps[:-1]).sum() / (steps**2).sum())
    if rho > 2 / math.sqrt(count):
        wider = sigma * math.sqrt((1 + rho) / (1 - rho))
        given.note(
            f"the values follow one another (autocorrelation {rho:.2f}): signals come too often;"
            f" limits for an AR(1) process: sigma = {wider:.6g}"
        )
    return mean, sigma


def _plain(values: Floats) -> list[float | None]:
    """NaN is a gap: null."""
    return [None if math.isnan(value) else value for value in values.tolist()]


def _cusum(given: Given) -> Mapping[str, Any]:
    values = _series(given)
    mean, sigma = _normal(given, values)
    chart = statistics.tabular_cusum(values, mean, sigma, given["k"], given["h"])
    return {
        "mean": mean,
        "sigma": sigma,
        "limit": chart.limit,
        "plus": _plain(chart.plus),
        "minus": _plain(chart.minus),
        "signals": chart.signals,
        "change_point": chart.change_point if chart.change_point >= 0 else None,
    }


def _ewma(given: Given) -> Mapping[str, Any]:
    values = _series(given)
    mean, sigma = _normal(given, values)
    chart = statistics.ewma(values, mean, sigma, given["lambda"], given["L"])
    return {
        "mean": mean,
        "sigma": sigma,
        "ewma": _plain(chart.averages),
        "lower": _plain(chart.lower),
        "upper": _plain(chart.upper),
        "signals": chart.signals,
    }


def _baseline(given: Given) -> Mapping[str, Any]:
    names = column_names(given, "terms")
    if given.get("column") in names:
        raise FormulaError(f"terms: {given['column']} is what they are to explain; leave it out")
    if "intercept" in names:
        raise FormulaError("terms: intercept is the name of β0; give the column another name")
    y, *terms = _model(given, names)
    table = np.column_stack(terms)
    known = ~(np.isnan(y) | np.isnan(table).any(axis=1))
    if not known.all():
        given.note(f"{(~known).sum()} of {len(y)} rows have gaps and are left out")
    y, table = y[known], table[known]
    of = given.get("column", "values")
    for name, column in zip([of, *names], [y, *table.T], strict=True):
        if len(y) > 1 and np.ptp(column) == 0:
            raise FormulaError(f"{name} does not vary: nothing can be learnt from it")
    try:
        fit = statistics.ols(y, table)
    except ValueError as error:
        raise FormulaError(str(error)) from None
    _judge(given, fit, names, table)
    centred = bool(abs(y.mean()) <= 1e-12 * np.abs(y).max())
    if centred:
        given.note(f"the mean of {of} is zero: there is no CV(RMSE)")
    labels = ["intercept", *names]

    def by_name(values: Floats) -> dict[str, float | None]:
        return dict(zip(labels, _plain(values), strict=True))

    return {
        "coefficients": by_name(fit.coefficients),
        "standard_errors": by_name(fit.standard_errors),
        "ar1_standard_errors": by_name(fit.adjusted_standard_errors),
        "p_values": by_name(fit.p_values),
        "r2": fit.r2,
        "cv_rmse_percent": None if centred else 100 * fit.cv_rmse,
        "residual_sd": fit.residual_sd,
        "durbin_watson": None if math.isnan(fit.durbin_watson) else fit.durbin_watson,
        "autocorrelation": fit.autocorrelation,
        "n": fit.n,
    }


def _model(given: Given, names: list[str]) -> list[Floats]:
    """y and each term, of the file or of the lists."""
    if from_file(given):
        if "term_values" in given:
            raise FormulaError("term_values goes with values; leave it out with a file")
        return numbers(given["file"], [given["column"], *names])
    y = np.array(given["values"])
    flat = given.get("term_values", [])
    if len(flat) != len(y) * len(names):
        raise FormulaError(
            f"term_values has {len(flat)} numbers; write {len(y)} of each of {', '.join(names)},"
            " one term after the other"
        )
    return [y, *np.array(flat).reshape(len(names), len(y))]


def _judge(given: Given, fit: statistics.Fit, names: list[str], terms: Floats) -> None:
    """Notes where the model is weaker than the practice of ISO 50006 wants. terms: [n, terms]"""
    if fit.n < FEW_POINTS:
        given.note(f"{fit.n} points are few; ISO 50006 practice takes {FEW_POINTS} to 12 or more")
    if fit.r2 < LEAST_R2:
        given.note(f"R2 = {fit.r2:.3f} is below {LEAST_R2}: the terms explain too little")
    for name, p in zip(names, fit.p_values[1:], strict=True):
        if p >= LARGEST_P:
            given.note(f"{name}: p = {p:.3f} is not below {LARGEST_P}: the term may be left out")
    scaled = (terms - terms.mean(axis=0)) / terms.std(axis=0)
    inflation = np.diag(np.linalg.inv(np.einsum("ij,ik->jk", scaled, scaled) / fit.n))
    tied = [
        f"{name} ({by:.0f})"
        for name, by in zip(names, inflation, strict=True)
        if by > LARGEST_INFLATION
    ]
    if tied:
        given.note(
            f"nearly collinear (variance inflation above {LARGEST_INFLATION}): {', '.join(tied)};"
            " their coefficients mean little one by one, leave terms out"
        )
    if fit.autocorrelation > 2 / math.sqrt(fit.n):
        given.note(
            f"residuals follow one another (Durbin-Watson {fit.durbin_watson:.2f}):"
            " take ar1_standard_errors"
        )


NORMAL = (
    Key("mean", "1", "mean of the normal course", required=False),
    Key("sigma", "1", "its standard deviation", low=0, open_low=True, required=False),
    Key(
        "reference",
        "1",
        f"so many first values tell mean and sigma; else the first half, at most {REFERENCE}",
        low=FEWEST,
        required=False,
        whole=True,
    ),
)
MONTGOMERY = "Montgomery, Introduction to Statistical Quality Control"
SHIFTED = (
    "9.45,7.99,9.29,11.66,12.16,10.18,8.04,11.46,9.20,10.34,9.03,11.47,10.51,9.40,10.08,"
    "9.37,10.62,10.31,8.52,10.84,10.90,9.33,12.29,11.50,10.60,11.08,10.38,11.62,11.31,10.52"
)
"""Montgomery's table 9.1: normal with mean 10 and sigma 1, from the 21st value on mean 11."""

FORMULAS = (
    Formula(
        name="cusum",
        what="Tabular cumulative sums; signals and change point are indices from 0",
        what_zh="累积和控制图（CUSUM）",
        expression="C⁺ = max(0, x − (μ + kσ) + C⁺); C⁻ = max(0, (μ − kσ) − x + C⁻); limit hσ",
        source=f"{MONTGOMERY}, §9.1",
        certainty="verified",
        keys=(
            *VALUES,
            *NORMAL,
            Key("k", "1", "slack in σ, half the shift to be found", 0, default=0.5, required=False),
            Key("h", "1", "limit in σ", 0, open_low=True, default=5.0, required=False),
        ),
        results=(
            Result("mean", "", 4),
            Result("sigma", "", 4),
            Result("limit", "", 4),
            Result("plus", "", 3),
            Result("minus", "", 3),
            Result("signals", "", 0),
            Result("change_point", "", 0),
        ),
        compute=_cusum,
        example={"values": SHIFTED, "mean": 10, "sigma": 1},
        expected={"limit": 5, "change_point": 22},
    ),
    Formula(
        name="ewma",
        what="Exponentially weighted moving average with exact limits; signals count from 0",
        what_zh="指数加权移动平均控制图（EWMA）",
        expression="z = λx + (1 − λ)z; limits μ ± Lσ√(λ/(2 − λ)·[1 − (1 − λ)^2t])",
        source=f"{MONTGOMERY}, §9.2",
        certainty="verified",
        keys=(
            *VALUES,
            *NORMAL,
            Key(
                "lambda", "1", "weight of the newest value", 0, 1, True, default=0.1, required=False
            ),
            Key(
                "L", "1", "width of the limits in σ", 0, open_low=True, default=2.7, required=False
            ),
        ),
        results=(
            Result("mean", "", 4),
            Result("sigma", "", 4),
            Result("ewma", "", 4),
            Result("lower", "", 4),
            Result("upper", "", 4),
            Result("signals", "", 0),
        ),
        compute=_ewma,
        example={"values": SHIFTED, "mean": 10, "sigma": 1},
        expected={"mean": 10, "sigma": 1},
    ),
    Formula(
        name="baseline",
        what="Energy baseline: least squares of a column on terms, with its statistics",
        what_zh="能源基线回归",
        expression=(
            "Y = β0 + Σ βj·Xj; CV(RMSE) = s/Ȳ; AR(1): errors × √(n/n'), n' = n(1 − ρ)/(1 + ρ)"
        ),
        source="ISO 50006 practice; ASHRAE Guideline 14-2014 for autocorrelated residuals",
        certainty="verified",
        keys=(
            *VALUES,
            Key("terms", "", "columns of the terms, commas between", kind="text"),
            Key(
                "term_values",
                "1",
                "with values: the terms' numbers, one term after the other",
                kind="list",
                required=False,
            ),
        ),
        results=(
            Result("coefficients", "", 6),
            Result("standard_errors", "", 6),
            Result("ar1_standard_errors", "", 6),
            Result("p_values", "", 4),
            Result("r2", "1", 4),
            Result("cv_rmse_percent", "%", 3),
            Result("residual_sd", "", 4),
            Result("durbin_watson", "1", 3),
            Result("autocorrelation", "1", 3),
            Result("n", "1", 0),
        ),
        compute=_baseline,
        example={"values": "1,3,2,5", "terms": "x", "term_values": "1,2,3,4"},
        expected={"r2": 0.6914, "n": 4},
    ),
    ALARM_RATE,
)
