"""Worked points, each from a published figure or an independent derivation."""

import pytest

from analytics.beat.steam import feedwater, heat_per_steam, saturated_liquid, steam
from analytics.formulas import (
    anode_co2_per_t,
    boiler_direct,
    dc_specific_energy,
    faraday_mass,
    fuel_co2_per_t,
    metal_per_charge,
    pfc_slope,
    pseudo_resistance,
    standard_coal_per_steam,
)
from plant.model import Boiler


@pytest.fixture
def pure(make_plant):
    return metal_per_charge(make_plant().factors)


def test_metal_per_charge(pure):
    assert pure * 24 == pytest.approx(8.0537455, rel=1e-7)  # kg/(kA·day)
    assert 1 / pure == pytest.approx(2.97998, rel=1e-6)  # kAh/kg, not 2.9802


def test_faraday_mass(pure):
    # 175 kA at 93 %: 1310.7 kg/day by these constants; a published data sheet says 1312
    assert faraday_mass(175 * 24, 0.93, pure) == pytest.approx(1310.7, abs=0.1)


@pytest.mark.parametrize(
    ("voltage", "efficiency", "kwh_per_t"),
    [(3.95, 0.935, 12589.2), (3.90, 0.92, 12632.5), (4.20, 0.95, 13174.6)],
)
def test_dc_specific_energy(pure, voltage, efficiency, kwh_per_t):
    assert dc_specific_energy(voltage, efficiency, pure) == pytest.approx(kwh_per_t, abs=0.1)


def test_sensitivity_of_specific_energy(pure):
    step = dc_specific_energy(3.96, 0.935, pure) - dc_specific_energy(3.95, 0.935, pure)
    assert step == pytest.approx(31.87, abs=0.01)


def test_pseudo_resistance():
    assert pseudo_resistance(3.95, 600, 1.65) == pytest.approx(3.833, abs=1e-3)


@pytest.mark.parametrize(("net_carbon", "t_per_t"), [(0.42, 1.50304), (0.411, 1.470832)])
def test_anode_co2(net_carbon, t_per_t):
    assert anode_co2_per_t(net_carbon, 2.0, 0.4) == pytest.approx(t_per_t, rel=1e-6)


def test_pfc_slope():
    cf4, c2f6, co2e = pfc_slope(1.0, 4.518, 0.104, 0.057, 6630, 11100)
    assert cf4 == pytest.approx(0.470, abs=1e-3)  # one anode-effect minute of a 600 kA cell
    assert c2f6 == pytest.approx(cf4 * 0.057)
    assert co2e == pytest.approx((cf4 * 6630 + c2f6 * 11100) / 1000)
    # 0.08 anode-effect minutes a cell-day: 0.060 tCO2e/t (PFPB_M), 0.091 (CWPB)
    assert pfc_slope(0.08, 1.0, 0.104, 0.057, 6630, 11100)[2] == pytest.approx(0.060, abs=1e-3)
    assert pfc_slope(0.08, 1.0, 0.143, 0.121, 6630, 11100)[2] == pytest.approx(0.091, abs=1e-3)


def test_natural_gas_carbon():
    assert fuel_co2_per_t(1.0, 0.01532, 0.99) == pytest.approx(0.05561, abs=1e-5)  # t/GJ


def test_boiler(make_plant):
    # 20 t/h at 1.25 MPa, 194 degC from 105 degC with 1.6 t/h of 35 GJ/t, no blowdown
    heat = 2800.0 - 440.0
    assert boiler_direct(20, heat, 1.6, 35) == pytest.approx(84.29, abs=0.01)
    # the same fuel as standard coal: 56 GJ / 29.3076 GJ/t / 20 t
    assert standard_coal_per_steam(1.6, 35, 20, 29.3076) == pytest.approx(95.54, abs=0.01)


@pytest.mark.parametrize(
    ("pressure", "celsius", "kj_per_kg"),
    # IAPWS R7-97, tables 5 and 15: verification points of regions 1 and 2
    [(3.0, 26.85, 115.331273), (80.0, 26.85, 184.142828), (3.0, 226.85, 975.542239)],
)
def test_water_of_the_standard(pressure, celsius, kj_per_kg):
    assert feedwater(pressure, celsius) == pytest.approx(kj_per_kg, rel=1e-8)


def test_steam_of_the_standard():
    assert steam(0.0035, 26.85) == pytest.approx(2549.91145, rel=1e-8)
    assert steam(30.0, 426.85) == pytest.approx(2631.49474, rel=1e-8)


def test_steam_at_the_boiling_point_is_dry():
    above, below = steam(1.3, 191.8), steam(1.3, 191.4)  # it boils at 191.6 degC
    assert below == pytest.approx(2786.5, abs=0.5)
    assert above == pytest.approx(below, abs=3)
    assert saturated_liquid(1.3) == pytest.approx(814.8, abs=0.5)


def test_steam_unknown():
    nan = float("nan")
    for value in (steam(nan, 200), steam(1.3, nan), steam(-1.0, 200), feedwater(1.3, 5000)):
        assert value != value


def test_heat_with_given_enthalpies_needs_no_reading():
    nan = float("nan")
    boiler = Boiler("B", "", "lng", 50.0, "", 2800.0, 440.0, 0.0)
    assert heat_per_steam(boiler, nan, nan, nan) == 2360.0
    wet = Boiler("B", "", "lng", 50.0, "", 2800.0, 440.0, 2.0)
    expected = 2360.0 + 0.02 * (saturated_liquid(1.3) - 440.0)
    assert heat_per_steam(wet, 1.3, nan, nan) == pytest.approx(expected)
    assert heat_per_steam(wet, nan, nan, nan) != heat_per_steam(wet, nan, nan, nan)
