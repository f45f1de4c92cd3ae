"""Boilers: two efficiencies from different readings, and what tells that one of them is wrong."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat.boiler_figures import (
    BOILER_SUMS,
    BURNT,
    EXCESS,
    EXCESS_S,
    FLUE,
    FUEL_HEAT,
    GAS,
    HEAT,
    KNOWN,
    MADE,
    MADE_S,
    STEAM,
    Boilers,
    boiler_figures,
    sum_beat,
)
from analytics.beat.frame import Held, freeze
from analytics.beat.layout import layout
from analytics.beat.steam import feedwater, heat_per_steam, saturated_liquid, steam
from analytics.table.figures import beat_figures, index
from plant.batch import SECOND, Batch
from plant.load import load

NAN = float("nan")
PLANT = """
[site]
id = "s"
time_zone = "Asia/Shanghai"
grid_region = "CN-SD"
gwp = "AR5"
[store]
kind = "embedded"
path = "var"
[[line]]
id = "L1"
technology = "PFPB_M"
pfc_factors = "cbam-2025"
nominal_current_kA = 600
current_efficiency = 0.935
net_carbon_t_per_t = 0.411
sections = { A = "001-002" }
target_voltage_V = 3.95
target_dc_kWh_per_t = 12600
[[boiler]]
id = "GAS"
fuel = "natural_gas"
blowdown_percent = 2.0
[[boiler]]
id = "COAL"
fuel = "bituminous_coal"
equipment = "industrial_boiler"
[[boiler]]
id = "BARE"
fuel = "bituminous_coal"
equipment = "industrial_boiler"
[[factor]]
name = "boiler.COAL.unburned_carbon_loss"
value = 3.0
unit = "%"
source = "ash analysis"
[[factor]]
name = "boiler.COAL.slag_loss"
value = 0.4
unit = "%"
source = "ash analysis"
[[factor]]
name = "boiler.COAL.radiation_loss"
value = 0.6
unit = "%"
source = "GB/T 10180 for its output"
[[source]]
id = "m"
kind = "mqtt"
host = "127.0.0.1"
port = 1883
client_id = "x"
[[tags]]
each = "cell"
source = "m"
topic = "{line}/{cell}"
pointer = "/{name}"
time = "/t"
time_format = "iso8601"
signals = ["voltage"]
[[tags]]
each = "boiler"
source = "m"
topic = "boiler/{id}"
pointer = "/{name}"
time = "/t"
time_format = "iso8601"
signals = [@]
"""
USUAL = {
    "fuel_flow": 2.2, "steam_flow": 35.0, "steam_pressure": 1.27, "steam_temperature": 250.0,
    "feedwater_temperature": 104.0, "oxygen": 3.5, "flue_temperature": 140.0,
    "ambient_temperature": 20.0, "carbon_monoxide": 100.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    path = tmp_path_factory.mktemp("boilers") / "plant.toml"
    path.write_text(PLANT.replace("@", ", ".join(f'"{name}"' for name in USUAL)))
    return load(path)


class Beats:
    """Runs beats of given readings and keeps the sums of one window."""

    def __init__(self, plant):
        self.plant, self.at = plant, layout(plant)
        n = len(plant.boilers)
        self.sums = np.zeros((BOILER_SUMS, 4, n))
        self.fuel = np.zeros((2, 4, n))
        self.elapsed, self.table = 0.0, None

    def beat(self, **readings):
        """readings: GAS=dict(...), COAL=…; of every boiler when given by signal."""
        plant, start = self.plant, 1_800_000_000 * SECOND
        given = {b.id: {**USUAL, **readings.get(b.id, {})} for b in plant.boilers}
        rows = [
            (plant.column_of[f"{boiler}.{name}"], start, value)
            for boiler, own in given.items()
            for name, value in own.items()
            if value == value
        ]
        frame, _ = freeze(
            plant.hold_ns, start, start + SECOND, Held.nothing(len(plant.tags)),
            Batch.of(*zip(*rows, strict=True)),
        )  # fmt: skip
        beat = Boilers.of(self.at, frame.of(self.at.boiler.tags))
        self.sums += beat.sums[:, None]
        known = ~np.isnan(beat.fuel_t_per_h)
        self.fuel += np.stack([np.nan_to_num(beat.fuel_t_per_h), known])[:, None]
        self.elapsed += 1.0
        self.table = {"boiler": np.full((len(beat_figures()["boiler"]), len(plant.boilers)), NAN)}
        sums = SimpleNamespace(
            elapsed_s=np.full((4, 1), self.elapsed), boilers=self.sums, fuel=self.fuel[0],
            fuel_s=self.fuel[1],
        )  # fmt: skip
        boiler_figures(self.at, beat, sums, SimpleNamespace(figures=self.table))

    def __call__(self, name, boiler="GAS"):
        at = [b.id for b in self.plant.boilers].index(boiler)
        return float(self.table["boiler"][index("boiler", name), at])


def test_by_hand(plant):
    run = Beats(plant)
    run.beat()
    h_s, h_fw, h_bd = steam(1.27, 250), feedwater(1.27, 104), saturated_liquid(1.27)
    useful = h_s - h_fw + 0.02 * (h_bd - h_fw)
    direct = 100 * 35 * useful / (1000 * 2.2 * 48)
    q2 = (0.66 / (21 - 3.5) + 0.009) * 120
    q3 = 100e-6 * 0.240 * 21 / 17.5 * 12.625 * 100
    assert run("efficiency") == pytest.approx(direct, rel=1e-12)
    assert run("flue_loss") == pytest.approx(q2)
    assert run("unburned_gas_loss") == pytest.approx(q3)
    assert run("efficiency_indirect") == pytest.approx(100 - q2 - q3 - 1.1)
    assert run("efficiency_gap") == pytest.approx(direct - (100 - q2 - q3 - 1.1))
    assert run("excess_air") == pytest.approx(1.2)
    assert run("standard_coal_hour") == pytest.approx(1000 * 2.2 * 48 / 29.3076 / 35)
    assert run("fuel_day") == pytest.approx(2.2 / 3600)
    assert run("steam_day") == pytest.approx(35 / 3600)
    co2_per_t = 48 * 0.01532 * 0.99 * 44 / 12
    assert run("fuel_co2") == pytest.approx(2.2 * co2_per_t)
    assert run("co2_per_steam_hour") == pytest.approx(2.2 * co2_per_t / 35)
    assert run("coverage_hour") == 1.0


def test_steam_tables():
    """IAPWS-IF97 tables: 1 MPa saturated liquid 762.68; 1.2 MPa, 250 degC steam 2935.6 kJ/kg."""
    assert saturated_liquid(1.0) == pytest.approx(762.68, abs=0.02)
    assert steam(1.2, 250) == pytest.approx(2935.6, abs=0.1)


def test_coal_needs_what_the_ash_analysis_tells(plant):
    run = Beats(plant)
    run.beat(COAL={"fuel_flow": 5.0, "oxygen": 6.0}, BARE={"fuel_flow": 5.0, "oxygen": 6.0})
    q2 = (0.68 / 15 + 0.007) * 120
    q3 = 100e-6 * 0.258 * 21 / 15 * 12.625 * 100
    assert run("efficiency_indirect", "COAL") == pytest.approx(100 - q2 - q3 - 3.0 - 0.4 - 0.6)
    # nobody gave them: unknown, never a guess; what is known is shown
    assert np.isnan(run("efficiency_indirect", "BARE"))
    assert np.isnan(run("implausible_hour", "BARE"))
    assert run("flue_loss", "BARE") == pytest.approx(q2)


def test_what_is_further_apart_than_four_percent_is_implausible(plant):
    run = Beats(plant)
    right = Beats(plant)
    right.beat()
    fuel = USUAL["fuel_flow"] * right("efficiency") / right("efficiency_indirect")
    run.beat(GAS={"fuel_flow": fuel})
    assert run("efficiency_gap_hour") == pytest.approx(0, abs=1e-9)
    assert run("implausible_hour") == 0
    run = Beats(plant)
    run.beat(GAS={"fuel_flow": fuel * 0.95})  # a fuel meter that reads 5 % low
    assert run("efficiency_gap_hour") > 4
    assert run("implausible_hour") == 1
    # far above what fuel can give: wrong although no oxygen is measured
    run = Beats(plant)
    run.beat(GAS={"fuel_flow": fuel * 0.5, "oxygen": NAN})
    assert np.isnan(run("efficiency_gap_hour"))
    assert run("implausible_hour") == 1


@pytest.mark.parametrize(
    ("missing", "unknown", "known"),
    [
        ("fuel_flow", ["efficiency", "fuel_co2"], ["efficiency_indirect", "flue_loss"]),
        ("steam_flow", ["efficiency"], ["efficiency_indirect", "fuel_co2"]),
        ("steam_pressure", ["efficiency"], ["steam_flow", "efficiency_indirect"]),
        ("oxygen", ["efficiency_indirect", "excess_air", "flue_loss"], ["efficiency"]),
        ("carbon_monoxide", ["efficiency_indirect"], ["efficiency", "flue_loss"]),
        ("ambient_temperature", ["efficiency_indirect"], ["unburned_gas_loss"]),
    ],
)
def test_a_gap_makes_unknown_only_what_it_touches(plant, missing, unknown, known):
    run = Beats(plant)
    run.beat(GAS={missing: NAN})
    assert all(np.isnan(run(name)) for name in unknown)
    assert all(np.isfinite(run(name)) for name in known)


def test_impossible_readings_give_no_number(plant):
    run = Beats(plant)
    run.beat(GAS={"oxygen": 21.0, "fuel_flow": 0.0}, COAL={"flue_temperature": 15.0})
    assert np.isnan([run("excess_air"), run("flue_loss"), run("efficiency")]).all()
    assert np.isnan(run("flue_loss", "COAL"))
    assert np.isfinite(run.table["boiler"][~np.isnan(run.table["boiler"])]).all()


def test_windows_are_weighted_by_the_fuels_heat(plant):
    run = Beats(plant)
    run.beat(GAS={"fuel_flow": 3.0, "oxygen": 2.0})
    run.beat(GAS={"fuel_flow": 1.0, "oxygen": 8.0})
    high, low = ((0.66 / (21 - o) + 0.009) * 120 for o in (2.0, 8.0))
    assert run("flue_loss_hour") == pytest.approx((3 * high + low) / 4)
    heat = heat_per_steam(plant.boilers[0], 1.27, 250, 104)
    assert run("efficiency_hour") == pytest.approx(100 * 2 * 35 * heat / (1000 * 4 * 48))


READING = st.one_of(st.floats(0, 300), st.just(NAN))


@settings(max_examples=100, deadline=None)
@given(st.lists(READING, min_size=9, max_size=9), st.lists(st.floats(0, 1), min_size=9, max_size=9))
def test_kernel_is_its_slow_twin(mean, coverage):
    columns = np.arange(9, dtype=np.int32)[:, None]
    sums, losses = np.empty((BOILER_SUMS, 1)), np.empty((3, 1))
    a, b, per_ppm, heat, ncv = 0.66, 0.009, 3e-4, 2400.0, 48.0
    sum_beat(
        1.0, columns, np.array(mean), np.array(coverage), np.array([heat]), np.array([ncv]),
        np.array([a]), np.array([b]), np.array([per_ppm]), np.array([NAN]), sums, losses,
    )  # fmt: skip
    fuel, made, _, _, _, o2, flue, air_C, ppm = mean
    want = dict.fromkeys(range(BOILER_SUMS), 0.0)
    if fuel == fuel and made == made:
        both = min(coverage[0], coverage[1])
        want |= {HEAT: made * heat / 1000 * both, FUEL_HEAT: fuel * ncv * both}
        want |= {STEAM: made * both, KNOWN: both}
    air = 21 / (21 - o2) if o2 < 21 else NAN
    q2 = (a / (21 - o2) + b) * (flue - air_C) if o2 < 21 and flue > air_C else NAN
    q3 = ppm * per_ppm * air
    if fuel == fuel and q2 == q2 and q3 == q3:
        burnt = fuel * ncv * coverage[0]
        want |= {FLUE: q2 * burnt, GAS: q3 * burnt, BURNT: burnt}
    if air == air:
        want |= {EXCESS: air * coverage[5], EXCESS_S: coverage[5]}
    if made == made:
        want |= {MADE: made * coverage[1], MADE_S: coverage[1]}
    np.testing.assert_allclose(sums[:, 0], list(want.values()), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(losses[:, 0], [q2, q3, air], rtol=1e-12)
