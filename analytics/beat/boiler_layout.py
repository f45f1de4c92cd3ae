"""What the figures of boilers read and multiply with, made once per plant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.model import Boiler, Plant

Floats = NDArray[np.float64]

KINDS = {
    "natural_gas": "gas",
    "lpg": "gas",
    "lng": "gas",
    "diesel": "oil",
    "gasoline": "oil",
    "fuel_oil": "oil",
    "anthracite": "coal",
    "bituminous_coal": "coal",
    "lignite": "coal",
    "petroleum_coke": "coal",
    "coke": "coal",
}
"""What a fuel burns like: coefficients of its flue gas, and whether it leaves ash."""

READINGS = (
    "fuel_flow",
    "steam_flow",
    "steam_pressure",
    "steam_temperature",
    "feedwater_temperature",
    "oxygen",
    "flue_temperature",
    "ambient_temperature",
    "carbon_monoxide",
)


@dataclass(frozen=True, slots=True)
class BoilerLayout:
    """Arrays of length boilers; NaN for a constant that nobody gave."""

    tags: NDArray[np.int32]  # columns of their tags, each once
    places: NDArray[np.int32]  # [READINGS, boilers], in tags; -1 where there is no such tag
    flue_a: Floats
    flue_b: Floats
    co_loss: Floats  # % of the fuel's heat for each ppm of CO, in dry flue gas without excess air
    fixed_losses: Floats  # [3, boilers]: unburnt gas where no CO is measured, carbon + slag, rad. %
    gap_limit: float  # %


def boiler_layout(plant: Plant) -> BoilerLayout:
    def factor(name: str) -> float:
        row = plant.factors.get(name)
        return np.nan if row is None else row.value

    def of_kind(name: str) -> Floats:
        return np.array([factor(name.format(KINDS.get(b.fuel, ""))) for b in boilers], np.float64)

    def loss(name: str) -> Floats:
        return np.array([_own_loss(plant, b, name) for b in boilers], np.float64)

    boilers = plant.boilers
    columns = np.stack([plant.columns("boiler", name) for name in READINGS])
    tags = np.unique(columns[columns >= 0])
    return BoilerLayout(
        tags=tags,
        places=np.where(columns < 0, -1, np.searchsorted(tags, columns)).astype(np.int32),
        flue_a=of_kind("flue_loss.{}.a"),
        flue_b=of_kind("flue_loss.{}.b"),
        co_loss=of_kind("boiler.dry_gas.{}") * factor("constant.heat_CO") * 1e-4,
        fixed_losses=np.stack(
            [
                loss("unburned_gas_loss"),
                loss("unburned_carbon_loss") + loss("slag_loss"),
                loss("radiation_loss"),
            ]
        ),
        gap_limit=factor("boiler.efficiency_gap_limit"),
    )


def _own_loss(plant: Plant, boiler: Boiler, name: str) -> float:
    """The boiler's own [[factor]], else what ships; gas and oil leave neither carbon nor slag."""
    for key in (f"boiler.{boiler.id}.{name}", f"boiler.{name}"):
        if key in plant.factors:
            return plant.factors[key].value
    ashless = KINDS.get(boiler.fuel) in ("gas", "oil")
    return 0.0 if ashless and name in ("unburned_carbon_loss", "slag_loss") else np.nan
