"""Instruments with errors, samples taken by hand, and the supply of the site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant
from simulators.instruments import Instruments
from simulators.luck import Draw, Stream, keys, uniforms, wander
from simulators.offline import simulate
from simulators.reality import AS_CONFIGURED, PLAIN
from simulators.simulation import Simulation

START = 1_795_219_200 * SECOND

MORE = """
[[meter]]
id = "PV"
line = "L1"
kind = "dc_source"

[[meter]]
id = "MAIN"
line = "L1"
kind = "main"

[[meter]]
id = "L1-SUB-A"
line = "L1"
kind = "sub"
parent = "L1-AUX"

[[meter]]
id = "L1-SUB-B"
line = "L1"
kind = "sub"
parent = "L1-AUX"

[[source]]
id = "more"
kind = "mqtt"
host = "127.0.0.1"
port = 18839
client_id = "more"

[[tags]]
each = "line"
source = "more"
topic = "m/{id}"
pointer = "/{name}"
time = "/time"
signals = ["line_voltage"]
interval_s = 1

[[tags]]
each = "rectifier"
source = "more"
topic = "m/{id}"
pointer = "/{name}"
time = "/time"
signals = ["dc_power"]
interval_s = 1

[[tags]]
each = "site"
source = "more"
topic = "m/site"
pointer = "/{name}"
time = "/time"
signals = ["grid_factor", "contracted_power"]
interval_s = 60
"""


@pytest.fixture(scope="module")
def plant(a_plant: Callable[..., Plant]) -> Plant:
    return a_plant(6, MORE)


@pytest.fixture(scope="module")
def noon(plant: Plant):
    """(samples, truth) from 12:00 to 13:00 of the plant's day."""
    run = simulate(plant, START + 4 * 3600 * SECOND, 3600, seed=2, reality=AS_CONFIGURED)
    return Batch.concat(run), run.truth.tables()


def values(plant: Plant, batch: Batch, tag: str) -> np.ndarray:
    return batch.values[batch.tags == plant.column_of[tag]]


def test_a_dc_source_relieves_the_rectifier(plant: Plant, noon) -> None:
    """Line DC = rectifier DC + DC source = Σ cell voltage · current + busbars, at every second."""
    batch, tables = noon
    solar = values(plant, batch, "PV.power")
    assert solar.max() > 0.2, "about noon"
    rectified = values(plant, batch, "L1-R.dc_power")
    volts, current = values(plant, batch, "L1.line_voltage"), values(plant, batch, "L1.current")
    np.testing.assert_allclose(rectified + solar, volts * current / 1000, rtol=2e-3)
    cells = sum(values(plant, batch, f"L1-{n:03d}.voltage") for n in range(1, 7))
    np.testing.assert_allclose(volts - cells, 6 * 0.025e-3 * current, rtol=1e-9)
    ac = values(plant, batch, "L1-R.ac_power")
    assert np.all((rectified / ac > 0.97) & (rectified / ac < 0.99))
    line = tables["lines"].to_pylist()[0]
    assert line["dc_source_MWh"] == pytest.approx(solar.mean(), rel=1e-9)
    assert values(plant, batch, "L2-R.dc_power").mean() > rectified.mean() + solar.mean() - 0.1


def test_main_meter_holds_what_is_below_it(plant: Plant, noon) -> None:
    batch, tables = noon
    below = sum(
        values(plant, batch, f"{name}.power" if "AUX" in name else f"{name}.ac_power")
        for name in ("L1-R", "L1-AUX")
    )
    ratio = values(plant, batch, "MAIN.power") / below
    np.testing.assert_allclose(ratio, 1.003, rtol=1e-9)
    parts = sum(values(plant, batch, f"L1-SUB-{name}.power") for name in "AB")
    np.testing.assert_allclose(parts / values(plant, batch, "L1-AUX.power"), 0.96, rtol=1e-9)
    line = tables["lines"].to_pylist()[0]
    assert line["aux_MWh"] == pytest.approx(values(plant, batch, "L1-AUX.power").mean(), rel=1e-9)


def test_supply_follows_the_day(plant: Plant) -> None:
    """The grid is cleaner and contracts deliver more at noon than in the evening."""
    factor = plant.factors[f"grid.CN-SD.average.{plant.site.grid_year}"].value
    noon, evening = {}, {}
    for hour, at in ((4, noon), (12, evening)):  # UTC: 12:00 and 20:00 there
        for seed in range(6):
            batch = Batch.concat(simulate(plant, START + hour * 3600 * SECOND, 60, seed=seed))
            for name in ("grid_factor", "contracted_power"):
                at.setdefault(name, []).extend(values(plant, batch, f"{plant.site.id}.{name}"))
    assert np.mean(noon["grid_factor"]) < factor < np.mean(evening["grid_factor"])
    assert np.mean(noon["contracted_power"]) > np.mean(evening["contracted_power"])
    assert min(evening["contracted_power"]) >= 0


def test_boilers_by_losses_and_by_heat_agree(noon) -> None:
    """Direct = indirect: useful heat over fuel heat is 100 less the losses."""
    _, tables = noon
    for row in tables["boilers"].to_pylist():
        losses = sum(row[f"q{n}_percent"] for n in range(2, 7))
        assert row["efficiency"] * 100 == pytest.approx(100 - losses, abs=0.01)
        assert row["heat_GJ"] / (row["fuel_t"] * 48.0) == pytest.approx(row["efficiency"])
        assert 4 < row["q2_percent"] < 8
        assert row["q4_percent"] == row["q6_percent"] == 0, "gas leaves no slag"


# -- errors of instruments


def errors_of(plant: Plant, tag: str, true: float, seeds: int) -> np.ndarray:
    """Error of a tag's reading, by seed."""
    batch = Batch.of([plant.column_of[tag]], [START], [true])
    read = [Instruments(plant, seed, errors=True).read(batch, (), START) for seed in range(seeds)]
    return np.array([one.values[0] for one in read]) - true


def test_errors_have_the_stated_accuracy(a_plant: Callable[..., Plant]) -> None:
    """± 5 mV and ± 0.2 % at 95 %: standard deviations of 2.5 mV and 0.6 kA."""
    plant = a_plant(1)
    voltage = plant.tags[plant.column_of["L1-001.voltage"]]
    current = plant.tags[plant.column_of["L1.current"]]
    assert voltage.accuracy == 0.005
    assert current.accuracy_percent == 0.2
    volts = errors_of(plant, voltage.id, 3.95, 1000)
    assert volts.std() == pytest.approx(0.0025, rel=0.07)
    assert abs(volts.mean()) < 0.0025 / np.sqrt(1000) * 3
    # shown to a millivolt: 5 mV stand for up to 5.5
    assert np.mean(np.abs(volts) < 0.0051) == pytest.approx(0.972, abs=0.015)
    assert errors_of(plant, current.id, 600.0, 1000).std() == pytest.approx(0.6, rel=0.07)


def test_an_error_is_constant_and_the_truth_has_none(demo: Plant) -> None:
    clean, read = (
        simulate(demo, START, 300, seed=3, sensor_errors=errors, reality=PLAIN)
        for errors in (False, True)
    )
    a, b = Batch.concat(clean), Batch.concat(read)
    for tag in ("L1-002.voltage", "L2-009.voltage"):
        error = values(demo, b, tag) - values(demo, a, tag)
        assert np.ptp(error) < 0.0011, "no more than it is rounded to"
    resolved = values(demo, b, "L1-002.voltage") * 1000
    np.testing.assert_allclose(resolved, np.round(resolved), atol=1e-6)
    state = [values(demo, batch, "L1-002.feed_mode") for batch in (a, b)]
    np.testing.assert_array_equal(*state)
    for name, table in clean.truth.tables().items():
        assert table.equals(read.truth.tables()[name]) or name == "voltage_terms", name
    counter = [values(demo, batch, "L1-R.ac_energy") for batch in (a, b)]
    assert counter[0][0] == pytest.approx(counter[1][0], abs=0.001), "a gain counts from there on"


def test_a_counter_rolls_over(a_plant: Callable[..., Plant]) -> None:
    plant = a_plant(1)
    column = plant.column_of["L1-R.ac_energy"]
    first = values(plant, Batch.concat(simulate(plant, START, 2)), "L1-R.ac_energy")[0]
    tags = list(plant.tags)
    tags[column] = replace(tags[column], rollover=first + 0.01)
    rolling = replace(plant, tags=tuple(tags))
    read = values(plant, Batch.concat(simulate(rolling, START, 120)), "L1-R.ac_energy")
    drops = np.flatnonzero(np.diff(read) < 0)
    assert len(drops) >= 1
    assert np.all((read >= 0) & (read < first + 0.01))


# -- samples taken by hand

LAB = """
[[tags]]
each = "cell"
source = "meters"
topic = "lab/{id}/{name}"
pointer = "/value"
time = "/time"
signals = ["metal_level", "alumina_percent", "tap_mass", "anode_changes"]
interval_s = 43200
"""
_STRETCH_S = 600


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory):
    """(plant, [(told by, batch)], operations) of 40 hours of the small plant."""
    text = (Path(__file__).parent / "plant.toml").read_text(encoding="utf-8")
    text = (
        text.replace("{opcua}", "4840")
        .replace("{mqtt}", "1883")
        .replace("voltage = 0.5", "voltage = 1")
        .replace("interval_s = 0.5", "interval_s = 1")
    )
    path = tmp_path_factory.mktemp("lab") / "plant.toml"
    path.write_text(text + LAB, encoding="utf-8")
    plant = load(path)
    simulation = Simulation(plant, START, 6)
    slow = np.array([tag.signal.pace == "slow" for tag in plant.tags])
    told = []
    while simulation.now_s < 40 * 3600:
        batch = simulation.run(_STRETCH_S)
        mine = batch.take(slow[batch.tags])
        told += [(simulation.time, mine)] if len(mine) else []
    return plant, told, simulation.truth.tables()["operations"].to_pylist()


def test_hand_samples_are_told_hours_later(by_hand) -> None:
    plant, told, _ = by_hand
    delays: dict[str, list[float]] = {}
    for when, batch in told:
        for tag, time in zip(batch.tags, batch.times, strict=True):
            name = plant.tags[tag].signal.name
            if time > START + SECOND:
                delays.setdefault(name, []).append((when - time) / SECOND / 3600)
    assert {"tap_mass", "anode_changes", "metal_level", "alumina_percent"} <= set(delays)
    assert 3 <= min(delays["alumina_percent"]) < max(delays["alumina_percent"]) < 9 + 0.2
    assert 0.2 <= min(delays["tap_mass"]) < max(delays["tap_mass"]) < 1.5 + 0.2
    assert min(delays["metal_level"]) > 0


def test_taps_and_anode_changes_are_told_once(by_hand) -> None:
    plant, told, done = by_hand
    batch = Batch.concat(part for _, part in told)
    for kind, signal in (("tap", "tap_mass"), ("anode_change", "anode_changes")):
        true = {(row["cell"], row["time"]): row["amount"] for row in done if row["kind"] == kind}
        heard = {}
        for tag, time, value in zip(batch.tags, batch.times, batch.values, strict=True):
            if plant.tags[tag].signal.name == signal:
                assert (plant.tags[tag].entity, time) not in heard
                heard[plant.tags[tag].entity, time] = value
        assert len(heard) >= 0.8 * len(true) > 0, "but for the last hours'"
        assert set(heard.items()) <= set(true.items())


def test_metal_level_has_the_error_of_a_rod(by_hand) -> None:
    """The level is the pad's mass over area, but for an error of level_sd_cm each time."""
    plant, told, _ = by_hand
    batch = Batch.concat(part for _, part in told)
    mine = [plant.tags[tag].signal.name == "metal_level" for tag in batch.tags]
    level = batch.values[np.array(mine)]
    assert plant.lines[0].level_sd_cm == 0.5
    # 30 t and up to a day's 3 t on 56 m² at 2.3 t/m³
    assert 23 < np.median(level) < 26
    assert len(np.unique(np.round(level, 6))) == len(level)


# -- luck


def test_luck_is_uniform_and_depends_on_id_and_seed_only() -> None:
    few, many = keys(1, ["a", "b"]), keys(1, ["x", "b", "a"])
    assert few[0] == many[2]
    assert few[1] == many[1]
    assert keys(2, ["a"])[0] != few[0]
    numbers = uniforms(np.repeat(few[:1], 20_000), Stream.NOISE, np.arange(20_000))
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert np.sum((counts - 1000) ** 2 / 1000) < 43.8, "chi-square of 19 degrees, 0.1 %"
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03
    normal = Draw(np.arange(20_000, dtype=np.uint64)).normal()
    assert normal.mean() == pytest.approx(0, abs=0.03)
    assert normal.std() == pytest.approx(1, abs=0.03)
    smooth = wander(few[:1], Stream.NOISE, 10.0, np.arange(0, 50_000, 1.0))
    assert np.mean(smooth**2) == pytest.approx(1, abs=0.05)
    assert np.abs(np.diff(smooth[:, 0])).max() < 1.2
