"""What is kept goes on under another plant file, by the ids of what it is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.beat.assess import new_state
from analytics.beat.layout import layout
from collector.carry import AXES, Columns, Labels, Move, carried
from collector.forward import Run
from plant.batch import SECOND, Batch
from plant.load import load
from simulators import scenario
from simulators.offline import simulate

START = 1_795_219_190 * SECOND  # ten seconds before a full hour
PHASE = 40
AHEAD = 3  # seconds of samples that wait when the file changes
MINI = Path(__file__).parents[1] / "e2e" / "mini.toml"
ALL = (1, 12)


@pytest.fixture(scope="module")
def plant_with(tmp_path_factory):
    """plant_with(3, 9): the small plant with the cells L1-003 to L1-009."""
    folder, made = tmp_path_factory.mktemp("plants"), {}

    def plant(first: int, last: int):
        if (first, last) not in made:
            path = folder / f"{first}-{last}.toml"
            text = MINI.read_text(encoding="utf-8").replace("001-008", f"{first:03}-{last:03}")
            text = text.replace("@STORE@", '[store]\nkind = "embedded"\npath = "unused"')
            path.write_text(text.replace("@MQTT@", "1883").replace("@OPCUA@", "4840"))
            made[first, last] = load(path)
        return made[first, last]

    return plant


@pytest.fixture(scope="module")
def samples(plant_with):
    """120 s of all twelve cells, with an anode effect."""
    plant = plant_with(*ALL)
    effect = {"kind": "alumina", "cell": "L1-006", "percent": 1.2, "at_s": 20}
    faults = [scenario.fault(effect, plant, "")]
    return Batch.concat(simulate(plant, START, 3 * PHASE, seed=3, scenario=faults))


def into(plant, everything, batch):
    return Move.of(everything, plant).batch(batch)


def figures(plants, everything, samples):
    """{scope: {entity: bytes of its figures, beat after beat}} with a file for each phase; and
    whether a restart under the next file would have come to the same state."""
    run = Run.fresh(plants[0], START)
    told: dict[str, dict[str, list[bytes]]] = {"cell": {}, "boiler": {}}
    fed = START
    for phase, plant in enumerate(plants):
        if phase:
            again = Run.restored(plant, run.checkpoint())
            run = run.moved(plant, Move.of(plants[phase - 1], plant))
            assert again.checkpoint().blob == run.checkpoint().blob
        end = START + (phase + 1) * PHASE * SECOND
        upto = end + AHEAD * SECOND
        rows = (samples.times >= fed) & (samples.times < upto)
        run.builder.add(into(plant, everything, samples.take(rows)))
        fed = upto
        for _, assessment in run.beats(end):
            for scope, by_entity in told.items():
                for i, entity in enumerate(plant.entities(scope)):
                    row = assessment.figures[scope][:, i].tobytes()
                    by_entity.setdefault(entity, []).append(row)
    return told


@settings(max_examples=12, deadline=None)
@given(
    ranges=st.lists(
        st.tuples(st.integers(1, 6), st.integers(6, 12)), min_size=3, max_size=3
    )
)  # fmt: skip
def test_what_stays_has_the_same_bits_as_without_the_change(plant_with, samples, ranges):
    everything = plant_with(*ALL)
    changed = figures([plant_with(*r) for r in ranges], everything, samples)
    without = figures([plant_with(*ranges[0])] * 3, everything, samples)
    stay = range(max(r[0] for r in ranges), min(r[1] for r in ranges) + 1)
    assert 6 in stay
    for k in stay:
        assert changed["cell"][f"L1-{k:03}"] == without["cell"][f"L1-{k:03}"]
    assert changed["boiler"] == without["boiler"]


def test_a_cell_that_goes_and_comes_back_begins_afresh(plant_with, samples):
    everything = plant_with(*ALL)
    plants = [plant_with(1, 12), plant_with(1, 6), plant_with(1, 12)]
    changed = figures(plants, everything, samples)["cell"]
    without = figures([plants[0]] * 3, everything, samples)["cell"]
    assert len(changed["L1-012"]) == 2 * PHASE
    assert changed["L1-012"][:PHASE] == without["L1-012"][:PHASE]
    assert changed["L1-012"][-1] != without["L1-012"][-1]


def test_every_array_of_the_state_is_named_with_its_axis(plant_with):
    plant = plant_with(3, 9)
    labels = Labels.of(plant)
    arrays = new_state(plant).arrays
    held = {f"held_{name}" for name in ("times", "values", "quality")}
    assert AXES.keys() - held <= arrays.keys()
    for name, array in arrays.items():
        if name in AXES:
            axis, along = AXES[name]
            assert array.shape[along] == len(labels.axes[axis]), name
    of_site = {"windows", "blocks", "first", "warning_block"}
    assert arrays.keys() - AXES.keys() == of_site, "a new array: what is it of?"


def test_gauges_are_labelled_in_their_order(plant_with):
    plant = plant_with(3, 9)
    columns, labels = layout(plant).gauges.tolist(), Labels.of(plant).axes["gauge"]
    assert len(columns) == len(labels)
    known = [(c, label) for c, label in zip(columns, labels, strict=True) if c >= 0]
    assert known
    assert [plant.tags[c].id for c, _ in known] == [label for _, label in known]


def test_a_changed_rule_begins_its_delays_afresh_alone(plant_with):
    plant = plant_with(1, 8)
    run = Run.fresh(plant, START)
    run.state.arrays["alarm_active"][:] = True
    run.state.arrays["alarm_timer"][:] = np.arange(1, len(run.state.arrays["alarm_timer"]) + 1)
    longer = [replace(r, on_delay_s=99.0) if r.id == "excess-energy" else r for r in plant.alarms]
    other = replace(plant, alarms=tuple(longer))
    after = run.moved(other, Move.of(plant, other)).state.arrays
    rules = np.repeat([r.id for r in plant.alarms], [len(plant.entities(r.each)) for r in longer])
    begun = rules == "excess-energy"
    assert begun.sum() == 8
    assert (after["alarm_timer"][begun] == 0).all()
    assert (after["alarm_timer"][~begun] == run.state.arrays["alarm_timer"][~begun]).all()
    assert after["alarm_active"].all(), "what is open is cleared by the limits of now"
    other = replace(plant, alarms=plant.alarms[1:])
    fewer = run.moved(other, Move.of(plant, other)).state.arrays
    assert len(fewer["alarm_timer"]) < len(rules)
    assert (fewer["alarm_timer"] == run.state.arrays["alarm_timer"][8:]).all()


def test_what_another_version_saved_is_not_taken(plant_with):
    plant = plant_with(1, 8)
    saved = Run.fresh(plant, START)._saved()
    assert carried(plant, saved) is not None
    other = plant_with(1, 9)
    assert carried(other, saved) is not None
    assert carried(other, {k: v for k, v in saved.items() if k != "labels"}) is None
    assert carried(other, {k: v for k, v in saved.items() if k != "kg"}) is None
    assert carried(other, saved | {"kg": saved["kg"].astype(np.float32)}) is None
    assert carried(other, saved | {"kg": saved["kg"][:, :7]}) is None


def test_columns_of_a_reader_follow_change_after_change(plant_with):
    one, two, three = plant_with(1, 8), plant_with(3, 9), plant_with(1, 8)
    columns = Columns()
    batch = Batch.of(
        [-1, *range(len(one.tags))], range(len(one.tags) + 1), np.zeros(len(one.tags) + 1)
    )
    assert columns.place(batch) == (batch, 0)
    for old, new in ((one, two), (two, replace(three))):
        columns.move(Move.of(old, new))
    placed, gone = columns.place(batch)
    kept = [t for t in one.tags if not t.id.startswith(("L1-001", "L1-002"))]
    assert gone == len(one.tags) - len(kept)
    assert [three.tags[c].id for c in placed.tags[1:]] == [t.id for t in kept]
    assert placed.tags[0] == -1, "what the reader could not place is refused as before"
