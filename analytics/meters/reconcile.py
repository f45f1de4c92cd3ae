"""Data reconciliation: measured flows adjusted, each within its uncertainty, until balances close;
and the gross errors that no uncertainty explains.

Weighted least squares under linear balances A·x = 0; unmeasured flows are projected out. In units
of each flow's standard uncertainty the adjusted vector is the projection onto the balances' null
space, which needs one singular value decomposition and no normal equations. Global test: the sum
of squared adjustments against chi-square. Measurement test: each adjustment over its own standard
deviation against the normal quantile, 5 % shared among the flows tested (Bonferroni).
Source: Narasimhan, Jordache, Data Reconciliation and Gross Error Detection (1999), ch. 3, 7, 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import erfc, exp, nan, pi, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIGNIFICANCE = 0.05
RANK = 1e-9  # of the greatest singular value


@dataclass(frozen=True, slots=True)
class Balance:
    """Σ coefficient · flow = 0."""

    name: str
    terms: Mapping[str, float]  # flow id -> coefficient


@dataclass(frozen=True, slots=True)
class Measured:
    """A flow's value and standard uncertainty (k = 1), NaN where not measured or not stated."""

    id: str
    value: float
    uncertainty: float
    unit: str


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A flow after reconciliation. `test` is |adjustment| over its standard deviation, NaN for a
    flow that no balance checks; estimates are NaN where the balances do not determine them."""

    id: str
    unit: str
    raw: float
    uncertainty: float
    value: float
    value_uncertainty: float
    test: float
    gross: bool


@dataclass(frozen=True, slots=True)
class Closure:
    """How far a balance is from closing with the raw values; NaN when one is not measured."""

    name: str
    residual: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class Gross:
    """An error beyond uncertainty: of one flow, or of one of several that cannot be told apart."""

    ids: tuple[str, ...]
    size: float  # raw - what the others say of the first; in its unit
    test: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    flows: list[Adjusted]
    balances: list[Closure]
    chi_square: float  # of all measured values, before gross errors are set apart
    degrees: int
    critical: float  # of the chi-square at 5 %
    p_value: float  # NaN when nothing is redundant
    test_limit: float  # of |test|
    gross: list[Gross] = field(default_factory=list)
    verdict: str = ""


def reconcile(measured: Sequence[Measured], balances: Sequence[Balance]) -> Reconciliation:
    """Adjust the flows to the balances; name gross errors by serial elimination.

    Raises ValueError when an uncertainty is not positive or a balance names an unknown flow.
    """
    ids = [m.id for m in measured]
    raw = np.array([m.value for m in measured], np.float64)
    stated = np.array([m.uncertainty for m in measured], np.float64)
    for m in measured:
        if m.uncertainty <= 0:
            raise ValueError(f"{m.id}: uncertainty {m.uncertainty:g} is not positive; state one")
    matrix = np.zeros((len(balances), len(ids)))
    for row, balance in enumerate(balances):
        for flow, coefficient in balance.terms.items():
            if flow not in ids:
                raise ValueError(f"balance {balance.name}: there is no flow {flow}")
            matrix[row, ids.index(flow)] = coefficient
    u = np.where(np.isfinite(raw) & np.isfinite(stated), stated, nan)
    first = fit = _fit(matrix, raw, u)
    tested = max(int((fit.redundancy > 0).sum()), 1)
    limit = NormalDist().inv_cdf(1 - SIGNIFICANCE / (2 * tested))
    gross: list[Gross] = []
    while fit.p_value < SIGNIFICANCE and np.nanmax(fit.test, initial=0.0) > limit:
        found = np.flatnonzero(fit.test >= np.nanmax(fit.test) * (1 - 1e-6))
        gross.append(_gross(matrix, raw, u, found, float(np.nanmax(fit.test)), measured))
        u[found] = nan
        fit = _fit(matrix, raw, u)
    named = {name for g in gross for name in g.ids}
    return Reconciliation(
        flows=[
            Adjusted(
                m.id, m.unit, m.value, m.uncertainty, float(fit.value[i]), float(fit.sd[i]),
                float(first.test[i]), m.id in named,
            )
            for i, m in enumerate(measured)
        ],
        balances=[_closure(b, matrix[row], raw, stated) for row, b in enumerate(balances)],
        chi_square=first.chi_square,
        degrees=first.degrees,
        critical=chi_square_limit(first.degrees) if first.degrees else nan,
        p_value=first.p_value,
        test_limit=limit,
        gross=gross,
        verdict=_verdict(first, fit, gross),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fit:
    value: Floats
    sd: Floats
    test: Floats  # NaN where not redundant
    redundancy: Floats  # variance that the balances take away, 0..1
    chi_square: float
    degrees: int
    p_value: float


def _fit(matrix: Floats, raw: Floats, u: Floats) -> _Fit:
    known = np.isfinite(u)
    of_known, of_unknown = matrix[:, known], matrix[:, ~known]
    left, singular, _ = np.linalg.svd(of_unknown)
    free = left[:, int((singular > RANK).sum()) :]  # balances without the unmeasured flows
    scaled = (free.T @ of_known) * u[known]
    _, singular, right = np.linalg.svd(scaled, full_matrices=False)
    keep = right[singular > RANK * singular.max(initial=0.0)].T  # float64[known, degrees]
    reading = raw[known] / u[known]
    misfit = keep.T @ reading
    taken = keep @ misfit
    redundancy = (keep**2).sum(axis=1)
    redundancy[redundancy < RANK] = 0.0
    chi_square = float(misfit @ misfit)
    degrees = keep.shape[1]

    value, sd = np.full((2, len(raw)), nan)
    test, all_redundancy = np.full(len(raw), nan), np.zeros(len(raw))
    value[known] = u[known] * (reading - taken)
    sd[known] = u[known] * np.sqrt(np.maximum(1 - redundancy, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        test[known] = np.where(redundancy > 0, np.abs(taken) / np.sqrt(redundancy), nan)
    all_redundancy[known] = redundancy
    if of_unknown.size:
        inverse = np.linalg.pinv(of_unknown)
        solved = -inverse @ of_known
        undetermined = np.abs(np.eye(len(inverse)) - inverse @ of_unknown).max(axis=1) > 1e-6
        spread = (solved * u[known]) @ (np.eye(len(reading)) - keep @ keep.T)
        value[~known] = np.where(undetermined, nan, solved @ value[known])
        sd[~known] = np.where(undetermined, nan, np.sqrt((spread**2).sum(axis=1)))
    p_value = chi_square_above(chi_square, degrees) if degrees else nan
    return _Fit(value, sd, test, all_redundancy, chi_square, degrees, p_value)


def _gross(
    matrix: Floats,
    raw: Floats,
    u: Floats,
    found: NDArray[np.intp],
    test: float,
    measured: Sequence[Measured],
) -> Gross:
    parts, sizes = [], []
    for i in found:
        without = u.copy()
        without[i] = nan
        fit = _fit(matrix, raw, without)
        size = float(raw[i] - fit.value[i])
        sizes.append(size)
        way = "too high" if size > 0 else "too low"
        share = f" ({abs(size / fit.value[i]):.2%})" if fit.value[i] else ""
        m = measured[i]
        parts.append(
            f"{m.id} is {abs(size):.5g} {m.unit}{share} {way}: {raw[i]:.6g} where the others give "
            f"{fit.value[i]:.6g} ± {1.96 * fit.sd[i]:.2g} {m.unit}"
        )
    sentence = parts[0]
    if len(parts) > 1:
        sentence = "one of these is wrong, and nothing else measured tells which: " + "; or ".join(
            parts
        )
    return Gross(tuple(measured[i].id for i in found), sizes[0], test, sentence)


def _closure(balance: Balance, row: Floats, raw: Floats, u: Floats) -> Closure:
    part = row != 0
    return Closure(
        balance.name,
        float(row[part] @ raw[part]),
        float(np.sqrt(((row[part] * u[part]) ** 2).sum())),
    )


def _verdict(first: _Fit, last: _Fit, gross: Sequence[Gross]) -> str:
    if not first.degrees:
        return "nothing measured here is measured twice: no balance can be checked"
    if not gross and first.p_value >= SIGNIFICANCE:
        return "the balances close within the stated uncertainties"
    if not gross:
        return "the balances do not close, but no single instrument explains it"
    if last.degrees and last.p_value < SIGNIFICANCE:
        return "gross errors are named, and the rest does not close either"
    return (
        "gross errors are named; without them the balances close"
        if last.degrees
        else ("gross errors are named; nothing is left that could check the rest")
    )


def chi_square_above(x: float, degrees: int) -> float:
    """Chance of a chi-square above x, for whole degrees of freedom. Source: Abramowitz, Stegun,
    Handbook of Mathematical Functions (1964), 26.4.4 and 26.4.5."""
    if x <= 0:
        return 1.0
    half = x / 2
    if degrees % 2:
        total = erfc(sqrt(half))
        term = sqrt(2 * x / pi) * exp(-half)
        first = 3
    else:
        total = 0.0
        term = exp(-half)
        first = 2
    for k in range(first, degrees + 1, 2):
        total += term
        term *= x / k
    return total


def chi_square_limit(degrees: int, significance: float = SIGNIFICANCE) -> float:
    """The x that a chi-square exceeds with this chance."""
    low, high = 0.0, 1.0
    while chi_square_above(high, degrees) > significance:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if chi_square_above(middle, degrees) > significance:
            low = middle
        else:
            high = middle
    return high
