"""Boiler efficiency: worked points, agreement of the two ways, errors, properties."""

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


FIRED = {"steam_t_per_h": 100, "fuel_t_per_h": 13, "fuel_GJ_per_t": 22.5}
HEATED = {**FIRED, "steam_kJ_per_kg": 3300, "feedwater_kJ_per_kg": 640}


def test_direct():
    # by hand: 100·(3300 − 640)/(13·22500) = 0.909402; 2 % blowdown of 700 kJ/kg adds 1400/292500
    assert compute("boiler_direct", **HEATED)["efficiency_percent"] == pytest.approx(
        90.9402, abs=1e-4
    )
    drained = compute("boiler_direct", **HEATED, blowdown_percent=2, blowdown_kJ_per_kg=1340)
    assert drained["efficiency_percent"] == pytest.approx(90.9402 + 0.4786, abs=1e-4)


def test_standard_coal_of_steam():
    # 13 t/h of 22.5 GJ/t are 9980.3 kgce/h
    rate = compute("steam_coal_rate", **FIRED)["kgce_per_t"]
    assert rate == pytest.approx(99.803, abs=5e-4)
    assert compute("boiler_direct", **HEATED)["kgce_per_t"] == rate
    one = compute("steam_coal_rate", steam_t_per_h=1, fuel_t_per_h=1, fuel_GJ_per_t=29.3076)
    assert one["kgce_per_t"] == pytest.approx(1000, rel=1e-12)


def test_impossible_boilers():
    assert "not above" in refused("boiler_direct", **{**HEATED, "steam_kJ_per_kg": 600})
    assert "fuel's heat" in refused("boiler_direct", **{**HEATED, "fuel_t_per_h": 10})
    assert "blowdown_kJ_per_kg is missing" in refused("boiler_direct", **HEATED, blowdown_percent=2)
    assert "between" in refused(
        "boiler_direct", **HEATED, blowdown_percent=2, blowdown_kJ_per_kg=100
    )
    refused("boiler_direct", **{**HEATED, "fuel_t_per_h": 0})
    refused("steam_coal_rate", **{**FIRED, "steam_t_per_h": 0})


def test_above_100_percent_is_said():
    found = evaluate("boiler_direct", {**HEATED, "fuel_t_per_h": 11.5}, shipped_factors())
    assert found.results["efficiency_percent"] > 100
    assert any("condensing" in note for note in found.notes)


def test_a_poor_efficiency_asks_for_units():
    # enthalpies in kcal/kg: 788 and 153
    slip = {**HEATED, "steam_kJ_per_kg": 788, "feedwater_kJ_per_kg": 153}
    found = evaluate("boiler_direct", slip, shipped_factors())
    assert found.results["efficiency_percent"] < 50
    assert "kcal/kg" in found.notes[0]
    assert not any(
        "kcal/kg" in n for n in evaluate("boiler_direct", HEATED, shipped_factors()).notes
    )


def test_percent_as_a_fraction():
    drained = {"blowdown_percent": 0.02, "blowdown_kJ_per_kg": 1340}
    assert "blowdown_percent = 0.02 is a fraction; write 2" in refused(
        "boiler_direct", **HEATED, **drained
    )
    none = compute("boiler_direct", **HEATED, **(drained | {"blowdown_percent": 0}))
    assert none == compute("boiler_direct", **HEATED)
    assert "blowdown_percent is missing" in refused(
        "boiler_direct", **HEATED, blowdown_kJ_per_kg=1340
    )
    fractions = {name: loss / 100 for name, loss in LOSSES.items()}
    assert "q5 = 0.008 is a fraction; write 0.8" in refused(
        "boiler_indirect", q2=0.055, **fractions
    )
    assert "not fractions" in refused("boiler_indirect", q2=0.055, **(fractions | {"q5": 0}))
    assert "oxygen_percent = 0.06 is a fraction; write 6" in refused(
        "boiler_indirect", **LOSSES, **(FLUE | {"oxygen_percent": 0.06}), fuel="coal"
    )
    nothing = dict.fromkeys(("q2", *LOSSES), 0)
    assert compute("boiler_indirect", **nothing)["efficiency_percent"] == 100


LOSSES = {"q3": 0.2, "q4": 2.5, "q5": 0.8, "q6": 0.3}
FLUE = {"oxygen_percent": 6, "flue_temperature_C": 140, "ambient_temperature_C": 20}


def test_indirect():
    assert compute("boiler_indirect", q2=5.5, **LOSSES)["efficiency_percent"] == pytest.approx(90.7)
    # by hand for coal: (0.68/15 + 0.007)·120 = 6.28; for gas (0.66/15 + 0.009)·120 = 6.36
    for fuel, q2 in (("coal", 6.28), ("gas", 6.36)):
        found = evaluate("boiler_indirect", {**LOSSES, **FLUE, "fuel": fuel}, shipped_factors())
        assert found.results["q2_percent"] == pytest.approx(q2, rel=1e-12)
        assert found.results["efficiency_percent"] == pytest.approx(96.2 - q2, rel=1e-12)
        assert any("unverified" in note for note in found.notes)


def test_losses_that_cannot_be():
    assert "below 100" in refused("boiler_indirect", q2=99, **LOSSES)
    assert "not both" in refused("boiler_indirect", q2=5, **LOSSES, **FLUE)
    assert "fuel is missing" in refused("boiler_indirect", **LOSSES, **FLUE)
    assert "q3 is missing" in refused("boiler_indirect", q2=5)
    refused("boiler_indirect", **LOSSES, **{**FLUE, "flue_temperature_C": 10}, fuel="coal")
    refused("boiler_indirect", **LOSSES, **{**FLUE, "oxygen_percent": 21}, fuel="coal")
    refused("boiler_indirect", q2=-1, **LOSSES)


@given(st.floats(0.1, 15), st.floats(0.1, 15), st.floats(80, 300))
def test_more_air_loses_more(one, other, flue):
    less, more = sorted((one, other))
    low, high = (
        compute(
            "boiler_indirect",
            **LOSSES,
            oxygen_percent=oxygen,
            flue_temperature_C=flue,
            ambient_temperature_C=20,
            fuel="coal",
        )["efficiency_percent"]
        for oxygen in (more, less)
    )
    assert low <= high <= 100


@given(st.floats(1, 20), st.floats(10, 30))
def test_coal_rate_and_efficiency_are_inverse(fuel, heating):
    # η·kgce/t is the steam's heat over that of coal, whatever the fuel
    given_ = {**HEATED, "fuel_t_per_h": fuel * 300 / heating, "fuel_GJ_per_t": heating}
    found = compute("boiler_direct", **given_)
    product = found["efficiency_percent"] / 100 * found["kgce_per_t"]
    assert product == pytest.approx(2660 / 29.3076, rel=1e-12)
