"""Lines and cells, all stepped at once. domain.md §7; a thermal model takes `Cells.kelvin` later.

A step is two calls: `stand` works out the currents and voltages that stand on [t, t + dt) from
the state at t, `advance` carries the state to t + dt. Between them a meter would read them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plant.model import Plant
from simulators.electrochemistry import (
    FARADAY,
    KELVIN,
    Size,
    anode_density,
    cell_voltage,
    critical_density,
    voltage_per_cm,
)
from simulators.pot_controller import PotController

Array = NDArray[np.float64]

ALUMINIUM, ALUMINA = 26.9815385e-3, 101.961276e-3  # kg/mol
BUSBAR_OHM_PER_CELL = 0.025e-6  # at 600 kA, between and before the cells, not in cell voltage

_BATH_KG, _PAD_KG = 12_000.0, 45_000.0  # at 600 kA
_PAD_KG_PER_CM3 = 2.3e-3
_ANODE_CM_PER_S = 1.64 / 86400  # consumed, at nominal current
_UNDISSOLVED, _DISSOLVE_PER_S = 0.4, 1 / 700  # share that sinks, and how fast it dissolves
_TAP_S = 600.0
_TAP_FOLLOW = 0.97  # of the falling pad that the beam makes good while tapping
_BEAM_LOW_MM, _BEAM_RAISE_MM = 60.0, 240.0

_BLOCKED_PER_S = 0.02 / 86400  # feeders fail by themselves, for 30-70 min at up to half flow
_HF_V, _LF_V = 0.003, 0.004  # standard deviations
_LF_PERIOD_S, _LF_DAMPING = 45.0, 0.97
_SHORTFALL, _SHORTFALL_SD, _SHORTFALL_S = 0.35, 0.10, 7200.0  # local alumina below the bulk, wt %
_BATH_C, _BATH_SD, _BATH_S = 958.0, 2.0, 6 * 3600.0
_ANODE_EFFECT_MARGIN = 1.25
_RISE_S, _FALL_S = 4.0, 0.7
_RIPPLE = 0.08

_CURRENT_SD, _CURRENT_S = 0.002, 10.0
_DIPS_PER_S = 0.3 / 86400
_DRIVING_V = 2.3  # a cell's voltage above its back EMF


def cell_offsets(cells: int, step_ns: int) -> NDArray[np.int64]:
    """How long after the step each cell's controller takes its samples, [ns]; below a fifth."""
    return (np.arange(cells) * 37 % 50) * (step_ns // 250)


class Lines:
    """Current regulated at nominal, with ripple and rare dips; all arrays are [lines]."""

    def __init__(self, plant: Plant, dt: float, seed: int) -> None:
        self.nominal_A = np.array([line.nominal_current_kA * 1e3 for line in plant.lines])
        count = len(plant.lines)
        self.current_A = self.nominal_A.copy()
        self.trip = np.ones(count)  # share of the current that a fault leaves
        self._cells = np.bincount(plant.line_of_cell, minlength=count)
        self._rng = np.random.default_rng((seed, 1))
        self._seed, self._dips = seed, 0
        self._ripple = np.zeros(count)
        self._keep = np.exp(-dt / _CURRENT_S)
        self._dip = np.ones(count)
        self._dip_until = np.full(count, -np.inf)

    def stand(self, rise_V: Array) -> None:
        """rise_V: how much anode effects raised each line's voltage since the last step; the
        rectifier makes it good within a step."""
        sag = rise_V / np.maximum(self._cells * _DRIVING_V, 1.0)
        share = self._dip * self.trip * (1 + self._ripple) * (1 - np.clip(sag, -0.03, 0.3))
        self.current_A = self.nominal_A * share

    def advance(self, now_s: float, dt: float) -> None:
        noise = self._rng.standard_normal(len(self._ripple))
        chance = self._rng.random(len(self._ripple))
        self._ripple *= self._keep
        self._ripple += _CURRENT_SD * np.sqrt(1 - self._keep**2) * noise
        self._dip[now_s >= self._dip_until] = 1.0
        for line in np.flatnonzero((chance < _DIPS_PER_S * dt) & (self._dip == 1.0)):
            self._dips += 1
            event = np.random.default_rng((self._seed, 2, int(line), self._dips))
            self._dip[line] = 1 - event.uniform(0.1, 0.4)
            self._dip_until[line] = now_s + event.uniform(20, 60)


class Cells:
    """All cells of the plant; all arrays are [cells]."""

    def __init__(self, plant: Plant, dt: float, seed: int) -> None:
        line = plant.line_of_cell
        count = len(plant.cells)
        rng = np.random.default_rng((seed, 3))
        self._seed = seed
        self._rng = np.random.default_rng((seed, 4))
        self.line = line
        self.nominal_A = np.array([row.nominal_current_kA * 1e3 for row in plant.lines])[line]
        self.size = Size(self.nominal_A / 600e3)
        scale = self.size.scale
        # the true one is what the plant is told, so that metal by Faraday can be held against it
        self.current_efficiency = np.array([r.current_efficiency for r in plant.lines])[line]
        self.consumption = self._consumed(self.nominal_A)  # kg/s of alumina at nominal current
        self._bath_kg = _BATH_KG * scale
        self._pad_kg_per_cm = _PAD_KG_PER_CM3 * self.size.cathode_cm2

        target = np.array([cell.target_voltage_V for cell in plant.cells])
        self._own_set_V = target + np.clip(rng.normal(0, 0.008, count), -0.02, 0.02)
        self.raised_V = np.zeros(count)  # by faults
        self.kelvin = _BATH_C + KELVIN + rng.normal(0, _BATH_SD, count)
        self._dissolved_kg = rng.uniform(2.1, 2.6, count) / 100 * self._bath_kg
        self._settled_kg = _UNDISSOLVED * self.consumption / _DISSOLVE_PER_S
        self._extra_V = rng.normal(0, 0.010, count)  # worn anodes and cathodes
        self.distance_cm = np.full(count, 4.0)
        start = self._steady_voltage(self.nominal_A)
        per_cm = voltage_per_cm(self.nominal_A, self.alumina, self.kelvin, self.size)
        self.distance_cm += (self.set_voltage - start) / per_cm

        self._tap_every_s = rng.uniform(24, 32, count) * 3600
        self._next_tap_s = rng.uniform(0, 1, count) * self._tap_every_s
        made = self.metal_rate(self.nominal_A) * (self._tap_every_s - self._next_tap_s)
        self.pad_kg = _PAD_KG * scale + made
        self._tap_left_kg = np.zeros(count)
        self._tap_rate = np.zeros(count)
        self.tapped_kg = np.floor(rng.uniform(0, 2e5, count))  # counters of some months of work
        self.fed_kg = np.floor(rng.uniform(0, 4e5, count))
        self.beam_mm = rng.uniform(_BEAM_LOW_MM, _BEAM_LOW_MM + _BEAM_RAISE_MM, count)
        self.controller = PotController(self.set_voltage, self.nominal_A, self.consumption, rng)

        self.feeder_flow = np.ones(count)  # that faults leave
        self._own_flow = np.ones(count)
        self._blocked_until = np.full(count, -np.inf)
        self._events = np.zeros(count, np.int64)
        self._shortfall = rng.normal(_SHORTFALL, _SHORTFALL_SD, count)
        self.anode_effect = np.zeros(count, np.bool_)
        self._effect_V = np.zeros(count)
        self._effect_left_s = np.zeros(count)
        self._effect_level = np.zeros(count)  # 0..1
        self._noise = np.zeros((3, count))  # HF, ripple, LF
        self._swing = np.zeros((2, count))  # the last two of the LF oscillation
        keep = _LF_DAMPING**dt
        self._swing_a = 2 * keep * np.cos(2 * np.pi * dt / _LF_PERIOD_S)
        self._swing_b = -(keep**2)
        self._swing_gain = np.sqrt(
            (1 + self._swing_b)
            * ((1 - self._swing_b) ** 2 - self._swing_a**2)
            / (1 - self._swing_b)
        )
        self.voltage = self.set_voltage.copy()

    @property
    def alumina(self) -> Array:
        """Dissolved in the bulk of the bath, [wt %]."""
        return 100 * self._dissolved_kg / self._bath_kg

    @property
    def set_voltage(self) -> Array:
        return self._own_set_V + self.raised_V

    @property
    def metal_level_cm(self) -> Array:
        return np.asarray(self.pad_kg / self._pad_kg_per_cm)

    @property
    def effect_voltage(self) -> Array:
        """What the anode effect adds, [V] at nominal current."""
        return np.asarray(self._effect_V * self._effect_level)

    def metal_rate(self, current_A: Array) -> Array:
        """[A] -> [kg/s], by Faraday."""
        return np.asarray(current_A * self.current_efficiency * ALUMINIUM / (3 * FARADAY))

    def dissolve(self, cell: int, percent: float) -> None:
        """Set what is dissolved in one cell's bath, [wt %]: a fault of the past, made at once."""
        self._dissolved_kg[cell] = percent / 100 * self._bath_kg[cell]

    def _consumed(self, current_A: Array) -> Array:
        return np.asarray(current_A * self.current_efficiency * ALUMINA / (6 * FARADAY))

    def _steady_voltage(self, current_A: Array) -> Array:
        share = current_A / self.nominal_A
        steady = cell_voltage(current_A, self.distance_cm, self.alumina, self.kelvin, self.size)
        return np.asarray(steady + self._extra_V * share)

    def stand(self, current_A: Array) -> None:
        """The voltage at this current, [A]."""
        share = current_A / self.nominal_A
        fast, ripple, swing = self._noise
        squeezed = 1 + 4 * np.maximum(3.7 - self.distance_cm, 0.0)
        noise = _HF_V * fast + _LF_V * swing * squeezed
        noise += self.effect_voltage * (1 + _RIPPLE * np.clip(ripple, -2.5, 2.5))
        self.voltage = self._steady_voltage(current_A) + noise * share

    def advance(self, now_s: float, dt: float, current_A: Array) -> None:
        fast, ripple, swing, heat, mixing = self._rng.standard_normal((5, len(current_A)))
        chance = self._rng.random(len(current_A))
        older, newer = self._swing
        drive = self._swing_gain * swing
        self._swing = np.stack([newer, self._swing_a * newer + self._swing_b * older + drive])
        self._noise = np.stack([fast, ripple, self._swing[1]])
        _drift(self.kelvin, _BATH_C + KELVIN, _BATH_SD, _BATH_S, dt, heat)
        _drift(self._shortfall, _SHORTFALL, _SHORTFALL_SD, _SHORTFALL_S, dt, mixing)

        share = current_A / self.nominal_A
        made = self.metal_rate(current_A) * dt
        tapped = self._tap(now_s, dt)
        feed, move_cm = self.controller.step(
            dt, self.voltage, current_A, self.set_voltage, self.anode_effect, tapped > 0
        )
        self._feed(now_s, dt, chance, feed, self._consumed(current_A) * dt)
        self.pad_kg += made - tapped
        self.tapped_kg += tapped
        pad_cm = (made - tapped) / self._pad_kg_per_cm
        move_cm = move_cm - _TAP_FOLLOW * tapped / self._pad_kg_per_cm
        self.distance_cm += _ANODE_CM_PER_S * dt * share - pad_cm + move_cm
        self.beam_mm += 10 * move_cm
        self.beam_mm[self.beam_mm < _BEAM_LOW_MM] += _BEAM_RAISE_MM
        self._effects(dt, current_A)

    def _tap(self, now_s: float, dt: float) -> Array:
        due = now_s >= self._next_tap_s
        if due.any():
            surplus = self.pad_kg - _PAD_KG * self.size.scale
            self._tap_left_kg[due] = np.clip(surplus, 0.0, 7000 * self.size.scale)[due]
            self._tap_rate[due] = self._tap_left_kg[due] / _TAP_S
            self._next_tap_s[due] += self._tap_every_s[due]
        tapped = np.minimum(self._tap_left_kg, self._tap_rate * dt)
        self._tap_left_kg -= tapped
        return tapped

    def _feed(self, now_s: float, dt: float, chance: Array, feed: Array, consumed: Array) -> None:
        self._own_flow[now_s >= self._blocked_until] = 1.0
        for cell in np.flatnonzero((chance < _BLOCKED_PER_S * dt) & (self._own_flow == 1.0)):
            event = self._event(cell)
            self._own_flow[cell] = event.uniform(0.0, 0.5)
            self._blocked_until[cell] = now_s + event.uniform(30, 70) * 60
        self.fed_kg += feed * dt  # what the controller dosed; a blocked feeder does not tell
        # a quench breaks the crust and feeds by hand where the feeder is blocked
        flow = np.where(self.anode_effect, 1.0, np.minimum(self._own_flow, self.feeder_flow))
        arrived = feed * flow * dt
        dissolving = _DISSOLVE_PER_S * dt * self._settled_kg
        self._settled_kg += _UNDISSOLVED * arrived - dissolving
        self._dissolved_kg += (1 - _UNDISSOLVED) * arrived + dissolving - consumed
        np.maximum(self._dissolved_kg, 0.003 * self._bath_kg, out=self._dissolved_kg)

    def _effects(self, dt: float, current_A: Array) -> None:
        running = self.anode_effect
        self._effect_left_s[running] -= dt
        over = running & (self._effect_left_s <= 0)
        running[over] = False
        self._shortfall[over] = 0.1  # the quench stirs the bath

        local = self.alumina - self._shortfall
        limit = _ANODE_EFFECT_MARGIN * anode_density(current_A, self.size)
        starved = critical_density(local, self.kelvin) < limit
        starts = starved & ~running & ~over & (current_A > 0.5 * self.nominal_A)
        for cell in np.flatnonzero(starts):
            event = self._event(cell)
            self._effect_V[cell] = max(22 * np.exp(0.25 * event.standard_normal()), 12.0)
            self._effect_left_s[cell] = event.gamma(4, 25) + 20
        running[starts] = True
        level = self._effect_level
        level += np.where(
            running, -np.expm1(-dt / _RISE_S) * (1 - level), np.expm1(-dt / _FALL_S) * level
        )

    def _event(self, cell: np.intp) -> np.random.Generator:
        """A generator for one event of one cell, so that no cell's luck depends on another's."""
        self._events[cell] += 1
        return np.random.default_rng((self._seed, 5, int(cell), int(self._events[cell])))


def _drift(
    x: Array, mean: float, deviation: float, memory_s: float, dt: float, normal: Array
) -> None:
    """Ornstein-Uhlenbeck, in place."""
    keep = np.exp(-dt / memory_s)
    x += (mean - x) * (1 - keep) + deviation * np.sqrt(1 - keep**2) * normal
