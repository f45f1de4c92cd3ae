"""The controller of a cell: feeds alumina and moves the beam from what it can see.

It sees voltage, current and its own moves, never the true alumina content. domain.md §2 (demand
feed), §7.4. `cell` is a row of cell_state.NATURE, `s` one of cell_state.STATE.
"""

from __future__ import annotations

from enum import IntEnum
from math import exp, nan
from typing import Any

from simulators.kernel import part


class Feed(IntEnum):
    """The `feed_mode` signal."""

    BASE = 0
    UNDER = 1
    OVER = 2
    QUENCH = 3


BASE, UNDER, OVER, QUENCH = (int(mode) for mode in Feed)
FEED_FACTOR = (1.0, 0.70, 1.40, 1.0)  # of the theoretical consumption, by mode
V0 = 1.65  # V, extrapolated to zero current
VOLTS_PER_CM = 0.34

_FILTER_S = 120.0
_DEAD_BAND_V = 0.012
_UNSTEADY_V = 0.3  # further off than this is an upset, no matter for the beam
_BEAM_INTERVAL_S = 300.0
_BEAM_CM_PER_S = 0.1

_MEAN_S = 120.0
MEANS = 10
SLOPE_LIMIT = 0.45e-3  # V/min: leaner than this calls for overfeed
_DRIFT = 0.17e-3  # V/min: the distance shrinks by 0.7 cm a day between taps
_MIDDLE = (MEANS - 1) / 2
_SPREAD = MEANS * (MEANS * MEANS - 1) / 12 * _MEAN_S / 60
_UNDER_MAX_S = 4500.0
OVER_S = 1500.0

_QUENCH_KG_PER_S = 0.25
_QUENCH_DUMP_KG, _QUENCH_DUMP_S = 40.0, 20.0


@part
def control(cell: Any, s: Any, current_A: float, dt: float) -> tuple[float, float]:
    """One step of dt seconds. -> (alumina to feed [kg/s], beam [cm], up is positive)"""
    target = cell.own_set_V + s.raised_V + s.startup_V
    if target != s.set_V:
        jump = target - s.set_V
        s.pending_cm += jump / VOLTS_PER_CM
        s.filtered_V += jump
        if abs(jump) > 1e-3:  # a start-up comes down too slowly to disturb the slope
            s.means_seen = 0
        s.set_V = target
    normalised = V0 + (s.voltage - V0) * cell.nominal_A / max(current_A, 1.0)
    settled = current_A > 0.7 * cell.nominal_A and not (s.effect or s.tapping)
    steady = settled and abs(normalised - s.set_V) < _UNSTEADY_V
    move = _beam(s, normalised, steady, dt)
    _slope(s, normalised, steady, dt)
    return _feed(cell, s, dt), move


@part
def _beam(s: Any, normalised: float, steady: bool, dt: float) -> float:
    s.since_move_s += dt
    if steady:
        s.filtered_V += (normalised - s.filtered_V) * (1 - exp(-dt / _FILTER_S))
        error = s.set_V - s.filtered_V
        if s.since_move_s >= _BEAM_INTERVAL_S and abs(error) > _DEAD_BAND_V:
            s.pending_cm += error / VOLTS_PER_CM
            s.filtered_V = s.set_V
            s.since_move_s = 0.0
    reach = _BEAM_CM_PER_S * dt
    move = min(max(s.pending_cm, -reach), reach)
    s.pending_cm -= move
    if s.stuck:
        return 0.0
    s.moved_V += move * VOLTS_PER_CM
    return float(move)


@part
def _slope(s: Any, normalised: float, steady: bool, dt: float) -> None:
    """Every two minutes: a mean of the voltage without the beam's own moves."""
    if steady:
        s.sum_V += (normalised - s.moved_V) * dt
        s.seen_s += dt
    if s.effect or s.tapping:
        s.means_seen = 0
    s.window_s += dt
    if s.window_s < _MEAN_S:
        return
    mean = s.sum_V / s.seen_s if s.seen_s > _MEAN_S / 2 else nan
    s.sum_V = s.seen_s = s.window_s = 0.0
    if mean != mean:
        s.means_seen = 0
        return
    for i in range(MEANS - 1):
        s.means[i] = s.means[i + 1]
    s.means[MEANS - 1] = mean
    s.means_seen += 1
    if s.means_seen < MEANS or s.mode != UNDER:
        return
    slope = 0.0
    for i in range(MEANS):
        slope += (i - _MIDDLE) * s.means[i]
    if slope / _SPREAD + _DRIFT > s.slope_limit:
        _enter(s, OVER)


@part
def _feed(cell: Any, s: Any, dt: float) -> float:
    s.age_s += dt
    if s.effect:
        if s.mode != QUENCH:
            _enter(s, QUENCH)
    elif s.mode == QUENCH or (s.mode == UNDER and s.age_s > _UNDER_MAX_S):
        _enter(s, OVER)
    elif s.mode == OVER and s.age_s > OVER_S:
        _enter(s, UNDER)
    if s.mode == QUENCH:
        dump = _QUENCH_DUMP_KG / _QUENCH_DUMP_S if s.age_s < _QUENCH_DUMP_S else 0.0
        return float((_QUENCH_KG_PER_S + dump) * cell.scale)
    return float(FEED_FACTOR[s.mode] * cell.consumption)


@part
def _enter(s: Any, mode: int) -> None:
    s.mode = mode
    s.age_s = 0.0
