"""assess on a running plant: worked example, totals, gaps, restart, the same bits again."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.beat.assess import assess, new_state, warm
from analytics.beat.assessment import SCOPES, State
from analytics.beat.frame import Held, freeze
from analytics.table.figure import WINDOWS
from analytics.table.figures import beat_figures, index
from plant.batch import SECOND, Batch

GRID_SD = 0.6191


def steady(run, seconds, volts=3.95, amps=600.0, start=0):
    """Everything known, once a second; 3 cells a line: 7.11 MW DC, 0.565 t/h."""
    plant = run.plant
    levels = {
        "voltage": volts, "current": amps, "ac_power": 7.2, "power": 0.15, "fuel_flow": 1.0,
        "steam_flow": 16.6, "steam_pressure": 1.3, "steam_temperature": 194.0,
        "feedwater_temperature": 105.0,
    }  # fmt: skip
    for tag in plant.tags:
        if tag.signal.name in levels:
            for second in range(start, start + seconds):
                run.give(tag.id, second, levels[tag.signal.name])


def by_name(run, scope, entity=0):
    rows = run.last.figures[scope][:, entity]
    return {f.name: float(v) for f, v in zip(beat_figures()[scope], rows, strict=True)}


def test_worked_example(make_plant, runner):
    """240 cells at 600 kA and 3.95 V, 577.47 MW AC and 12 MW auxiliaries, by hand."""
    plant = make_plant(lines=1, cells=240)
    run = runner(plant)
    ac = 240 * 3.95 * 0.6 / 0.985
    for second in range(30):
        run.give("L1.current", second, 600.0)
        run.give("L1-R.ac_power", second, ac)
        run.give("L1-M.power", second, 12.0)
        for c in plant.cells:
            run.give(f"{c.id}.voltage", second, 3.95)
    run.run(30)
    line = by_name(run, "line")
    assert line["dc_power"] == pytest.approx(568.8)
    assert line["metal_rate"] == pytest.approx(45.18, abs=0.01)
    for w in WINDOWS:
        assert line[f"dc_specific_energy_{w}"] == pytest.approx(12589.2, abs=0.1)
        assert line[f"total_specific_energy_{w}"] == pytest.approx(13047, abs=1)
        assert line[f"scope2_intensity_{w}"] == pytest.approx(8.077, abs=1e-3)
        assert line[f"scope1_intensity_{w}"] == pytest.approx(1.471, abs=1e-3)
        assert line[f"carbon_intensity_{w}"] == pytest.approx(9.548, abs=2e-3)
        assert line[f"coverage_{w}"] == 1.0
    cell = by_name(run, "cell")
    assert cell["resistance"] == pytest.approx(3.833, abs=1e-3)
    assert cell["charge_day"] == pytest.approx(5.0)
    assert cell["excess_specific_energy_minute"] == pytest.approx(12589.2 - 12600, abs=0.1)


def test_totals_add_exactly(runner):
    run = runner()
    steady(run, 90)
    for second in range(20, 40):
        run.give("L1-002.voltage", second + 0.5, 30.0)
    run.run(90)
    cell, line, site = run.last.figures["cell"], run.last.figures["line"], run.last.figures["site"]

    def total(rows, scope, name, part=slice(None)):
        value = 0.0
        for v in rows[index(scope, name), part]:
            value += v
        return value

    for n in (0, 1):
        own = slice(3 * n, 3 * n + 3)
        assert line[index("line", "cf4_day"), n] == total(cell, "cell", "cf4_day", own)
        energy = total(cell, "cell", "energy_day", own) / 1000
        assert line[index("line", "dc_energy_day"), n] == pytest.approx(energy, rel=1e-15)
        metal = total(cell, "cell", "metal_day", own) / 1000
        assert line[index("line", "metal_day"), n] == pytest.approx(metal, rel=1e-14)
    for name in ("dc_energy", "ac_energy", "metal", "anode_co2", "pfc_co2e"):
        for w in WINDOWS:
            both = total(line, "line", f"{name}_{w}")
            assert site[index("site", f"{name}_{w}"), 0] == pytest.approx(both, rel=1e-15)
    row = by_name(run, "site")
    lines = total(line, "line", "auxiliary_energy_day")
    assert row["auxiliary_energy_day"] == pytest.approx(lines + 0.15 * 90 / 3600)
    assert row["scope1_co2e_day"] == pytest.approx(
        row["anode_co2_day"] + row["pfc_co2e_day"] + row["fuel_co2_day"]
    )
    assert row["scope2_co2e_day"] == pytest.approx(
        GRID_SD * (row["ac_energy_day"] + row["auxiliary_energy_day"])
    )
    assert row["carbon_intensity_day"] == pytest.approx(
        (row["scope1_co2e_day"] + row["scope2_co2e_day"]) / row["metal_day"]
    )


def test_energy_adds_over_windows(runner):
    """The minutes' energy adds up to the hour's, the hour's to the shift's and day's."""
    run = runner()
    rng = np.random.default_rng(3)
    for second in range(300):
        for tag, level in (("L1-001.voltage", 3.95), ("L1.current", 600.0)):
            run.give(tag, second + rng.random() * 0.9, level * (1 + 0.01 * rng.standard_normal()))
    minutes = []
    for _ in range(5):
        run.run(60)
        minutes.append(run.figure("cell", "energy_minute"))
    for w in ("hour", "shift", "day"):
        assert run.figure("cell", f"energy_{w}") == pytest.approx(sum(minutes), rel=1e-13)


def test_a_gap_is_nan_and_coverage_tells(runner):
    run = runner()
    run.run(5)
    for scope in SCOPES:
        for f in beat_figures()[scope]:
            value = run.figure(scope, f.name)
            if f.name.startswith(("coverage", "known_seconds", "dc_source_energy")):
                assert value == 0.0, f.name
            else:
                assert np.isnan(value), (scope, f.name)
    steady(run, 30, start=5)
    run.run(30 + 55)  # voltage stands 10 s and is a gap after that
    assert np.isnan(run.figure("cell", "voltage"))
    assert np.isnan(run.figure("cell", "power"))
    assert run.figure("cell", "coverage_hour") == pytest.approx(39 / 90)
    assert run.figure("cell", "dc_specific_energy_hour") == pytest.approx(12589.2, abs=0.1)
    assert run.figure("line", "ac_specific_energy_hour") == pytest.approx(
        1000 * 7.2 / run.figure("line", "metal_hour") * 39 / 3600, rel=1e-9
    )


def test_voltage_unknown_current_known(runner):
    """Charge and metal go on; energy does not, and the specific energy uses both or neither."""
    run = runner()
    steady(run, 60)
    run.waiting = [
        row for row in run.waiting
        if not (row[0] == run.plant.column_of["L1-001.voltage"] and row[1] >= run.now + 30 * SECOND)
    ]  # fmt: skip
    run.run(60)
    known, all_known = by_name(run, "cell", 0), by_name(run, "cell", 1)
    assert known["metal_hour"] == all_known["metal_hour"]
    assert known["charge_hour"] == all_known["charge_hour"]
    assert known["energy_hour"] == pytest.approx(all_known["energy_hour"] * 39 / 60)
    assert known["dc_specific_energy_hour"] == pytest.approx(all_known["dc_specific_energy_hour"])
    assert run.figure("line", "dc_specific_energy_hour") == pytest.approx(12589.2, abs=0.1)
    assert run.figure("line", "coverage_hour") == pytest.approx((2 + 39 / 60) / 3)


def test_a_tripped_line_has_no_intensity(runner):
    run = runner()
    steady(run, 60, amps=0.0)
    run.run(60)
    assert run.figure("line", "metal_rate") == 0.0
    assert run.figure("line", "metal_minute") == 0.0
    assert np.isnan(run.figure("line", "carbon_intensity_minute"))
    assert np.isnan(run.figure("cell", "resistance"))
    assert np.isnan(run.figure("cell", "dc_specific_energy_minute"))


def test_boiler(runner):
    run = runner()
    steady(run, 60)
    run.run(60)
    boiler = by_name(run, "boiler")
    # by hand: h(1.3 MPa, 194 degC) 2793.26, h_fw 441.09, boiling water 814.76 kJ/kg
    heat = 16.6 * (2793.26 - 441.09 + 0.02 * (814.76 - 441.09)) / 1000
    assert boiler["efficiency"] == pytest.approx(100 * heat / 48.0, abs=0.01)
    assert boiler["efficiency_hour"] == pytest.approx(boiler["efficiency"])
    assert boiler["standard_coal_day"] == pytest.approx(48.0 / 29.3076 * 1000 / 16.6)
    assert boiler["fuel_co2"] == pytest.approx(48.0 * 0.01532 * 0.99 * 44 / 12)
    assert boiler["fuel_co2_minute"] == pytest.approx(boiler["fuel_co2"] / 60)


def test_windows_start_afresh(make_plant, runner):
    plant = make_plant(lines=1, cells=1, zone="Europe/Oslo", shifts=())
    run = runner(plant, beat_s=10)
    for second in range(0, 3610, 10):
        run.give("L1.current", second, 600.0)
    run.run(360)
    assert run.figure("cell", "charge_minute") == pytest.approx(10.0)
    assert run.figure("cell", "charge_hour") == pytest.approx(600.0)
    run.run(1)
    assert run.figure("cell", "charge_minute") == pytest.approx(10 / 6)
    assert run.figure("cell", "charge_hour") == pytest.approx(10 / 6)
    assert run.figure("cell", "charge_day") == pytest.approx(600 + 10 / 6)


def test_restart_gives_the_same_bits(make_plant, make_rule, runner):
    rules = [make_rule(on="voltage", high=8.0, on_delay_s=4, off_delay_s=4)]
    plant = make_plant(alarms=rules)
    through, restarted = runner(plant), runner(plant)
    for run in (through, restarted):
        rng = np.random.default_rng(5)
        steady(run, 150)
        varied = plant.column_of["L1-001.voltage"]
        run.waiting = [row for row in run.waiting if row[0] != varied]
        for second in range(0, 150, 2):
            volts = [3.9, 7.9, 8.1, 30.0][int(rng.integers(4)) if second % 10 == 0 else 3]
            run.give("L1-001.voltage", second + 0.3, volts)
            run.give("L1.current", second + 0.7, 600 + float(rng.standard_normal()))
    for beat in range(150):
        if beat % 7 == 0:
            restarted.state = State.from_bytes(restarted.state.to_bytes())
        through.run()
        restarted.run()
        for scope in SCOPES:
            a, b = through.last.figures[scope], restarted.last.figures[scope]
            assert a.tobytes() == b.tobytes(), (beat, scope)
        assert through.last.anode_effects.tobytes() == restarted.last.anode_effects.tobytes()
        assert through.last.transitions.tobytes() == restarted.last.transitions.tobytes()
    for name, array in through.state.arrays.items():
        assert array.tobytes() == restarted.state.arrays[name].tobytes(), name
    assert len(through.effects) > 0


def test_a_copy_of_the_state_is_kept(runner, make_plant):
    plant = make_plant()
    run = runner(plant)
    steady(run, 20)
    run.run(5)
    kept = run.state.copy()
    blob = kept.to_bytes()
    run.run(5)
    assert kept.to_bytes() == blob
    assert run.state.to_bytes() != blob


def test_time_left_out_is_a_gap(runner):
    run = runner()
    steady(run, 10)
    run.run(10)
    run.now += 40 * SECOND
    steady(run, 10, start=50)
    run.run(10)
    assert run.figure("cell", "coverage_minute") == pytest.approx(20 / 60)
    assert run.figure("cell", "charge_minute") == pytest.approx(600 * 20 / 3600)


def test_warm_leaves_no_trace(make_plant):
    plant = make_plant()
    before = new_state(plant).to_bytes()
    warm(plant)
    assert new_state(plant).to_bytes() == before


def test_plant_without_meters_boilers_or_alarms(make_plant, runner):
    plant = make_plant(lines=1)
    bare = replace(plant, meters=(), boilers=(), rectifiers=())
    run = runner(bare)
    run.give("L1.current", 0, 600.0)
    run.run(1)
    assert run.figure("line", "auxiliary_power") == 0.0
    assert np.isnan(run.figure("line", "ac_power"))  # not measured is not zero
    assert np.isnan(run.figure("line", "carbon_intensity_minute"))
    assert run.figure("site", "fuel_co2_minute") == 0.0
    assert run.last.figures["boiler"].shape[1] == 0
    assert assess(bare, new_state(bare), _empty(bare))[1].time == SECOND


def _empty(plant):
    return freeze(plant.hold_ns, 0, SECOND, Held.nothing(len(plant.tags)), Batch.empty())[0]
