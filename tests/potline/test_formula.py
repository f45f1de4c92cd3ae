"""`potline formula` as a user types it."""

from __future__ import annotations

import json
import shlex

import pytest
from harness import potline, write_plant

from analytics.formula import evaluate, formulas
from analytics.formula.page import command
from plant.factors import shipped_factors
from potline.calculating import calculate
from potline.exits import INVALID, Failure


@pytest.fixture
def shown(capfdbinary):
    """What `potline formula` prints for these words, without a process of its own."""

    def run(*words, as_json=False):
        name, *pairs = words or (None,)
        calculate(name, pairs, None, as_json)
        return capfdbinary.readouterr().out.decode()

    return run


def test_all_formulas(shown):
    text = potline("formula").stdout
    rows = json.loads(shown(as_json=True))["formulas"]
    assert [row["name"] for row in rows] == list(formulas())
    for row in rows:
        assert f"{row['name']} [" in text
        assert row["what"] in text
        assert row["source"] in text


def test_one_formula_described(shown):
    text = shown("pfc_slope")
    assert "aem_min [min]: anode-effect minutes per cell-day; at least 0 and at most 1440" in text
    assert "SAR, AR4, AR5, AR6; AR5 when left out" in text
    assert "CF4 = AEM·SEF/1000·P" in text
    example = text.strip().splitlines()[-1]
    assert "co2e_t = 60.4" in potline(*shlex.split(example)[1:]).stdout
    document = json.loads(shown("pfc_slope", as_json=True))
    assert document["keys"][0]["unit"] == "min"
    assert document["keys"][1]["high"] is None


def test_results_with_units_and_factors(shown):
    asked = ("dc_specific_energy", "voltage_V=3.95", "current_efficiency=0.935")
    text = shown(*asked)
    assert text.startswith("kWh_per_t = 12589.22 kWh/t\n")
    assert "factor constant.faraday = 96485.33212 C/mol (SI definition" in text
    assert ", 2019; derived)" in text
    assert "\nsource: Faraday's law; 2979.98·V/CE (derived)\n" in text
    own = shown("pfc_duct", "cf4_t=1", "collection_efficiency=0.98")  # without a factor
    assert own.endswith("source: Regulation (EU) 2025/2547, Annex II, Eq 20 (verified)\n")
    document = json.loads(potline("formula", *asked, "--json").stdout)
    assert document["results"] == pytest.approx({"kWh_per_t": 12589.220060020032}, rel=1e-15)
    assert document["units"] == {"kWh_per_t": "kWh/t"}
    assert [f["name"] for f in document["factors"]] == [
        "constant.molar_mass_Al",
        "constant.faraday",
    ]
    assert all(f["source"] and f["year"] for f in document["factors"])


def test_what_is_unverified_says_so(shown):
    text = shown("pfc_china", "production_t=1", "aem_min=0.1")
    assert "unverified)" in text
    assert "note: unverified: pfc_china.slope" in text


def test_an_example_as_typed_is_the_example(shown):
    """Through the words of a shell, numbers and lists come out as they went in."""
    for name in ("line_power", "carbon_free_share"):
        row = formulas()[name]
        text = shown(*shlex.split(command(row))[2:], as_json=True)
        expected = evaluate(name, row.example, shipped_factors()).results
        assert json.loads(text)["results"] == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("dc_specific_enrgy",), 'did you mean "dc_specific_energy"?'),
        (("faraday_mass", "charge_Ah=1"), 'no key charge_Ah; did you mean "charge_kAh"?'),
        (("faraday_mass", "charge_kAh=1"), "current_efficiency is missing; give it"),
        (("faraday_mass", "charge_kAh"), '"charge_kAh": write key=value'),
        (("faraday_mass", "charge_kAh=1", "charge_kAh=2"), "charge_kAh is given twice"),
        (("faraday_mass", "charge_kAh=1,5", "current_efficiency=1"), "write 1.5"),
        (("faraday_mass", "charge_kAh=-1", "current_efficiency=1"), "must be at least 0 kAh"),
        (("faraday_mass", "charge_kAh=1", "current_efficiency=0"), "must be above 0 and at most 1"),
        (("enthalpy_voltage", "current_efficiency=93.5"), "is a percentage; write 0.935"),
        (("faraday_mass", "charge_kAh=1e999", "current_efficiency=1"), "must be a finite number"),
        (("tiered_price_2021", "kWh_per_t=13570"), "could not be confirmed"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(words, says, capsys):
    name, *pairs = words
    with pytest.raises(Failure) as failure:
        calculate(name, pairs, None, True)
    assert failure.value.status == INVALID
    (line,) = failure.value.lines
    assert says in line
    assert "\n" not in line
    assert capsys.readouterr().out == ""


def test_what_is_asked_wrongly_ends_with_status_2():
    done = potline("formula", "enthalpy_voltage", "current_efficiency=0", status=2)
    assert done.stdout == ""
    assert done.stderr == (
        "enthalpy_voltage: current_efficiency = 0: must be above 0 and at most 1\n"
    )


def test_factors_of_a_plant(tmp_path):
    own = '[store]\nkind = "embedded"\npath = "var"\n'
    for name, value, unit in (("slope", 0.05, "(kg/t)/(min/d)"), ("weight_fraction", 0.04, "1")):
        own += (
            f'[[factor]]\nname = "pfc.measured-2026.PFPB_M.{name}"\nvalue = {value}\n'
            f'unit = "{unit}"\nsource = "duct measurement"\nyear = 2026\n'
        )
    plant = write_plant(tmp_path, own, mqtt=1883, opcua=4840)
    asked = ("formula", "pfc_slope", "aem_min=1", "production_t=1000", "technology=PFPB_M")
    done = potline(*asked, "factors=measured-2026", "--plant", plant, "--json")
    assert json.loads(done.stdout)["results"]["cf4_t"] == pytest.approx(0.05)
    assert "measured-2026" in potline(*asked, "factors=measured-2026", status=2).stderr
    assert "no such file" in potline(*asked, "--plant", tmp_path / "none.toml", status=2).stderr
