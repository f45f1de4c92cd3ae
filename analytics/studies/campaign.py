"""Before and after a retrofit or a set-point campaign: difference in differences over cells.

The cells with the measure are held against cells of the same line without it, so that current,
season and alumina, which both share, cancel. The cell is the unit of independence: each gives one
difference of its two period means, so that day-to-day autocorrelation does not narrow the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.studies.statistics import student_p, student_quantile

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
LEAST_CELLS = 2
LEAST_DAYS = 3
RELABELLINGS = 2000


@dataclass(frozen=True, slots=True)
class Difference:
    """An effect with the half width of its 95 % interval and the p value of no effect."""

    effect: float
    uncertainty: float
    p_value: float

    @property
    def significant(self) -> bool:
        return abs(self.effect) > self.uncertainty


@dataclass(frozen=True, slots=True)
class Campaign:
    """Means over cells of each group and period, in the figure's unit, and what they come to."""

    treated_before: float
    treated_after: float
    control_before: float
    control_after: float
    treated_cells: int
    control_cells: int
    effect: Difference
    trend: Difference  # a day, of treated over control before the measure: ought to be none
    placebo: Difference  # the same test with the measure put in the middle of the time before
    relabelled_p: float  # share of random group labels with an effect as large

    @property
    def notes(self) -> tuple[str, ...]:
        said = []
        if self.trend.significant:
            said.append(
                "the groups drifted apart before the measure already "
                f"({self.trend.effect:+.3g} ± {self.trend.uncertainty:.3g} a day): "
                "choose other control cells"
            )
        if self.placebo.significant:
            said.append(
                "the placebo test finds an effect where there was none "
                f"({self.placebo.effect:+.3g} ± {self.placebo.uncertainty:.3g}): "
                "do not trust the interval"
            )
        return tuple(said)


@dataclass(frozen=True, slots=True)
class Group:
    """Daily values of some cells before and after, each float64[cells, days], NaN where unknown;
    and what each day counts for, of the same shapes: the charge, for a ratio to metal."""

    before: Floats
    after: Floats
    weight_before: Floats
    weight_after: Floats

    @property
    def changes(self) -> tuple[Floats, Floats]:
        """Means before and after of the cells known in both periods, [cells] each."""
        return both_known(
            weighted_means(self.before, self.weight_before),
            weighted_means(self.after, self.weight_after),
        )

    @property
    def placebo(self) -> tuple[Floats, Floats]:
        """The same with the measure in the middle of the time before it."""
        half = self.before.shape[1] // 2
        values, weight = self.before, self.weight_before
        return both_known(
            weighted_means(values[:, :half], weight[:, :half]),
            weighted_means(values[:, half:], weight[:, half:]),
        )


def compare(treated: Group, control: Group, seed: int = 1) -> Campaign:
    """The effect of a measure on a daily figure of cells.

    A cell with fewer than three known days in either period is left out; ValueError when a group
    is left with fewer than two. Interval: Welch's t over the cells' differences.
    """
    t_before, t_after = treated.changes
    c_before, c_after = control.changes
    for name, cells in (("with the measure", t_before), ("without it", c_before)):
        if len(cells) < LEAST_CELLS:
            raise ValueError(
                f"{len(cells)} cells {name} have {LEAST_DAYS} known days before and after: "
                f"at least {LEAST_CELLS} are needed; name more cells or longer periods"
            )
    changes = t_after - t_before, c_after - c_before
    t_half, c_half = treated.placebo, control.placebo
    return Campaign(
        float(t_before.mean()), float(t_after.mean()),
        float(c_before.mean()), float(c_after.mean()),
        len(t_before), len(c_before),
        welch(*changes),
        welch(_slopes(treated.before), _slopes(control.before)),
        welch(t_half[1] - t_half[0], c_half[1] - c_half[0]),
        _relabelled(*changes, seed),
    )  # fmt: skip


def welch(one: Floats, other: Floats) -> Difference:
    """Difference of two means with its 95 % interval. [n], [m] -> Difference; NaN below two each.

    Source: Welch 1947; degrees of freedom by Satterthwaite, rounded down.
    """
    one, other = one[np.isfinite(one)], other[np.isfinite(other)]
    if min(len(one), len(other)) < LEAST_CELLS:
        return Difference(math.nan, math.nan, math.nan)
    effect = float(one.mean() - other.mean())
    parts = np.array([one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)])
    variance = float(parts.sum())
    if variance == 0:
        return Difference(effect, 0.0, float(effect == 0))
    freedom = variance**2 / (parts**2 / [len(one) - 1, len(other) - 1]).sum()
    whole = max(1, math.floor(freedom))
    error = math.sqrt(variance)
    return Difference(
        effect, error * student_quantile(CONFIDENCE, whole), student_p(effect / error, whole)
    )


def weighted_means(values: Floats, weights: Floats) -> Floats:
    """Mean over the known days of each cell, NaN with fewer than three. [cells, days] -> [cells]"""
    known = np.isfinite(values) & np.isfinite(weights)
    total = np.where(known, weights, 0.0).sum(1)
    sums = (np.where(known, values, 0.0) * np.where(known, weights, 0.0)).sum(1)
    enough = (known.sum(1) >= LEAST_DAYS) & (total > 0)
    return np.where(enough, sums / np.where(enough, total, 1.0), np.nan)


def both_known(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(before) & np.isfinite(after)
    return before[known], after[known]


def _slopes(values: Floats) -> Floats:
    """Least-squares slope of each cell's days, unit a day. [cells, days] -> [cells]"""
    slopes = np.full(len(values), np.nan)
    for c, row in enumerate(values):
        known = np.flatnonzero(np.isfinite(row))
        if len(known) >= LEAST_DAYS:
            day = known - known.mean()
            slopes[c] = (day * (row[known] - row[known].mean())).sum() / (day**2).sum()
    return slopes


def _relabelled(treated: Floats, control: Floats, seed: int) -> float:
    """p value of the permutation test over cells, Phipson & Smyth 2010 (never 0)."""
    both = np.concatenate([treated, control])
    found = abs(treated.mean() - control.mean())
    rng = np.random.default_rng(seed)
    as_large = 0
    for _ in range(RELABELLINGS):
        mixed = rng.permutation(both)
        effect = mixed[: len(treated)].mean() - mixed[len(treated) :].mean()
        as_large += abs(effect) >= found * (1 - 1e-12)
    return (as_large + 1) / (RELABELLINGS + 1)
