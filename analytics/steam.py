"""Enthalpies of water and steam by IAPWS-IF97, and a boiler's heat."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from plant.model import Boiler


@cache
def _table() -> tuple[Any, dict[str, int]]:
    import CoolProp  # takes seconds: only a plant with a boiler that needs it pays
    from CoolProp.CoolProp import AbstractState

    inputs = {"PT": CoolProp.PT_INPUTS, "PQ": CoolProp.PQ_INPUTS}
    return AbstractState("IF97", "Water"), inputs


def _enthalpy(inputs: str, first: float, second: float) -> float:
    """kJ/kg; NaN when the state is unknown or outside IF97."""
    if not (np.isfinite(first) and np.isfinite(second)):
        return np.nan
    water, code = _table()
    try:
        water.update(code[inputs], first, second)
        return float(water.hmass()) / 1000
    except (ValueError, IndexError):  # how CoolProp says "out of range"
        return np.nan


def saturated_liquid(pressure_MPa: float) -> float:
    """Enthalpy of boiling water. [MPa absolute] -> [kJ/kg]"""
    return _enthalpy("PQ", pressure_MPa * 1e6, 0.0)


def steam(pressure_MPa: float, temperature_C: float) -> float:
    """Enthalpy of steam; at or below the boiling point it is taken as dry saturated.

    [MPa absolute], [degC] -> [kJ/kg]. A reading of saturated steam scatters around the boiling
    point, and below it the table would give that of water.
    """
    dry = _enthalpy("PQ", pressure_MPa * 1e6, 1.0)
    hot = _enthalpy("PT", pressure_MPa * 1e6, temperature_C + 273.15)
    return hot if np.isnan(hot) or np.isnan(dry) else max(dry, hot)


def feedwater(pressure_MPa: float, temperature_C: float) -> float:
    """Enthalpy of feedwater at the boiler's pressure. [MPa absolute], [degC] -> [kJ/kg]"""
    return _enthalpy("PT", pressure_MPa * 1e6, temperature_C + 273.15)


def heat_per_steam(
    boiler: Boiler, pressure_MPa: float, steam_C: float, feedwater_C: float
) -> float:
    """Heat given to a tonne of steam and its blowdown, above the feedwater. -> [MJ/t = kJ/kg]

    (h_s − h_fw) + blowdown · (h_bd − h_fw), the blowdown as boiling water. NaN where a needed
    reading is unknown. Source: direct method of GB/T 10180.
    """
    out = boiler.steam_kJ_per_kg
    if out is None:
        out = steam(pressure_MPa, steam_C)
    fed = boiler.feedwater_kJ_per_kg
    if fed is None:
        fed = feedwater(pressure_MPa, feedwater_C)
    if boiler.blowdown_percent == 0:
        return out - fed
    return out - fed + boiler.blowdown_percent / 100 * (saturated_liquid(pressure_MPa) - fed)
