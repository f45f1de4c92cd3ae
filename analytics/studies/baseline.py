"""Energy baseline: what the energy of a day should be, from what drives it. ISO 50006, IPMVP C.

Ordinary least squares on daily figures, e.g. MWh on tonnes, ambient temperature and anode-effect
minutes. The statistics come with it, and what practice asks of them where they fall short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.studies.statistics import Fit, ols

Floats = NDArray[np.float64]

LEAST_DAYS = 10  # ISO 50006 practice
LEAST_R2 = 0.75
LARGEST_P = 0.1
LARGEST_CV_RMSE = 0.25  # ASHRAE Guideline 14: daily data


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted line. low, high: float64[drivers], the range in which it was learnt; static: the
    median of each static factor then, e.g. cells in operation."""

    energy: str
    drivers: tuple[str, ...]
    fit: Fit
    low: Floats
    high: Floats
    static: Mapping[str, float]
    left_out: int  # days with a gap

    def predict(self, drivers: Floats) -> Floats:
        """Energy that the baseline expects. [days, drivers] -> [days], NaN at gaps"""
        return self.fit.predict(drivers)

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """What practice asks of a baseline and this one does not give, a sentence each."""
        said = []
        fit = self.fit
        if fit.n < LEAST_DAYS:
            said.append(f"{fit.n} days are fewer than {LEAST_DAYS}: take a longer period")
        if not fit.r2 >= LEAST_R2:
            said.append(
                f"R² {fit.r2:.2f} is below {LEAST_R2}: the drivers explain too little of the energy"
            )
        if not abs(fit.cv_rmse) <= LARGEST_CV_RMSE:
            said.append(f"CV(RMSE) {fit.cv_rmse:.2f} is above {LARGEST_CV_RMSE}")
        for name, p in zip(self.drivers, fit.p_values[1:], strict=True):
            if not p < LARGEST_P:
                said.append(f"{name} has p = {p:.2f}, not below {LARGEST_P}: leave it out")
        return tuple(said)


def fit_baseline(
    energy: tuple[str, Floats],
    drivers: Mapping[str, Floats],
    static: Mapping[str, Floats],
) -> Baseline:
    """The baseline of a period. All values float64[days]; days with a gap are left out.

    energy: its name and values; static: what has to stay as it is. ValueError as `ols` raises.
    """
    name, y = energy
    x = matrix(drivers, len(y))
    known = np.isfinite(y) & np.isfinite(x).all(1)
    if known.sum() < len(drivers) + 2:
        raise ValueError(
            f"{int(known.sum())} days have {name} and all of {', '.join(drivers)}; "
            f"a baseline needs at least {len(drivers) + 2}, better {LEAST_DAYS} or more: "
            "take a longer period or fewer drivers"
        )
    x = x[known]
    kept = {key: _median(values[known]) for key, values in static.items()}
    return Baseline(
        name,
        tuple(drivers),
        ols(y[known], x),
        x.min(0),
        x.max(0),
        kept,
        int((~known).sum()),
    )


def matrix(drivers: Mapping[str, Floats], days: int) -> Floats:
    """float64[days, drivers]"""
    return np.array(list(drivers.values()), np.float64).reshape(len(drivers), days).T


def changed_static(
    baseline: Baseline, static: Mapping[str, Floats], share: float = 0.02
) -> Sequence[str]:
    """Static factors that differ from the baseline's by more than `share`, a sentence each; one
    that is not known then or now is not compared."""
    said = []
    for name, was in baseline.static.items():
        now = _median(static[name])
        if abs(now - was) > share * abs(was):
            said.append(
                f"{name} is {now:g} and was {was:g} in the baseline period: "
                "fit the baseline again or adjust it"
            )
    return said


def _median(values: Floats) -> float:
    """Of what is known, NaN when nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
