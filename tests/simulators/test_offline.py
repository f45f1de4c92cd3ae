"""Samples and truth without servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from plant.batch import SECOND, Batch
from plant.model import CellPeriod, Plant
from simulators import scenario
from simulators.offline import simulate
from simulators.reality import AS_CONFIGURED
from simulators.sampling import EVENTS, TOLD_AFTER_H
from simulators.scenario import Fault, ScenarioError
from simulators.simulation import Simulation

START = 1_795_219_200 * SECOND  # 2026-11-21 00:00:00 UTC
SCENARIOS = Path(__file__).parents[2] / "deploy/scenarios"


def made(plant: Plant, **row: object) -> Fault:
    return scenario.fault(row, plant, "test")


def values(plant: Plant, batch: Batch, tag: str) -> np.ndarray:
    return batch.values[batch.tags == plant.column_of[tag]]


def integral(plant: Plant, batch: Batch, tag: str, end: int) -> float:
    """∫ x dt of readings that stand until the next one, [unit · h]."""
    mine = batch.take(batch.tags == plant.column_of[tag])
    until = np.append(mine.times[1:], end)
    return float(np.sum(mine.values * (until - mine.times)) / SECOND / 3600)


@pytest.fixture(scope="module")
def hour(demo: Plant):
    """(samples, truth tables) of an hour of the demo."""
    faults = scenario.load(SCENARIOS / "demo.toml", demo)
    run = simulate(demo, START, 3600, 1, faults, reality=AS_CONFIGURED)
    return Batch.concat(run), run.truth.tables()


def test_same_seed_same_samples_whatever_the_chunks(demo: Plant) -> None:
    whole = Batch.concat(simulate(demo, START, 200, seed=7))
    simulation = Simulation(demo, START, seed=7)
    steps = Batch.concat([simulation.step() for _ in range(200)])
    for name in ("tags", "times", "values"):
        assert getattr(whole, name).tobytes() == getattr(steps, name).tobytes()
    other = Batch.concat(simulate(demo, START, 200, seed=8))
    assert whole.values.tobytes() != other.values.tobytes()


def test_every_tag_comes_at_its_interval(demo: Plant) -> None:
    batch = Batch.concat(simulate(demo, START, 181))
    counts = np.bincount(batch.tags, minlength=len(demo.tags))
    for tag in demo.tags:
        if tag.signal.name in EVENTS:
            continue
        by_hand = tag.signal.name in TOLD_AFTER_H and tag.interval_s >= 3600  # first one at once
        assert counts[tag.column] == (1 if by_hand else 1 + 180 // int(tag.interval_s)), tag.id
    assert np.all((batch.values >= demo.low[batch.tags]) & (batch.values <= demo.high[batch.tags]))


def test_cell_energy_and_charge_close(demo: Plant, hour) -> None:
    """Σ V_k I_k Δt over the merged sample times against the truth; cells sample out of step."""
    batch, truth = hour
    rows = truth["cells"].to_pylist()
    current = batch.take(batch.tags == demo.column_of["L1.current"])
    for row in rows[:24:5]:
        mine = batch.take(batch.tags == demo.column_of[f"{row['cell']}.voltage"])
        times = np.union1d(mine.times, current.times)
        width = np.diff(np.append(times, START + 3600 * SECOND)) / SECOND
        volts = mine.values[np.maximum(np.searchsorted(mine.times, times, "right") - 1, 0)]
        kiloamps = current.values[np.searchsorted(current.times, times, "right") - 1]
        assert row["charge_kAh"] == pytest.approx(np.sum(kiloamps * width) / 3600, rel=1e-12)
        energy = np.sum(volts * kiloamps * width) / 3600
        assert row["energy_kWh"] == pytest.approx(energy, rel=2e-6)


def test_line_energy_closes_from_cells_to_rectifier(demo: Plant, hour) -> None:
    batch, truth = hour
    end = START + 3600 * SECOND
    for row in truth["lines"].to_pylist():
        line = row["line"]
        cells = [c for c in truth["cells"].to_pylist() if c["cell"].startswith(line)]
        assert row["dc_MWh"] == pytest.approx(sum(c["energy_kWh"] for c in cells) / 1e3, rel=1e-12)
        assert row["ac_MWh"] == pytest.approx(integral(demo, batch, f"{line}-R.ac_power", end))
        counter = values(demo, batch, f"{line}-R.ac_energy")
        power = values(demo, batch, f"{line}-R.ac_power")
        np.testing.assert_allclose(np.diff(counter), power[:-1] / 3600, rtol=1e-6)
        assert row["aux_MWh"] == pytest.approx(integral(demo, batch, f"{line}-AUX.power", end))
        # rectifier 98.5 %, busbars about 15 mV a cell
        assert 0.975 < row["dc_MWh"] / row["ac_MWh"] < 0.985


def test_counters_never_go_back(demo: Plant, hour) -> None:
    batch, _ = hour
    counters = [tag for tag in demo.tags if tag.signal.kind == "counter"]
    assert counters
    for tag in counters:
        assert np.all(np.diff(values(demo, batch, tag.id)) >= 0), tag.id


def test_anode_effects_are_where_the_voltage_is(demo: Plant, hour) -> None:
    batch, truth = hour
    effects = truth["anode_effects"].to_pylist()
    assert {"L1-009", "L2-017"} <= {row["cell"] for row in effects}, "the scenario starves them"
    for cell in demo.entities("cell"):
        mine = batch.take(batch.tags == demo.column_of[f"{cell}.voltage"])
        inside = np.zeros(len(mine), bool)
        for row in effects:
            if row["cell"] == cell:
                end = row["end"] or START + 3600 * SECOND
                inside |= (mine.times >= row["start"]) & (mine.times < end)
        np.testing.assert_array_equal(inside, mine.values > 8.0, err_msg=cell)
        assert np.sum((mine.values > 7.9) & (mine.values < 8.1)) < 3
    cf4 = sum(row["cf4_kg"] for row in truth["cells"].to_pylist())
    seconds = sum(row["end"] - row["start"] for row in effects if row["end"]) / SECOND
    assert cf4 == pytest.approx(0.104 * seconds / 60 * 4.518, rel=0.03)  # domain.md §4.1


def test_a_plain_plant_lands_in_the_published_bands(demo: Plant) -> None:
    """domain.md §1.6; half an hour after the start-up transient of the filters."""
    run = simulate(demo, START, 3600, seed=3, reality=AS_CONFIGURED)
    batch = Batch.concat(run)
    tables = run.truth.tables()
    cells = tables["cells"]
    energy, charge, metal = (
        float(np.sum(cells[name].to_numpy())) for name in ("energy_kWh", "charge_kAh", "metal_kg")
    )
    assert 3.85 < energy / charge < 4.05
    assert 12_350 < energy / metal * 1000 < 12_900
    # 8.0537 kg/(kA·day) at 93.5 % (domain.md §1.1)
    assert metal == pytest.approx(8.0537455 / 24 * 0.935 * charge, rel=1e-5)
    lines = tables["lines"].to_pylist()
    assert 12_600 < lines[0]["ac_MWh"] / lines[0]["metal_t"] * 1000 < 13_200
    assert 250 < lines[0]["aux_MWh"] / lines[0]["metal_t"] * 1000 < 450
    assert lines[0]["anode_co2_t"] / lines[0]["metal_t"] == pytest.approx(1.4708, rel=2e-3)
    boiler = tables["boilers"].to_pylist()[0]
    assert 0.90 < boiler["efficiency"] < 0.94
    # steam at 1.27 MPa and 250 °C from water of 104 °C takes about 2.5 GJ/t (steam tables)
    heat = boiler["fuel_t"] * 48.0 * boiler["efficiency"] / boiler["steam_t"]
    assert 2.45 < heat < 2.55
    assert values(demo, batch, "L1.current").std() / 600 == pytest.approx(0.002, rel=0.3)


def test_raised_set_voltage_moves_one_cell_and_comes_back(demo: Plant) -> None:
    fault = made(demo, kind="set_voltage", cell="L1-007", mV=150, at_s=60, for_s=240)
    plain = Batch.concat(simulate(demo, START, 420))
    faulty = Batch.concat(simulate(demo, START, 420, scenario=[fault]))
    for cell in demo.entities("cell"):
        difference = values(demo, faulty, f"{cell}.voltage") - values(
            demo, plain, f"{cell}.voltage"
        )
        if cell == "L1-007":
            assert np.all(difference[:60] == 0)
            assert 0.13 < difference[70:300].mean() < 0.17, "within ten seconds"
            assert abs(difference[330:].mean()) < 0.02
        else:
            assert np.all(difference == 0), cell
    target = values(demo, faulty, "L1-007.target_voltage")
    assert target[2] - target[0] == pytest.approx(0.15)


def test_blocked_feeder_ends_in_an_anode_effect_of_that_cell(demo: Plant) -> None:
    faults = [
        made(demo, kind="alumina", cell="L2-003", percent=1.6, at_s=0),
        made(demo, kind="block_feeder", cell="L2-003", at_s=0),
    ]
    run = simulate(demo, START, 1500, seed=2, scenario=faults)
    batch = Batch.concat(run)
    effects = run.truth.tables()["anode_effects"].to_pylist()
    assert {row["cell"] for row in effects} == {"L2-003"}
    assert effects[0]["start"] > START + 60 * SECOND, "it arises from depletion"
    assert 20 < (effects[0]["end"] - effects[0]["start"]) / SECOND < 400
    assert 3 in values(demo, batch, "L2-003.feed_mode"), "quench"
    others = [c for c in demo.entities("cell") if c != "L2-003"]
    assert all(values(demo, batch, f"{cell}.voltage").max() < 4.6 for cell in others)


def test_tripped_line_and_frozen_tag(demo: Plant) -> None:
    faults = [
        made(demo, kind="trip_line", line="L2", fraction=0, at_s=30, for_s=10),
        made(demo, kind="freeze_tag", tag="L1-002.voltage", at_s=20, for_s=15),
    ]
    batch = Batch.concat(simulate(demo, START, 60, scenario=faults))
    current = values(demo, batch, "L2.current")
    assert np.all(current[30:40] == 0)
    assert np.all(np.abs(current[40:] - 600) < 10)
    assert np.all(np.abs(values(demo, batch, "L1.current") - 600) < 10)
    assert np.all(values(demo, batch, "L2-001.voltage")[31:40] < 2), "back EMF is left"
    assert len(values(demo, batch, "L1-002.voltage")) == 45
    assert len(values(demo, batch, "L1-001.voltage")) == 60


def test_truth_files(demo: Plant, tmp_path: Path) -> None:
    batch = Batch.concat(simulate(demo, START, 120, truth_dir=tmp_path))
    samples = pq.read_table(tmp_path / "samples.parquet")
    assert samples.column_names == ["time", "tag", "value"]
    np.testing.assert_array_equal(samples["time"].to_numpy(), batch.times)
    np.testing.assert_array_equal(samples["value"].to_numpy(), batch.values)
    assert samples["tag"].to_pylist()[:3] == [demo.tags[i].id for i in batch.tags[:3]]
    names = {path.name for path in tmp_path.iterdir()}
    tables = ("samples", "cells", "lines", "boilers", "meters", "site", "voltage_terms",
              "anode_effects", "low_voltage_effects", "operations", "faults",
              "constants")  # fmt: skip
    assert names == {f"{name}.parquet" for name in tables}
    assert pq.read_table(tmp_path / "cells.parquet").num_rows == 48


def test_a_bare_plant_of_cells_alone(small: Plant) -> None:
    """No rectifier, meter or boiler: nothing to read of them, and the cells as ever."""
    own = [tag for tag in small.tags if tag.signal.entity in ("cell", "line")]
    tags = tuple(replace(tag, column=column) for column, tag in enumerate(own))
    bare = replace(small, tags=tags, rectifiers=(), meters=(), boilers=())
    run = simulate(bare, START, 120, seed=2)
    assert sum(len(batch) for batch in run) == 5 * 240 + 4 * 60
    tables = run.truth.tables()
    assert tables["boilers"].num_rows == tables["meters"].num_rows == 0
    assert tables["lines"].column("ac_MWh").to_pylist() == [0.0]
    assert tables["cells"].column("metal_kg").to_numpy().min() > 0


def test_an_inert_anode_emits_nothing_from_its_date_on(demo: Plant) -> None:
    carbon = CellPeriod(since=np.iinfo(np.int64).min)
    inert = CellPeriod(since=START + 3600 * SECOND, anode="inert")
    cells = tuple(replace(cell, history=(carbon, inert)) for cell in demo.cells)
    run = simulate(replace(demo, cells=cells), START, 7200)
    for _ in run:
        pass
    tables = run.truth.tables()
    before, after = np.split(tables["lines"].column("anode_co2_t").to_numpy(), 2)
    assert np.all(before > 0)
    assert np.all(after == 0)
    low = tables["cells"].column("cf4_low_voltage_kg").to_numpy()
    assert np.all(low[:48] > 0)
    assert np.all(low[48:] == 0)


def test_hours_split_at_the_hour(demo: Plant) -> None:
    run = simulate(demo, START + 3590 * SECOND, 20)
    list(run)
    lines = run.truth.tables()["lines"].to_pylist()
    hours = [row["hour_start"] for row in lines if row["line"] == "L1"]
    assert hours == [START, START + 3600 * SECOND]
    assert lines[0]["metal_t"] == pytest.approx(lines[-1]["metal_t"], rel=0.02)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fault = [", "Invalid value"),
        ("[[fault]]\nkind = 'melt'\n", "kind 'melt' is none of set_voltage"),
        ("[[faults]]\nkind = 'melt'\n", "unknown key 'faults'"),
        ("[fault]\nkind = 'alumina'\n", "two brackets"),
        ("[[fault]]\nkind='set_voltage'\ncell='L1-007'\n", "mV must be a number, not None"),
        ("[[fault]]\nkind='set_voltage'\ncell='L9-001'\nmV=1\n", "not 'L9-001'"),
        ("[[fault]]\nkind='set_voltage'\ncell='L1-001'\nmV=9000\n", "is not in -500 to 2000"),
        ("[[fault]]\nkind='set_voltage'\ncell='L1-001'\nmv=1\n", "does not know 'mv'"),
        ("[[fault]]\nkind='trip_line'\nline='L1'\nfor_s=0\n", "for_s = 0 must be more than 0"),
        ("[[fault]]\nkind='bad_data'\ntag='L1-001.voltage'\nwhat='text'\n", "opcua can send"),
    ],
)
def test_broken_scenarios_say_where(demo: Plant, tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"scenario\.toml") as error:
        scenario.load(path, demo)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_shipped_scenarios_fit_the_demo(demo: Plant) -> None:
    paths = sorted(SCENARIOS.glob("*.toml"))
    assert paths
    for path in paths:
        assert scenario.load(path, demo)
    wire = made(demo, kind="drop_connection", source="meters", at_s=1)
    with pytest.raises(ScenarioError, match="needs a connection"):
        simulate(demo, START, 10, scenario=[wire])
