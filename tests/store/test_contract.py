"""What every store must do, whichever it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plant.batch import SECOND, Batch, Quality
from store.contract import FigureBlock

NOW = 1_795_261_200 * SECOND
END = NOW + 3600 * SECOND


def same(one: Batch, other: Batch) -> None:
    """Equal bit for bit."""
    assert np.array_equal(one.tags, other.tags)
    assert np.array_equal(one.times, other.times)
    assert one.values.tobytes() == other.values.tobytes()
    assert np.array_equal(one.quality, other.quality)


def by_tag(batch: Batch) -> Batch:
    return batch.take(np.lexsort((batch.times, batch.tags)))


def test_an_empty_store(store, plant):
    assert len(store.samples(None, 0, END)) == 0
    assert store.extent() is None
    assert store.count(0, END).tolist() == [0] * len(plant.tags)
    assert store.events("alarm", 0, END) == []
    block = store.figures("cell", ["voltage"], None, 0, END)
    assert block.values.shape == (0, 1, 48)
    assert store.write_samples(Batch.empty()).stored == 0


def test_opening_again_changes_nothing(store, samples):
    batch = samples(NOW)
    store.write_samples(batch)
    store.open()
    same(store.samples(None, NOW, END), by_tag(batch))


def test_samples_come_back_as_written(store, samples, plant):
    batch = samples(NOW, 5)
    shuffled = batch.take(np.random.default_rng(1).permutation(len(batch)))
    assert store.write_samples(shuffled).stored == len(batch)
    same(store.samples(None, NOW, END), by_tag(batch))
    assert store.count(NOW, END).tolist() == [5] * len(plant.tags)
    assert store.extent() == (NOW, NOW + 4 * SECOND)


def test_ranges_are_half_open(store, samples):
    store.write_samples(samples(NOW, 3))
    times = store.samples([0], NOW, NOW + 2 * SECOND).times
    assert times.tolist() == [NOW, NOW + SECOND]
    assert store.count(NOW + 1, NOW + 2 * SECOND + 1)[0] == 2
    assert len(store.samples(None, NOW, NOW)) == 0


def test_up_to_the_end_of_time(store, samples):
    store.write_samples(samples(NOW))
    assert len(store.samples([0], 0, np.iinfo(np.int64).max)) == 1


@pytest.mark.parametrize("wanted", [[0], [5, 3], list(range(0, 300, 2)), []])
def test_some_columns(store, samples, wanted):
    batch = by_tag(samples(NOW, 2))
    store.write_samples(batch)
    same(store.samples(wanted, NOW, END), batch.take(np.isin(batch.tags, wanted)))


def test_writing_again_changes_nothing(store, samples, plant):
    first, second = samples(NOW, 3), samples(NOW + 3 * SECOND, 3, seed=2)
    store.write_samples(first)
    both = Batch.concat([first, second])
    for _ in range(2):
        assert store.write_samples(both).stored == len(both)
    same(store.samples(None, NOW, END), by_tag(both))
    assert store.count(NOW, END).tolist() == [6] * len(plant.tags)


def test_late_samples(store, samples):
    late, on_time = samples(NOW, 2), samples(NOW + 10 * SECOND, 2)
    store.write_samples(on_time)
    store.write_samples(late)
    same(store.samples(None, NOW, END), by_tag(Batch.concat([late, on_time])))
    assert store.extent() == (NOW, NOW + 11 * SECOND)


def test_quality_is_kept(store):
    marks = [q for q in range(64) if q & Quality.SEVERITY != Quality.SEVERITY]
    bad = np.array([q & Quality.SEVERITY == Quality.BAD for q in marks])
    values = np.where(bad, np.nan, 3.9)
    batch = Batch.of([2] * len(marks), NOW + np.arange(len(marks)), values, marks)
    assert store.write_samples(batch).stored == len(marks)
    same(store.samples([2], NOW, END), batch)
    assert store.count(NOW, END)[2] == len(marks)


def test_a_value_that_is_not_finite_is_refused_alone(store):
    batch = Batch.of([0, 1, 2], [NOW] * 3, [np.nan, np.inf, 4.0])
    written = store.write_samples(batch)
    assert written.stored == 1
    assert sorted(row for row, _ in written.rejected) == [0, 1]
    assert "finite" in written.rejected[0][1]
    assert store.samples(None, NOW, END).values.tolist() == [4.0]


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
EDGES = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1e16]
EDGES += [1e22, 1e23, 123456789012345680.0, 9007199254740993.0, 1 / 3, -1e-7, 4.0]
tries = {"value": 0}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(FLOATS, min_size=1, max_size=200))
def test_floats_come_back_bit_for_bit(store, values):
    tries["value"] += 1000
    start = NOW + tries["value"] * SECOND
    batch = Batch.of([1] * len(values), start + np.arange(len(values)), values)
    store.write_samples(batch)
    same(store.samples([1], start, start + len(values)), batch)


def test_edges_of_float_and_time(store):
    times = [0, 1, 999_999_999, SECOND, NOW, NOW + 1, NOW + 10, NOW + 100, NOW + 10**8]
    times += [NOW + SECOND + i for i in range(len(EDGES) - len(times))]
    batch = Batch.of([7] * len(EDGES), times, EDGES)
    store.write_samples(batch)
    same(store.samples([7], 0, END), batch)


def test_figures_replace_those_of_the_same_key(store, plant):
    cells = plant.entities("cell")
    values = np.random.default_rng(3).random((3, 2, len(cells)))
    values[0, 1, 5] = np.nan
    times = NOW + np.arange(3) * 10 * SECOND
    block = FigureBlock("cell", ("voltage", "power"), cells, times, values)
    assert store.write_figures(block) == values.size - 1
    restated = FigureBlock("cell", ("power",), cells[:1], times[:1], np.full((1, 1, 1), 7.5))
    assert store.write_figures(restated) == 1
    found = store.figures("cell", ["power", "voltage"], None, NOW, END)
    assert found.names == ("power", "voltage")
    assert found.entities == cells
    assert found.times.tolist() == times.tolist()
    expected = values[:, ::-1].copy()
    expected[0, 0, 0] = 7.5
    assert found.values.tobytes() == expected.tobytes()
    some = store.figures("cell", ["voltage"], [cells[3]], NOW + 1, END)
    assert some.values.tolist() == values[1:, 0, 3].reshape(2, 1, 1).tolist()
    assert store.figures("line", ["power"], None, NOW, END).values.size == 0


def test_a_figure_can_become_unknown(store, plant):
    cells = plant.entities("cell")
    times = NOW + np.arange(3) * 10 * SECOND
    values = np.random.default_rng(4).random((3, 3, len(cells)))
    names = ("power", "voltage", "dc_specific_energy_30d")
    store.write_figures(FigureBlock("cell", names, cells, times, values))
    restated = FigureBlock(
        "cell",
        ("power", "voltage"),
        cells[2:4],
        times[:2],
        np.array([[[np.nan, np.nan], [7.0, 8.0]], [[5.0, 6.0], [np.nan, 9.0]]]),
        replaces=cells[2:3],
    )
    assert store.write_figures(restated) == 5
    expected = values.copy()
    expected[0, 0, 2] = np.nan  # replaced by nothing
    expected[0, 1, 2:4] = 7.0, 8.0  # cell 3 is not replaced whole: its NaN says nothing
    expected[1, 0, 2:4] = 5.0, 6.0
    expected[1, 1, 2:4] = np.nan, 9.0
    for _ in range(2):
        found = store.figures("cell", names, None, NOW, END)
        assert found.times.tolist() == times.tolist()
        np.testing.assert_array_equal(found.values, expected)
        store.write_figures(restated)  # again after a crash: nothing changes


def test_events_replace_those_of_the_same_key(store):
    row = {"key": "L1-001@1", "time": NOW, "note": 'a "quoted", \\ 阳极\nline', "end": NOW + 5}
    other = {"key": "L1-002@1", "time": NOW + 1, "value": None, "n": 3, "ok": True}
    store.write_events("anode_effect", [row, other])
    store.write_events("anode_effect", [{**row, "end": NOW + 9}])
    store.write_events("alarm", [{"key": "1", "time": NOW}])
    assert store.events("anode_effect", NOW, END) == [{**row, "end": NOW + 9}, other]
    assert store.events("anode_effect", NOW, NOW + 1) == [{**row, "end": NOW + 9}]
    assert store.events("alarm", NOW, END) == [{"key": "1", "time": NOW}]


def test_a_plant_file_with_other_columns(store, samples, plant):
    """Columns may shift, tags come and go: samples belong to the tag's id."""
    batch = samples(NOW)
    store.write_samples(batch)
    kept = [t for t in plant.tags if t.entity != "L1-003"][::-1]
    tags = tuple(dataclasses.replace(t, column=i) for i, t in enumerate(kept))
    changed = dataclasses.replace(plant, tags=tags)
    store.close()
    other = type(store).__new__(type(store))
    first = store.path if hasattr(store, "path") else store._client._settings
    other.__init__(first, changed)
    found = other.samples(None, NOW, END)
    assert found.tags.tolist() == list(range(len(tags)))
    old = np.array([plant.column_of[t.id] for t in tags])
    assert found.values.tobytes() == batch.values[old].tobytes()
    assert other.count(NOW, END).tolist() == [1] * len(tags)
    other.close()
