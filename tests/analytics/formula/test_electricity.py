"""CO2 of electricity: the published factors, nothing guessed, no hour offsetting another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.formula import FormulaError, evaluate
from analytics.formula.electricity import REGIONS
from plant.factors import shipped_factors


def compute(name, **given):
    return evaluate(name, given, shipped_factors()).results


def refused(name, **given):
    with pytest.raises(FormulaError) as error:
        compute(name, **given)
    assert "\n" not in str(error.value)
    return str(error.value)


def factor(region, year, **kind):
    return compute("grid_factor", region=region, year=year, **kind)["kgCO2_per_kWh"]


def test_factors_of_2021_and_2022_are_not_swapped():
    assert [factor("CN", year) for year in (2021, 2022, 2023)] == [0.5568, 0.5366, 0.5306]
    assert [factor("山东", year) for year in (2021, 2022, 2023)] == [0.6838, 0.6410, 0.6191]
    assert [factor("云南", year) for year in (2021, 2022, 2023)] == [0.1235, 0.1073, 0.1333]


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("全国", "CN"),
        ("华北", "CN-N"),
        ("西南区域", "CN-SW"),
        ("山东省", "CN-SD"),
        ("内蒙古自治区", "CN-NM"),
        ("新疆维吾尔自治区", "CN-XJ"),
        ("河南", "CN-HA"),
        ("河北", "CN-HE"),
        ("湖北", "CN-HB"),
        ("湖南", "CN-HN"),
        ("海南", "CN-HI"),
        ("山西", "CN-SX"),
        ("陕西", "CN-SN"),
        ("cn-gs", "CN-GS"),
        ("中国", "CN"),
        ("中国山东", "CN-SD"),
        ("中国云南省", "CN-YN"),
        ("山东省电网", "CN-SD"),
        ("南方区域电网", "CN-S"),
        ("华北电网", "CN-N"),
        ("北京市", "CN-BJ"),
        ("广西壮族自治区", "CN-GX"),
        ("Shandong", "CN-SD"),
        ("shaanxi", "CN-SN"),
        ("Shanxi", "CN-SX"),
        ("Inner Mongolia", "CN-NM"),
    ],
)
def test_a_region_by_its_name_is_its_code(word, code):
    assert factor(word, 2023) == factor(code, 2023)


def test_every_region_of_the_table_has_a_chinese_name():
    codes = {name.split(".")[1] for name in shipped_factors() if name.startswith("grid.")}
    assert codes == set(REGIONS) - {"CN-XZ"}
    names = [name for names in REGIONS.values() for name in names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "word",
    ["中国西藏", "中国台湾", "云南xyz", "北京西藏大厦", "省", "山东 省", "Tibet", "."],
)
def test_no_region_is_guessed_from_a_part_of_a_word(word):
    assert word in refused("grid_factor", region=word, year=2023)
    assert "none is known for CN-XZ" in refused("grid_factor", region="中国西藏", year=2023)


def test_a_factor_is_proposed_only_by_a_name_that_a_plant_file_takes():
    assert "[[factor]] grid.NO2.average.2023" in refused("grid_factor", region="NO2", year=2023)
    for word in (".", "a b", "x\ny", "*"):
        message = refused("grid_factor", region=word, year=2023)
        assert "[[factor]]" not in message
        assert "CN-SD, 山东 or Shandong" in message


def test_kinds():
    assert factor("CN", 2023, kind="excluding_market_nonfossil") == 0.6096
    assert factor("CN", 2023, kind="fossil") == 0.8273
    assert factor("CN", 2022, kind="enterprise_report") == 0.5703


def test_what_is_not_published_is_not_guessed():
    assert "西藏" in refused("grid_factor", region="西藏", year=2023)
    assert "CN-XZ" in refused("grid_factor", region="西藏自治区", year=2023)
    assert "average 2023" in refused("grid_factor", region="山东", year=2024)
    assert "average 2023" in refused("grid_factor", region="CN-SD", year=2023, kind="fossil")
    refused("grid_factor", region="Atlantis", year=2023)
    refused("grid_factor", region="CN", year=2022.5)
    refused("grid_factor", region="CN", year=2023, kind="mean")


def test_location_based():
    # domain example: 13 047 kWh/t is 8.077 t/t in Shandong and 1.739 in Yunnan
    for region, per_t in (("CN-SD", 8.077), ("CN-YN", 1.739)):
        found = compute("electricity_co2", energy_MWh=13.047, region=region, year=2023)
        assert found["co2_t"] == pytest.approx(per_t, abs=5e-4)
    assert compute("electricity_co2", energy_MWh=10, factor=0.5)["co2_t"] == 5
    assert "both" in refused("electricity_co2", energy_MWh=1, factor=0.5, region="CN")
    assert "year is missing" in refused("electricity_co2", energy_MWh=1, region="CN")
    assert "region is missing" in refused("electricity_co2", energy_MWh=1)
    assert "at most 2" in refused("electricity_co2", energy_MWh=1, factor=530.6)  # g/kWh
    refused("electricity_co2", energy_MWh=-1, factor=0.5)


def test_the_grid_factor_is_not_for_captive_power():
    # 1 MWh of a captive plant at 0.32 t of bituminous coal is that coal's CO2, not the grid's
    fuel = compute("fuel_co2", fuel="bituminous_coal", amount=0.32, equipment="power_boiler")
    grid = compute("electricity_co2", energy_MWh=1, region="山东", year=2023)
    assert fuel["co2_t"] == pytest.approx(0.32 * 23.076 * 0.02618 * 0.95 * 44 / 12, rel=1e-12)
    assert fuel["co2_t"] > grid["co2_t"]
    from analytics.formula import formulas

    assert "captive" in formulas()["electricity_co2"].what
    assert "captive" in formulas()["fuel_co2"].what


CONTRACT = {"contract_factor": 0.02, "residual_factor": 0.6096}


def test_market_based():
    # by hand: 400·0.02 + 600·0.6096
    found = compute("market_based_co2", energy_MWh=1000, contracted_MWh=400, **CONTRACT)
    assert found["co2_t"] == pytest.approx(373.76, rel=1e-12)
    assert "more than" in refused(
        "market_based_co2", energy_MWh=1000, contracted_MWh=1001, **CONTRACT
    )
    assert "missing" in refused("market_based_co2", energy_MWh=1, contracted_MWh=1)


@given(st.floats(1, 1e6), st.floats(0, 1))
def test_more_contracts_of_cleaner_power_never_add(energy, share):
    some = compute("market_based_co2", energy_MWh=energy, contracted_MWh=energy * share, **CONTRACT)
    none = compute("market_based_co2", energy_MWh=energy, contracted_MWh=0, **CONTRACT)
    assert energy * 0.02 * (1 - 1e-12) <= some["co2_t"] <= none["co2_t"]


def test_surplus_hours_offset_nothing():
    # two hours of 100 MWh; 150 and 20 carbon-free: 120 of 200, and not 170
    assert compute("carbon_free_share", load_MWh="100,100", carbon_free_MWh="150,20") == {
        "share": 0.6
    }
    assert "hours" in refused("carbon_free_share", load_MWh="1,2", carbon_free_MWh="1")
    refused("carbon_free_share", load_MWh="0,0", carbon_free_MWh="1,1")
    assert "load_MWh, number 2 = 1e308" in refused(
        "carbon_free_share", load_MWh="1,1e308,1e308", carbon_free_MWh="1,1,1"
    )
    refused("carbon_free_share", load_MWh="1,-1", carbon_free_MWh="1,1")


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0, 1e4)), min_size=1, max_size=30))
def test_the_hourly_share_never_passes_the_yearly_one(hours):
    load, free = ([pair[i] for pair in hours] for i in (0, 1))
    share = compute("carbon_free_share", load_MWh=load, carbon_free_MWh=free)["share"]
    assert 0 <= share <= min(1, sum(free) / sum(load)) + 1e-12
