"""Steam boilers: losses q2-q6 give the efficiency, the efficiency the fuel. domain.md §5.5.

So the direct balance of a boiler's true values gives what the indirect one does.
"""

from __future__ import annotations

import numpy as np
import seuif97
from numpy.typing import NDArray

from plant.batch import SECOND
from plant.model import Boiler, Plant
from simulators.luck import Stream, keys, wander
from simulators.utilities import Sky

Array = NDArray[np.float64]

SIGNALS = ("fuel_flow", "steam_flow", "steam_pressure", "steam_temperature",
           "feedwater_temperature", "flue_temperature", "ambient_temperature", "oxygen",
           "carbon_monoxide", "fuel_heating_value", "unburned_carbon_loss",
           "slag_loss")  # fmt: skip
LOSSES = ("q2_percent", "q3_percent", "q4_percent", "q5_percent", "q6_percent")

_EVERY_S = 10  # a boiler moves slowly: it is worked out this often
_MEMORY_S, _LOT_S = 1200.0, 86400.0
_SOLID = ("anthracite", "bituminous_coal", "lignite", "petroleum_coke", "coke")
_RATED_T_PER_H = 35.0
_FLUE = {True: (0.68, 0.007), False: (0.66, 0.009)}  # of coal; of gas and oil
_UNBURNED, _SLAG = 3.0, 0.4  # %, solid fuels
_RADIATION = 1.0  # % at the rated flow
_LOT = 0.006  # share by which lots differ in calorific value, where it is analysed


class Boilers:
    """Arrays are [steps, boilers]."""

    def __init__(self, plant: Plant, sky: Sky, seed: int) -> None:
        self._boilers, self._sky = plant.boilers, sky
        self._keys = [keys(seed, [f"{b.id}/{n}" for n in range(9)]) for b in plant.boilers]
        self._GJ_per_t = [_fuel_GJ_per_t(plant, boiler) for boiler in plant.boilers]
        self._analysed = [f"{b.id}.fuel_heating_value" in plant.column_of for b in plant.boilers]

    def run(self, times_ns: NDArray[np.int64]) -> None:
        instants, which = np.unique(times_ns // (_EVERY_S * SECOND), return_inverse=True)
        times_s = (instants * _EVERY_S).astype(np.float64)
        rows = [self._one(i, boiler, times_s) for i, boiler in enumerate(self._boilers)]
        names = (*SIGNALS, *LOSSES, "efficiency", "heat_GJ_per_h")
        self.values = {
            name: np.array([row[name] for row in rows]).reshape(len(rows), len(times_s)).T[which]
            for name in names
        }

    def _one(self, i: int, boiler: Boiler, times_s: Array) -> dict[str, Array]:
        solid = boiler.fuel in _SOLID
        moves = wander(self._keys[i], Stream.NOISE, _MEMORY_S, times_s).T
        demand, pressure, temperature, water, air, flue, outside, burner, ash = moves
        steam = _RATED_T_PER_H + 3 * demand
        oxygen = np.clip((6.0 if solid else 3.5) + 0.3 * air, 1.8, 9.0)
        ambient = 15 + 7 * np.cos(2 * np.pi * (self._sky.hour(times_s) - 15) / 24) + outside
        flue = 135 + 4 * flue + 0.5 * (steam - _RATED_T_PER_H)
        monoxide = 60 + 20 * np.abs(burner)
        a, b = _FLUE[solid]
        q2 = (a / (21 - oxygen) + b) * (flue - ambient)
        q3 = 3.2e-4 * monoxide * 21 / (21 - oxygen)  # 3.2 α CO, GB/T 10180
        q4 = (_UNBURNED + 0.2 * ash) * solid
        q5 = _RADIATION * _RATED_T_PER_H / steam
        q6 = np.full(len(steam), _SLAG * solid)
        efficiency = 1 - (q2 + q3 + q4 + q5 + q6) / 100
        p, t, tw = 1.27 + 0.01 * pressure, 250 + 2 * temperature, 104 + water
        heat = steam * self._heat_GJ_per_t(boiler, p, t, tw)
        lot = wander(self._keys[i][:1], Stream.LAB, _LOT_S, times_s)[:, 0]
        heating = self._GJ_per_t[i] * (1 + _LOT * lot * self._analysed[i])
        fuel = heat / (efficiency * heating)
        signals = (fuel, steam, p, t, tw, flue, ambient, oxygen, monoxide, heating, q4, q6)
        return (
            dict(zip(SIGNALS, signals, strict=True))
            | dict(zip(LOSSES, (q2, q3, q4, q5, q6), strict=True))
            | {"efficiency": efficiency, "heat_GJ_per_h": heat}
        )

    def _heat_GJ_per_t(self, boiler: Boiler, p: Array, t: Array, water_t: Array) -> Array:
        """Useful heat for each tonne of steam, its blowdown included."""
        kJ_per_kg = np.empty(len(p))
        for n in range(len(p)):
            steam, water = boiler.steam_kJ_per_kg, boiler.feedwater_kJ_per_kg
            steam = seuif97.pt2h(p[n], t[n]) if steam is None else steam
            water = seuif97.pt2h(p[n], water_t[n]) if water is None else water
            drained = seuif97.px2h(p[n], 0.0)
            kJ_per_kg[n] = steam - water + boiler.blowdown_percent / 100 * (drained - water)
        return kJ_per_kg / 1000


def _fuel_GJ_per_t(plant: Plant, boiler: Boiler) -> float:
    if boiler.fuel_GJ_per_t is not None:
        return boiler.fuel_GJ_per_t
    return plant.factors[f"fuel.{boiler.fuel}.ncv"].value
