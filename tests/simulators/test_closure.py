"""What goes in comes out: mass, charge and energy of every cell close to 1e-9."""

from __future__ import annotations

import numpy as np
import pytest

from plant.batch import SECOND
from plant.model import Plant
from simulators import scenario
from simulators.simulation import Simulation

START = 1_795_219_200 * SECOND
HOURS = 8
FUSION_J_PER_KG = 5.2e5
EXACT = {"rtol": 1e-9, "atol": 0}


@pytest.fixture(scope="module")
def run(demo: Plant):
    """(plant, state at the start, state at the end, truth tables): anode effects, taps, anode
    changes, blocked feeders, a dip of the line and a cell out of work."""
    rows = [
        {"kind": "alumina", "cell": "L1-003", "percent": 1.2, "at_s": 0},
        {"kind": "alumina", "cell": "L2-008", "percent": 1.3, "at_s": 0},
        {"kind": "block_feeder", "cell": "L1-006", "flow": 0.1, "at_s": 1000, "for_s": 9000},
        {"kind": "empty_hopper", "cell": "L1-007", "at_s": 1000, "for_s": 14000},
        {"kind": "trip_line", "line": "L2", "fraction": 0.2, "at_s": 3000, "for_s": 600},
        {"kind": "stick_beam", "cell": "L2-002", "at_s": 0},
        {"kind": "bypass", "cell": "L2-011", "at_s": 7000},
    ]
    faults = [scenario.fault(row, demo, "test") for row in rows]
    simulation = Simulation(demo, START, 4, faults)
    simulation.run(1)  # the faults of the first moment are done
    begin = simulation.cells.state.copy()
    simulation.cells.sums[:] = 0
    simulation.run(HOURS * 3600 - 1)
    return demo, simulation.cells.nature, begin, simulation.cells.state, simulation.truth.tables()


def total(tables, name: str) -> np.ndarray:
    """Over the hours, by cell."""
    values = tables["cells"].column(name).to_numpy()
    return values.reshape(HOURS, -1).sum(axis=0)


def test_enough_happens(run) -> None:
    _, _, _, _, tables = run
    assert {"L1-003", "L2-008", "L1-007"} <= set(tables["anode_effects"]["cell"].to_pylist())
    kinds = tables["operations"]["kind"].to_pylist()
    assert {"tap", "anode_change", "bypass"} <= set(kinds)


def test_alumina_closes(run) -> None:
    _, _, before, after, tables = run
    held = {name: after[name] - before[name] for name in ("dissolved_kg", "settled_kg")}
    left = total(tables, "alumina_consumed_kg") + held["dissolved_kg"] + held["settled_kg"]
    np.testing.assert_allclose(left, total(tables, "alumina_fed_kg"), **EXACT)
    dosed = total(tables, "alumina_dosed_kg")
    np.testing.assert_allclose(after["fed_kg"] - before["fed_kg"], dosed, **EXACT)
    assert np.all(total(tables, "alumina_fed_kg")[:] <= dosed + 1e-9)


def test_metal_closes(run) -> None:
    """Made = what the pad gained + tapped; alumina gives 52.925 % of its mass."""
    _, _, before, after, tables = run
    made, tapped = total(tables, "metal_kg"), total(tables, "tapped_kg")
    np.testing.assert_allclose(after["pad_kg"] - before["pad_kg"] + tapped, made, **EXACT)
    np.testing.assert_allclose(after["tapped_kg"] - before["tapped_kg"], tapped, atol=1e-9)
    aluminium, alumina = 26.9815385, 101.961276
    consumed = total(tables, "alumina_consumed_kg")
    np.testing.assert_allclose(made, consumed * 2 * aluminium / alumina, **EXACT)
    taps = [r for r in tables["operations"].to_pylist() if r["kind"] == "tap"]
    finished = {r["cell"] for r in taps}
    for i, cell in enumerate(run[0].cells):
        if cell.id in finished and not after["tapping"][i] and not before["tapping"][i]:
            told = sum(r["amount"] for r in taps if r["cell"] == cell.id)
            assert told == pytest.approx(tapped[i], rel=1e-6)


def test_bath_and_ledge_close(run) -> None:
    _, _, before, after, tables = run
    cryolite = [s["cryolite_kg"] + s["ledge_kg"] for s in (before, after)]
    np.testing.assert_allclose(cryolite[1], cryolite[0], **EXACT)
    assert np.abs(after["ledge_kg"] - before["ledge_kg"]).max() > 1, "it did freeze and melt"
    fluoride = before["alf3_kg"] + total(tables, "alf3_fed_kg") - total(tables, "alf3_lost_kg")
    np.testing.assert_allclose(after["alf3_kg"], fluoride, **EXACT)


def test_charge_closes(run) -> None:
    """A cell at work takes the line's charge, by Faraday's law and its efficiency makes metal."""
    plant, _, _, _, tables = run
    charge = total(tables, "charge_kAh")
    for line in (0, 1):
        mine = charge[(plant.line_of_cell == line) & (total(tables, "operating_h") > HOURS - 0.001)]
        assert len(mine) >= 23
        np.testing.assert_allclose(mine, mine[0], **EXACT)
    efficiency = tables["cells"].column("current_efficiency").to_numpy()
    ideal = tables["cells"].column("charge_kAh").to_numpy() * 3.6e6 * 26.9815385e-3
    ideal /= 3 * 96485.33212
    metal = tables["cells"].column("metal_kg").to_numpy()
    work = ideal > 0
    np.testing.assert_allclose(metal[work], (efficiency * ideal)[work], **EXACT)


def test_energy_closes(run) -> None:
    """Electricity = busbar + reaction + heat to top, wall and bottom + what bath and ledge keep."""
    _, nature, before, after, tables = run
    spent = sum(
        total(tables, f"{name}_kWh")
        for name in ("external", "enthalpy", "feed", "top", "wall", "bottom")
    )
    warmed = nature["heat_J_per_K"] * (after["kelvin"] - before["kelvin"])
    melted = FUSION_J_PER_KG * (before["ledge_kg"] - after["ledge_kg"])
    energy = total(tables, "energy_kWh")
    np.testing.assert_allclose(spent + (warmed + melted) / 3.6e6, energy, **EXACT)
    share = total(tables, "enthalpy_kWh") / energy
    assert 0.4 < np.median(share) < 0.6


def test_line_energy_closes(run) -> None:
    """Cells + busbars = rectifiers (no DC source here)."""
    _, _, _, _, tables = run
    lines = tables["lines"].to_pylist()
    for row in lines[2:]:  # the first second of the first hour is not among its cells' sums
        busbar = row["rectifier_dc_MWh"] - row["dc_MWh"]
        # 0.025 µΩ · 24 cells at 600 kA: 0.216 MW, and less while a line dips
        assert 0.15 < busbar < 0.2165
