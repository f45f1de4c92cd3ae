"""Levels of GB 21346-2022 and tiered prices, on and beside every limit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, evaluate, formula
from plant.factors import shipped_factors

LIMITS = {  # GB 21346-2022, table 1
    "liquid_ac": (12950, 13000, 13350),
    "liquid_total_ac": (13250, 13350, 13700),
    "ingot_total_ac": (13300, 13400, 13750),
    "ingot_total_kgce": (1670, 1680, 1720),
    "alumina_process": (310, 360, 430),
    "alumina_total": (340, 390, 460),
}


def level(indicator, value):
    given = {"indicator": indicator, "value": value}
    return evaluate("gb21346_level", given, shipped_factors()).results["level"]


def surcharge(name, **given):
    return evaluate(name, given, shipped_factors()).results["surcharge_CNY_per_kWh"]


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        evaluate(name, given, shipped_factors())
    return str(error.value)


def test_every_indicator_is_there():
    assert formula("gb21346_level").keys[0].choices == tuple(LIMITS)


@pytest.mark.parametrize("indicator", LIMITS)
def test_a_level_holds_up_to_its_limit(indicator):
    for number, limit in enumerate(LIMITS[indicator], 1):
        assert level(indicator, limit) == number
        assert level(indicator, math.nextafter(limit, math.inf)) == (number + 1) % 4
    assert level(indicator, LIMITS[indicator][0] * 0.95) == 1


@given(
    indicator=st.sampled_from(sorted(LIMITS)),
    values=st.tuples(st.floats(0.95, 1.2), st.floats(0.95, 1.2)),
)
def test_more_energy_is_never_a_better_level(indicator, values):
    less, more = (level(indicator, x * LIMITS[indicator][0]) or 4 for x in sorted(values))
    assert less <= more


def test_the_standard_is_consistent_with_itself():
    # ingot: kWh as standard coal, and 33 to 35 kgce/t of fuels
    for kwh, kgce in zip(LIMITS["ingot_total_ac"], LIMITS["ingot_total_kgce"], strict=True):
        coal = evaluate("standard_coal", {"energy_kWh": kwh}, shipped_factors()).results["kgce"]
        assert 30 < kgce - coal < 37


def test_an_indicator_has_its_own_unit():
    said = refused("gb21346_level", indicator="liquid_ac", value=12.98)
    assert said.endswith("must be above 5640 and below 40000; liquid_ac is in kWh/t")
    for indicator, values in (
        ("liquid_total_ac", (13.3, 1670, 47900)),  # MWh/t, kgce/t, MJ/t
        ("ingot_total_kgce", (1.67, 13.3, 48.9, 13300, 48900)),  # tce/t, MWh/t, GJ/t, kWh/t, MJ/t
        ("alumina_process", (0.3, 9, 2600, 9000)),  # tce/t, GJ/t, kWh/t, MJ/t
        ("alumina_total", (0.34, 12, 2800, 12000)),
    ):
        for value in values:
            assert f"{indicator} is in k" in refused(
                "gb21346_level", indicator=indicator, value=value
            )
    # an old plant by the sinter process, and a poor smelter: no level, and no error
    assert level("alumina_total", 1400) == level("liquid_ac", 17500) == 0
    assert "use one of liquid_ac," in refused("gb21346_level", indicator="liquid", value=13000)


@pytest.mark.parametrize(
    ("energy", "price"),
    [(13000, 0), (13700, 0), (13700.1, 0.02), (13800, 0.02), (13800.1, 0.08), (20000, 0.08)],
)
def test_notice_of_2013(energy, price):
    assert surcharge("tiered_price_2013", kWh_per_t=energy) == price


def test_notice_of_2013_with_another_threshold():
    assert surcharge("tiered_price_2013", kWh_per_t=13650, threshold=13600) == 0.02
    assert surcharge("tiered_price_2013", kWh_per_t=13701, threshold=13600) == 0.08
    assert "at least 5640 and" in refused("tiered_price_2013", kWh_per_t=-1)


@pytest.mark.parametrize(
    ("energy", "price"),
    [
        (13000, 0),
        (13550, 0),
        (13550.1, 0.01),
        (13570, 0.01),
        (13570.000000001, 0.01),  # the same, but for the rounding of a quotient
        (13570.1, 0.02),
        (13590, 0.02),
        (14120, 0.29),
    ],
)
def test_notice_of_2021(energy, price):
    assert surcharge("tiered_price_2021", kWh_per_t=energy, threshold=13550) == price


@given(st.integers(0, 500))
def test_each_started_step_of_2021_adds_a_fen(steps):
    on_step = surcharge("tiered_price_2021", kWh_per_t=13300 + 20 * steps, threshold=13300)
    assert on_step == steps / 100
    beyond = surcharge("tiered_price_2021", kWh_per_t=13300.5 + 20 * steps, threshold=13300)
    assert beyond == (steps + 1) / 100


def test_thresholds_of_2021_are_the_users():
    said = refused("tiered_price_2021", kWh_per_t=13570)
    assert "threshold is missing" in said
    assert "could not be confirmed" in said
    assert "13450 from 2023" in said
    found = evaluate(
        "tiered_price_2021", {"kWh_per_t": 13570, "threshold": 13550}, shipped_factors()
    )
    assert any(note.startswith("unverified") for note in found.notes)
