"""The table of figures, and the explanation of each."""

import re
from pathlib import Path

import pytest

from analytics.assessment import SCOPES
from analytics.explain import explain
from analytics.figure import WINDOWS
from analytics.figures import figures, index
from analytics.page import MARKER, figures_page

EVERY = [(scope, f.name) for scope in SCOPES for f in figures()[scope]]
INTERNALS = Path(__file__).parents[2] / "docs" / "internals.md"


def promised():
    """{scope: names} of the table in docs/internals.md; names that lead a list imply windows."""
    result = {}
    for scope, text in re.findall(
        r"^\| (cell|line|boiler) \| (.*) \|$", INTERNALS.read_text(encoding="utf-8"), re.M
    ):
        names = set()
        for name in re.findall(r"`([a-z0-9_{}]+)`", text):
            if name == "_hour":
                names.add("excess_specific_energy_hour")
            elif "{w}" in name:
                names |= {name.replace("{w}", w) for w in WINDOWS}
            else:
                names.add(name)
        result[scope] = names
    return result


def test_every_promised_figure_is_a_row():
    for scope, names in promised().items():
        assert {f.name for f in figures()[scope]} == names, scope


@pytest.mark.parametrize("scope", SCOPES)
def test_rows_are_complete(scope):
    names = [f.name for f in figures()[scope]]
    assert len(set(names)) == len(names)
    for f in figures()[scope]:
        for text in (f.unit, f.formula, f.method, f.source, f.label, f.label_zh):
            assert text, f
            assert "{" not in text, f
        assert f.inputs, f
        assert f.coverage in names or scope == "site", f
        assert f.window == "beat" or f.name.endswith(f"_{f.window}"), f
        assert not re.search(r"[a-zA-Z]{4,}", f.label_zh), f
    labels = [f.label for f in figures()[scope]]
    assert len(set(labels)) == len(labels)


def test_windows_stand_side_by_side():
    for scope, name in EVERY:
        if name.endswith("_minute") and not name.startswith("excess"):
            first = index(scope, name)
            base = name.removesuffix("minute")
            got = [f.name for f in figures()[scope][first : first + 4]]
            assert got == [base + w for w in WINDOWS]


def test_the_page_is_the_table():
    page = (INTERNALS.parent / "figures.md").read_text(encoding="utf-8")
    assert page.partition(MARKER)[2].strip() == figures_page().strip()


def test_unknown_figure_is_named():
    with pytest.raises(KeyError, match=r"no figure cell\.nonsense"):
        index("cell", "nonsense")


@pytest.mark.parametrize(("scope", "name"), EVERY)
def test_explain_every_figure(make_plant, scope, name):
    plant = make_plant()
    entity = plant.entities(scope)[0]
    values = {f.name: 1.5 for f in figures()[scope]}
    values |= {"line.current": 600.0}
    result = explain(plant, scope, entity, name, values, 1_795_261_201_250_000_000)
    assert result["time"].startswith("2026-11-21T11:40:01.25")
    assert result["time"].endswith("Z")
    assert result["value"] == 1.5
    assert result["coverage"] == 1.5
    for row in result["inputs"]:
        assert set(row) == {"name", "entity", "value", "unit"}
        assert row["unit"]
        assert row["entity"]
    row = figures()[scope][index(scope, name)]
    assert bool(row.factors) == bool(result["factors"])
    for factor in result["factors"]:
        assert factor["source"]
        assert factor["certainty"] in ("verified", "derived", "unverified")


def test_explains_with_the_plant_s_own_numbers(make_plant):
    plant = make_plant()
    values = {"dc_specific_energy_hour": 12589.2, "energy_hour": 2370.0, "charge_hour": 600.0}
    result = explain(plant, "cell", "L2-003", "dc_specific_energy_hour", values, 0)
    inputs = {row["name"]: (row["entity"], row["value"], row["unit"]) for row in result["inputs"]}
    assert inputs == {
        "energy_hour": ("L2-003", 2370.0, "kWh"),
        "charge_hour": ("L2-003", 600.0, "kAh"),
        "line.current_efficiency": ("L2", 0.935, "1"),
    }
    assert [f["name"] for f in result["factors"]] == ["constant.faraday", "constant.molar_mass_Al"]
    assert result["coverage"] is None
    pfc = explain(plant, "line", "L1", "pfc_co2e_day", {}, 0)
    assert [f["name"] for f in pfc["factors"]] == [
        "pfc.cbam-2025.PFPB_M.slope",
        "pfc.cbam-2025.PFPB_M.weight_fraction",
        "gwp.AR5.CF4",
        "gwp.AR5.C2F6",
    ]
    grid = explain(plant, "site", "T", "scope2_co2e_day", {}, 0)
    assert [f["name"] for f in grid["factors"]] == ["grid.CN-SD.average.2023"]
    fuel = explain(plant, "boiler", "B1", "fuel_co2_day", {}, 0)
    assert [f["name"] for f in fuel["factors"]] == [
        "fuel.natural_gas.ncv",
        "fuel.natural_gas.carbon",
        "fuel.natural_gas.oxidation",
    ]
