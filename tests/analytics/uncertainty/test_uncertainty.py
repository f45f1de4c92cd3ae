"""Uncertainties against the real calculation, asked again with each input moved a little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import hypot, isnan, nan
from typing import Any

import numpy as np
import pytest

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.figure_view import rows
from analytics.table.figures import beat_figures, index
from analytics.uncertainty.budget import CAUSES, budget, quantities, uncertainties
from analytics.uncertainty.propagation import Uncertain, variance
from plant.model import Plant

BEATS = 5
READINGS = {
    "current": 600.0,
    "ac_power": 8.0,
    "power": 0.3,
    "fuel_flow": 2.6,
    "steam_flow": 40.0,
    "steam_pressure": 1.3,
    "steam_temperature": 250.0,
    "feedwater_temperature": 105.0,
    "target_voltage": 3.95,
    "bath_temperature": 955.0,
    "feed_mode": 0.0,
    "alumina_fed": 100.0,
    "beam_position": 50.0,
    "metal_tapped": 1000.0,
    "line_voltage": 40.0,
    "dc_power": 7.8,
    "contracted_power": 5.0,
}
ACCURACY = {  # absolute, percent
    "voltage": (0.02, 0.2),
    "current": (nan, 0.4),
    "ac_power": (nan, 0.5),
    "dc_power": (nan, 0.6),
    "line_voltage": (nan, 0.3),
    "power": (nan, 1.0),
    "fuel_flow": (nan, 1.2),
    "steam_flow": (nan, 1.5),
    "steam_pressure": (nan, 0.5),
    "steam_temperature": (2.0, nan),
    "feedwater_temperature": (1.0, nan),
}
FACTORS = {
    "pfc.cbam-2025.PFPB_M.slope": 10.0,
    "pfc.cbam-2025.PFPB_M.weight_fraction": 20.0,
    "grid.CN-SD.average.2023": 4.0,
    "fuel.natural_gas.ncv": 1.0,
    "fuel.natural_gas.carbon": 1.5,
    "fuel.natural_gas.oxidation": 0.5,
}
STEP = 1e-4
"""How far an input is moved, in standard uncertainties: far enough to be seen, near enough to be
linear."""
NOT_MOVED = ("anode_effect_edges", "noise", "gaps")
CODES = ("implausible", "gb_level", "low_voltage", "cells_above", "cells_in_anode_effect")


def stated(make_plant: Callable[..., Plant]) -> Plant:
    plant = make_plant()
    tags = tuple(
        replace(tag, accuracy=own[0], accuracy_percent=own[1])
        for tag in plant.tags
        for own in [ACCURACY.get(tag.signal.name, (nan, nan))]
    )
    lines = tuple(replace(line, net_carbon_uncertainty_percent=3.0) for line in plant.lines)
    factors = dict(plant.factors)
    for name, percent in FACTORS.items():
        factors[name] = replace(factors[name], uncertainty_percent=percent)
    return replace(plant, tags=tags, lines=lines, factors=factors)


def reading(tag: Any) -> float:
    """Two lines that differ, and an anode effect in the first cell."""
    if tag.signal.name == "voltage":
        return 31.0 if tag.entity == "L1-001" else 3.9 + 0.02 * tag.column
    value = READINGS[tag.signal.name]
    return value * 0.8 if tag.entity.startswith("L2") and tag.signal.name != "power" else value


def assessed(runner: Any, plant: Plant, moved: int = -1, by: float = 0.0) -> dict[Scope, Any]:
    run = runner(plant)
    for tag in plant.tags:
        for beat in range(BEATS):
            run.give(tag.id, beat, reading(tag) + (by if tag.column == moved else 0.0))
    tables: dict[Scope, Any] = run.run(BEATS).figures
    return tables


def moved_figures(runner: Any, plant: Plant) -> Iterator[dict[Scope, Any]]:
    """The figures with one input after the other moved by STEP standard uncertainties."""
    for tag in plant.tags:
        bias, gain = np.nan_to_num([tag.accuracy / 2, tag.accuracy_percent / 200])
        if u := hypot(bias, gain * reading(tag)):
            yield assessed(runner, plant, tag.column, STEP * u)
    for i, line in enumerate(plant.lines):
        ce = line.current_efficiency + STEP * line.current_efficiency_uncertainty / 2
        carbon = line.net_carbon_t_per_t * (1 + STEP * line.net_carbon_uncertainty_percent / 200)
        for change in ({"current_efficiency": ce}, {"net_carbon_t_per_t": carbon}):
            lines = list(plant.lines)
            lines[i] = replace(line, **change)  # type: ignore[arg-type]
            yield assessed(runner, replace(plant, lines=tuple(lines)))
    for name, percent in FACTORS.items():
        factor = plant.factors[name]
        larger = replace(factor, value=factor.value * (1 + STEP * percent / 200))
        yield assessed(runner, replace(plant, factors={**plant.factors, name: larger}))


@pytest.fixture(scope="module")
def plant(make_plant: Callable[..., Plant]) -> Plant:
    return stated(make_plant)


@pytest.fixture(scope="module")
def tables(runner: Any, plant: Plant) -> dict[Scope, Any]:
    return assessed(runner, plant)


@pytest.fixture(scope="module")
def numeric(runner: Any, plant: Plant, tables: dict[Scope, Any]) -> dict[Scope, Any]:
    """Variance of every figure by moving each input."""
    total: dict[Scope, Any] = {scope: np.zeros_like(tables[scope]) for scope in SCOPES}
    for other in moved_figures(runner, plant):
        for scope in SCOPES:
            total[scope] += np.nan_to_num((other[scope] - tables[scope]) / STEP) ** 2
    return total


@pytest.mark.parametrize("scope", SCOPES)
def test_every_figure_follows_its_inputs(
    plant: Plant, tables: dict[Scope, Any], numeric: dict[Scope, Any], scope: Scope
) -> None:
    checked = 0
    u = uncertainties(plant, tables)[scope]
    for of, name, quantity in quantities(plant, tables):
        if of != scope:
            continue
        parts = {c: p for c, p in quantity.parts.items() if c not in NOT_MOVED}
        expected = np.sqrt(numeric[scope][rows(scope, name)])
        square = variance(Uncertain(quantity.value, parts), np.empty_like(expected))
        known = ~np.isnan(u[rows(scope, name)]) & (expected > 0)
        found = np.sqrt(square)[known]
        assert found == pytest.approx(expected[known], rel=0.02), name
        checked += int(known.sum())
    assert checked > {"cell": 200, "line": 100, "boiler": 10, "site": 50}[scope]


@pytest.mark.parametrize("scope", SCOPES)
def test_what_depends_on_a_reading_has_an_uncertainty(
    plant: Plant, tables: dict[Scope, Any], numeric: dict[Scope, Any], scope: Scope
) -> None:
    u = uncertainties(plant, tables)[scope]
    without = [
        figure.name
        for row, figure in enumerate(beat_figures()[scope])
        if figure.window not in ("30d", "book")
        and (numeric[scope][row] > 0).any()
        and np.isnan(u[row][~np.isnan(tables[scope][row])]).any()
        and not figure.name.startswith(CODES)
    ]
    assert not without


def test_energy_and_specific_energy_by_hand(plant: Plant, tables: dict[Scope, Any]) -> None:
    """600 kA, 3.9 V + 0.02 V a column: the current's 0.2 % is in the energy, not in kWh/t."""
    u = uncertainties(plant, tables)["cell"]
    volts = tables["cell"][index("cell", "voltage_hour"), 1]
    of_volts = hypot(0.01, 0.001 * volts) / volts
    energy = tables["cell"][index("cell", "energy_hour"), 1]
    expected = energy * hypot(of_volts, 0.002)
    assert u[index("cell", "energy_hour"), 1] == pytest.approx(expected, rel=1e-6)
    specific = tables["cell"][index("cell", "dc_specific_energy_hour"), 1]
    expected = specific * hypot(of_volts, 0.01 / 0.935)
    assert u[index("cell", "dc_specific_energy_hour"), 1] == pytest.approx(expected, rel=1e-6)


def test_edges_of_an_anode_effect_scatter_as_said(plant: Plant, tables: dict[Scope, Any]) -> None:
    parts = budget(plant, "cell", "L1-001", "anode_effect_minutes_day", tables)
    (edges,) = [p.standard for p in parts if p.cause == "anode_effect_edges"]
    rng = np.random.default_rng(1)
    start = rng.uniform(0, 1, 200_000)
    end = start + rng.uniform(60, 120, 200_000)
    error = (np.ceil(end) - np.ceil(start)) - (end - start)  # readings once a second
    assert abs(error.mean()) < 0.01
    assert edges * 60 == pytest.approx(error.std(), rel=0.02)


def test_an_accuracy_that_is_not_stated_makes_unknown_what_needs_it(
    runner: Any, plant: Plant, tables: dict[Scope, Any]
) -> None:
    silent = replace(
        plant,
        tags=tuple(
            replace(t, accuracy=nan, accuracy_percent=nan) if t.id == "L1-002.voltage" else t
            for t in plant.tags
        ),
    )
    u = uncertainties(silent, tables)

    def of(scope: Scope, name: str, entity: int) -> float:
        return float(u[scope][index(scope, name), entity])

    assert isnan(of("cell", "energy_hour", 1))
    assert isnan(of("line", "dc_energy_hour", 0))
    assert isnan(of("site", "dc_specific_energy_hour", 0))
    assert of("cell", "energy_hour", 0) > 0
    assert of("cell", "metal_hour", 1) > 0
    assert of("line", "dc_energy_hour", 1) > 0
    assert of("line", "carbon_intensity_hour", 0) > 0
    (first, *_) = budget(silent, "line", "L1", "dc_energy_hour", tables)
    assert (first.cause, isnan(first.standard)) == ("voltage", True)


def test_nothing_is_uncertain_of_what_is_unknown(runner: Any, plant: Plant) -> None:
    tables = runner(plant).run(2).figures
    for scope, u in uncertainties(plant, tables).items():
        assert np.isnan(u[np.isnan(tables[scope])]).all()


def test_gaps_make_totals_uncertain_by_what_they_lack(runner: Any, plant: Plant) -> None:
    run = runner(plant)
    for tag in plant.tags:
        if tag.signal.name in ("voltage", "current"):
            for at in range(30):
                run.give(tag.id, at, 3.95 if tag.signal.name == "voltage" else 600.0)
    tables = run.run(50).figures
    coverage = tables["cell"][index("cell", "coverage_hour"), 0]
    assert coverage == pytest.approx(39 / 50)  # held for ten seconds
    energy = tables["cell"][index("cell", "energy_hour"), 0]
    parts = {p.cause: p for p in budget(plant, "cell", "L1-001", "energy_hour", tables)}
    assert parts["gaps"].standard == pytest.approx(energy * 11 / 39)
    assert next(iter(parts)) == "gaps"
    mean = {p.cause: p for p in budget(plant, "cell", "L1-001", "voltage_hour", tables)}
    assert mean["gaps"].standard == pytest.approx(3.95 * 0.05 * 11 / 50)


@pytest.mark.parametrize("scope", ["line", "site"])
def test_a_silent_meter_leaves_certain_what_the_cells_tell(
    runner: Any, plant: Plant, scope: Scope
) -> None:
    run = runner(plant)
    for tag in plant.tags:
        for at in range(5 if tag.signal.name == "ac_power" else 120):
            run.give(tag.id, at, reading(tag))
    tables = run.run(120).figures
    entity = plant.entities(scope)[0]

    def lost(name: str) -> float:
        parts = {p.cause: p.standard for p in budget(plant, scope, entity, name, tables)}
        return parts.get("gaps", 0.0)

    for name in ("dc_energy_hour", "dc_specific_energy_hour", "metal_hour", "anode_co2_hour"):
        assert lost(name) == pytest.approx(0, abs=1e-9)
    ac, coverage = (
        tables[scope][index(scope, name), 0] for name in ("ac_energy_hour", "coverage_hour")
    )
    assert coverage < 1
    assert lost("ac_energy_hour") == pytest.approx(ac * (1 - coverage) / coverage)


@pytest.mark.parametrize(("scope", "cells"), [("cell", 1), ("line", 3), ("site", 6)])
def test_what_a_gap_may_hide_of_anode_effects_scatters_as_said(
    runner: Any, plant: Plant, scope: Scope, cells: int
) -> None:
    run = runner(plant)
    for tag in plant.tags:
        for at in range(50 if tag.signal.name not in ("voltage", "current") else 30):
            effect = tag.entity == "L1-001" and 5 <= at < 15
            readings = {"voltage": 30.0 if effect else 3.95, "current": 600.0}
            run.give(tag.id, at, readings.get(tag.signal.name, reading(tag)))
    tables = run.run(50).figures
    name = "voltage_hour" if scope == "cell" else "dc_specific_energy_hour"
    entity = plant.entities(scope)[0]
    value = tables[scope][index(scope, name), 0]
    parts = {p.cause: p.standard for p in budget(plant, scope, entity, name, tables)}
    missing = 11 / 50
    hidden = np.sqrt(parts["gaps"] ** 2 - (value * 0.05 * missing) ** 2) / value

    efficiency = plant.lines[0].current_efficiency
    target_V = plant.cells[0].target_dc_kWh_per_t * 0.33556 * efficiency / 1000
    volt_s = 39 * 3.95 * cells + 10 * (30.0 - 3.95)  # known, at 600 kA
    one = 10 * (30.0 - target_V) / volt_s
    rng = np.random.default_rng(1)
    seen = rng.poisson(4 * (1 - missing), 200_000)
    unseen = rng.poisson(4 * missing, 200_000)
    error = seen * missing / (1 - missing) - unseen  # of what the known time gives for the rest
    each = np.sqrt((error**2).mean() / seen.mean()) * (1 - missing)
    assert hidden == pytest.approx(one * each, rel=0.01)


@pytest.mark.parametrize("figure", ["carbon_intensity_day", "total_specific_energy_hour"])
def test_a_budget_is_whole(plant: Plant, tables: dict[Scope, Any], figure: str) -> None:
    parts = budget(plant, "site", "T", figure, tables)
    assert sum(p.share for p in parts) == pytest.approx(1)
    assert [p.standard for p in parts] == sorted((p.standard for p in parts), reverse=True)
    for part in parts:
        assert part.label
        assert part.label_zh
        assert part.cause in CAUSES or part.cause.removeprefix("factor.") in plant.factors


def test_an_unknown_figure_is_named(plant: Plant, tables: dict[Scope, Any]) -> None:
    with pytest.raises(KeyError, match=r"no figure cell\.nonsense"):
        budget(plant, "cell", "L1-001", "nonsense", tables)
