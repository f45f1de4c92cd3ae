"""Rectifiers, auxiliary meters and boilers. Their counters integrate exactly what they show."""

from __future__ import annotations

import numpy as np
import seuif97
from numpy.typing import NDArray

from plant.model import Boiler, Plant

Array = NDArray[np.float64]

RECTIFIER_EFFICIENCY = 0.985
AUXILIARY_KWH_PER_T = 300.0
SITE_METER_MW = 1.5  # a meter of no line

_NOISE, _NOISE_S = 0.01, 300.0
_BOILER_S = 10.0  # a boiler moves slowly: its steam properties are worked out this often


class Rectifiers:
    """AC power of each rectifier, [MW]; the rectifiers of a line share it. All [rectifiers]."""

    def __init__(self, plant: Plant, seed: int) -> None:
        index = {line.id: i for i, line in enumerate(plant.lines)}
        self.line = np.array([index[r.line] for r in plant.rectifiers], np.int64)
        self._share = 1 / np.bincount(self.line, minlength=len(plant.lines))[self.line]
        rng = np.random.default_rng((seed, 6))
        self.ac_energy = np.floor(rng.uniform(1e5, 1e6, len(self.line)))  # MWh, on the register
        self.ac_power = np.zeros(len(self.line))

    def stand(self, dc_MW: Array) -> None:
        """dc_MW: of each line, busbars included."""
        self.ac_power = (dc_MW / RECTIFIER_EFFICIENCY)[self.line] * self._share

    def advance(self, dt: float) -> None:
        self.ac_energy += self.ac_power * dt / 3600


class Meters:
    """Electricity of auxiliaries, [MW]: fans, compressors, cranes. All [meters]."""

    def __init__(self, plant: Plant, nominal_t_per_h: Array, dt: float, seed: int) -> None:
        """nominal_t_per_h: metal of each line at nominal current."""
        index = {line.id: i for i, line in enumerate(plant.lines)}
        self.line = np.array([index.get(m.line, -1) for m in plant.meters], np.int64)
        count = len(self.line)
        self.of_line = self.line >= 0
        meters = np.bincount(self.line[self.of_line], minlength=len(plant.lines))
        self._base = np.full(count, SITE_METER_MW)
        of_line = self.line[self.of_line]
        self._base[self.of_line] = (
            AUXILIARY_KWH_PER_T / 1000 * nominal_t_per_h[of_line] / meters[of_line]
        )
        self._rng = np.random.default_rng((seed, 7))
        self.energy = np.floor(self._rng.uniform(1e4, 1e5, count))  # MWh, on the register
        self.power = self._base.copy()
        self._noise = np.zeros(count)
        self._keep = np.exp(-dt / _NOISE_S)

    def stand(self, current_share: Array) -> None:
        """current_share: current of each line over its nominal; a third of the load follows it."""
        share = np.ones(len(self.power))
        share[self.of_line] = 0.7 + 0.3 * current_share[self.line[self.of_line]]
        self.power = self._base * share * (1 + self._noise)

    def advance(self, dt: float) -> None:
        self.energy += self.power * dt / 3600
        noise = self._rng.standard_normal(len(self._noise))
        self._noise *= self._keep
        self._noise += _NOISE * np.sqrt(1 - self._keep**2) * noise


class Boilers:
    """Steam boilers after the direct balance, domain.md §5.5. All [boilers]."""

    def __init__(self, plant: Plant, seed: int) -> None:
        count = len(plant.boilers)
        self._boilers = plant.boilers
        self._NCV = np.array([_fuel_GJ_per_t(plant, boiler) for boiler in plant.boilers])
        self._rng = np.random.default_rng((seed, 8))
        self._state = np.zeros((6, count))
        self._due_s = 0.0
        self.steam_flow = np.zeros(count)  # t/h
        self.steam_pressure = np.zeros(count)  # MPa absolute
        self.steam_temperature = np.zeros(count)  # degC
        self.feedwater_temperature = np.zeros(count)  # degC
        self.oxygen = np.zeros(count)  # %
        self.efficiency = np.zeros(count)  # 1
        self.fuel_flow = np.zeros(count)  # t/h
        self._set()

    def advance(self, dt: float) -> None:
        self._due_s += dt
        if self._due_s < _BOILER_S:
            return
        keep = np.exp(-self._due_s / 1200)
        self._due_s = 0.0
        noise = self._rng.standard_normal(self._state.shape)
        self._state = keep * self._state + np.sqrt(1 - keep**2) * noise
        self._set()

    def _set(self) -> None:
        demand, pressure, temperature, feedwater, oxygen, loss = self._state
        self.steam_flow = 35 + 3 * demand
        self.steam_pressure = 1.27 + 0.01 * pressure
        self.steam_temperature = 250 + 2 * temperature
        self.feedwater_temperature = 104 + 1.0 * feedwater
        self.oxygen = np.clip(3.5 + 0.3 * oxygen, 1.8, 7.0)
        self.efficiency = 0.92 - 0.005 * (self.oxygen - 3.5) + 0.001 * loss
        for i, boiler in enumerate(self._boilers):
            heat_MJ_per_t = self._heat(i, boiler)
            self.fuel_flow[i] = (
                self.steam_flow[i] * heat_MJ_per_t / 1000 / (self.efficiency[i] * self._NCV[i])
            )

    def _heat(self, i: int, boiler: Boiler) -> float:
        """Useful heat for each tonne of steam, its blowdown included, [MJ/t]."""
        pressure = self.steam_pressure[i]
        steam, water = boiler.steam_kJ_per_kg, boiler.feedwater_kJ_per_kg
        if steam is None:
            steam = seuif97.pt2h(pressure, self.steam_temperature[i])
        if water is None:
            water = seuif97.pt2h(pressure, self.feedwater_temperature[i])
        drained = seuif97.px2h(pressure, 0.0)
        return float(steam - water + boiler.blowdown_percent / 100 * (drained - water))


def _fuel_GJ_per_t(plant: Plant, boiler: Boiler) -> float:
    if boiler.fuel_GJ_per_t is not None:
        return boiler.fuel_GJ_per_t
    return plant.factors[f"fuel.{boiler.fuel}.ncv"].value
