"""Set-voltage what-if: sensitivities of Faraday's law, scaled to a year, and what is against it."""

from __future__ import annotations

import dataclasses
from math import isnan

import numpy as np
import pytest

from analytics.studies.what_if import Standing, WhatIfError, what_if
from plant.factors import shipped_factors


@pytest.fixture
def plant(make_plant):
    bare = make_plant()
    site = dataclasses.replace(
        bare.site,
        currency="CNY",
        electricity_price_per_MWh=420.0,
        residual_factor_t_per_MWh=0.8,
    )
    return dataclasses.replace(bare, site=site, factors=shipped_factors())


def standing(plant, **changes):
    cells, lines = len(plant.cells), len(plant.lines)
    given = {
        "voltage_V": np.full(cells, 3.95),
        "noise_lf_mV": np.full(cells, 15.0),
        "anode_effects": np.zeros(cells),
        "superheat_K": np.full(cells, 10.0),
        "current_kA": np.full(lines, 600.0),
        "rectifier_efficiency": np.full(lines, 0.985),
    }
    return Standing(**given | {name: np.asarray(v, float) for name, v in changes.items()})


def test_sensitivity_is_that_of_faradays_law(plant):
    answer = what_if(plant, ["L1-001"], 10, standing(plant))
    assert answer.kWh_per_t == pytest.approx(31.87, abs=0.005)  # at 93.5 %
    assert answer.cells[0].kWh_per_t_per_ce_point == pytest.approx(-134.6, abs=0.05)  # at 3.95 V


def test_a_year_of_one_cell_by_hand(plant):
    row = what_if(plant, ["L1-001"], -10, standing(plant)).cells[0]
    assert row.heat_kW == pytest.approx(-6.0)  # 600 kA over 10 mV
    assert row.dc_MWh_per_a == pytest.approx(-6.0 * 8.76)
    assert row.ac_MWh_per_a == pytest.approx(-6.0 * 8.76 / 0.985)
    assert row.cost_per_a == pytest.approx(row.ac_MWh_per_a * 420)
    region = f"grid.CN-SD.average.{plant.site.grid_year}"
    assert row.co2e_location_t_per_a == pytest.approx(
        row.ac_MWh_per_a * plant.factors[region].value
    )
    assert row.co2e_market_t_per_a == pytest.approx(row.ac_MWh_per_a * 0.8)
    assert row.distance_mm == pytest.approx(-0.2899, abs=1e-4)  # 0.345 V/cm
    assert row.superheat_K == pytest.approx(-6 / 42)
    # specific energy goes with V/CE: 10 mV of 3.95 V are undone by as large a share of 93.5 %
    assert row.break_even_ce_points == pytest.approx(-93.5 * 0.010 / 3.95)
    assert row.warnings == ()


def test_totals_add_cells_and_dilute_over_the_line(plant):
    one = what_if(plant, ["L1-001"], -20, standing(plant))
    both = what_if(plant, ["L1-001", "L2-002", "L1-001"], -20, standing(plant))
    assert len(both.cells) == 2
    assert both.dc_MWh_per_a == pytest.approx(2 * one.dc_MWh_per_a)
    assert both.kWh_per_t == pytest.approx(one.kWh_per_t)
    assert one.line_kWh_per_t == pytest.approx(one.kWh_per_t / 3)  # three cells in the line
    assert both.line_kWh_per_t == pytest.approx(one.kWh_per_t / 3)


def test_what_stands_against_less_voltage(plant):
    state = standing(
        plant,
        noise_lf_mV=[45, np.nan, 10, 10, 10, 10],
        anode_effects=[0, 0, 2, 0, 0, 0],
        superheat_K=[10, 10, 10, 6.1, np.nan, 10],
    )
    answer = what_if(plant, [c.id for c in plant.cells], -10, state)
    said = [row.warnings for row in answer.cells]
    assert said[0] == ("noise 45 mV is above 30 mV already",)
    assert said[1] == ("noise unknown",)
    assert said[2] == ("2 anode effects today",)
    assert said[3] == ("superheat may fall to 6.0 K, below 6 K",)
    assert said[4:] == [(), ()]
    assert answer.warned == tuple(c.id for c in plant.cells[:4])
    assert what_if(plant, ["L1-001"], -10, state, noise_limit_mV=50).warned == ()
    assert what_if(plant, ["L1-001"], 10, state).warned == ()  # more voltage calms the pad


def test_unknown_stays_unknown(plant, make_plant):
    state = standing(plant, voltage_V=[np.nan] * 6, current_kA=[np.nan, 600])
    row = what_if(plant, ["L1-001"], -10, state).cells[0]
    assert row.warnings == ("voltage unknown",)
    assert isnan(row.dc_MWh_per_a)
    assert row.kWh_per_t == pytest.approx(-31.87, abs=0.005)  # needs no reading
    poor = dataclasses.replace(make_plant(), factors=shipped_factors())
    answer = what_if(poor, ["L1-001"], -10, standing(poor, rectifier_efficiency=[np.nan] * 2))
    assert isnan(answer.cost_per_a)
    assert isnan(answer.co2e_market_t_per_a)
    assert "rectifier efficiency is not measured: the factor stands for it" in answer.notes
    assert answer.ac_MWh_per_a == pytest.approx(answer.dc_MWh_per_a / 0.982)


def test_factors_that_were_used_are_told_with_their_doubt(plant):
    factors = {f.name: f for f in what_if(plant, ["L1-001"], -10, standing(plant)).factors}
    assert factors["what_if.voltage_per_cm"].certainty == "unverified"
    assert "constant.faraday" in factors
    assert "what_if.rectifier_efficiency" not in factors  # it is measured


@pytest.mark.parametrize(
    ("cells", "change", "said"),
    [
        (["L1-001"], 0, "ask for -300 to 300 mV, not 0"),
        (["L1-001"], 301, "first order"),
        (["L1-001"], float("nan"), "first order"),
        (["L9-001"], -10, "there is no cell 'L9-001'"),
        ([], -10, "no cells are named"),
    ],
)
def test_questions_without_an_answer(plant, cells, change, said):
    with pytest.raises(WhatIfError, match=said):
        what_if(plant, cells, change, standing(plant))


def test_a_voltage_that_would_not_feed_the_reaction(plant):
    with pytest.raises(WhatIfError, match="would not even supply reaction"):
        what_if(plant, ["L1-001"], -300, standing(plant, voltage_V=[2.2] * 6))


def test_rectifier_efficiency_is_taken_from_the_hour_where_it_is_possible(plant):
    def figure(scope, name):
        table = {"dc_energy_hour": [98.5, 120.0], "ac_energy_hour": [100.0, 100.0]}
        return np.array(table.get(name, [np.nan] * len(plant.entities(scope))))

    found = Standing.of(plant, figure).rectifier_efficiency
    assert found[0] == pytest.approx(0.985)
    assert isnan(found[1])
