"""The table of figures, and the explanation of each."""

import re
from dataclasses import replace
from math import nan

import pytest

from analytics.beat.assessment import SCOPES
from analytics.table.examples import table
from analytics.table.figure import WINDOWS
from analytics.table.figures import figures, index
from analytics.table.page import DOCS, MARKER, TITLES
from analytics.uncertainty.explain import explain
from analytics.uncertainty.lineage import span, tags_of

EVERY = [(scope, f.name) for scope in SCOPES for f in figures()[scope]]


def promised():
    """{scope: names} of the index in docs/figures.md, which leads others to the names."""
    text = (DOCS / "figures.md").read_text("utf-8").partition(MARKER)[2]
    result = {}
    for scope in SCOPES:
        section = text.partition(f"## {TITLES[scope]}\n")[2].partition("\n## ")[0]
        found = re.findall(
            r"^\| \[`([a-z0-9_{}]+)`\]\(.*?\) \| [^|]* \| ([a-z0-9, ]+) \|", section, re.M
        )
        result[scope] = {n.replace("{w}", w) for n, windows in found for w in windows.split(", ")}
    return result


def test_every_promised_figure_is_a_row():
    for scope, names in promised().items():
        rows = {row.name for group in table()[scope].values() for row in group}
        assert rows == names, scope
        assert names >= {f.name for f in figures()[scope]}, scope


@pytest.mark.parametrize("scope", SCOPES)
def test_rows_are_complete(scope):
    names = [f.name for f in figures()[scope]]
    assert len(set(names)) == len(names)
    for f in figures()[scope]:
        for text in (f.unit, f.formula, f.method, f.source, f.label, f.label_zh):
            assert text, f
            assert "{" not in text, f
        assert f.inputs or f.name == "days_in_operation", f  # that is a date of the plant file
        assert f.coverage in names or scope == "site", f
        named = f.name.removesuffix("_u").endswith(f"_{f.window}")
        assert f.window in ("beat", "book") or named, f
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
        assert set(row) == {"name", "entity", "value", "unit", "uncertainty"}
        assert row["unit"]
        assert row["entity"]
    row = figures()[scope][index(scope, name)]
    special = ("pfc.", "gwp.", "grid.", "fuel.")
    there = [p for p in row.factors if p in special or any(f.startswith(p) for f in plant.factors)]
    assert bool(there) == bool(result["factors"])
    for factor in result["factors"]:
        assert factor["source"]
        assert factor["certainty"] in ("verified", "derived", "unverified")


def test_explains_with_the_plant_s_own_numbers(make_plant):
    plant = make_plant()
    values = {"dc_specific_energy_hour": 12589.2, "energy_hour": 2370.0, "charge_hour": 600.0}
    result = explain(plant, "cell", "L2-003", "dc_specific_energy_hour", values, 0)
    inputs = {
        row["name"]: (row["entity"], row["value"], row["unit"], row["uncertainty"])
        for row in result["inputs"]
    }
    assert inputs == {
        "energy_hour": ("L2-003", 2370.0, "kWh", None),
        "charge_hour": ("L2-003", 600.0, "kAh", None),
        "line.current_efficiency": ("L2", 0.935, "1", 0.01),
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


def stated(plant):
    accuracy = {"voltage": (0.005, nan), "current": (nan, 0.2)}
    tags = [
        replace(t, accuracy=a, accuracy_percent=p)
        for t in plant.tags
        for a, p in [accuracy.get(t.signal.name, (nan, nan))]
    ]
    return replace(plant, tags=tuple(tags))


def test_explains_its_uncertainty_and_names_what_is_not_stated(make_plant, runner):
    plant = stated(make_plant())
    run = runner(plant)
    for tag in plant.tags:
        run.give(
            tag.id, 0, {"voltage": 4.0, "current": 600.0, "ac_power": 8.0}.get(tag.signal.name, 1)
        )
    tables = run.run(2).figures

    def of(scope, entity, name):
        column = plant.entities(scope).index(entity)
        rows = zip(figures()[scope], tables[scope][:, column].tolist(), strict=False)
        values = {f.name: v for f, v in rows}
        return explain(plant, scope, entity, name, values, run.now, tables)

    cell = of("cell", "L1-002", "dc_specific_energy_hour")
    shares = {part["cause"]: part["share"] for part in cell["uncertainty"]["parts"]}
    assert cell["uncertainty"]["percent"] == pytest.approx(1.96 * 100 * 0.01 / 0.935, rel=2e-3)
    assert cell["uncertainty"]["unit"] == "kWh/t"
    assert shares["current_efficiency"] == pytest.approx(0.997, abs=1e-3)
    assert "current" not in shares
    (energy,) = [row for row in cell["inputs"] if row["name"] == "energy_hour"]
    assert energy["uncertainty"] == pytest.approx(
        energy["value"] * (0.000625**2 + 0.001**2) ** 0.5, rel=1e-6
    )
    line = of("line", "L1", "ac_specific_energy_hour")
    assert line["value"] is not None
    assert line["uncertainty"]["standard"] is None
    assert line["uncertainty"]["parts"][0]["cause"] == "rectifiers"
    assert any("accuracy of L1-R.ac_power is not stated" in note["en"] for note in line["notes"])
    anode = of("line", "L1", "anode_co2_hour")
    assert any("net_carbon_uncertainty_percent" in note["en"] for note in anode["notes"])
    pfc = of("line", "L1", "pfc_co2e_day")["notes"]
    assert any("PFPB_M.slope" in note["en"] and "not included" in note["en"] for note in pfc)
    assert all(re.search("[一-龥]", note["zh"]) for note in pfc)


def test_says_when_a_factor_is_doubtful_or_for_another_year(make_plant):
    plant = make_plant()
    name = "grid.CN-SD.average.2023"
    factor = replace(
        plant.factors[name],
        certainty="unverified",
        valid_from="2023-01-01",
        valid_to="2023-12-31",
        uncertainty_percent=5.0,
    )
    plant = replace(plant, factors={**plant.factors, name: factor})
    late = explain(plant, "line", "L1", "scope2_co2e_day", {}, 1_795_261_201 * 10**9)
    (row,) = late["factors"]
    assert (row["applies"], row["valid_to"], row["uncertainty_percent"]) == (
        False,
        "2023-12-31",
        5.0,
    )
    texts = [note["en"] for note in late["notes"]]
    assert any("is unverified" in text for text in texts)
    assert any("is for 2023-01-01 – 2023-12-31, not for 2026-11-21" in text for text in texts)
    then = explain(plant, "line", "L1", "scope2_co2e_day", {}, 1_690_000_000 * 10**9)
    assert then["factors"][0]["applies"] is True


def test_a_figure_may_bring_its_own_uncertainty(make_plant):
    values = {"energy_day": 46_000.0, "energy_day_u": 100.0}
    result = explain(make_plant(), "cell", "L1-001", "energy_day", values, 0)
    assert result["uncertainty"]["standard"] == 100
    assert result["uncertainty"]["expanded"] == pytest.approx(196)


def test_lineage_leads_to_the_tags(make_plant):
    plant = make_plant()

    def ids(scope, entity, figure):
        return [tag.id for tag in tags_of(plant, scope, entity, figure)]

    assert ids("cell", "L2-003", "dc_specific_energy_hour") == ["L2-003.voltage", "L2.current"]
    assert ids("line", "L1", "ac_specific_energy_day") == ["L1.current", "L1-R.ac_power"]
    site = ids("site", "T", "carbon_intensity_day")
    assert {"L1-001.voltage", "L2.current", "L1-R.ac_power", "M.power", "B1.fuel_flow"} <= set(site)
    assert not {"L1-001.bath_temperature", "B1.steam_flow"} & set(site)


def test_the_readings_of_a_window_begin_with_it(make_plant):
    plant = make_plant()
    at = 1_795_261_201 * 10**9  # 19:40:01 in Shanghai

    def row(name):
        return figures()["cell"][index("cell", name)]

    assert span(plant, row("energy_hour"), at) == (1_795_258_800 * 10**9, at)
    assert span(plant, row("energy_day"), at) == (1_795_190_400 * 10**9, at)
    start, end = span(plant, row("voltage"), at)
    assert start < end == at
