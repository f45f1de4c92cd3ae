"""Figures of lines and the site beside the totals that test_assess.py has."""

from dataclasses import replace

import numpy as np
import pytest

from plant.batch import SECOND
from plant.model import Meter

SECONDS = 60


def running(plant, runner, levels, seconds=SECONDS):
    """levels: by tag id, or by signal for all of its tags; one reading a second."""
    run = runner(plant)
    for tag in plant.tags:
        level = levels.get(tag.id, levels.get(tag.signal.name))
        if level is not None:
            for second in range(seconds):
                run.give(tag.id, second, level)
    run.run(seconds)
    return run


def with_meters(plant, *meters):
    """The plant with these meters of line L1, and a tag of power for each."""
    some = next(t for t in plant.tags if t.signal.name == "power")
    made = tuple(Meter(name, "", "L1", kind) for name, kind in meters)
    tags = tuple(
        replace(some, column=len(plant.tags) + k, id=f"{m.id}.power", entity=m.id)
        for k, m in enumerate(made)
    )
    return replace(plant, meters=plant.meters + made, tags=plant.tags + tags)


@pytest.mark.parametrize(
    ("ac", "level"), [(12949, 1), (12951, 2), (13000, 2), (13350, 3), (13351, 0)]
)
def test_gb_levels(make_plant, runner, ac, level):
    """The best level whose limit is not below the value; with 300 kWh/t of auxiliaries."""
    plant = make_plant(lines=1, cells=3)
    t_per_h = 3 * 600 * 0.935 * 0.33557273 / 1000
    levels = {"current": 600.0, "voltage": 3.95, "ac_power": (ac - 0.01) * t_per_h / 1000,
              "L1-M.power": 300 * t_per_h / 1000}  # fmt: skip
    run = running(plant, runner, levels)
    assert run.figure("line", "ac_specific_energy_day") == pytest.approx(ac - 0.01, abs=0.01)
    assert run.figure("line", "gb_level_liquid_ac_day") == level
    total = ac + 300
    limits = (13250, 13350, 13700)
    expected = next((k for k, limit in enumerate(limits, 1) if total <= limit), 0)
    assert run.figure("line", "gb_level_liquid_total_ac_day") == expected


def test_dc_sources_are_neither_ac_nor_auxiliaries(make_plant, runner):
    plant = with_meters(make_plant(lines=1), ("PV", "dc_source"), ("MAIN", "main"), ("S", "sub"))
    levels = {"current": 600.0, "voltage": 3.95, "line_voltage": 12.0, "ac_power": 6.2,
              "L1-M.power": 0.15, "M.power": 0.0, "PV.power": 1.1, "MAIN.power": 9.0,
              "S.power": 0.1}  # fmt: skip
    run = running(plant, runner, levels)
    assert run.figure("line", "dc_source_energy_hour") == pytest.approx(1.1 / 60)
    assert run.figure("line", "auxiliary_energy_hour") == pytest.approx(0.15 / 60)
    assert run.figure("line", "ac_energy_hour") == pytest.approx(6.2 / 60)
    assert run.figure("line", "scope2_co2e_hour") == pytest.approx(0.6191 * 6.35 / 60)
    # 12 V · 600 kA less what the sun gives, of 6.2 MW
    assert run.figure("line", "rectifier_efficiency_hour") == pytest.approx(100 * 6.1 / 6.2)
    assert run.figure("site", "rectifier_efficiency_hour") == pytest.approx(100 * 6.1 / 6.2)
    assert run.figure("site", "dc_source_energy_hour") == pytest.approx(1.1 / 60)


def test_rectifiers_own_dc_power_comes_first(make_plant, runner):
    levels = {"current": 600.0, "line_voltage": 12.0, "ac_power": 7.2, "dc_power": 7.1}
    run = running(make_plant(lines=1), runner, levels)
    assert run.figure("line", "rectifier_efficiency_day") == pytest.approx(100 * 7.1 / 7.2)
    none = running(make_plant(lines=1), runner, {"current": 600.0, "ac_power": 7.2})
    assert np.isnan(none.figure("line", "rectifier_efficiency_day"))


def test_closure_of_the_energy_balance(make_plant, runner):
    """3 cells of 3.95 V under 12 V: 98.75 %; a gap in one cell does not bend it."""
    plant = make_plant(lines=2)
    levels = {"current": 600.0, "voltage": 3.95, "L1.line_voltage": 12.0}
    run = running(plant, runner, levels)
    assert run.figure("line", "energy_balance_closure_hour", 0) == pytest.approx(98.75)
    assert np.isnan(run.figure("line", "energy_balance_closure_hour", 1))
    assert run.figure("site", "energy_balance_closure_hour") == pytest.approx(98.75)
    gap = running(plant, runner, {**levels, "L1-001.voltage": np.nan})
    assert gap.figure("line", "energy_balance_closure_hour", 0) == pytest.approx(98.75)


def test_spread_of_cells(make_plant, runner):
    levels = {"current": 600.0, "L1-001.voltage": 3.90, "L1-002.voltage": 4.00,
              "L1-003.voltage": 4.01}  # fmt: skip
    run = running(make_plant(lines=1), runner, levels)
    expected = 1000 * np.std([3.90, 4.00, 4.01], ddof=1)
    assert run.figure("line", "voltage_spread") == pytest.approx(expected)
    assert run.figure("line", "cells_above_target_hour") == 2
    one = running(make_plant(lines=1), runner, {"current": 600.0, "L1-001.voltage": 3.9})
    assert np.isnan(one.figure("line", "voltage_spread"))


def test_market_based_scope_2_and_cost(make_plant, runner):
    plant = make_plant(lines=1)
    site = replace(
        plant.site, currency="CNY", electricity_price_per_MWh=400.0,
        contract_factor_t_per_MWh=0.02, residual_factor_t_per_MWh=0.6096,
    )  # fmt: skip
    priced = replace(plant, site=site, boilers=())
    levels = {"current": 600.0, "voltage": 3.95, "ac_power": 7.2, "power": 0.15,
              "contracted_power": 3.0}  # fmt: skip
    run = running(priced, runner, levels)
    used = 7.2 + 2 * 0.15
    rate = 0.02 * 3.0 + 0.6096 * (used - 3.0)
    assert run.figure("site", "cost_hour") == pytest.approx(400 * used / 60)
    assert run.figure("site", "scope2_market_co2e_hour") == pytest.approx(rate / 60)
    metal = run.figure("site", "metal_rate")
    scope1 = run.figure("site", "scope1_intensity_hour")
    assert run.figure("site", "market_intensity_hour") == pytest.approx(scope1 + rate / metal)
    more = running(priced, runner, {**levels, "contracted_power": 9.0})  # covers no more than all
    assert more.figure("site", "scope2_market_co2e_hour") == pytest.approx(0.02 * used / 60)
    without = running(replace(plant, boilers=()), runner, levels)
    for name in ("cost_hour", "scope2_market_co2e_hour", "market_intensity_hour"):
        assert np.isnan(without.figure("site", name))


def test_live_intensity_is_that_of_the_window_when_nothing_changes(make_plant, runner):
    plant = replace(make_plant(lines=2), boilers=())
    levels = {"current": 600.0, "voltage": 3.95, "ac_power": 7.2, "power": 0.15}
    run = running(plant, runner, levels)
    for scope in ("line", "site"):
        windowed = run.figure(scope, "carbon_intensity_minute")
        assert run.figure(scope, "carbon_intensity") == pytest.approx(windowed), scope


def test_an_anode_effect_shows_in_the_live_intensity(make_plant, runner):
    """One cell of three: slope · p · 60 kg CF4 an hour."""
    plant = replace(make_plant(lines=1), boilers=(), meters=())
    levels = {"current": 600.0, "voltage": 3.95, "ac_power": 7.2}
    quiet = running(plant, runner, levels).figure("line", "carbon_intensity")
    run = running(plant, runner, {**levels, "L1-001.voltage": 30.0})
    p = 600 * 0.935 * 0.33557273 * 24 / 1000
    extra = 0.104 * p * 60 * (6630 + 0.057 * 11100) / 1000 / run.figure("line", "metal_rate")
    assert run.figure("line", "carbon_intensity") == pytest.approx(quiet + extra)
    assert run.figure("site", "carbon_intensity") == pytest.approx(quiet + extra)


def test_boilers_count_in_the_live_intensity_of_the_site(make_plant, runner):
    plant = replace(make_plant(lines=1), meters=())
    levels = {"current": 600.0, "voltage": 3.95, "ac_power": 7.2, "fuel_flow": 1.0}
    run = running(plant, runner, levels)
    fuel = run.figure("boiler", "fuel_co2") / run.figure("site", "metal_rate")
    line = run.figure("line", "carbon_intensity")
    assert run.figure("site", "carbon_intensity") == pytest.approx(line + fuel)
    assert run.now % SECOND == 0
