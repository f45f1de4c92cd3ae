"""The plausibility gate, with numbers that were published and with wrong ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.meters.claims import ClaimError, read_claims
from analytics.meters.plausible import judge
from plant.factors import shipped_factors


def verdicts(*rows):
    return judge(read_claims(list(rows)), shipped_factors())


def one(kind, value, unit, **more):
    return verdicts({"kind": kind, "value": value, "unit": unit, **more})[0]


SAVING = {"measure": "cooling towers", "period": "2022", "place": "plant A"}

RIGHT = [
    # published by a group: 24 000 tce and 62 000 t CO2 a year (2.58), and so on
    ("saving", 24_000, "tce", {**SAVING, "tCO2": 62_000, "carrier": "coal"}),
    ("saving", 216_000, "tce", {**SAVING, "tCO2": 561_600, "carrier": "coal"}),
    ("saving", 7_300, "tce", {**SAVING, "tCO2": 18_800, "carrier": "coal"}),
    ("saving", 18_800, "tCO2", {**SAVING, "tce": 7_300}),
    ("energy", 0.81, "TWh", {"capacity_MW": 500, "period": "2024"}),
    ("conversion", 100_000, "tce", {"MWh": 810_000, "tCO2": 260_000}),
    ("steam_energy", 810_000 / 950_000, "MWh/t", {}),
    ("energy", 950_000 * 0.75, "MWh", {"capacity_MW": 300 * 0.75, "hours": 8760}),
    # 638 kWh/t on 500 kt/a are 39 200 tce at the heat of a kWh
    ("saving", 638, "kWh/t", {**SAVING, "production_t": 500_000, "tce": 39_200}),
    ("saving", 600, "kWh/t", {**SAVING, "before": 13_100}),
    ("conversion", 1000, "MWh", {"tce": 305}),  # at the coal rate of a power station
    ("electricity_factor", 0.6191, "tCO2/MWh", {}),
    ("electricity_factor", 619.1, "gCO2/kWh", {}),
    ("fuel_factor", 0.0946, "tCO2/GJ", {}),
    ("capacity", 60.49, "MW", {"energy_MWh": 65_000, "period": "2023"}),
    ("specific_energy", 12_136, "kWh/t", {"boundary": "dc"}),
    ("specific_energy", 13.55, "MWh/t", {"boundary": "comprehensive"}),
    ("efficiency", 98.5, "%", {}),
    ("efficiency", 104, "%", {"equipment": "boiler"}),
    ("share", 30, "%", {"base": "electricity of 2023"}),
    ("steam_co2", 0.28, "tCO2/t", {}),
    ("intensity", 10.33, "tCO2e/t", {"kWh_per_t": 13_500, "electricity_factor_t_per_MWh": 0.57}),
    ("intensity", 0.3, "tCO2e/t", {"inert_anodes": True}),
]


@pytest.mark.parametrize(("kind", "value", "unit", "more"), RIGHT)
def test_right_numbers_pass(kind, value, unit, more):
    verdict = one(kind, value, unit, **more)
    assert verdict.plausible, verdict.reasons
    assert verdict.checks


WRONG = [
    ("saving", 24_000, "tce", {**SAVING, "tCO2": 6_200, "carrier": "coal"}, "below 2.4"),
    ("saving", 24_000, "tce", {**SAVING, "tCO2": 162_000}, "above 3.2"),
    ("saving", 24_000, "tce", {**SAVING, "tCO2": 70_000, "carrier": "gas"}, "above 1.8"),
    ("saving", -5, "tce", SAVING, "nothing or less"),
    ("saving", 900, "MWh", {**SAVING, "before": 800}, "more is saved than"),
    ("saving", 7_000, "kWh/t", {**SAVING, "before": 13_100}, "thermodynamic floor"),
    ("saving", 638, "kWh/t", {**SAVING, "production_t": 500_000, "tce": 3_920}, "kgce/kWh"),
    ("saving", 600, "kWh/t", {"measure": "RuC"}, "name its period and place"),
    ("energy", 8.1, "TWh", {"capacity_MW": 500, "period": "2024"}, "capacity factor"),
    ("energy", 5_000, "MWh", {"capacity_MW": 60, "period": "2023-02-01/2023-02-02"}, "factor"),
    ("energy", 1, "MWh", {"capacity_MW": 60}, "without hours"),
    ("capacity_factor", 104, "%", {}, "capacity factor"),
    ("conversion", 1000, "MWh", {"tce": 12.3}, "neither the heat of a kWh"),
    ("conversion", 1000, "tce", {}, "nothing to convert to"),
    ("conversion", 1000, "tce", {"tCO2": 90_000, "carrier": "electricity"}, "above"),
    ("electricity_factor", 1.62, "tCO2/MWh", {}, "lignite"),
    ("electricity_factor", 0.6191, "kgCO2/MWh", {"energy_MWh": 100, "tCO2": 61.9}, "do not agree"),
    ("electricity_factor", -0.1, "tCO2/MWh", {}, "not negative"),
    ("fuel_factor", 0.946, "tCO2/GJ", {}, "coke"),
    ("specific_energy", 5_990, "kWh/t", {}, "6340 kWh/t is the thermodynamic floor"),
    ("specific_energy", 12.5, "GWh/t", {}, "first industrial cells"),
    ("efficiency", 1.02, "1", {}, "more comes out"),
    ("efficiency", 120, "%", {"equipment": "boiler"}, "condensed"),
    ("share", 0.3, "1", {}, "a share of what"),
    ("share", 1.2, "1", {"base": "all"}, "more than the whole"),
    ("steam_energy", 0.3, "MWh/t", {}, "enthalpy"),
    ("steam_energy", 0.6, "MWh/t",
     {"steam_kJ_per_kg": 2935, "feedwater_kJ_per_kg": 437}, "enthalpy"),
    ("steam_co2", 2.8, "tCO2/t", {}, "poor boiler"),
    ("intensity", 0.9, "tCO2e/t", {}, "anode carbon alone"),
    ("intensity", 5.0, "tCO2e/t",
     {"kWh_per_t": 13_500, "electricity_factor_t_per_MWh": 0.57}, "its electricity 7.695"),
    ("intensity", 900, "tCO2e/t", {}, "no process used"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "unit", "more", "says"), WRONG)
def test_wrong_numbers_fall_with_the_reason(kind, value, unit, more, says):
    verdict = one(kind, value, unit, **more)
    assert not verdict.plausible
    assert any(says in reason for reason in verdict.reasons), verdict.reasons


def share(value, base="electricity", group="2023", what=""):
    return {
        "kind": "share",
        "value": value,
        "unit": "%",
        "base": base,
        "group": group,
        "what": what,
    }


def test_shares_add_up_on_one_base():
    assert all(v.plausible for v in verdicts(share(70), share(25.2), share(4.8)))
    short = verdicts(share(70), share(20))
    assert all("add up to 0.9" in v.reasons[0] for v in short)
    mixed = verdicts(share(70), share(30, base="capacity"))
    assert all("several bases" in v.reasons[0] for v in mixed)
    assert all(v.plausible for v in verdicts(share(70, group=""), share(70, group="")))


@pytest.mark.parametrize(
    ("period", "twice"),
    [
        ("2022", True),
        ("2022-05", True),
        ("2021-07-01/2022-06-30", True),
        ("2022-12-31", True),
        ("2023", False),
        ("2021", False),
        ("2023-01", False),
    ],
)
def test_a_saving_is_claimed_once(period, twice):
    first = {"kind": "saving", "value": 100, "unit": "tce", **SAVING}
    again = {**first, "value": 60, "measure": " Cooling  Towers", "period": period}
    a, b = verdicts(first, again)
    assert a.plausible
    assert b.plausible is not twice
    assert not twice or "claimed twice: cooling towers, 2022" in b.reasons[0]
    elsewhere = verdicts(first, {**again, "place": "plant B"})
    assert all(v.plausible for v in elsewhere)


def test_a_number_is_held_against_its_neighbours():
    rows = [
        {"kind": "electricity_factor", "value": v, "unit": "tCO2/MWh", "what": name}
        for name, v in (("a", 0.61), ("b", 0.57), ("c", 0.65), ("d", 0.00061))
    ]
    *good, bad = verdicts(*rows)
    assert all(v.plausible for v in good)
    assert "is its unit right?" in bad.reasons[0]
    assert all(v.plausible for v in verdicts(*rows[:1], rows[3]))  # too few to say


def test_boundaries_contain_each_other():
    rows = [
        {"kind": "specific_energy", "value": v, "unit": "kWh/t", "boundary": b, "place": "L1"}
        for b, v in (("dc", 12_600), ("ac", 12_500), ("comprehensive", 13_300))
    ]
    dc, ac, total = verdicts(*rows)
    assert dc.plausible
    assert total.plausible
    assert "contains less" in ac.reasons[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "there is no claim"),
        ("text", "there is no claim"),
        ({"claims": []}, "unknown key 'claims'"),
        ([{"kind": "saving", "value": 1}], "claim 1.unit: Field required"),
        ([{"kind": "nonsense", "value": 1, "unit": "t"}], "claim 1.kind"),
        ([{"kind": "share", "value": "x", "unit": "1"}], "claim 1.value"),
        ([{"kind": "share", "value": float("nan"), "unit": "1"}], "claim 1.value"),
        ([{"kind": "share", "value": 1, "unit": "1", "bse": "x"}], "claim 1.bse"),
        ([{"kind": "saving", "value": 1, "unit": "t"}], "write tce or t CO2 or MWh or kWh/t"),
        ([{"kind": "share", "value": 1, "unit": "MWh"}], 'unit "MWh" of a share; write 1'),
        ([{"kind": "energy", "value": 1, "unit": "MWh", "period": "May"}], '"May" is no period'),
        ([{"kind": "energy", "value": 1, "unit": "MWh", "period": "2024-13"}], "is no period"),
        ([{"kind": "energy", "value": 1, "unit": "MWh", "period": "2024/2023"}], "is no period"),
    ],
)
def test_what_cannot_be_read_says_where(data, says):
    with pytest.raises(ClaimError) as error:
        judge(read_claims(data), shipped_factors())
    assert any(says in line for line in error.value.lines), error.value.lines


@given(st.floats(1e-3, 1e6), st.floats(2.41, 2.79))
def test_scale_does_not_matter(tce, ratio):
    assert one("conversion", tce, "tce", tCO2=tce * ratio, carrier="coal").plausible
    assert one("conversion", tce * 1000, "kgce", tCO2=tce * ratio, carrier="coal").plausible
    assert not one("conversion", tce, "tce", tCO2=tce * ratio * 1.2, carrier="coal").plausible
