"""How the errors of a boiler's inputs reach its figures. Boilers of one fuel share its factors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analytics.table.figure_view import View
from analytics.uncertainty.accuracy import Accuracy, factor_error
from analytics.uncertainty.cell import FACTOR, GAPS, Quantity
from analytics.uncertainty.propagation import Parts, Uncertain, relative, summed
from plant.model import Plant

Floats = NDArray[np.float64]

FUEL_FLOW, STEAM_FLOW, STEAM_STATE, OXYGEN = "fuel_flow", "steam_flow", "steam_state", "oxygen"
OXYGEN_OF_AIR = 21.0
"""[%], as the formula of the excess air has it."""


class Boilers:
    """What the figures of boilers have in common."""

    def __init__(self, plant: Plant, acc: Accuracy, view: View) -> None:
        self.plant, self.acc, self.view = plant, acc, view
        fuel, steam = view("boiler", "fuel_flow"), view("boiler", "steam_flow")
        self.flow = {FUEL_FLOW: acc.fuel_flow.relative(fuel[0])[None]}
        self.steam = {STEAM_FLOW: acc.steam_flow.relative(steam[0])[None]}
        self.state = {STEAM_STATE: acc.heat_error[None]}
        self.heat = self._factors("ncv")
        self.carbon = {**self.heat, **self._factors("carbon"), **self._factors("oxidation")}
        coverage = view("boiler", "coverage_{w}")
        self.missing = np.maximum(1 - coverage, 0)
        self.lost = self.missing / coverage
        self.spread = self.missing * acc.gap_spread

    def _factors(self, key: str) -> Parts:
        """Relative standard uncertainties of a fuel's factor, by the factor's name."""
        names = [self._name(i, key) for i in range(len(self.plant.boilers))]
        return {
            FACTOR + name: np.array([[n == name for n in names]]) * factor_error(self.plant, name)
            for name in dict.fromkeys(filter(None, names))
        }

    def _name(self, i: int, key: str) -> str:
        """ "" for a calorific value by the plant's own analysis, which is no factor."""
        boiler = self.plant.boilers[i]
        name = f"fuel.{boiler.fuel}.{key}"
        own = f"{name}.{boiler.equipment}"
        if key == "ncv" and boiler.fuel_GJ_per_t is not None:
            return ""
        return own if own in self.plant.factors else name

    def fuel_co2(self) -> Uncertain:
        """Of each boiler's known time, [4, boilers]."""
        return relative(self.view("boiler", "fuel_co2_{w}"), {**self.flow, **self.carbon})

    def site_fuel_co2(self) -> Uncertain:
        """[4, 1]; none without boilers."""
        if not self.plant.boilers:
            return Uncertain(np.zeros((4, 1)), {})
        return summed(self.fuel_co2(), FACTOR)


def boiler_quantities(b: Boilers) -> Iterator[Quantity]:
    """Every figure of scope boiler that has an uncertainty."""
    view = b.view
    yield "fuel_flow", relative(view("boiler", "fuel_flow"), b.flow)
    yield "steam_flow", relative(view("boiler", "steam_flow"), b.steam)
    yield "fuel_co2", relative(view("boiler", "fuel_co2"), {**b.flow, **b.carbon})
    efficiency = {**b.flow, **b.heat, **b.steam, **b.state}
    yield "efficiency", relative(view("boiler", "efficiency"), efficiency)
    yield (
        "efficiency_{w}",
        relative(view("boiler", "efficiency_{w}"), efficiency | {GAPS: b.spread}),
    )
    coal = {**b.flow, **b.heat, **b.steam, GAPS: b.spread}
    yield "standard_coal_{w}", relative(view("boiler", "standard_coal_{w}"), coal)
    co2 = b.fuel_co2()
    yield "fuel_co2_{w}", co2.besides(GAPS, co2.value * b.lost)
    flows = {**b.carbon, **b.flow, **b.steam, GAPS: b.spread}
    yield "co2_per_steam_{w}", relative(view("boiler", "co2_per_steam_{w}"), flows)
    for name, share in (("fuel", b.flow), ("steam", b.steam)):
        amounts = {**share, GAPS: b.lost}
        yield f"{name}_{{w}}", relative(view("boiler", f"{name}_{{w}}"), amounts)
    for name, spread in (("excess_air", np.zeros((1, 1))), ("excess_air_{w}", b.spread)):
        air = view("boiler", name)
        oxygen = b.acc.oxygen.at(OXYGEN_OF_AIR * (1 - 1 / air))
        yield name, relative(air, {OXYGEN: air * oxygen / OXYGEN_OF_AIR, GAPS: spread})
    yield "coverage_{w}", Uncertain(view("boiler", "coverage_{w}"), {})
