"""Every formula of the house by name: `evaluate("dc_specific_energy", {...}, factors)`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from analytics.formula import (
    bath,
    boiler,
    carbon,
    cell,
    coal,
    electricity,
    energy,
    fuels,
    limits,
    line,
    pfc,
    statistics,
    voltage,
)
from analytics.formula.registry import (
    Evaluation,
    Formula,
    FormulaError,
    Given,
    Key,
    Result,
    UnknownFormula,
    evaluate_formula,
    shown,
)
from plant.model import Factor
from plant.suggest import did_you_mean

__all__ = [
    "Evaluation",
    "Formula",
    "FormulaError",
    "Given",
    "Key",
    "Result",
    "UnknownFormula",
    "evaluate",
    "formula",
    "formulas",
]

MODULES = (
    energy,
    cell,
    line,
    limits,
    pfc,
    carbon,
    electricity,
    fuels,
    boiler,
    coal,
    bath,
    voltage,
    statistics,
)


@cache
def formulas() -> Mapping[str, Formula]:
    """Name -> formula, in the order of the documentation."""
    return {row.name: row for module in MODULES for row in module.FORMULAS}


def formula(name: str) -> Formula:
    """Raises UnknownFormula, with the near name."""
    table = formulas()
    if name not in table:
        raise UnknownFormula(f"no formula {shown(name)}; {did_you_mean(name, table)}")
    return table[name]


def evaluate(name: str, given: Mapping[str, Any], factors: Mapping[str, Factor]) -> Evaluation:
    """Compute one formula by name, its keys as numbers or texts. Raises FormulaError."""
    return evaluate_formula(formula(name), given, factors)
