"""The truth study in parts: its plant, its comparison, its page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import truth
from benchmarks._page import put
from benchmarks._truth_tables import compared, said_ends, true_ends
from plant.batch import SECOND
from plant.load import load
from potline.opening import opened_for_writing
from simulators.offline import simulate
from store.writer import Writer


def ends(*spans: tuple[str, float, float | None]) -> dict[str, Any]:
    """Truth tables with these times above the threshold, in seconds."""
    columns = {
        "cell": [cell for cell, _, _ in spans],
        "start": [round(start * SECOND) for _, start, _ in spans],
        "end": [None if end is None else round(end * SECOND) for _, _, end in spans],
    }
    return {"anode_effects": pa.table(columns)}


def test_line_two_knows_both_pfc_methods(tmp_path: Path) -> None:
    plant = load(truth.plant_file(tmp_path, 6))
    assert [len(line.sections) for line in plant.lines] == [2, 2]
    assert np.bincount(plant.line_of_cell).tolist() == [6, 6]
    families = [f"pfc.{line.pfc_factors}.{line.technology}" for line in plant.lines]
    assert [f"{family}.overvoltage" in plant.factors for family in families] == [False, True]
    assert (plant.store.raw_days, plant.time.figures_every_s) == (0, 3600)


def test_true_times_above_the_threshold_are_joined_as_the_rule_has_it(tmp_path: Path) -> None:
    plant = load(truth.plant_file(tmp_path, 6))
    tables = ends(
        ("L1-001", 100, 160),
        ("L1-001", 1060, 1070),  # 900 s after: the same one
        ("L1-001", 1971, 1980),  # 901 s after: another
        ("L1-002", 100, 102),  # shorter than t_on
        ("L1-003", 100, None),  # not over
    )
    assert true_ends(plant, tables) == {
        "L1-001": [(100 * SECOND, 1070 * SECOND), (1971 * SECOND, 1980 * SECOND)]
    }


def test_events_are_told_by_cell() -> None:
    rows = [{"cell": "a", "start": 1, "end": 2}, {"cell": "a", "start": 5, "end": 7}]
    assert said_ends(rows) == {"a": [(1, 2), (5, 7)]}


def test_a_comparison_by_hand() -> None:
    true = np.array([100.0, 200.0, 300.0])
    u = np.array([1.0, 1.0, 2.0])
    row = compared("energy_day", "kWh", true + np.array([1.5, -2.5, 4.0]), u, true)
    # errors of 1.5, -2.5, 4 kWh against 1.96, 1.96, 3.92; mean truth 200 kWh
    rms = np.sqrt((1.5**2 + 2.5**2 + 4**2) / 3) / 2
    assert row == (
        f"| energy day | kWh | 3 | 200 | +0.500 % | {rms:.3f} % | +2.00 % | 1.31 % | 33 % |"
    )


def test_without_a_stated_uncertainty_nothing_is_said_of_intervals() -> None:
    row = compared("cf4_day", "kg", np.array([1.0]), np.array([np.nan]), np.array([2.0]))
    assert row.endswith("| -50.00 % | none |  |")


def test_tables_go_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "above\n<!-- made by python -m benchmarks.x --write -->\nold\n<!-- end of x -->\nbelow\n"
    )
    put(page, "x", "new \\1")
    put(page, "x", "newer \\1")
    assert page.read_text() == (
        "above\n<!-- made by python -m benchmarks.x --write -->\n\nnewer \\1\n\n"
        "<!-- end of x -->\nbelow\n"
    )
    with pytest.raises(ValueError, match=r"page.md has no lines .*benchmarks.y --write"):
        put(page, "y", "text")


def test_an_hour_through_the_pipeline_gives_the_true_charge(tmp_path: Path) -> None:
    file = truth.plant_file(tmp_path, 2)
    plant = load(file)
    simulation = simulate(plant, truth.START, 3600, 1)  # without errors of sensors
    with opened_for_writing(file) as opened:
        writer = Writer(opened.spool, opened.store)
        writer.start()
        received = asyncio.run(truth.take_in(opened, simulation, truth.START + truth.DAY))
        assert writer.drain(60)
        truth.replay(opened, truth.START + truth.HOUR)
        writer.stop(60)
        block = opened.history.figures(
            "cell", ["charge_hour"], None, truth.START, truth.START + truth.HOUR + 1
        )
        ledger = opened.spool.ledger().values()
        assert received == sum(row.stored for row in ledger) > 7 * 3600
    true = simulation.truth.tables()["cells"]["charge_kAh"].to_numpy()
    assert block.times.tolist() == [truth.START + truth.HOUR]
    assert block.values[0, 0] == pytest.approx(true, rel=1e-6)
