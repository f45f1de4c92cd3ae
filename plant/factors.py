"""Factors and signals that ship with potline, from plant/data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from math import nan
from pathlib import Path
from typing import Any

from plant.model import Factor, Signal

FILES = ("process", "pfc", "gwp", "grid", "fuels")

FAMILIES = (
    (
        r"grid\.[\w-]+\.(average|excluding_market_nonfossil|fossil|enterprise_report)\.\d{4}",
        "t/MWh",
    ),
    (r"gwp\.[\w-]+\.(CH4|N2O|CF4|C2F6|SF6|NF3)", "1"),
    (r"pfc\.[\w-]+\.\w+\.slope", "(kg/t)/(min/d)"),
    (r"pfc\.[\w-]+\.\w+\.overvoltage", "(kg/t)/mV"),
    (r"pfc\.[\w-]+\.\w+\.(overvoltage_)?weight_fraction", "1"),
    (r"fuel\.\w+\.ncv", "GJ/t"),
    (r"fuel\.\w+\.ncv_volume", "GJ/Nm3"),
    (r"fuel\.\w+\.carbon", "t/GJ"),
    (r"fuel\.\w+\.oxidation(\.\w+)?", "1"),
    (r"boiler\.[\w-]+\.(unburned_gas|unburned_carbon|radiation|slag)_loss", "%"),
)
"""Names that a plant file may add, beside replacing a shipped one, and the unit each is kept in."""


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).with_name("data") / f"{name}.toml").read_text("utf-8"))


@cache
def shipped_factors() -> Mapping[str, Factor]:
    """Name -> factor. A table's name has a * where the keys of its values go."""
    return {
        factor.name: factor
        for file in FILES
        for table in _read(file)["table"]
        for factor in _rows(table)
    }


def _rows(table: dict[str, Any]) -> list[Factor]:
    uncertainty = table.get("uncertainty_percent", {})
    return [
        Factor(
            name=table["name"].replace("*", key),
            value=float(value),
            unit=table["unit"],
            source=table["source"],
            year=table.get("year"),
            valid_from=table.get("valid_from", ""),
            valid_to=table.get("valid_to", ""),
            certainty=table["certainty"],
            uncertainty_percent=float(uncertainty.get(key, nan)),
        )
        for key, value in table["values"].items()
    ]


@cache
def shipped_signals() -> Mapping[str, Signal]:
    """ "entity.name" -> signal."""
    return {f"{row['entity']}.{row['name']}": _signal(row) for row in _read("signals")["signal"]}


def _signal(row: dict[str, Any]) -> Signal:
    limits = {key: float(row[key]) for key in ("low", "high", "hold_s")}
    return Signal(**{**row, **limits})


def unit_of(name: str) -> str | None:
    """The unit in which a factor of this name is kept; None when nothing uses such a name."""
    if shipped := shipped_factors().get(name):
        return shipped.unit
    return next((unit for pattern, unit in FAMILIES if re.fullmatch(pattern, name)), None)
