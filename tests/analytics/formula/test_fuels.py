"""CO2 of fuels: the Chinese guide's own results, errors, properties."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, evaluate
from plant.factors import shipped_factors


def compute(name, **given):
    return evaluate(name, given, shipped_factors()).results


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        compute(name, **given)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_diesel_gas_and_coal():
    # Chinese tables print 3.096 t/t for diesel and 21.650 t per 10^4 Nm3 for natural gas
    assert compute("fuel_co2", fuel="diesel", amount=1)["co2_t"] == pytest.approx(3.096, abs=5e-4)
    gas = compute("fuel_co2", fuel="natural_gas", amount=1)["co2_t"]
    assert gas == pytest.approx(21.650, abs=5e-4)
    # the table's own check: 0.05561 tCO2 per GJ of gas
    assert gas / 389.31 == pytest.approx(0.05561, abs=5e-6)
    coal = compute("fuel_co2", fuel="lignite", amount=2, equipment="industrial_boiler")["co2_t"]
    assert coal == pytest.approx(2 * 14.759 * 0.02797 * 0.85 * 44 / 12, rel=1e-12)


def test_the_unit_of_the_amount_is_said():
    for fuel, unit in (("diesel", "in t"), ("natural_gas", "10^4 Nm3")):
        found = evaluate("fuel_co2", {"fuel": fuel, "amount": 1}, shipped_factors())
        assert any(unit in note for note in found.notes)
        assert any("unverified" in note for note in found.notes)
        assert all(factor.source for factor in found.factors)


def test_coal_needs_its_oxidation_and_oil_has_one():
    assert "give oxidation_percent, or equipment" in refused("fuel_co2", fuel="lignite", amount=1)
    assert "oxidation_percent" in refused("fuel_co2", fuel="petroleum_coke", amount=1)
    assert "leave it out" in refused(
        "fuel_co2", fuel="diesel", amount=1, equipment="industrial_boiler"
    )
    assert "not both" in refused(
        "fuel_co2", fuel="lignite", amount=1, equipment="power_boiler", oxidation_percent=98
    )
    assert "write 98" in refused("fuel_co2", fuel="lignite", amount=1, oxidation_percent=0.98)
    refused("fuel_co2", fuel="lignite", amount=-1, oxidation_percent=98)
    assert "unknown" in refused("fuel_co2", fuel="coal", amount=1)


def test_more_carbon_than_the_pure_substance_holds_is_said():
    # by atomic weights: CH4 12.011/16.043, C4H10 48.044/58.124
    for fuel, substance in (("lng", "methane, 0.749"), ("lpg", "butane, 0.827")):
        found = evaluate("fuel_co2", {"fuel": fuel, "amount": 1}, shipped_factors())
        assert any(f"pure {substance}" in note for note in found.notes)
        measured = {f"fuel.{fuel}.carbon": replace(found.factors[0], value=0.0140)}
        own = evaluate("fuel_co2", {"fuel": fuel, "amount": 1}, {**shipped_factors(), **measured})
        assert found.factors[0].name in measured
        assert not any("pure" in note for note in own.notes)
    for fuel in ("diesel", "natural_gas"):
        found = evaluate("fuel_co2", {"fuel": fuel, "amount": 1}, shipped_factors())
        assert not any("pure" in note for note in found.notes)


@given(st.floats(0, 1e6), st.floats(50, 100), st.floats(50, 100))
def test_co2_rises_with_amount_and_oxidation(amount, one, other):
    low, high = sorted((one, other))
    co2 = [
        compute("fuel_co2", fuel="coke", amount=amount, oxidation_percent=percent)["co2_t"]
        for percent in (low, high)
    ]
    assert 0 <= co2[0] <= co2[1]
