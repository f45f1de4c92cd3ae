"""How a figure came to its value: formula, inputs with values, factors with sources, coverage,
uncertainty with its budget, and the tags that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import hypot, isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from analytics.beat.boiler_layout import KINDS
from analytics.table.figure import Figure
from analytics.table.figures import figures, index
from analytics.uncertainty.budget import COVERAGE_FACTOR, Part, budget, uncertainties
from analytics.uncertainty.lineage import row_of
from analytics.uncertainty.notes import applies, factor_notes, uncertainty_notes
from plant.batch import SECOND
from plant.factors import shipped_signals
from plant.model import Factor, Line, Plant

Tables = Mapping[Scope, NDArray[np.float64]]
"""Figures of a moment, as in an assessment."""

KEY_UNITS = {
    "current_efficiency": "1",
    "extrapolated_voltage_V": "V",
    "nominal_current_kA": "kA",
    "target_voltage_V": "V",
    "target_dc_kWh_per_t": "kWh/t",
    "net_carbon_t_per_t": "t/t",
    "anode_sulphur_percent": "%",
    "anode_ash_percent": "%",
    "anodes": "1",
    "anode_length_cm": "cm",
    "anode_width_cm": "cm",
    "cathode_area_cm2": "cm²",
    "anode_resistance_uOhm": "µΩ",
    "cathode_resistance_uOhm": "µΩ",
    "external_resistance_uOhm": "µΩ",
    "metal_pad_area_m2": "m²",
    "level_sd_cm": "cm",
    "blowdown_percent": "%",
    "fuel_GJ_per_t": "GJ/t",
    "electricity_price_per_MWh": "1/MWh",
    "contract_factor_t_per_MWh": "t/MWh",
    "residual_factor_t_per_MWh": "t/MWh",
}
"""Unit of each plant key that a figure's row may name."""


def explain(
    plant: Plant,
    scope: Scope,
    entity: str,
    figure: str,
    values: Mapping[str, float],
    time: int,
    tables: Tables | None = None,
    samples: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A figure of an entity at `time` [ns], in the shape of the API.

    values: the entity's own figures by name; signals and figures of others, when the caller has
    them, as "kind.name". tables: all figures of that moment, for the uncertainty. samples: what
    is on record of its tags. What is unknown is None. KeyError names an unknown figure.
    """
    row = figures()[scope][index(scope, figure)]
    factors = [plant.factors[name] for name in factor_names(plant, row, entity)]
    own_u, parts = _uncertainties(plant, scope, entity, figure, values, tables)
    day = datetime.fromtimestamp((time - 1) // SECOND, plant.site.zone).date().isoformat()
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
        "uncertainty": _uncertainty(row, values.get(figure), own_u.get(figure, nan), parts),
        "inputs": [_input(plant, scope, entity, name, values, own_u) for name in row.inputs],
        "factors": [_factor(factor, day) for factor in factors],
        "samples": list(samples),
        "notes": [
            *factor_notes(factors, day),
            *uncertainty_notes(plant, scope, entity, parts, factors),
        ],
    }


def _uncertainties(
    plant: Plant,
    scope: Scope,
    entity: str,
    figure: str,
    values: Mapping[str, float],
    tables: Tables | None,
) -> tuple[dict[str, float], list[Part]]:
    """Standard uncertainty of each of the entity's figures, and the budget of one. Figures of the
    book bring their own, as `<figure>_u`."""
    own = {name.removesuffix("_u"): u for name, u in values.items() if name.endswith("_u")}
    if tables is None:
        return own, []
    column = plant.entities(scope).index(entity)
    names = (f.name for f in figures()[scope])
    every = uncertainties(plant, tables)[scope][:, column].tolist()
    return dict(zip(names, every, strict=False)) | own, budget(plant, scope, entity, figure, tables)


def _uncertainty(
    row: Figure, value: float | None, standard: float, parts: Sequence[Part]
) -> dict[str, Any]:
    expanded = COVERAGE_FACTOR * standard
    return {
        "standard": _known(standard),
        "expanded": _known(expanded),
        "coverage_factor": COVERAGE_FACTOR,
        "percent": _known(100 * expanded / abs(value)) if value else None,
        "unit": row.unit,
        "parts": [
            {
                "cause": part.cause,
                "label": part.label,
                "label_zh": part.label_zh,
                "standard": _known(part.standard),
                "share": _known(part.share),
            }
            for part in parts
        ],
    }


def _factor(factor: Factor, day: str) -> dict[str, Any]:
    return {
        "name": factor.name,
        "value": factor.value,
        "unit": factor.unit,
        "source": factor.source,
        "year": factor.year,
        "certainty": factor.certainty,
        "valid_from": factor.valid_from or None,
        "valid_to": factor.valid_to or None,
        "applies": applies(factor, day),
        "uncertainty_percent": _known(factor.uncertainty_percent),
    }


def factor_names(plant: Plant, row: Figure, entity: str) -> list[str]:
    """Names of the factors that this entity's figure uses; the row has prefixes."""
    names: list[str] = []
    for prefix in row.factors:
        if prefix in plant.factors:
            names.append(prefix)
        elif prefix == "pfc.":
            for line in _lines_of(plant, row.scope, entity):
                base = f"pfc.{line.pfc_factors}.{line.technology}"
                names += [f"{base}.slope", f"{base}.weight_fraction"]
        elif prefix == "gwp.":
            names += [f"gwp.{plant.site.gwp}.CF4", f"gwp.{plant.site.gwp}.C2F6"]
        elif prefix == "grid.":
            names.append(f"grid.{plant.site.grid_region}.average.{plant.site.grid_year}")
        elif prefix == "fuel.":
            names += _fuel_factors(plant, row, entity)
        else:
            names += _family(plant, prefix, entity)
    return list(dict.fromkeys(names))


def _family(plant: Plant, prefix: str, entity: str) -> list[str]:
    """All factors that begin with the prefix; of a boiler's, those of its own kind of fuel and
    not of another boiler."""
    own = {boiler.id: KINDS.get(boiler.fuel, "") for boiler in plant.boilers}
    others = (set(KINDS.values()) | set(own)) - {entity, own.get(entity, "")}
    found = [name for name in plant.factors if name.startswith(prefix)]
    return [name for name in found if others.isdisjoint(name.split("."))]


def _fuel_factors(plant: Plant, row: Figure, entity: str) -> list[str]:
    """Of the boiler, or of all boilers of the site."""
    names: list[str] = []
    for boiler in plant.boilers:
        if row.scope == "boiler" and boiler.id != entity:
            continue
        base = f"fuel.{boiler.fuel}"
        names += [f"{base}.ncv"] if boiler.fuel_GJ_per_t is None else []
        if row.scope == "site" or "CC" in row.formula:
            own = f"{base}.oxidation.{boiler.equipment}"
            names += [f"{base}.carbon", own if own in plant.factors else f"{base}.oxidation"]
    return names


def _lines_of(plant: Plant, scope: Scope, entity: str) -> list[Line]:
    return list(plant.lines) if scope == "site" else [_line_of(plant, scope, entity)]


def _line_of(plant: Plant, scope: Scope, entity: str) -> Line:
    cell_line = {cell.id: cell.line for cell in plant.cells}
    wanted = cell_line[entity] if scope == "cell" else entity
    return next(line for line in plant.lines if line.id == wanted)


def _input(
    plant: Plant,
    scope: Scope,
    entity: str,
    name: str,
    values: Mapping[str, float],
    own_u: Mapping[str, float],
) -> dict[str, Any]:
    kind, _, plain = name.rpartition(".")
    if plain in KEY_UNITS:
        owner = _owner(plant, scope, entity, kind)
        whose = "each line" if owner is None else owner.id
        value = None if owner is None else getattr(owner, plain)
        return _stated(name, whose, value, KEY_UNITS[plain], _key_error(owner, plain))
    own = not kind or kind == scope
    value = values.get(name, values.get(plain) if own else None)
    whose = entity if own else _whose(plant, scope, entity, kind)
    u = own_u.get(plain, nan) if own else nan
    tag = plant.column_of.get(f"{whose}.{plain}")
    if tag is not None and value is not None:
        u = _tag_error(plant.tags[tag].accuracy, plant.tags[tag].accuracy_percent, value)
    return _stated(name, whose, value, _unit(plant, kind or scope, plain), u)


def _stated(name: str, whose: str, value: float | None, unit: str, u: float) -> dict[str, Any]:
    return {
        "name": name,
        "entity": whose,
        "value": _known(value),
        "unit": unit,
        "uncertainty": _known(u),
    }


def _tag_error(accuracy: float, percent: float, value: float) -> float:
    """Standard uncertainty of a reading; NaN where neither limit is stated."""
    stated = [part for part in (accuracy / 2, percent / 200 * value) if isfinite(part)]
    return hypot(*stated) if stated else nan


def _key_error(owner: Any, key: str) -> float:
    """Standard uncertainty of a key of the plant; NaN where none is stated."""
    if owner is not None and key == "current_efficiency":
        return float(owner.current_efficiency_uncertainty) / 2
    if owner is not None and key == "net_carbon_t_per_t":
        return float(owner.net_carbon_uncertainty_percent) / 200 * float(owner.net_carbon_t_per_t)
    return nan


def _owner(plant: Plant, scope: Scope, entity: str, kind: str) -> Any:
    """The row of the plant that holds a key: the entity itself, a cell's line, the site; None for
    many."""
    if kind == "site":
        return plant.site
    if kind == "line" and scope in ("cell", "line"):
        return _line_of(plant, scope, entity)
    rows: dict[str, Any] = {"cell": plant.cells, "boiler": plant.boilers}
    return next((row for row in rows.get(kind, ()) if row.id == entity), None)


def _whose(plant: Plant, scope: Scope, entity: str, kind: str) -> str:
    """Which entities of another kind an input stands for."""
    if kind == "line" and scope == "cell":
        return str(_line_of(plant, scope, entity).id)
    rows: dict[str, Any] = {
        "site": (plant.site,),
        "cell": plant.cells,
        "rectifier": plant.rectifiers,
        "meter": plant.meters,
        "line": plant.lines,
        "boiler": plant.boilers,
    }
    ids = [r.id for r in rows[kind] if scope != "line" or getattr(r, "line", entity) == entity]
    return ids[0] if len(ids) == 1 else f"{len(ids)} {kind}s of {entity}"


def _unit(plant: Plant, kind: str, name: str) -> str:
    signal = plant.signals.get(f"{kind}.{name}") or shipped_signals().get(f"{kind}.{name}")
    if signal is not None:
        return signal.unit
    row = row_of(kind, name)
    assert row is not None, f"{kind}.{name} is no signal and no figure"
    return row.unit


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
