"""The figures against the simulator's truth: a simulated hour at seed 1, through the live code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analytics.beat.assess import assess, new_state
from analytics.beat.assessment import SCOPES
from analytics.table.figures import index
from collector.frames import FrameBuilder
from plant.batch import SECOND
from plant.load import load
from simulators import scenario
from simulators.offline import simulate
from simulators.reality import AS_CONFIGURED

HOUR = 3600 * SECOND
START = 1_795_219_200 * SECOND  # 2026-11-21T00:00:00Z, a full hour in the plant's zone too
DEPLOY = Path(__file__).parents[2] / "deploy"
SAMPLE_NS = SECOND


@pytest.fixture(scope="module")
def hour():
    """(plant, figures at the hour's end, anode effects found, truth tables)"""
    plant = load(DEPLOY / "plants" / "demo.toml")
    faults = scenario.load(DEPLOY / "scenarios" / "demo.toml", plant)
    simulated = simulate(plant, START, 3600, seed=1, scenario=faults, reality=AS_CONFIGURED)
    builder, state = FrameBuilder(plant, START), new_state(plant)
    found = {}
    slow = np.array([tag.signal.pace == "slow" for tag in plant.tags])
    for batch in simulated:
        late = builder.add(batch)
        assert not late[~slow[batch.tags]].any()  # taps and the like are told later
        while builder.start + plant.beat_ns <= int(batch.times.max()):
            state, assessment = assess(plant, state, builder.close())
            found |= {
                (int(r["cell"]), int(r["start"])): int(r["end"]) for r in assessment.anode_effects
            }
    while builder.start < START + HOUR:
        state, assessment = assess(plant, state, builder.close())
        found |= {
            (int(r["cell"]), int(r["start"])): int(r["end"]) for r in assessment.anode_effects
        }
    assert assessment.time == START + HOUR
    figures = {scope: assessment.figures[scope].copy() for scope in SCOPES}
    return plant, figures, found, simulated.truth.tables()


def at_hour_end(hour, scope, name):
    return hour[1][scope][index(scope, name)]


@pytest.mark.parametrize(
    ("figure", "truth", "tolerance"),
    [
        ("energy_hour", "energy_kWh", 2e-4),
        ("charge_hour", "charge_kAh", 2e-4),
        ("metal_hour", "metal_kg", 1e-3),
    ],
)
def test_every_cell_agrees_with_truth(hour, figure, truth, tolerance):
    expected = hour[3]["cells"].column(truth).to_numpy()
    np.testing.assert_allclose(at_hour_end(hour, "cell", figure), expected, rtol=tolerance)


def merged(effects, merge_s):
    """Truth by the same rule: what strikes again within the merge time is one anode effect."""
    joined = []
    for cell, start, end in sorted(effects):
        if joined and joined[-1][0] == cell and start - joined[-1][2] < merge_s * SECOND:
            joined[-1][2] = end
        else:
            joined.append([cell, start, end])
    return joined


def test_every_anode_effect_is_found_and_none_invented(hour):
    plant, _, found, truth = hour
    cells = plant.entities("cell")
    rows = truth["anode_effects"].to_pylist()
    ended = [(cells.index(r["cell"]), r["start"], r["end"]) for r in rows if r["end"] is not None]
    running = {cells.index(r["cell"]) for r in rows if r["end"] is None}
    true = [e for e in merged(ended, plant.lines[0].anode_effect.t_merge_s) if e[0] not in running]
    assert len(true) >= 2, "the hour shows some"
    got = sorted((cell, start, end) for (cell, start), end in found.items() if cell not in running)
    assert [cell for cell, *_ in got] == [cell for cell, *_ in true]
    for (cell, start, end), (_, true_start, true_end) in zip(got, true, strict=True):
        assert abs(start - true_start) <= SAMPLE_NS, cells[cell]
        assert abs(end - true_end) <= SAMPLE_NS, cells[cell]


def test_carbon_intensity_agrees_with_truth(hour):
    plant, _, _, truth = hour
    factor = plant.factors[f"grid.CN-SD.average.{plant.site.grid_year}"].value
    for i, row in enumerate(truth["lines"].to_pylist()):
        pfc = (row["cf4_kg"] * 6630 + row["c2f6_kg"] * 11100) / 1000
        electricity = (row["ac_MWh"] + row["aux_MWh"]) * factor
        expected = (electricity + row["anode_co2_t"] + pfc) / row["metal_t"]
        got = at_hour_end(hour, "line", "carbon_intensity_hour")[i]
        assert got == pytest.approx(expected, rel=5e-3)


def test_energy_adds_over_cells(hour):
    cells = at_hour_end(hour, "cell", "energy_hour") / 1000
    lines = at_hour_end(hour, "line", "dc_energy_hour")
    plant = hour[0]
    sums = np.bincount(plant.line_of_cell, cells)
    np.testing.assert_allclose(lines, sums, rtol=1e-12)
    assert at_hour_end(hour, "site", "dc_energy_hour")[0] == pytest.approx(sums.sum(), rel=1e-12)
