"""Metal, energy, efficiency, heat and resistance by name: published points, errors, properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, evaluate
from plant.factors import shipped_factors

FACTORS = shipped_factors()
EFFICIENCY = st.floats(0.5, 1.0)
VOLTAGE = st.floats(1.0, 50.0)


def compute(name, **given):
    return evaluate(name, given, shipped_factors()).results


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        compute(name, **given)
    return str(error.value)


def test_metal_of_a_day():
    # a university course's data sheet: 175 kA at 93 % gives 1312 kg/d, with rounded constants
    mass = compute("faraday_mass", charge_kAh=175 * 24, current_efficiency=0.93)["mass_kg"]
    assert mass == pytest.approx(1310.7, abs=0.1)
    assert mass == pytest.approx(1312, rel=1.1e-3)
    # by hand from molar mass and Faraday constant: 26.9815385/(3*96485.33212)*86400 kg per kA·d
    full = compute("faraday_mass", charge_kAh=24, current_efficiency=1)["mass_kg"]
    assert full == pytest.approx(8.0537455, rel=1e-8)
    assert compute("faraday_mass", charge_kAh=0, current_efficiency=1) == {"mass_kg": 0}


@pytest.mark.parametrize("efficiency", [0, -0.1, 1.0001, 93.5, "93.5"])
def test_current_efficiency_is_a_fraction_above_0_and_at_most_1(efficiency):
    for name, other in (
        ("faraday_mass", {"charge_kAh": 1}),
        ("dc_specific_energy", {"voltage_V": 4}),
        ("enthalpy_voltage", {}),
    ):
        message = refused(name, current_efficiency=efficiency, **other)
        assert message.startswith(f"{name}: current_efficiency = {efficiency}")
    if float(efficiency) > 2:
        assert message.endswith("is a percentage; write 0.935")


@pytest.mark.parametrize(
    ("voltage", "efficiency", "energy"),
    [(3.95, 0.935, 12589.2), (3.90, 0.92, 12632.5), (4.20, 0.95, 13174.6)],
)
def test_worked_points_of_specific_energy(voltage, efficiency, energy):
    got = compute("dc_specific_energy", voltage_V=voltage, current_efficiency=efficiency)
    assert got["kWh_per_t"] == pytest.approx(energy, abs=0.05)
    assert got["kWh_per_t"] == pytest.approx(2979.98 * voltage / efficiency, rel=1e-6)


@given(voltage=VOLTAGE, efficiency=EFFICIENCY)
def test_specific_energy_is_energy_over_metal(voltage, efficiency):
    mass = compute("faraday_mass", charge_kAh=1000, current_efficiency=efficiency)["mass_kg"]
    energy = compute("dc_specific_energy", voltage_V=voltage, current_efficiency=efficiency)
    assert energy["kWh_per_t"] == pytest.approx(1000 * voltage / (mass / 1000), rel=1e-12)
    more = compute("dc_specific_energy", voltage_V=voltage + 0.01, current_efficiency=efficiency)
    assert more["kWh_per_t"] > energy["kWh_per_t"]


def notes(name, **given):
    return " ".join(evaluate(name, given, shipped_factors()).notes)


def test_less_energy_than_the_reaction_takes_is_a_note():
    # 1 V is the check of the constant, 2979.98 kWh/t
    one = evaluate("dc_specific_energy", {"voltage_V": 1, "current_efficiency": 1}, FACTORS)
    assert one.results["kWh_per_t"] == pytest.approx(2979.98, abs=5e-3)
    assert "at least 1.2 V and 6340 kWh/t" in one.notes[0]
    for voltage, efficiency, low in ((1.19, 0.5, True), (2.0, 0.95, True), (2.05, 0.95, False)):
        said = notes("dc_specific_energy", voltage_V=voltage, current_efficiency=efficiency)
        assert ("no cell works so" in said) == low
    assert "no cell works so" in notes("line_power", **(LINE | {"voltage_V": 0.395}))


@given(charge=st.floats(1, 1e6), efficiency=EFFICIENCY, change=st.floats(-50, 50))
def test_the_metal_balance_gives_the_efficiency_back(charge, efficiency, change):
    mass = compute("faraday_mass", charge_kAh=charge, current_efficiency=efficiency)["mass_kg"]
    tapped = max(mass - change, 0)
    got = compute(
        "current_efficiency_from_metal",
        tapped_kg=tapped,
        metal_change_kg=mass - tapped,
        charge_kAh=charge,
    )
    assert got["current_efficiency"] == pytest.approx(efficiency, rel=1e-12)


def test_efficiency_of_published_cells():
    # RA-550: 4.21 t/d at 550 kA is 95.0 %; SY600 Qinghai: 500 kt/a of 312 cells is 90.9 %
    ra550 = {"tapped_kg": 4210, "metal_change_kg": 0, "charge_kAh": 550 * 24}
    got = compute("current_efficiency_from_metal", **ra550)
    assert got["current_efficiency"] == pytest.approx(0.950, abs=5e-4)
    sy600 = {"tapped_kg": 5e8, "metal_change_kg": 0, "charge_kAh": 312 * 600 * 24 * 365}
    got = compute("current_efficiency_from_metal", **sy600)
    assert got["current_efficiency"] == pytest.approx(0.909, abs=5e-4)


def test_efficiency_of_one_tap_is_named_impossible():
    one_tap = {"tapped_kg": 6000, "metal_change_kg": 0, "charge_kAh": 600 * 24}
    found = evaluate("current_efficiency_from_metal", one_tap, shipped_factors())
    assert found.results["current_efficiency"] > 1
    assert "no possible current efficiency" in found.notes[0]
    assert "check the units" in found.notes[1]
    assert "charge_kAh = 0: must be above 0" in refused(
        "current_efficiency_from_metal", tapped_kg=1, metal_change_kg=0, charge_kAh=0
    )


@pytest.mark.parametrize(
    ("tapped_kg", "units"), [(0, True), (4.21, True), (2000, True), (2300, False), (4800, False)]
)
def test_an_efficiency_far_from_any_asks_for_units(tapped_kg, units):
    cell = {"tapped_kg": tapped_kg, "metal_change_kg": 0, "charge_kAh": 550 * 24}
    assert ("check the units" in notes("current_efficiency_from_metal", **cell)) == units


def test_uncertainty_of_efficiency_falls_with_the_days():
    asked = {"level_sd_cm": 0.5, "pad_area_m2": 84, "production_t_per_day": 4.518}
    month = compute("current_efficiency_uncertainty", days=30, **asked)["percent"]
    quarter = compute("current_efficiency_uncertainty", days=90, **asked)["percent"]
    assert month == pytest.approx(1.0, abs=0.05)
    assert quarter == pytest.approx(0.34, abs=0.005)
    assert quarter == pytest.approx(month / 3)
    # a centimetre over 84 m² is 1.93 t, 43 % of the day's metal: two such levels, one day
    day = compute("current_efficiency_uncertainty", days=1, **(asked | {"level_sd_cm": 1}))
    assert day["percent"] == pytest.approx(43 * 2**0.5, rel=0.01)
    assert "days = 0: must be above 0" in refused("current_efficiency_uncertainty", days=0, **asked)


def test_enthalpy_voltage_closes_with_the_thermodynamic_floor():
    assert compute("enthalpy_voltage", current_efficiency=0.935)["voltage_V"] == pytest.approx(
        2.017, abs=5e-4
    )
    full = compute("enthalpy_voltage", current_efficiency=1)["voltage_V"]
    floor = compute("dc_specific_energy", voltage_V=full, current_efficiency=1)["kWh_per_t"]
    assert floor == pytest.approx(6340, rel=2.5e-3)  # reactants at 25 degC, products at the bath's


def test_heat_loss_of_a_600_kA_cell():
    cell = {"current_kA": 600, "voltage_V": 3.95, "current_efficiency": 0.935}
    heat = compute("cell_heat_loss", external_voltage_V=0.168, **cell)["heat_kW"]
    assert heat == pytest.approx(1059, abs=0.5)
    assert "must be below voltage_V = 3.95" in refused(
        "cell_heat_loss", external_voltage_V=3.95, **cell
    )


@given(voltage=VOLTAGE, external=st.floats(0, 0.5), efficiency=EFFICIENCY)
def test_heat_and_metal_and_busbars_are_the_power(voltage, external, efficiency):
    heat = compute(
        "cell_heat_loss",
        current_kA=600,
        voltage_V=voltage,
        external_voltage_V=external,
        current_efficiency=efficiency,
    )["heat_kW"]
    enthalpy = compute("enthalpy_voltage", current_efficiency=efficiency)["voltage_V"]
    assert heat + 600 * (external + enthalpy) == pytest.approx(600 * voltage, abs=1e-8)


def test_pseudo_resistance_at_600_kA():
    got = compute("pseudo_resistance", voltage_V=3.95, current_kA=600, extrapolated_voltage_V=1.65)
    assert got["resistance_uOhm"] == pytest.approx(3.833, abs=5e-4)
    nominal = evaluate(
        "pseudo_resistance", {"voltage_V": 3.95, "current_kA": 600}, shipped_factors()
    )
    assert nominal.results == got
    assert [f.name for f in nominal.factors] == ["cell.extrapolated_voltage_V"]
    assert "current_kA = 0: must be above 0" in refused(
        "pseudo_resistance", voltage_V=3.95, current_kA=0, extrapolated_voltage_V=1.65
    )


@given(voltage=VOLTAGE, current=st.floats(10, 1000), v0=st.floats(1, 2))
def test_normalised_voltage_at_the_same_current_is_the_voltage(voltage, current, v0):
    resistance = compute(
        "pseudo_resistance", voltage_V=voltage, current_kA=current, extrapolated_voltage_V=v0
    )["resistance_uOhm"]
    got = evaluate(
        "normalised_voltage",
        {
            "resistance_uOhm": max(min(resistance, 1000), 0),
            "nominal_current_kA": current,
            "extrapolated_voltage_V": v0,
        },
        shipped_factors(),
    ).results["voltage_V"]
    if 0 <= resistance <= 1000:
        assert got == pytest.approx(voltage, rel=1e-12)


def test_one_micro_ohm_is_600_mV_at_600_kA():
    asked = {"nominal_current_kA": 600, "extrapolated_voltage_V": 1.65}
    low = compute("normalised_voltage", resistance_uOhm=3, **asked)["voltage_V"]
    high = compute("normalised_voltage", resistance_uOhm=4, **asked)["voltage_V"]
    assert high - low == pytest.approx(0.6)
    assert "nominal_current_kA = -600" in refused(
        "normalised_voltage", resistance_uOhm=3, nominal_current_kA=-600
    )


def test_a_resistance_that_no_cell_has():
    asked = {"nominal_current_kA": 600}
    for resistance, doubt in ((-1, True), (3.8e-6, True), (0.0038, True), (0, True), (3.8, False)):
        said = notes("normalised_voltage", resistance_uOhm=resistance, **asked)
        assert ("check that it is in µΩ" in said) == doubt


def test_anode_current_density():
    cell = {"current_kA": 600, "anodes": 56, "anode_width_cm": 74}
    got = compute("anode_current_density", anode_length_cm=175, **cell)["A_per_cm2"]
    assert got == pytest.approx(0.827, abs=5e-4)
    assert "at least 10 and at most 500 cm" in refused(
        "anode_current_density", anode_length_cm=1.75, **cell
    )
    assert "whole number" in refused(
        "anode_current_density", anode_length_cm=175, **(cell | {"anodes": 55.5})
    )


LINE = {
    "cells": 240,
    "current_kA": 600,
    "voltage_V": 3.95,
    "current_efficiency": 0.935,
    "rectifier_efficiency": 0.985,
    "auxiliaries_MW": 12,
}


def test_a_line_of_240_cells():
    found = evaluate("line_power", LINE, shipped_factors())
    got = found.results
    assert got["dc_MW"] == pytest.approx(569, abs=0.5)  # 948 V and 600 kA
    assert got["ac_MW"] + 12 == pytest.approx(589.5, abs=0.05)
    assert "589.462 MW" in found.notes[0]
    assert got["metal_t_per_h"] == pytest.approx(45.18, abs=0.005)
    assert got["total_kWh_per_t"] == pytest.approx(13047, abs=0.5)
    assert got["dc_kWh_per_t"] == pytest.approx(12589.2, abs=0.05)


def test_auxiliaries_above_the_line_are_a_note():
    assert "check that it is in MW" in notes("line_power", **(LINE | {"auxiliaries_MW": 12000}))
    assert "check that it is in MW" not in notes("line_power", **(LINE | {"auxiliaries_MW": 577}))


@given(aux=st.floats(0, 100), rectifier=st.floats(0.9, 1), voltage=st.floats(3, 6))
def test_the_line_is_its_cells(aux, rectifier, voltage):
    asked = {"auxiliaries_MW": aux, "rectifier_efficiency": rectifier, "voltage_V": voltage}
    got = compute("line_power", **(LINE | asked))
    dc = compute("dc_specific_energy", voltage_V=voltage, current_efficiency=0.935)["kWh_per_t"]
    assert got["dc_kWh_per_t"] == pytest.approx(dc, rel=1e-12)
    assert got["ac_kWh_per_t"] * rectifier == pytest.approx(dc, rel=1e-12)
    assert got["total_kWh_per_t"] >= got["ac_kWh_per_t"] >= got["dc_kWh_per_t"]


def test_rectifier_efficiency_is_a_fraction():
    assert refused("line_power", **(LINE | {"rectifier_efficiency": 98.5})).endswith(
        "is a percentage; write 0.985"
    )


def test_standard_coal():
    # GB/T 2589-2020: 34.12 kgce/GJ; 0.1229 kgce/kWh is 860/7000, 0.02 % above 3.6/29.3076
    assert compute("standard_coal", energy_GJ=1)["kgce"] == pytest.approx(34.12, abs=5e-3)
    assert compute("standard_coal", energy_kWh=1)["kgce"] == pytest.approx(0.12284, abs=6e-6)
    ingot = compute("standard_coal", energy_kWh=13300)["kgce"]
    assert ingot == pytest.approx(1634.6, rel=7e-4)  # and 35 kgce of fuels make the limit of 1670


@given(energy=st.floats(0, 1e9))
def test_standard_coal_of_a_kWh_and_of_its_3_6_MJ(energy):
    kwh = compute("standard_coal", energy_kWh=energy)["kgce"]
    assert kwh == pytest.approx(compute("standard_coal", energy_GJ=energy * 0.0036)["kgce"])


@pytest.mark.parametrize("given", [{}, {"energy_kWh": 1, "energy_GJ": 1}])
def test_standard_coal_of_one_energy(given):
    assert refused("standard_coal", **given).endswith("give one of energy_kWh and energy_GJ")
    assert "at least 0" in refused("standard_coal", energy_GJ=-1)
