"""A plain plant of default settings against the published bands of a good 600 kA line."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from plant.batch import SECOND
from plant.model import Plant
from simulators import scenario
from simulators.offline import simulate
from simulators.reality import AS_CONFIGURED, DRAWN, Reality, draw
from simulators.simulation import Simulation

START = 1_795_219_200 * SECOND
DAYS = 2
CELLS = 60


@pytest.fixture(scope="module")
def two_days(a_plant: Callable[..., Plant]) -> dict[str, pa.Table]:
    """Truth of 2 lines of 30 cells for two days."""
    simulation = Simulation(a_plant(CELLS // 2), START, seed=5)
    for _ in range(DAYS * 24):
        simulation.run(3600)
    return simulation.truth.tables()


def column(tables: dict[str, pa.Table], name: str) -> np.ndarray:
    return tables["cells"].column(name).to_numpy()


def test_energy_and_metal(two_days) -> None:
    energy, charge, metal = (
        column(two_days, name).sum() for name in ("energy_kWh", "charge_kAh", "metal_kg")
    )
    assert 3.85 < energy / charge < 4.00
    assert 12_350 < energy / metal * 1000 < 12_750
    assert 0.92 < metal / (charge * 0.33557273) < 0.945  # kg/kAh by Faraday, domain.md §1.1


def test_bath(two_days) -> None:
    assert 935 < column(two_days, "bath_temperature_C").mean() < 965
    superheat = column(two_days, "superheat_K")
    assert 6 < np.quantile(superheat, 0.01) < np.quantile(superheat, 0.99) < 15
    assert 6 < superheat.mean() < 12
    assert 2.0 < column(two_days, "alumina_percent").mean() < 2.8
    assert 3.7 < column(two_days, "distance_cm").mean() < 4.1
    assert 9 < column(two_days, "alf3_percent").mean() < 12
    metal = column(two_days, "metal_kg").sum() / 1000
    assert 1.885 < column(two_days, "alumina_fed_kg").sum() / 1000 / metal < 1.93
    assert 15 < column(two_days, "alf3_fed_kg").sum() / metal < 20


def test_operations(two_days) -> None:
    """Two of 56 anodes a day and cell; a tap every 24-32 h of 3-6 t."""
    rows = two_days["operations"].to_pylist()
    anodes = sum(row["amount"] for row in rows if row["kind"] == "anode_change")
    assert anodes == pytest.approx(2 * CELLS * DAYS, rel=0.02)
    taps = np.array([row["amount"] for row in rows if row["kind"] == "tap"])
    assert 1.5 < len(taps) / CELLS < 2.1
    assert 3000 < taps.min() < taps.max() < 6500


def test_line_and_auxiliaries(two_days) -> None:
    lines = {name: two_days["lines"].column(name).to_numpy().sum() for name in
             ("ac_MWh", "aux_MWh", "dc_MWh", "metal_t", "anode_co2_t")}  # fmt: skip
    assert 12_600 < lines["ac_MWh"] / lines["metal_t"] * 1000 < 13_100
    assert 250 < lines["aux_MWh"] / lines["metal_t"] * 1000 < 450
    assert 0.975 < lines["dc_MWh"] / lines["ac_MWh"] < 0.988  # domain.md §1.4
    assert 1.3 < lines["anode_co2_t"] / lines["metal_t"] < 1.6


def test_anode_effects_are_few_and_short(two_days) -> None:
    """AEF 0.01-0.1, AED 1-3 min. Minutes are above 8 V, what strikes again within 15 min is one."""
    rows = [row for row in two_days["anode_effects"].to_pylist() if row["end"] is not None]
    count, ends = 0, {}
    for row in rows:
        count += row["start"] - ends.get(row["cell"], -(10**18)) >= 900 * SECOND
        ends[row["cell"]] = row["end"]
    minutes = sum(row["end"] - row["start"] for row in rows) / SECOND / 60
    assert 0.01 <= count / (CELLS * DAYS) <= 0.1, count
    assert 1 <= minutes / count <= 3, minutes
    assert column(two_days, "anode_effect_s").sum() == pytest.approx(minutes * 60, rel=1e-3)


def test_constants_are_drawn_around_the_plant_files(demo: Plant) -> None:
    slope = [draw(demo, seed, DRAWN).cf4_slope[0] for seed in range(400)]
    assert np.mean(slope) == pytest.approx(0.104, rel=0.01)
    assert np.std(slope) / 0.104 == pytest.approx(DRAWN.pfc_percent / 200, rel=0.1)
    efficiency = [draw(demo, seed, DRAWN).efficiency[0] for seed in range(400)]
    assert np.std(efficiency) == pytest.approx(0.01, rel=0.15)  # ± 0.02 at 95 %, cells 0.003
    told = draw(demo, 3, AS_CONFIGURED)
    np.testing.assert_allclose(told.cf4_slope, 0.104, rtol=1e-12)
    np.testing.assert_allclose(told.efficiency, 0.935, rtol=1e-12)
    # 0.411 t/t net carbon less 2.4 % sulphur and ash (domain.md §5.1); 44.0095 for 44
    np.testing.assert_allclose(told.co2_per_metal, 1.470832, rtol=1e-3)


def test_a_slope_exponent_bends_the_emission_of_long_effects(demo: Plant) -> None:
    """By the exponent x, t minutes emit as 2 (t / 2)^x minutes would evenly."""
    fault = scenario.fault(
        {"kind": "alumina", "cell": "L1-001", "percent": 1.2, "at_s": 5}, demo, ""
    )
    kg = {}
    for x in (1.0, 0.7):
        reality = Reality("configured", "configured", slope_exponent=x, background_kg_per_t=0)
        run = simulate(demo, START, 900, seed=1, scenario=[fault], reality=reality)
        for _ in run:
            pass
        tables = run.truth.tables()
        kg[x] = tables["cells"].column("cf4_kg")[0].as_py()
    spans = [(r["end"] - r["start"]) / SECOND / 60 for r in tables["anode_effects"].to_pylist()]
    even = sum(spans)
    bent = sum(2 * (t / 2) ** 0.7 for t in spans)
    assert kg[0.7] / kg[1.0] == pytest.approx(bent / even, rel=0.03)
