"""The wave: each tag at its own moments, the same for everybody, and where a plant would be."""

from __future__ import annotations

import numpy as np

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.wave import Wave

START = 1_795_219_200 * SECOND


def run(wave: Wave, steps: int) -> Batch:
    return Batch.concat(wave.step() for _ in range(steps))


def test_every_tag_at_its_interval_and_never_twice(small: Plant) -> None:
    batch = run(Wave(small, START), 200)
    for tag in small.tags:
        times = batch.times[batch.tags == tag.column]
        assert len(times) == round(10 / tag.interval_s)
        assert set(np.diff(times)) <= {round(tag.interval_s * SECOND)}
    assert np.all(np.diff(batch.times) >= 0)
    assert batch.times.min() >= START
    assert batch.times.max() < START + 10 * SECOND


def test_aligned(small: Plant) -> None:
    batch = run(Wave(small, START, aligned=True), 100)
    assert not (batch.times % small.interval_ns[batch.tags]).any()
    assert len(np.unique(run(Wave(small, START), 20).times % SECOND)) > 3


def test_a_checker_knows_every_sample(small: Plant) -> None:
    batch = run(Wave(small, START, seed=7), 100)
    other = Wave(small, START - 5 * SECOND, seed=7)
    assert np.array_equal(other.value(batch.tags, batch.times), batch.values)
    another = Wave(small, START, seed=8)
    assert not np.array_equal(another.value(batch.tags, batch.times), batch.values)
    scale = np.array([tag.scale for tag in small.tags])[batch.tags]
    wire = batch.values / scale  # no tag of this plant has an offset
    assert np.array_equal(other.read(batch.tags, batch.times), wire * scale)


def test_values_are_those_of_a_quiet_plant(demo: Plant) -> None:
    batch = run(Wave(demo, START), 400)
    assert np.all((batch.values >= demo.low[batch.tags]) & (batch.values <= demo.high[batch.tags]))
    volts = batch.values[np.isin(batch.tags, demo.columns("cell", "voltage"))]
    assert 3.9 < volts.min() < volts.max() < 4.0
    counted = batch.take(demo.is_counter[batch.tags])
    for column in np.unique(counted.tags):
        assert np.all(np.diff(counted.values[counted.tags == column]) > 0)
    states = batch.values[[demo.tags[c].signal.kind == "state" for c in batch.tags]]
    assert set(states) == {0.0, 1.0, 2.0, 3.0}
