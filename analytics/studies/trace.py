"""One cell's recorded trace: energy, every anode effect, spikes, overvoltage, completeness.

The machine is the live one. A reading stands until the next one when at most `hold_s` of the
recording is missing between them, otherwise for one sampling interval, the median step. A recording
that was averaged over longer than t_on cannot show short anode effects: its notes say so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.beat.anode_effect import (
    NONE,
    RULE,
    close,
    emit,
    new_machines,
    read,
    rule_row,
    settle,
)
from analytics.beat.assessment import ANODE_EFFECT
from analytics.formulas import DAY_S, HOURS
from analytics.kernel import kernel
from plant.batch import SECOND
from plant.model import AnodeEffectRule

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Effect:
    """An anode effect; times in ns."""

    start: int
    end: int
    above_s: float
    elapsed_s: float
    max_V: float
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A spike or a low-voltage candidate; times in ns."""

    start: int
    end: int
    max_V: float
    mean_V: float


@dataclass(frozen=True, slots=True)
class Day:
    """A local day: anode effects that began in it, minutes in them that fell into it."""

    date: str
    anode_effects: int
    minutes: float


@dataclass(frozen=True, slots=True)
class TraceResult:
    """None: not known from this trace."""

    energy_kWh: float
    charge_kAh: float
    voltage_V: float | None  # charge-weighted
    anode_effects: list[Effect]
    spikes: list[Stretch]  # above v_on for less than t_on
    low_voltage_candidates: list[Stretch]  # never part of AEM
    aef: float  # 1/(cell·d)
    aed_min: float | None
    aem_min: float  # min/(cell·d)
    aeo_positive_mV: float | None
    aeo_algebraic_mV: float | None
    completeness: float  # readings present / readings expected
    days: list[Day]
    interval_s: float  # median step between readings
    averaging_s: float | None  # the voltage changes no faster than this; None: it never does
    notes: list[str]  # what the recording cannot show

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Steps:
    """A recorded signal as steps: values[k] stands over [starts[k], ends[k])."""

    starts: Times
    ends: Times
    values: Floats

    @classmethod
    def of(cls, times: Times, values: Floats, interval: int, hold: int) -> Steps:
        good = np.isfinite(values)
        starts, values = times[good], values[good]
        following = np.append(starts[1:], NEVER)
        bridged = following - starts <= interval + hold
        return cls(starts, np.where(bridged, following, starts + interval), values)

    def at(self, times: Times) -> Floats:
        """Values standing at these times, NaN where none does."""
        k = np.searchsorted(self.starts, times, "right") - 1
        stands = (k >= 0) & (times < self.ends[k])
        return np.where(stands, self.values[k], np.nan)


NEVER = np.iinfo(np.int64).max // 2


def analyse_trace(
    times_ns: ArrayLike,
    voltage_V: ArrayLike,
    current_kA: ArrayLike,
    target_V: ArrayLike | None,
    rule: AnodeEffectRule,
    zone: tzinfo = UTC,
) -> TraceResult:
    """Everything in a trace of one cell.

    times_ns: int64[n], any order; of two rows with one time the first counts. voltage_V [V],
    current_kA [kA], target_V [V]: float64[n] or one number, NaN where missing. zone: of the days.
    Raises ValueError when there is nothing to analyse.
    """
    times, volts, amps, targets = _in_order(times_ns, voltage_V, current_kA, target_V)
    if not np.isfinite(volts).any():
        raise ValueError("the trace holds no voltage: give at least one row with a number in it")
    interval = int(np.median(np.diff(times))) if len(times) > 1 else SECOND
    hold = round(rule.hold_s * SECOND)
    voltage = Steps.of(times, volts, interval, hold)
    current = Steps.of(times, amps, interval, hold)
    energy, charge = _energy(voltage, current)
    days = float((voltage.ends - voltage.starts).sum()) / SECOND / DAY_S

    rows, runs, positive, algebraic = _scan(voltage, targets[np.isfinite(volts)], rule, interval)
    effects = [
        Effect(
            int(r["start"]), int(r["end"]), float(r["above_s"]), float(r["elapsed_s"]),
            float(r["max_V"]), bool(r["incomplete"]),
        )
        for r in rows[rows["runs"] > 0]
    ]  # fmt: skip
    spikes = [
        Stretch(int(r["start"]), int(r["end"]), float(r["max_V"]), float(r["mean_V"]))
        for r in rows[rows["runs"] == 0]
    ]
    minutes = sum(e.above_s for e in effects) / 60
    expected = round((times[-1] - times[0]) / interval) + 1
    present = int((np.isfinite(volts) & np.isfinite(amps)).sum())
    averaging = _averaging(voltage, interval)
    overvoltage_known = bool(np.isfinite(targets).all())
    return TraceResult(
        energy_kWh=energy,
        charge_kAh=charge,
        voltage_V=energy / charge if charge > 0 else None,
        anode_effects=effects,
        spikes=spikes,
        low_voltage_candidates=_low_voltage(voltage, targets[np.isfinite(volts)], rule),
        aef=len(effects) / days,
        aed_min=minutes / len(effects) if effects else None,
        aem_min=minutes / days,
        aeo_positive_mV=1000 * positive / (days * DAY_S) if overvoltage_known else None,
        aeo_algebraic_mV=1000 * algebraic / (days * DAY_S) if overvoltage_known else None,
        completeness=min(1.0, present / expected),
        days=_days(voltage, effects, runs, zone),
        interval_s=interval / SECOND,
        averaging_s=averaging,
        notes=_notes(averaging, interval / SECOND, rule),
    )


def _in_order(
    times_ns: ArrayLike, voltage_V: ArrayLike, current_kA: ArrayLike, target_V: ArrayLike | None
) -> tuple[Times, Floats, Floats, Floats]:
    times = np.atleast_1d(np.asarray(times_ns, np.int64))
    if not len(times):
        raise ValueError("the trace is empty: give at least one row of time and voltage")
    columns = []
    for name, column in (("voltage", voltage_V), ("current", current_kA), ("target", target_V)):
        values = np.asarray(np.nan if column is None else column, np.float64)
        if values.ndim and len(values) != len(times):
            raise ValueError(f"{len(times)} times but {len(values)} of {name}: give one for each")
        columns.append(np.broadcast_to(values, times.shape))
    times, first = np.unique(times, return_index=True)
    volts, amps, targets = (column[first] for column in columns)
    known = np.where(np.isfinite(targets), np.arange(len(times)), 0)
    return times, volts, amps, targets[np.maximum.accumulate(known)]


def _energy(voltage: Steps, current: Steps) -> tuple[float, float]:
    """∫V·I dt and ∫I dt while both are known. -> [kWh], [kAh]"""
    if not len(current.starts):
        return 0.0, 0.0
    edges = np.unique(np.concatenate([voltage.starts, voltage.ends, current.starts, current.ends]))
    volts, amps = voltage.at(edges[:-1]), current.at(edges[:-1])
    hours = np.diff(edges) / SECOND / HOURS
    both = np.isfinite(volts) & np.isfinite(amps)
    charge = amps[both] * hours[both]
    return float((volts[both] * charge).sum()), float(charge.sum())


def _scan(
    voltage: Steps, targets: Floats, rule: AnodeEffectRule, interval: int
) -> tuple[NDArray[np.void], Times, float, float]:
    """Anode effects and spikes as ANODE_EFFECT rows; int64[k, 2] start and end of each run that
    belongs to an anode effect [ns]; ∫ of their overvoltage, positive and algebraic [V·s]."""
    machine = new_machines(1)
    rules = np.array([rule_row(rule, interval)], RULE)
    out = np.empty(len(voltage.starts) + 2, ANODE_EFFECT)
    written = np.zeros(1, np.int64)
    runs = np.empty((len(voltage.starts) + 1, 2), np.int64)
    found = scan(voltage.starts, voltage.values, targets, rules, machine, out, written, runs)
    rows = np.sort(out[: written[0]], order="start")
    m = machine[0]
    return rows, runs[:found], float(m["positive"]), float(m["algebraic"])


@kernel
def scan(
    times: Times,
    volts: Floats,
    targets: Floats,
    rules: Any,
    machines: Any,
    out: Any,
    written: Times,
    runs: Times,
) -> int:
    """Run the anode-effect machine over good readings in order; a run at the end is closed
    there, incomplete. runs: int64[readings + 1, 2], start and end of each that is no spike; their
    number is returned."""
    m = machines[0]
    rule = rules[0]
    windows = np.full(4, NONE + 1)
    above = np.zeros(4, np.int64)
    found = 0
    for k in range(len(times)):
        begun = m.run_start
        read(m, rule, 0, times[k], volts[k], targets[k], windows, above, out, written)
        if begun != NONE and m.run_start != begun and m.event_end > begun:
            runs[found, 0], runs[found, 1] = begun, m.event_end
            found += 1
    begun = m.run_start
    if begun != NONE:
        end = m.last + rule.interval
        settle(m, rule, end, windows[3])
        close(m, rule, 0, end, end + 1, windows, above, out, written)
    if begun != NONE and m.event_end > begun:
        runs[found, 0], runs[found, 1] = begun, m.event_end
        found += 1
    if m.changed:
        emit(m, rule, 0, m.event_end, out, written)
    return found


def _days(voltage: Steps, effects: list[Effect], runs: Times, zone: tzinfo) -> list[Day]:
    """Every local day of the recording."""

    def midnight(seconds: int) -> datetime:
        moment = datetime.fromtimestamp(seconds, zone)
        return moment.replace(hour=0, minute=0, second=0, microsecond=0)

    end = int(voltage.ends[-1])
    day = midnight(int(voltage.starts[0]) // SECOND)
    days = []
    while (start := int(day.timestamp()) * SECOND) < end:
        after = midnight(int(day.timestamp()) + 36 * 3600)  # the day has 23 to 25 hours
        stop = int(after.timestamp()) * SECOND
        inside = np.minimum(runs[:, 1], stop) - np.maximum(runs[:, 0], start)
        begun = sum(start <= e.start < stop for e in effects)
        days.append(Day(day.date().isoformat(), begun, float(inside[inside > 0].sum()) / 60e9))
        day = after
    return days


def _averaging(voltage: Steps, interval: int) -> float | None:
    """Median time between two changes of the voltage [s], at least the sampling interval: readings
    repeated between two averages show as one step. None with fewer than ten changes."""
    changes = voltage.starts[1:][np.diff(voltage.values) != 0]
    if len(changes) < 10:
        return None
    return max(interval, int(np.median(np.diff(changes)))) / SECOND


def _notes(averaging: float | None, interval: float, rule: AnodeEffectRule) -> list[str]:
    seen = max(interval, averaging or 0.0)
    if seen <= rule.t_on_s:
        return []
    what = "averaged over" if seen > interval else "read every"
    return [
        f"the voltage is {what} {seen:g} s, longer than t_on of {rule.t_on_s:g} s: anode effects"
        f" and spikes shorter than {seen:g} s may not show, peaks are lower than they were, and"
        f" each duration is uncertain by {seen:g} s"
    ]


def _low_voltage(voltage: Steps, targets: Floats, rule: AnodeEffectRule) -> list[Stretch]:
    """Stretches with V above the target by low_voltage_excess_V, and not above v_on, for at least
    low_voltage_s. Source: Wong et al., JOM 67:342 (2015)."""
    raised = voltage.values > targets + rule.low_voltage_excess_V
    candidate = raised & (voltage.values <= rule.v_on_V)
    found = []
    # a stretch ends where the condition does, or where the recording has a gap
    broken = np.append(True, voltage.starts[1:] != voltage.ends[:-1])
    begins = np.flatnonzero(candidate & (broken | ~np.append(False, candidate[:-1])))
    for first in begins.tolist():
        stop = first + 1
        while stop < len(candidate) and candidate[stop] and not broken[stop]:
            stop += 1
        start, end = int(voltage.starts[first]), int(voltage.ends[stop - 1])
        if end - start >= rule.low_voltage_s * SECOND:
            part = slice(first, stop)
            weights = voltage.ends[part] - voltage.starts[part]
            mean = float(np.average(voltage.values[part], weights=weights))
            found.append(Stretch(start, end, float(voltage.values[part].max()), mean))
    return found
