"""Live, restarted, late or replayed: the same samples give the same figures, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.assessment import SCOPES, State
from collector.pipeline import Pipeline, Run, forward
from plant.batch import SECOND, Batch
from plant.load import load
from simulators import scenario
from simulators.offline import simulate
from store.history import History
from store.open import open_store
from store.spool import Spool

START = 1_795_219_190 * SECOND  # ten seconds before a full hour
SECONDS = 150
MINI = Path(__file__).parents[1] / "e2e" / "mini.toml"


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    text = MINI.read_text(encoding="utf-8").replace(
        "@STORE@", '[store]\nkind = "embedded"\npath = "unused"'
    )
    folder = tmp_path_factory.mktemp("plant")
    path = folder / "plant.toml"
    path.write_text(text.replace("@MQTT@", "1883").replace("@OPCUA@", "4840"), encoding="utf-8")
    return load(path)


@pytest.fixture(scope="module")
def samples(plant):
    """150 s of the small plant with an anode effect in it."""
    faults = [
        scenario.fault({"kind": "alumina", "cell": "L1-003", "percent": 1.2, "at_s": 20}, plant, "")
    ]
    return Batch.concat(simulate(plant, START, SECONDS, seed=3, scenario=faults))


class Kept:
    """A spool, an embedded store and a pipeline over them; every beat's figures by time."""

    def __init__(self, plant, folder):
        self.plant = plant
        self.spool = Spool(folder / "spool.sqlite", plant)
        self.store = open_store(plant_at(plant, folder))
        self.store.open()
        self.history = History(self.store, self.spool)
        self.figures = {}
        self.events = {}
        self.pipeline = self.new_pipeline()

    def new_pipeline(self):
        return Pipeline(
            self.plant,
            self.history,
            self.spool.checkpoints,
            sinks=(self.see,),
            keep_checkpoint=lambda c: self.spool.commit_beats((), (), c),
        )

    def see(self, frame, assessment, restated):
        self.figures[frame.end] = {s: assessment.figures[s].tobytes() for s in SCOPES}
        for row in assessment.anode_effects:
            self.events[int(row["cell"]), int(row["start"])] = row.tobytes()

    def put(self, batch, now):
        source = self.plant.sources
        of = np.bincount(self.plant.source_of_tag[batch.tags], minlength=len(source))
        received = {s.id: int(n) for s, n in zip(source, of, strict=True) if n}
        self.spool.append(batch, received, {}, (), np.zeros(len(batch), np.bool_))
        self.pipeline.feed(batch, now)

    def close(self):
        self.store.close()
        self.spool.close()


def plant_at(plant, folder):
    from dataclasses import replace

    return replace(plant, store=replace(plant.store, path=str(folder), kind="embedded"))


@pytest.fixture
def kept(plant, tmp_path):
    made = Kept(plant, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def expected(plant, samples):
    """What comes of all samples at once, without a clock: {end: figures}, events"""
    run = Run.fresh(plant, int(samples.times.min()))
    run.builder.add(samples)
    figures, events = {}, {}
    for frame, assessment in run.beats(START + SECONDS * SECOND):
        figures[frame.end] = {s: assessment.figures[s].tobytes() for s in SCOPES}
        for row in assessment.anode_effects:
            events[int(row["cell"]), int(row["start"])] = row.tobytes()
    assert events, "the minutes have an anode effect"
    return figures, events


def by_second(batch):
    second = batch.times // SECOND
    for s in np.unique(second):
        yield int(s) * SECOND, batch.take(second == s)


def finish(kept):
    """Long after: everything is due, late samples are worked in."""
    end = START + SECONDS * SECOND + 4 * SECOND
    kept.pipeline.advance(end)
    while kept.pipeline.restate_due(end + 10 * SECOND):
        kept.pipeline.restate()


def same(kept, expected):
    figures, events = expected
    missing = [t for t in figures if t in kept.figures and kept.figures[t] != figures[t]]
    assert not missing
    assert len(kept.figures) >= len(figures) - 4  # the last are not due yet
    assert kept.events == events


def test_live_is_what_comes_of_all_samples_at_once(kept, samples, expected):
    for now, batch in by_second(samples):
        kept.put(batch, now + SECOND)
        kept.pipeline.advance(now + SECOND)
    finish(kept)
    same(kept, expected)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 40))
def test_partition_and_order_do_not_matter(plant, samples, expected, seed, parts):
    random = np.random.default_rng(seed)
    run = Run.fresh(plant, int(samples.times.min()))
    shuffled = samples.take(random.permutation(len(samples)))
    for part in np.array_split(np.arange(len(samples)), parts):
        run.builder.add(shuffled.take(part))
    for frame, assessment in run.beats(START + SECONDS * SECOND):
        assert {s: assessment.figures[s].tobytes() for s in SCOPES} == expected[0][frame.end]


@pytest.mark.parametrize("killed_at", [1, 30, 61, 120, 149])
def test_a_restart_gives_the_same_figures_as_no_restart(kept, samples, expected, killed_at):
    """kill -9: what was in memory is gone; spool, store and checkpoints are there."""
    for now, batch in by_second(samples):
        kept.put(batch, now + SECOND)
        kept.pipeline.advance(now + SECOND)
        if now == START + killed_at * SECOND:
            kept.pipeline = kept.new_pipeline()
            kept.pipeline.resume(now + SECOND)
    finish(kept)
    same(kept, expected)


@pytest.mark.parametrize("late_s", [8, 45, 140])
def test_late_samples_end_in_the_same_figures(kept, plant, samples, expected, late_s):
    """The meters come so much later than the pots."""
    meters = plant.source_of_tag[samples.tags] == 1
    for now, batch in by_second(samples.take(~meters)):
        kept.put(batch, now + SECOND)
        before = samples.take(meters & (samples.times // SECOND == now // SECOND - late_s))
        if len(before):
            kept.put(before, now + SECOND)
        kept.pipeline.advance(now + SECOND)
        if kept.pipeline.restate_due(now + SECOND):
            kept.pipeline.restate()
    rest = samples.take(meters & (samples.times >= START + (SECONDS - late_s) * SECOND))
    kept.put(rest, START + SECONDS * SECOND + SECOND)
    finish(kept)
    assert kept.pipeline.restatements > 0
    same(kept, expected)


def test_replay_from_a_checkpoint_is_live(kept, plant, samples, expected):
    for now, batch in by_second(samples):
        kept.put(batch, now + SECOND)
        kept.pipeline.advance(now + SECOND)
    checkpoint = kept.spool.checkpoints(START + 100 * SECOND)
    run = Run.restored(plant, checkpoint)
    beats = 0
    for frame, assessment in forward(run, kept.history, START + 140 * SECOND):
        assert {s: assessment.figures[s].tobytes() for s in SCOPES} == expected[0][frame.end]
        beats += 1
    assert beats == (START + 140 * SECOND - checkpoint.beat) // SECOND


def test_a_checkpoint_of_another_plant_file_is_not_taken(plant, kept, samples):
    from dataclasses import replace

    kept.put(samples, START + SECONDS * SECOND)
    kept.pipeline.advance(START + SECONDS * SECOND + SECOND)
    checkpoint = kept.spool.checkpoints(None)
    assert Run.restored(plant, checkpoint) is not None
    assert Run.restored(replace(plant, alarms=plant.alarms[:1]), checkpoint) is None


def test_beats_without_any_sample_are_left_out_and_the_same_in_a_replay(kept, plant, samples):
    shift = 3600 * SECOND
    later = Batch(samples.tags, samples.times + shift, samples.values, samples.quality)
    both = Batch.concat([samples, later])
    for now, batch in by_second(both):
        kept.put(batch, now + SECOND)
        kept.pipeline.advance(now + SECOND)
    kept.pipeline.advance(START + shift + (SECONDS + 4) * SECOND)
    assert len(kept.figures) < 2 * SECONDS + 70
    run = Run.fresh(plant, int(samples.times.min()))
    for frame, assessment in forward(run, kept.history, max(kept.figures)):
        again = {s: assessment.figures[s].tobytes() for s in SCOPES}
        assert again == kept.figures[frame.end]


def test_state_survives_its_bytes(plant, samples):
    run = Run.fresh(plant, START)
    run.builder.add(samples)
    for _ in run.beats(START + 60 * SECOND):
        pass
    again = State.from_bytes(run.state.to_bytes())
    assert again.arrays.keys() == run.state.arrays.keys()
    for name, array in run.state.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
