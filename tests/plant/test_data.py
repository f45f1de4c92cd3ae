"""Ranges, units, templates, and the data that ships."""

from __future__ import annotations

import contextlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.factors import FILES, shipped_factors, shipped_signals, unit_of
from plant.problems import key_lines
from plant.ranges import RangeError, cell_numbers
from plant.templates import TemplateError, placeholders
from plant.units import UnitError, conversion, parse


@given(st.integers(0, 900), st.integers(0, 90), st.integers(3, 5))
def test_a_range_holds_each_number_once(first: int, count: int, width: int) -> None:
    last = first + count
    numbers = cell_numbers(f"{first:0{width}}-{last:0{width}}")
    assert [int(n) for n in numbers] == list(range(first, last + 1))
    assert {len(n) for n in numbers} == {width}


@given(st.lists(st.integers(0, 999), min_size=1, max_size=20, unique=True))
def test_a_list_keeps_its_order(numbers: list[int]) -> None:
    written = [f"{n:03}" for n in numbers]
    assert list(cell_numbers(",".join(written))) == written


@given(st.text(alphabet="0123456789-, x", max_size=12))
def test_any_text_is_a_range_or_a_range_error(text: str) -> None:
    with contextlib.suppress(RangeError):
        numbers = cell_numbers(text)
        assert len(numbers) == len(set(numbers)) > 0


def test_a_range_is_bounded() -> None:
    with pytest.raises(RangeError, match="more than 10000 cells"):
        cell_numbers("000000000-999999999")


@pytest.mark.parametrize(
    ("wire", "wanted", "scale", "offset"),
    [
        ("V", "V", 1, 0),
        ("mV", "V", 0.001, 0),
        ("A", "kA", 0.001, 0),
        ("kW", "MW", 0.001, 0),
        ("GJ", "MWh", 1 / 3.6, 0),
        ("kg/s", "t/h", 3.6, 0),
        ("bar", "MPa", 0.1, 0),
        ("degF", "degC", 5 / 9, -160 / 9),
        ("K", "degC", 1, -273.15),
        ("%", "1", 0.01, 0),
        ("m3/h", "L/min", 1000 / 60, 0),
        ("kg/kWh", "t/MWh", 1, 0),
        ("kgce", "kWh", 29.3076 / 3.6, 0),
        ("°C", "degC", 1, 0),
        ("°F", "K", 5 / 9, 459.67 * 5 / 9),
        ("m³/h", "m^3/d", 24, 0),
        ("kJ/(kg*K)", "J/(g*K)", 1, 0),
        ("psi", "bar", 0.0689475729316836, 0),
    ],
)
def test_conversion(wire: str, wanted: str, scale: float, offset: float) -> None:
    assert conversion(wire, wanted) == pytest.approx((scale, offset), rel=1e-14)


@pytest.mark.parametrize(
    ("wire", "wanted", "says"),
    [
        ("kW", "V", "cannot be converted"),
        ("Nm3/h", "m3/h", "cannot be converted"),
        ("KW", "MW", 'did you mean "kW"?'),
        ("degc", "degC", 'did you mean "degC"?'),
        ("volts per", "V", "unknown unit"),
        ("", "V", "unknown unit"),
        ("kg/", "t", "unknown unit"),
        ("__import__('os')", "V", "unknown unit"),
    ],
)
def test_wrong_units(wire: str, wanted: str, says: str) -> None:
    with pytest.raises(UnitError, match=re.escape(says)):
        conversion(wire, wanted)


@given(st.text("kgVAh/t*%^(){}.,- 0123°µΩ²_#'\n$é", max_size=8) | st.text(max_size=5))
def test_any_text_is_a_unit_or_a_unit_error(text: str) -> None:
    with contextlib.suppress(UnitError):
        parse(text)


@given(st.text(max_size=12))
def test_any_text_is_a_template_or_says_why(text: str) -> None:
    try:
        names = placeholders(text)
    except TemplateError:
        return
    assert text.format_map(dict.fromkeys(names, "v")).count("v") >= len(names)


def test_every_factor_has_unit_source_and_certainty() -> None:
    factors = shipped_factors()
    assert len(factors) > 200
    for factor in factors.values():
        parse(factor.unit)
        assert len(factor.source) > 10
        assert factor.certainty in ("verified", "derived", "unverified")
        assert factor.value > 0
        assert math.isnan(factor.uncertainty_percent) or 0 < factor.uncertainty_percent < 100
        assert unit_of(factor.name) == factor.unit
        if factor.name.startswith("grid."):
            assert factor.unit == "t/MWh"
            assert 0.1 < factor.value < 0.9
            assert factor.valid_from == f"{factor.year}-01-01"
        if factor.name.startswith("gwp."):
            assert factor.value > 20
        if ".oxidation" in factor.name or "weight_fraction" in factor.name:
            assert factor.value < 1


def test_no_factor_is_written_twice() -> None:
    from plant.factors import _read, _rows

    names = [row.name for file in FILES for table in _read(file)["table"] for row in _rows(table)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grid.CN.average.2021", 0.5568),  # 2021 and 2022 are swapped in some public code
        ("grid.CN.average.2022", 0.5366),
        ("grid.CN.average.2023", 0.5306),
        ("grid.CN-SD.average.2023", 0.6191),
        ("grid.CN-YN.average.2023", 0.1333),
        ("grid.CN-SW.average.2021", 0.2113),
        ("grid.CN.excluding_market_nonfossil.2023", 0.6096),
        ("grid.CN.fossil.2023", 0.8273),
        ("gwp.AR5.CF4", 6630),
        ("gwp.AR5.C2F6", 11100),
        ("gwp.SAR.CF4", 6500),
        ("pfc.cbam-2025.PFPB_M.slope", 0.104),
        ("pfc.cbam-2025.PFPB_M.weight_fraction", 0.057),
        ("pfc.ipcc-2006.CWPB.overvoltage", 1.16),
        ("pfc.ipcc-2006.SWPB.slope", 0.272),
        ("fuel.natural_gas.carbon", 0.01532),
        ("fuel.lignite.oxidation.industrial_boiler", 0.85),
        ("constant.faraday", 96485.33212),
        ("energy.standard_coal", 29.3076),
    ],
)
def test_spot_values(name: str, value: float) -> None:
    assert shipped_factors()[name].value == value


def test_factors_agree_with_arithmetic() -> None:
    value = {name: factor.value for name, factor in shipped_factors().items()}
    elementary_charge, avogadro, boltzmann = 1.602176634e-19, 6.02214076e23, 1.380649e-23
    assert value["constant.faraday"] == pytest.approx(elementary_charge * avogadro, rel=1e-10)
    assert value["constant.gas"] == pytest.approx(boltzmann * avogadro, rel=1e-10)
    alumina = 2 * value["constant.molar_mass_Al"] + 3 * 15.9994
    assert value["constant.molar_mass_Al2O3"] == pytest.approx(alumina, abs=2e-6)
    per_kA_day = value["constant.molar_mass_Al"] / (3 * value["constant.faraday"]) * 86400
    assert per_kA_day == pytest.approx(8.0537455, rel=1e-7)
    gas_t_per_GJ = value["fuel.natural_gas.carbon"] * value["fuel.natural_gas.oxidation"] * 44 / 12
    assert gas_t_per_GJ == pytest.approx(0.05561, abs=5e-6)
    density = value["fuel.natural_gas.ncv_volume"] / value["fuel.natural_gas.ncv"] * 1000
    assert 0.70 < density < 0.85  # kg/Nm3: calorific values by mass and by volume fit each other


def test_grid_years_and_regions() -> None:
    regions: dict[int, set[str]] = {}
    for name in shipped_factors():
        if ".average." in name:
            _, region, _, year = name.split(".")
            regions.setdefault(int(year), set()).add(region)
    assert set(regions) == {2021, 2022, 2023}
    assert len(regions[2023]) == 1 + 7 + 30
    assert regions[2021] == regions[2022] == regions[2023]
    assert "CN-XZ" not in regions[2023]


def test_signals_are_sane() -> None:
    signals = shipped_signals()
    assert len(signals) == 41
    for name, signal in signals.items():
        assert name == f"{signal.entity}.{signal.name}"
        parse(signal.unit)
        assert signal.low < signal.high
        assert signal.hold_s > 0
        assert signal.pace == "fast" or math.isinf(signal.hold_s)
        assert signal.label
        assert re.search(r"[一-龥]", signal.label_zh)


def test_lines_of_keys() -> None:
    text = (
        '# [no]\n[site]\nid = "a # = b"\nshifts = [\n  "00:00",  # x = 1\n]\nzone = 1\n'
        "[[line]]\nid = 1\n[line.sections]\nA = 1\n[[line]]\n'odd key' = { a = [\n1] }\nb.c = 2\n"
    )
    assert key_lines(text) == {
        ("site",): 2,
        ("site", "id"): 3,
        ("site", "shifts"): 4,
        ("site", "zone"): 7,
        ("line",): 8,
        ("line", 0): 8,
        ("line", 0, "id"): 9,
        ("line", 0, "sections"): 10,
        ("line", 0, "sections", "A"): 11,
        ("line", 1): 12,
        ("line", 1, "odd key"): 13,
        ("line", 1, "b", "c"): 15,
    }


def test_uncertainties_of_pfc_coefficients() -> None:
    percent = {
        n: f.uncertainty_percent for n, f in shipped_factors().items() if n.startswith("pfc.ipcc")
    }
    assert percent["pfc.ipcc-2006.CWPB.slope"] == 6
    assert percent["pfc.ipcc-2006.CWPB.overvoltage"] == 24
    assert percent["pfc.ipcc-2006.SWPB.weight_fraction"] == 23
    assert percent["pfc.ipcc-2006.HSS.slope"] == 44
    assert math.isnan(shipped_factors()["pfc.cbam-2025.PFPB_M.slope"].uncertainty_percent)
    assert {f.uncertainty_certainty for f in shipped_factors().values()} == {"unverified"}
