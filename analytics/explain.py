"""How a figure came to its value: formula, inputs with values, factors with sources, coverage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from analytics.assessment import Scope
from analytics.figure import Figure
from analytics.figures import figures, index
from plant.batch import SECOND
from plant.model import Plant

KEY_UNITS = {
    "current_efficiency": "1",
    "extrapolated_voltage_V": "V",
    "target_dc_kWh_per_t": "kWh/t",
    "net_carbon_t_per_t": "t/t",
    "anode_sulphur_percent": "%",
    "anode_ash_percent": "%",
    "blowdown_percent": "%",
}
"""Unit of each plant key that a figure's row may name."""


def explain(
    plant: Plant, scope: Scope, entity: str, figure: str, values: Mapping[str, float], time: int
) -> dict[str, Any]:
    """A figure of an entity at `time` [ns], in the shape of the API.

    values: the entity's own figures by name; signals and figures of others, when the caller has
    them, as "kind.name". What is unknown is None. KeyError names an unknown figure.
    """
    row = figures()[scope][index(scope, figure)]
    moment = datetime.fromtimestamp(time // SECOND, UTC).replace(microsecond=time % SECOND // 1000)
    return {
        "figure": figure,
        "scope": scope,
        "entity": entity,
        "label": row.label,
        "label_zh": row.label_zh,
        "time": moment.isoformat().replace("+00:00", "Z"),
        "value": _known(values.get(figure)),
        "unit": row.unit,
        "formula": row.formula,
        "method": row.method,
        "source": row.source,
        "coverage": _known(values.get(row.coverage)),
        "inputs": [_input(plant, scope, entity, name, values) for name in row.inputs],
        "factors": [
            {
                "name": factor.name,
                "value": factor.value,
                "unit": factor.unit,
                "source": factor.source,
                "year": factor.year,
                "certainty": factor.certainty,
            }
            for factor in (plant.factors[name] for name in factor_names(plant, row, entity))
        ],
    }


def factor_names(plant: Plant, row: Figure, entity: str) -> list[str]:
    """Names of the factors that this entity's figure uses; the row has prefixes."""
    names: list[str] = []
    for prefix in row.factors:
        if prefix in plant.factors:
            names.append(prefix)
        elif prefix == "pfc.":
            line = _line_of(plant, row.scope, entity)
            base = f"pfc.{line.pfc_factors}.{line.technology}"
            names += [f"{base}.slope", f"{base}.weight_fraction"]
        elif prefix == "gwp.":
            names += [f"gwp.{plant.site.gwp}.CF4", f"gwp.{plant.site.gwp}.C2F6"]
        elif prefix == "grid.":
            names.append(f"grid.{plant.site.grid_region}.average.{plant.site.grid_year}")
        elif prefix == "fuel.":
            names += _fuel_factors(plant, row, entity)
    return names


def _fuel_factors(plant: Plant, row: Figure, entity: str) -> list[str]:
    boiler = next(b for b in plant.boilers if b.id == entity)
    base = f"fuel.{boiler.fuel}"
    names = [f"{base}.ncv"] if boiler.fuel_GJ_per_t is None else []
    if "CC" in row.formula:
        own = f"{base}.oxidation.{boiler.equipment}"
        names += [f"{base}.carbon", own if own in plant.factors else f"{base}.oxidation"]
    return names


def _line_of(plant: Plant, scope: Scope, entity: str) -> Any:
    cell_line = {cell.id: cell.line for cell in plant.cells}
    wanted = cell_line[entity] if scope == "cell" else entity
    return next(line for line in plant.lines if line.id == wanted)


def _input(
    plant: Plant, scope: Scope, entity: str, name: str, values: Mapping[str, float]
) -> dict[str, Any]:
    kind, _, plain = name.rpartition(".")
    if plain in KEY_UNITS:
        owner = _owner(plant, scope, entity, kind)
        whose = "each line" if owner is None else owner.id
        value = None if owner is None else getattr(owner, plain)
        return {"name": name, "entity": whose, "value": value, "unit": KEY_UNITS[plain]}
    own = not kind or kind == scope
    value = values.get(name, values.get(plain) if own else None)
    return {
        "name": name,
        "entity": entity if own else _whose(plant, scope, entity, kind),
        "value": _known(value),
        "unit": _unit(plant, kind or scope, plain),
    }


def _owner(plant: Plant, scope: Scope, entity: str, kind: str) -> Any:
    """The row of the plant that holds a key: the entity itself, or a cell's line; None for many."""
    if kind == "line" and scope in ("cell", "line"):
        return _line_of(plant, scope, entity)
    rows: dict[str, Any] = {"cell": plant.cells, "boiler": plant.boilers}
    return next((row for row in rows.get(kind, ()) if row.id == entity), None)


def _whose(plant: Plant, scope: Scope, entity: str, kind: str) -> str:
    """Which entities of another kind an input stands for."""
    if kind == "line" and scope == "cell":
        return str(_line_of(plant, scope, entity).id)
    rows: dict[str, Any] = {
        "cell": plant.cells,
        "rectifier": plant.rectifiers,
        "meter": plant.meters,
        "line": plant.lines,
        "boiler": plant.boilers,
    }
    ids = [r.id for r in rows[kind] if scope != "line" or r.line == entity]
    return ids[0] if len(ids) == 1 else f"{len(ids)} {kind}s of {entity}"


def _unit(plant: Plant, kind: str, name: str) -> str:
    signal = plant.signals.get(f"{kind}.{name}")
    if signal is not None:
        return signal.unit
    return next(f.unit for f in figures()[kind] if f.name == name)  # type: ignore[index]


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
