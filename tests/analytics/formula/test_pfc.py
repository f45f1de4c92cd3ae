"""PFC by every method: published examples, the traps of public code, properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, evaluate
from plant.factors import shipped_factors

GWP = {  # IPCC, GWP-100 of CF4 and C2F6
    "SAR": (6500, 9200),
    "AR4": (7390, 12200),
    "AR5": (6630, 11100),
    "AR6": (7380, 12400),
}
CBAM = {  # Regulation (EU) 2025/2547
    "PFPB_L": (0.122, 0.097),
    "PFPB_M": (0.104, 0.057),
    "CWPB": (0.143, 0.121),
    "SWPB": (0.233, 0.280),
    "VSS": (0.058, 0.086),
    "HSS": (0.165, 0.077),
}
IPCC = {  # IPCC 2006, Tier 2
    "CWPB": (0.143, 0.121),
    "SWPB": (0.272, 0.252),
    "VSS": (0.092, 0.053),
    "HSS": (0.099, 0.085),
}


def ask(name, **given):
    return evaluate(name, given, shipped_factors())


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        ask(name, **given)
    return str(error.value)


@pytest.mark.parametrize(
    ("chosen", "technology", "slope", "weight"),
    [("cbam-2025", t, *values) for t, values in CBAM.items()]
    + [("ipcc-2006", t, *values) for t, values in IPCC.items()],
)
def test_slope_by_every_set_and_technology(chosen, technology, slope, weight):
    got = ask(
        "pfc_slope", aem_min=0.5, production_t=2000, technology=technology, factors=chosen
    ).results
    assert got["cf4_t"] == pytest.approx(0.5 * slope / 1000 * 2000)
    assert got["c2f6_t"] == pytest.approx(got["cf4_t"] * weight)
    own = ask("pfc_slope", aem_min=0.5, production_t=2000, slope=slope, weight_fraction=weight)
    assert own.results == got
    assert not [f for f in own.factors if f.name.startswith("pfc")]


def test_slope_of_a_modern_line():
    # one anode-effect minute of a 600 kA cell making 4.518 t a day: 0.470 kg CF4
    one = ask("pfc_slope", aem_min=1, production_t=4.518, technology="PFPB_M").results
    assert 1000 * one["cf4_t"] == pytest.approx(0.470, abs=5e-4)
    # 0.08 min a cell-day: 0.060 t CO2e a tonne by PFPB_M, 0.091 by CWPB
    for technology, intensity in (("PFPB_M", 0.060), ("CWPB", 0.091)):
        got = ask("pfc_slope", aem_min=0.08, production_t=1, technology=technology).results
        assert got["co2e_t"] == pytest.approx(intensity, abs=5e-4)


@pytest.mark.parametrize("technology", ["PFPB_L", "PFPB_M", "PFPB_MW"])
def test_a_set_without_the_technology_says_what_to_do(technology):
    said = refused(
        "pfc_slope", aem_min=0.1, production_t=1, technology=technology, factors="ipcc-2006"
    )
    assert f"ipcc-2006 has no slope coefficient for technology {technology}" in said
    assert "CWPB, SWPB, VSS, HSS" in said
    assert "give a measured slope and weight_fraction" in said


def test_pfpb_mw_has_to_be_measured():
    found = ask("pfc_slope", aem_min=0.1, production_t=1, technology="PFPB_MW")
    assert found.results == ask("pfc_slope", aem_min=0.1, production_t=1, technology="CWPB").results
    assert "PFPB_MW has to be measured" in found.notes[0]


def test_workbook_example_of_overvoltage():
    # aluminium-sector GHG workbook, worksheet 8: 1000 t, 5 mV, 95 % -> 61.0526 kg CF4
    for chosen in ("cbam-2025", "ipcc-2006"):
        got = ask(
            "pfc_overvoltage",
            aeo_mV=5,
            current_efficiency_percent=95,
            production_t=1000,
            technology="CWPB",
            factors=chosen,
        ).results
        assert 1000 * got["cf4_t"] == pytest.approx(61.0526, abs=5e-5)
    own = {"overvoltage_coefficient": 3.65, "weight_fraction": 0.252}
    asked = {"aeo_mV": 5, "current_efficiency_percent": 95, "production_t": 1000}
    assert (
        ask("pfc_overvoltage", **asked, **own).results
        == ask("pfc_overvoltage", **asked, technology="SWPB").results
    )


@pytest.mark.parametrize("efficiency", [0.95, 1, 1.1, 49, 0, 101, -95])
def test_overvoltage_takes_efficiency_in_percent(efficiency):
    """As a fraction the answer would be a hundred times too large."""
    said = refused(
        "pfc_overvoltage",
        aeo_mV=5,
        current_efficiency_percent=efficiency,
        production_t=1000,
        technology="CWPB",
    )
    assert f"current_efficiency_percent = {efficiency}" in said
    if efficiency == 0.95:
        assert said.endswith("is a fraction; write 95")


def test_overvoltage_without_a_coefficient():
    said = refused(
        "pfc_overvoltage",
        aeo_mV=5,
        current_efficiency_percent=95,
        production_t=1,
        technology="PFPB_M",
    )
    assert "only for CWPB, SWPB" in said
    assert "give a measured overvoltage_coefficient and weight_fraction" in said


def test_slope_and_overvoltage_agree_at_a_mean_of_16_9_V():
    """S·1440·CE%/(1000·OVC): where both methods say the same of one anode effect."""
    volts = 0.143 * 1440 * 95 / (1000 * 1.16)
    assert volts == pytest.approx(16.9, abs=0.05)
    minutes = 0.2
    by_slope = ask("pfc_slope", aem_min=minutes, production_t=100, technology="CWPB").results
    by_volts = ask(
        "pfc_overvoltage",
        aeo_mV=1000 * volts * minutes / 1440,
        current_efficiency_percent=95,
        production_t=100,
        technology="CWPB",
    ).results
    assert by_volts == pytest.approx(by_slope, rel=1e-12)


@pytest.mark.parametrize("chosen", GWP)
def test_both_gases_take_one_set_of_potentials(chosen):
    cf4_gwp, c2f6_gwp = GWP[chosen]
    for name, more in (
        ("pfc_slope", {"aem_min": 0.3, "technology": "CWPB"}),
        ("pfc_overvoltage", {"aeo_mV": 9, "current_efficiency_percent": 93, "technology": "CWPB"}),
        ("pfc_china", {}),
        ("pfc_china", {"aem_min": 0.3}),
    ):
        found = ask(name, production_t=1000, gwp=chosen, **more)
        expected = found.results["cf4_t"] * cf4_gwp + found.results["c2f6_t"] * c2f6_gwp
        assert found.results["co2e_t"] == pytest.approx(expected)
        assert any(note.endswith(f"GWP-100 of {chosen}") for note in found.notes)
        assert {f.name for f in found.factors if f.name.startswith("gwp")} == {
            f"gwp.{chosen}.CF4",
            f"gwp.{chosen}.C2F6",
        }


def test_the_set_of_potentials_is_ar5_and_said():
    found = ask("pfc_slope", aem_min=0.1, production_t=1, technology="CWPB")
    assert found.given["gwp"] == "AR5"
    assert "CO2e with the GWP-100 of AR5" in found.notes
    assert refused("pfc_slope", aem_min=0.1, production_t=1, technology="CWPB", gwp="AR7").endswith(
        "use one of SAR, AR4, AR5, AR6"
    )


def test_chinese_defaults():
    # GB/T 32151.4-2015: 0.25228 t/t with the potentials of SAR; 0.26316 with those of AR5
    for chosen, intensity in (("SAR", 0.25228), ("AR5", 0.26316)):
        got = ask("pfc_china", production_t=1, gwp=chosen).results
        assert got["co2e_t"] == pytest.approx(intensity, abs=5e-6)
    # a copy of the guide prints 0.034 for C2F6 too: ten times too much
    assert got["c2f6_t"] == pytest.approx(got["cf4_t"] / 10)


def test_chinese_slope_is_marked_unverified():
    found = ask("pfc_china", production_t=1000, aem_min=0.2)
    assert found.results["cf4_t"] == pytest.approx(0.143 * 0.2)
    assert found.results["c2f6_t"] == pytest.approx(0.0143 * 0.2)
    assert any("unverified: pfc_china.slope" in note for note in found.notes)
    assert not any("unverified" in note for note in ask("pfc_china", production_t=1).notes)
    assert "production_t = -1: must be at least 0 t" in refused("pfc_china", production_t=-1)


def test_duct_measurement():
    got = ask("pfc_duct", cf4_t=0.49, collection_efficiency=0.98).results
    assert got["cf4_t"] == pytest.approx(0.5)
    assert "collection_efficiency = 0: must be above 0" in refused(
        "pfc_duct", cf4_t=1, collection_efficiency=0
    )
    assert refused("pfc_duct", cf4_t=1, collection_efficiency=98).endswith("write 0.98")


@given(cf4=st.floats(0, 1e3), efficiency=st.floats(0.5, 1))
def test_duct_and_back(cf4, efficiency):
    got = ask("pfc_duct", cf4_t=cf4, collection_efficiency=efficiency).results["cf4_t"]
    assert got >= cf4
    assert got * efficiency == pytest.approx(cf4)
    asked = {"aem_min": 0.1, "production_t": cf4, "technology": "CWPB"}
    duct = ask("pfc_slope", **asked, collection_efficiency=efficiency).results
    for gas, tonnes in ask("pfc_slope", **asked).results.items():
        assert duct[gas] * efficiency == pytest.approx(tonnes)


@given(minutes=st.floats(0, 100), tonnes=st.floats(0, 1e6), more=st.floats(0.001, 10))
def test_more_minutes_or_more_metal_is_more_gas(minutes, tonnes, more):
    asked = {"technology": "PFPB_M"}
    base = ask("pfc_slope", aem_min=minutes, production_t=tonnes, **asked).results["cf4_t"]
    longer = ask("pfc_slope", aem_min=minutes + more, production_t=tonnes, **asked).results["cf4_t"]
    double = ask("pfc_slope", aem_min=minutes, production_t=2 * tonnes, **asked).results["cf4_t"]
    assert longer >= base
    assert double == pytest.approx(2 * base)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "technology is missing: give it, or slope and weight_fraction"),
        ({"slope": 0.1}, "weight_fraction is missing"),
        ({"weight_fraction": 0.1}, "slope is missing"),
        ({"slope": 0.1, "weight_fraction": 0.1, "technology": "CWPB"}, "not both"),
        (
            {"slope": 0.1, "weight_fraction": 0.1, "factors": "ipcc-2006"},
            "factors is where technology is looked up; with slope leave it out",
        ),
        ({"slope": 0.1, "weight_fraction": 12.1}, "is a percentage; write 0.121"),
        ({"technology": "PBPF"}, "use one of PFPB_L, PFPB_M, PFPB_MW, CWPB, SWPB, VSS, HSS"),
        ({"technology": "CWPB", "factors": "epa"}, "use one of cbam-2025, ipcc-2006"),
    ],
)
def test_where_the_coefficients_come_from(given, says):
    assert says in refused("pfc_slope", aem_min=0.1, production_t=1, **given)


def test_minutes_of_a_day():
    assert "at most 1440 min" in refused(
        "pfc_slope", aem_min=1441, production_t=1, technology="CWPB"
    )
