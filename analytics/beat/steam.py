"""Enthalpies of water and steam by IAPWS-IF97, and a boiler's heat."""

from __future__ import annotations

import numpy as np
import seuif97

from plant.model import Boiler

_ERRORS_BELOW = -1000.0
"""The library answers a state outside IF97 with a code about -2100; no enthalpy is that low."""


def _known(enthalpy: float) -> float:
    return enthalpy if enthalpy > _ERRORS_BELOW else np.nan


def saturated_liquid(pressure_MPa: float) -> float:
    """Enthalpy of boiling water. [MPa absolute] -> [kJ/kg]"""
    return _known(seuif97.px2h(pressure_MPa, 0.0))


def steam(pressure_MPa: float, temperature_C: float) -> float:
    """Enthalpy of steam; at or below the boiling point it is taken as dry saturated.

    [MPa absolute], [degC] -> [kJ/kg]. A reading of saturated steam scatters around the boiling
    point, and below it the table would give that of water.
    """
    dry = _known(seuif97.px2h(pressure_MPa, 1.0))
    hot = _known(seuif97.pt2h(pressure_MPa, temperature_C))
    return hot if np.isnan(hot) or np.isnan(dry) else max(dry, hot)


def feedwater(pressure_MPa: float, temperature_C: float) -> float:
    """Enthalpy of feedwater at the boiler's pressure. [MPa absolute], [degC] -> [kJ/kg]"""
    return _known(seuif97.pt2h(pressure_MPa, temperature_C))


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
