"""The coverage study in parts: what a gap cuts, what it calls agreement."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from benchmarks import coverage
from plant.batch import SECOND
from plant.model import Plant

SPELL_S = coverage.HOUR_S // coverage.SPELLS


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    return coverage.made(tmp_path_factory.mktemp("coverage"))


def at(second: int) -> int:
    return coverage.START + second * SECOND


@pytest.mark.parametrize(
    ("tag", "spell", "cut"),
    [
        ("L0-1.voltage", 0, True),  # the effect begins in it
        ("L0-1.voltage", 1, True),  # and ends in this one
        ("L0-1.voltage", 2, False),
        ("L0.current", 1, True),
        ("L0-2.voltage", 0, False),  # another cell's
        ("L1.current", 0, False),  # another line's
        ("L0-R.ac_power", 0, False),
    ],
)
def test_an_effect_is_cut_by_gaps_of_its_voltage_or_current(
    plant: Plant, tag: str, spell: int, cut: bool
) -> None:
    silent = np.zeros((len(plant.tags), coverage.SPELLS), np.bool_)
    silent[plant.column_of[tag], spell] = True
    effects = {"cell": ["L0-1"], "start": [at(SPELL_S - 60)], "end": [at(SPELL_S + 60)]}
    found = coverage.cut_cells(plant, effects, silent)
    assert found[plant.entities("cell").index("L0-1")] == cut
    assert found.sum() == cut


def test_an_effect_that_is_not_over_lasts_to_the_end(plant: Plant) -> None:
    silent = np.zeros((len(plant.tags), coverage.SPELLS), np.bool_)
    silent[plant.column_of["L0-1.voltage"], -1] = True
    effects = {"cell": ["L0-1"], "start": [at(60)], "end": [None]}
    assert coverage.cut_cells(plant, effects, silent).sum() == 1


@pytest.mark.parametrize(("scale", "agrees"), [(1.0, True), (0.5, False), (1.5, False)])
def test_intervals_too_narrow_or_too_wide_do_not_agree(scale: float, agrees: bool) -> None:
    error = np.random.default_rng(1).normal(0, 1, 1000)
    parts = [np.stack([100 + error, np.full(1000, scale), np.full(1000, 100.0), np.zeros(1000)])]
    assert coverage.agrees(parts, 1000) == agrees


def test_intervals_hold_for_a_run_of_plants(plant: Plant) -> None:
    found: coverage.Found = defaultdict(list)
    coverage.run(plant, 5, 0.0, found)
    assert {scope for scope, _ in found} == {"cell", "line"}
    low = [name for name, parts in found.items() if not coverage.agrees(parts, 50)]
    assert not low
    text = coverage.table(found, found)
    assert len(text.splitlines()) == 2 + len(found)
    assert "| cell energy hour | 300 |" in text
    assert text.splitlines()[2].endswith("| — |")  # no gap, so no effect was cut by one
