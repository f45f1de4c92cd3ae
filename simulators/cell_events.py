"""What happens to a cell: anode effects, low-voltage effects, tapping, anode change, blockage.

domain.md §7.4. `cell` is a row of cell_state.NATURE, `s` of STATE, `sums` of SUMS, `line` of
line_state.LINE. Chance depends on the cell and the step, or on the cell and its count of events.
"""

from __future__ import annotations

from enum import IntEnum
from math import exp, log, sqrt
from typing import Any

import numpy as np

from simulators.cell_state import ANODES_AT_ONCE, BEAM_LOW_MM, BEAM_RAISE_MM, TAKE_UP_S
from simulators.electrochemistry import ALUMINIUM, FARADAY, KELVIN
from simulators.kernel import part
from simulators.luck import Stream, normal, uniform

ANODE_EFFECT_V = 8.0  # domain.md §3.1


class Event(IntEnum):
    """Kinds of rows in the log; `value` in brackets."""

    ABOVE = 0  # the voltage rose above 8 V
    BELOW = 1
    LOW_START = 2  # low-voltage effect [V]
    LOW_END = 3
    TAPPED = 4  # [kg]
    ANODES = 5  # changed [1]
    BLOCKED = 6  # [flow that is left]
    UNBLOCKED = 7
    BEAM_RAISED = 8  # [mm]
    BYPASSED = 9
    RESTARTED = 10


LOG = np.dtype([("kind", "i8"), ("cell", "i8"), ("step", "i8"), ("value", "f8")])

_SHORTFALL_SD, _SHORTFALL_S, _STIRRED = 0.10, 7200.0, 0.10  # wt %; after a quench
_RISE_S, _FALL_S = 4.0, 0.7
_RESTRIKES, _RESTRIKE_S = 0.08, 240.0
_DIP_S = 15.0
_LOW_PER_S, _LOW_NEAR, _LOW_RISE_S = 0.02 / 86400, 60.0, 20.0
_BLOCKED_PER_S = 0.035 / 86400
_TAP_S, _TAP_FOLLOW = 600.0, 0.97  # share of the falling pad that the beam makes good
_MOST_TAPPED_KG = 7000.0  # at 600 kA
_STARTUP_V, _STARTUP_S = 0.35, 36 * 3600.0
_STARTUP_K = 975 + KELVIN


@part
def note(log_rows: Any, count: Any, kind: int, cell: int, step: int, value: float) -> None:
    row = log_rows[count[0]]
    row.kind, row.cell, row.step, row.value = kind, cell, step, value
    count[0] += 1


@part
def draw(cell: Any, s: Any) -> float:
    """The next of the cell's own numbers for events, of (0, 1)."""
    s.events += 1
    return uniform(cell.key, Stream.EVENT, s.events)


@part
def anode_effect(cell: Any, s: Any, k: int, now_s: float, current_A: float, dt: float) -> None:
    """Starts where the leanest spot cannot carry the current; ends by the quench."""
    keep = exp(-dt / _SHORTFALL_S)
    drift = normal(cell.key, Stream.DRIFT, k)
    s.shortfall += (s.shortfall_mean - s.shortfall) * (1 - keep)
    s.shortfall += _SHORTFALL_SD * sqrt(1 - keep * keep) * drift
    if s.dip_V > 0:
        s.dip_V *= exp(-dt / _DIP_S)
        s.dip_V *= s.dip_V > 1e-6
    if s.effect:
        s.effect_left_s -= dt
        if s.effect_left_s <= 0:
            s.effect = False
            s.shortfall = _STIRRED
            s.dip_V = 0.1 + 0.3 * draw(cell, s)  # the beam was lowered to kill it
            if draw(cell, s) < _RESTRIKES:
                s.restrike_s = now_s + 10 + _RESTRIKE_S * draw(cell, s)
    elif current_A > 0.5 * cell.nominal_A and (s.starved > 1 or 0 < s.restrike_s <= now_s):
        s.effect = True
        s.restrike_s = 0.0
        s.low_left_s = 0.0
        s.effect_V = max(22 * exp(0.25 * normal(cell.key, Stream.EFFECT, s.events)), 12.0)
        product = draw(cell, s) * draw(cell, s) * draw(cell, s) * draw(cell, s)
        s.effect_left_s = 20 - 25 * log(product)  # gamma(4, 25 s)
    if s.effect:
        s.effect_level += (1 - exp(-dt / _RISE_S)) * (1 - s.effect_level)
    elif s.effect_level > 0:
        s.effect_level *= exp(-dt / _FALL_S)
        if s.effect_level < 1e-6:
            s.effect_level = 0.0


@part
def low_voltage_effect(
    cell: Any, s: Any, i: int, k: int, dt: float, log_rows: Any, count: Any
) -> None:
    """0.4-3 V for minutes; likelier where an anode effect is near."""
    if s.low:
        s.low_left_s -= dt
        if s.low_left_s <= 0:
            s.low = False
            note(log_rows, count, Event.LOW_END, i, k + 1, s.low_V)
    elif not s.effect:
        near = min(max((s.starved - 0.9) / 0.1, 0.0), 1.0)
        if uniform(cell.key, Stream.CHANCE, 2 * k) < _LOW_PER_S * dt * (1 + _LOW_NEAR * near):
            s.low = True
            s.low_V = 0.4 * exp(draw(cell, s) * log(3.0 / 0.4))
            s.low_left_s = 60 + 840 * draw(cell, s)
            s.low_share = 0.02 + 0.08 * draw(cell, s)
            note(log_rows, count, Event.LOW_START, i, k + 1, s.low_V)
    if s.low or s.low_level > 0:
        s.low_level += (1 - exp(-dt / _LOW_RISE_S)) * ((1.0 if s.low else 0.0) - s.low_level)
        if not s.low and s.low_level < 1e-3:
            s.low_level = 0.0


@part
def emit(
    cell: Any, s: Any, sums: Any, line: Any, i: int, k: int, current_A: float, dt: float,
    log_rows: Any, count: Any,
) -> None:  # fmt: skip
    """CF4 of the step, and when the voltage crossed 8 V. One minute of anode effect emits slope
    times the tonnes of metal that the cell makes a day."""
    above = s.voltage > ANODE_EFFECT_V
    if above != s.above:
        s.above = above
        s.effect_s = 0.0
        note(log_rows, count, Event.ABOVE if above else Event.BELOW, i, k, s.voltage)
    tonnes = cell.efficiency * ALUMINIUM / (3 * FARADAY) * current_A * 86.4
    a_minute = s.emits * line.cf4_slope * tonnes
    if above:
        minutes, x = dt / 60, line.slope_exponent
        if x != 1.0:  # an effect of two minutes emits the same whatever the exponent
            minutes = 2 * (((s.effect_s + dt) / 120) ** x - (s.effect_s / 120) ** x)
        s.effect_s += dt
        sums.cf4_kg += a_minute * minutes
        sums.effect_s += dt
        sums.effect_Vs += (s.voltage - s.set_V) * dt
    background = line.background_kg_per_t * tonnes / 1440  # kg a minute
    low = a_minute * s.low_share * s.low_level + s.emits * background
    sums.cf4_low_voltage_kg += low * dt / 60


@part
def tap(
    cell: Any, s: Any, sums: Any, i: int, k: int, now_s: float, dt: float, log_rows: Any, count: Any
) -> None:
    """Metal above the target level, over ten minutes; the beam follows the falling pad."""
    if now_s >= s.next_tap_s:
        s.next_tap_s += cell.tap_every_s
        surplus = min(max(s.pad_kg - cell.pad_target_kg, 0.0), _MOST_TAPPED_KG * cell.scale)
        s.tapping = surplus > 0
        s.tap_left_kg = s.tap_kg = surplus
        s.tap_rate = surplus / _TAP_S
    if not s.tapping:
        return
    tapped = min(s.tap_left_kg, s.tap_rate * dt)
    s.tap_left_kg -= tapped
    s.pad_kg -= tapped
    s.tapped_kg += tapped
    sums.tapped_kg += tapped
    level = tapped / cell.pad_kg_per_cm
    s.distance_cm += level
    if not s.stuck:
        move_beam(s, -_TAP_FOLLOW * level, i, k, log_rows, count)
    if s.tap_left_kg <= 1e-6:
        s.tapping = False
        note(log_rows, count, Event.TAPPED, i, k + 1, s.tap_kg)


@part
def move_beam(s: Any, up_cm: float, i: int, k: int, log_rows: Any, count: Any) -> None:
    s.distance_cm += up_cm
    s.beam_mm += 10 * up_cm
    if s.beam_mm < BEAM_LOW_MM:  # the anodes are clamped anew, higher up
        s.beam_mm += BEAM_RAISE_MM
        note(log_rows, count, Event.BEAM_RAISED, i, k + 1, BEAM_RAISE_MM)


@part
def change_anodes(
    cell: Any, s: Any, i: int, k: int, now_s: float, dt: float, log_rows: Any, count: Any
) -> None:
    """New anodes carry nothing at first, and all but a twentieth of their share after 30 h."""
    s.idle_area *= exp(-dt / TAKE_UP_S)
    if now_s >= s.next_change_s:
        s.next_change_s += cell.change_every_s
        s.idle_area = min(s.idle_area + ANODES_AT_ONCE / cell.anodes, 0.5)
        note(log_rows, count, Event.ANODES, i, k + 1, float(ANODES_AT_ONCE))


@part
def block_feeder(
    cell: Any, s: Any, i: int, k: int, now_s: float, dt: float, log_rows: Any, count: Any
) -> None:
    """Feeders fail by themselves, for 30-70 minutes at up to half flow."""
    if s.blocked:
        if now_s >= s.blocked_until_s:
            s.blocked = False
            s.own_flow = 1.0
            note(log_rows, count, Event.UNBLOCKED, i, k + 1, 1.0)
    elif uniform(cell.key, Stream.CHANCE, 2 * k + 1) < _BLOCKED_PER_S * dt:
        s.blocked = True
        s.own_flow = 0.5 * draw(cell, s)
        s.blocked_until_s = now_s + 1800 + 2400 * draw(cell, s)
        note(log_rows, count, Event.BLOCKED, i, k + 1, s.own_flow)


@part
def bypass(cell: Any, s: Any, i: int, k: int, dt: float, log_rows: Any, count: Any) -> bool:
    """A cell out of work stands as it was; one that comes back is hot and set high.
    -> whether it is out of work"""
    if s.bypassed != s.was_bypassed:
        s.was_bypassed = s.bypassed
        kind = Event.BYPASSED if s.bypassed else Event.RESTARTED
        note(log_rows, count, kind, i, k, 0.0)
        if s.above:
            note(log_rows, count, Event.BELOW, i, k, 0.0)
        if s.low:
            note(log_rows, count, Event.LOW_END, i, k, 0.0)
        s.effect = s.low = s.tapping = s.above = False
        s.effect_level = s.low_level = s.dip_V = 0.0
        if not s.bypassed:
            s.startup_V = _STARTUP_V
            s.kelvin = max(s.kelvin, _STARTUP_K)
            s.means_seen = 0
    if s.startup_V > 0:
        s.startup_V *= exp(-dt / _STARTUP_S)
        s.startup_V *= s.startup_V > 1e-4
    return s.bypassed  # type: ignore[no-any-return]
