"""A boiler's day with what the laboratory said of its fuel and ash, often days later."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analytics.layout import layout
from analytics.table import Floats
from plant.model import Plant

CLOSING = ("efficiency_day", "flue_loss_day", "unburned_gas_loss_day")
"""Figures of the beat layer that it reads at the day's end."""
SLOW = ("fuel_heating_value", "unburned_carbon_loss", "slag_loss")
"""Slow signals of a boiler that it reads, as they stand at the day's end."""


def boiler_book(
    plant: Plant, closing: Mapping[str, Floats], slow: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Efficiencies of the day by analysis, [%]: float64[boilers] each.

    closing: CLOSING [%]; slow: SLOW [GJ/t, %, %]; float64[boilers], NaN where unknown. What was
    not analysed is as the plant file says. `efficiency_by_analysis`: the heat in fuel by its
    analysed calorific value. `efficiency_indirect_by_analysis`, `efficiency_gap_by_analysis`.
    """
    at = layout(plant)
    heating, carbon, slag = (np.asarray(slow[name], np.float64) for name in SLOW)
    heating = np.where(np.isnan(heating), at.fuel_GJ_per_t, heating)
    direct = closing["efficiency_day"] * at.fuel_GJ_per_t / heating
    _, ash, radiation = at.boiler.fixed_losses
    analysed = carbon + slag
    gases = closing["flue_loss_day"] + closing["unburned_gas_loss_day"]
    indirect = 100 - gases - np.where(np.isnan(analysed), ash, analysed) - radiation
    return {
        "efficiency_by_analysis": direct,
        "efficiency_indirect_by_analysis": indirect,
        "efficiency_gap_by_analysis": direct - indirect,
    }
