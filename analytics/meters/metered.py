"""Energies of a range as the balances of a plant take them, each with its standard uncertainty.

Every value is for the whole range: where a reading is missing for a part of it (at most half), the
part is taken like the rest, and the doubt about it enters the uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import hypot, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from analytics.meters.counters import MARKS, REPLACED, RESTARTED, RETURNED, between, readings
from plant.batch import SECOND
from plant.model import MeterRegister, Tag

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

LEAST_KNOWN = 0.5
HOUR_NS = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Amount:
    """An energy of the range. [MWh]; NaN: not known, or its accuracy is not stated."""

    value: float
    uncertainty: float
    known: float  # part of the range with readings


@dataclass(frozen=True, slots=True)
class Counted:
    """What a counter counted in the range, and what its readings hold that is no energy."""

    amount: Amount
    raw_difference: float  # last - first reading
    counted: float  # between them
    set_aside: float  # the rest: restarts, roll-overs, replaced meters, false readings
    events: list[tuple[int, str, float]] = field(default_factory=list)  # time, what, set aside


UNKNOWN = Amount(nan, nan, 0.0)


def tag_errors(tag: Tag, register: MeterRegister | None = None) -> tuple[float, float]:
    """Standard uncertainty of a tag: in its unit, and as a fraction of its reading.

    Limits of error are taken as two standard uncertainties. Where the plant file states none, the
    accuracy class of the register stands for it; NaN where that is silent too.
    """
    if np.isfinite(tag.accuracy) or np.isfinite(tag.accuracy_percent):
        return float(np.nan_to_num(tag.accuracy)) / 2, float(
            np.nan_to_num(tag.accuracy_percent)
        ) / 200
    limit = class_percent(register.accuracy_class) if register else nan
    return (0.0, limit / 200) if limit == limit else (nan, nan)


def class_percent(accuracy_class: str) -> float:
    """Limit of error at full load by the class on the plate, "0.5S" -> 0.5. [%]"""
    try:
        return float(accuracy_class.strip().upper().removesuffix("S"))
    except ValueError:
        return nan


def counted(
    tag: Tag,
    times: Times,
    values: Floats,
    start: int,
    end: int,
    max_rate_per_s: float,
    gap_ns: int,
    register: MeterRegister | None = None,
) -> Counted:
    """A counter's energy in [start, end). Readings before and after it make its edges exact."""
    usable = np.isfinite(values) & (values >= 0)
    times, values = times[usable], values[usable]
    if len(times) < 2:
        return Counted(UNKNOWN, nan, nan, nan)
    rises, aside, since, marks = readings(times, values, max_rate_per_s, tag.rollover, gap_ns)
    lost = ((marks & (REPLACED | RESTARTED)) > 0) & (rises == 0)
    for k in np.flatnonzero(marks & RETURNED):  # what a false reading lost, the next one brought
        lost[np.flatnonzero(lost[:k])[-1:]] = False
    known = max(0, min(end, int(times[-1])) - max(start, int(times[0])))
    inside = np.clip(times[lost], start, end) - np.clip(since[lost], start, end)
    share = (known - int(inside.sum())) / (end - start)
    energy = float(between(np.array([start, end]), times, rises, since)[0])
    bias, gain = tag_errors(tag, register)
    within = (times >= start) & (times < end)
    events = [
        (
            int(times[k]),
            ", ".join(text for bit, text in MARKS.items() if marks[k] & bit),
            float(aside[k]),
        )
        for k in np.flatnonzero(within & (marks > 1))
    ]
    height = float(values[-1] - values[0])
    total = float(rises.sum())
    # the bias of a reading falls out of a difference; two readings remain, each as good as it is
    rate = energy / share if share > 0 else nan
    u = hypot(sqrt(2) * bias, gain * rate)
    return Counted(_whole(rate, u, share, abs(rate)), height, total, height - total, events)


def integrated(
    tag: Tag,
    times: Times,
    values: Floats,
    start: int,
    end: int,
    register: MeterRegister | None = None,
) -> Amount:
    """∫P dt of a power [MW] over [start, end), a reading standing until the next, at most its hold
    time. Readings from one hold time before `start` on."""
    seconds, moment, square = _steps(times, values, _hold_ns(tag), start, end)
    return _integral(seconds, moment, square, end - start, *tag_errors(tag, register))


def voltage_times_current(
    voltage: Tag,
    volts: tuple[Times, Floats],
    current: Tag,
    amps: tuple[Times, Floats],
    start: int,
    end: int,
) -> Amount:
    """∫V·I dt over [start, end), [V] x [kA] -> [MWh], both as steps on their own times."""
    edges = np.unique(np.concatenate([volts[0], amps[0], volts[0] + _hold_ns(voltage),
                                      amps[0] + _hold_ns(current), [start, end]]))  # fmt: skip
    edges = edges[(edges >= start) & (edges <= end)]
    power = _standing(*volts, _hold_ns(voltage), edges[:-1]) / 1000
    power = power * _standing(*amps, _hold_ns(current), edges[:-1])
    seconds = np.where(np.isfinite(power), np.diff(edges) / SECOND, 0.0)
    power = np.nan_to_num(power)
    (v_bias, v_gain), (i_bias, i_gain) = tag_errors(voltage), tag_errors(current)
    gain = hypot(
        v_bias / _mean(*volts) if v_bias else 0.0,
        i_bias / _mean(*amps) if i_bias else 0.0,
        v_gain,
        i_gain,
    )
    return _integral(float(seconds.sum()), float(power @ seconds), float(power**2 @ seconds),
                     end - start, 0.0, gain)  # fmt: skip


def share_of(amount: Amount, low_percent: float, high_percent: float) -> Amount:
    """A part of an energy that is only known to lie between two shares of it."""
    middle = (low_percent + high_percent) / 200
    spread = (high_percent - low_percent) / 100 / sqrt(12)
    return Amount(amount.value * middle, amount.value * spread, amount.known)


def _whole(value: float, u: float, known: float, doubt: float) -> Amount:
    """For the whole range; `doubt`: standard uncertainty of what the unknown part would hold if it
    were all unknown."""
    if not known >= LEAST_KNOWN:
        return UNKNOWN
    return Amount(value, hypot(u, (1 - min(known, 1.0)) * doubt), min(known, 1.0))


def _integral(
    seconds: float, moment: float, square: float, length_ns: int, bias: float, gain: float
) -> Amount:
    if not seconds > 0:
        return UNKNOWN
    hours = length_ns / HOUR_NS
    mean = moment / seconds
    spread = sqrt(max(square / seconds - mean**2, 0.0))
    u = hypot(bias, gain * mean) * hours
    return _whole(mean * hours, u, seconds / (length_ns / SECOND), spread * hours)


def _hold_ns(tag: Tag) -> int:
    return round(min(tag.hold_s, 86400.0) * SECOND)


def _steps(
    times: Times, values: Floats, hold_ns: int, start: int, end: int
) -> tuple[float, float, float]:
    """Known time [s], ∫v dt and ∫v² dt."""
    if not len(times):
        return 0.0, 0.0, 0.0
    until = np.minimum(np.append(times[1:], end), times + hold_ns)
    seconds = (np.clip(until, start, end) - np.clip(times, start, end)) / SECOND
    known = np.isfinite(values)
    seconds, values = seconds[known], values[known]
    return float(seconds.sum()), float(values @ seconds), float(values**2 @ seconds)


def _standing(times: Times, values: Floats, hold_ns: int, at: Times) -> Floats:
    if not len(times):
        return np.full(len(at), nan)
    row = np.searchsorted(times, at, "right") - 1
    found: Floats = values[np.maximum(row, 0)]
    found[(row < 0) | (at - times[np.maximum(row, 0)] >= hold_ns)] = nan
    return found


def _mean(times: Times, values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).mean()) if len(known) else nan
