"""Live, restarted, late or replayed: the same samples give the same figures, bit for bit."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.beat.assessment import SCOPES, State
from analytics.table.figures import beat_figures, figures
from collector.forward import Run, forward
from collector.keep import Keeper
from collector.pipeline import Pipeline
from collector.restating import Restating
from plant.batch import SECOND, Batch
from plant.load import load
from simulators import scenario
from simulators.offline import simulate
from store.contract import FigureBlock
from store.history import History
from store.open import open_store
from store.restatements import Restatements
from store.spool import Spool
from store.writer import Writer

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
    """A spool, an embedded store and a pipeline over them, as `potline run` has them."""

    def __init__(self, plant, folder):
        self.plant = plant_at(plant, folder)
        self.spool = Spool(folder / "spool.sqlite", self.plant)
        self.store = open_store(self.plant)
        self.store.open()
        self.restatements = Restatements(folder, self.plant)
        self.history = History(self.store, self.spool, self.restatements)
        self.writer = Writer(self.spool, self.store)
        self.pipeline = self.new_pipeline()

    def new_pipeline(self):
        self.keeper = Keeper(self.plant, self.spool)
        return Pipeline(
            self.plant,
            self.history,
            self.spool,
            self.restatements,
            Restating(self.plant, self.history, self.spool, self.restatements),
            sinks=(self.keeper,),
            keep_checkpoint=self.keeper.flush,
        )

    def put(self, batch, now):
        source = self.plant.sources
        of = np.bincount(self.plant.source_of_tag[batch.tags], minlength=len(source))
        received = {s.id: int(n) for s, n in zip(source, of, strict=True) if n}
        self.spool.append(batch, received, {}, (), np.zeros(len(batch), np.bool_))
        self.pipeline.feed(batch, now)

    def step(self, now):
        """What the calculation's thread does again and again."""
        self.pipeline.advance(now)
        self.keeper.flush()
        self.pipeline.restate(time.time_ns(), 0.2)

    def finish(self, end):
        """Long after: everything is due, what came late is worked in."""
        while self.pipeline.advance(end + 5 * SECOND):
            pass
        self.keeper.flush()
        later = time.time_ns()
        while self.restatements.due() is not None:
            later += 20 * SECOND
            self.pipeline.restate(later, 10)
        while self.writer.step():
            pass

    def figures(self):
        """{(scope, time): bytes} of all that is kept, {key: row} of the anode effects."""
        cubes = {}
        for scope in SCOPES:
            names = [f.name for f in beat_figures()[scope]]
            block = self.history.figures(scope, names, None, 0, 2**62)
            for t, values in zip(block.times.tolist(), block.values, strict=True):
                cubes[scope, t] = values.tobytes()
        events = {r["key"]: r for r in self.history.events("anode_effect", 0, 2**62)}
        return cubes, events

    def close(self):
        self.restatements.close()
        self.store.close()
        self.spool.close()


def plant_at(plant, folder):
    return replace(plant, store=replace(plant.store, path=str(folder), kind="embedded"))


@pytest.fixture
def kept(plant, tmp_path):
    made = Kept(plant, tmp_path)
    yield made
    made.close()


END = START + SECONDS * SECOND + 4 * SECOND


@pytest.fixture(scope="module")
def expected(plant, samples, tmp_path_factory):
    """What a pipeline keeps that gets each second's samples in order."""
    kept = Kept(plant, tmp_path_factory.mktemp("expected"))
    for now, batch in by_second(samples):
        kept.put(batch, now + SECOND)
        kept.step(now + SECOND)
    kept.finish(END)
    cubes, events = kept.figures()
    assert events, "the minutes have an anode effect"
    assert len(cubes) > 3 * SECONDS / 5
    assert kept.restatements.rows(0, 2**62) == []
    kept.close()
    return cubes, events


def by_second(batch):
    second = batch.times // SECOND
    for s in np.unique(second):
        yield int(s) * SECOND, batch.take(second == s)


def same(kept, expected):
    kept.finish(END)
    cubes, events = kept.figures()
    assert sorted(cubes.keys() ^ expected[0].keys()) == []
    assert [key for key in cubes if cubes[key] != expected[0][key]][:10] == []
    assert [e for e in events.values() if e not in expected[1].values()] == []
    assert events.keys() == expected[1].keys()


def test_live_is_what_comes_of_all_samples_at_once(kept, samples, expected):
    kept.put(samples, END)
    same(kept, expected)


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 40))
def test_partition_and_order_do_not_matter(plant, samples, seed, parts):
    """Frame by frame, of all beats."""
    random = np.random.default_rng(seed)
    runs = [Run.fresh(plant, int(samples.times.min())) for _ in range(2)]
    runs[0].builder.add(samples)
    shuffled = samples.take(random.permutation(len(samples)))
    for part in np.array_split(np.arange(len(samples)), parts):
        runs[1].builder.add(shuffled.take(part))
    until = START + SECONDS * SECOND
    for (_, one), (_, other) in zip(runs[0].beats(until), runs[1].beats(until), strict=True):
        for scope in SCOPES:
            assert one.figures[scope].tobytes() == other.figures[scope].tobytes()


@pytest.mark.parametrize("killed_at", [1, 30, 61, 120, 149])
def test_a_restart_gives_the_same_figures_as_no_restart(kept, samples, expected, killed_at):
    """kill -9: what was in memory is gone; spool, store and checkpoints are there."""
    for now, batch in by_second(samples):
        kept.put(batch, now + SECOND)
        kept.step(now + SECOND)
        if now == START + killed_at * SECOND:
            kept.pipeline = kept.new_pipeline()
            kept.pipeline.resume(now + SECOND)
    same(kept, expected)


@pytest.mark.parametrize("computed", [True, False])
def test_without_a_checkpoint_what_is_live_comes_first(kept, plant, samples, tmp_path, computed):
    """A spool that is gone, over a store with an hour of samples: their figures are left as they
    are, or computed beside where there are none."""
    hour = 3600 * SECOND
    early = Batch(samples.tags, samples.times - hour, samples.values, samples.quality)
    for batch in (early, samples):
        kept.put(batch, END)
    while kept.writer.step():
        pass
    if computed:
        names = tuple(f.name for f in beat_figures()["line"])
        values = np.ones((1, len(names), len(plant.lines)))
        at = np.array([END - 900 * SECOND])
        lines = tuple(line.id for line in plant.lines)
        kept.store.write_figures(FigureBlock("line", names, lines, at, values))
    kept.spool.close()
    (tmp_path / "spool.sqlite").unlink()
    kept.spool = Spool(tmp_path / "spool.sqlite", kept.plant)
    kept.history = History(kept.store, kept.spool, kept.restatements)
    kept.pipeline = kept.new_pipeline()
    kept.pipeline.resume(END + SECOND)
    kept.pipeline.advance(END + SECOND)
    assert kept.pipeline.run.builder.start >= START, "not the hour before"
    due = kept.restatements.due()
    assert (due is None) == computed
    assert due is None or due.start == early.times.min()


@pytest.mark.parametrize("late_s", [8, 45, 140])
def test_late_samples_end_in_the_same_figures(kept, plant, samples, expected, late_s):
    """The meters come so much later than the pots."""
    meters = plant.source_of_tag[samples.tags] == 1
    for now, batch in by_second(samples.take(~meters)):
        kept.put(batch, now + SECOND)
        before = samples.take(meters & (samples.times // SECOND == now // SECOND - late_s))
        if len(before):
            kept.put(before, now + SECOND)
        kept.step(now + SECOND)
    rest = samples.take(meters & (samples.times >= START + (SECONDS - late_s) * SECOND))
    kept.put(rest, START + SECONDS * SECOND + SECOND)
    same(kept, expected)
    assert kept.restatements.rows(0, 2**62)[0].cause == "late samples of meters"


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_order_of_arrival_ends_in_the_same_figures(
    plant, samples, expected, seed, tmp_path_factory
):
    """Lots of samples in any order, stops in between, whole lots long after."""
    random = np.random.default_rng(seed)
    kept = Kept(plant, tmp_path_factory.mktemp("shuffled"))
    lots = np.array_split(random.permutation(len(samples)), 12)
    now = START
    for rows in lots:
        batch = samples.take(np.sort(rows))
        now = max(now, int(batch.times.max()) + SECOND)
        kept.put(batch, now)
        kept.step(now)
        if random.random() < 0.3:
            kept.pipeline = kept.new_pipeline()
            kept.pipeline.resume(now)
    same(kept, expected)
    kept.close()


def test_what_figures_were_stays_on_record_with_the_cause(kept, plant, samples, expected):
    """A meter's readings of one second come when the hour is long over."""
    column = plant.column_of["L1-R.ac_power"]
    at = START + 20 * SECOND
    late = (samples.tags == column) & (samples.times // SECOND == at // SECOND)
    assert late.any()
    for now, batch in by_second(samples.take(~late)):
        kept.put(batch, now + SECOND)
        kept.step(now + SECOND)
    kept.finish(END)
    before, _ = kept.figures()
    kept.put(samples.take(late), END + SECOND)
    kept.pipeline.advance(END + SECOND)
    kept.finish(END + SECOND)
    after, _ = kept.figures()
    touched = {key for key in after if after[key] != before[key]}
    assert {scope for scope, _ in touched} <= {"line", "site"}
    assert min(t for _, t in touched) > at
    (row,) = kept.restatements.rows(0, 2**62)
    assert (row.cause, row.tags) == ("late samples of meters", ("L1-R.ac_power",))
    assert all(name.split(".")[0] in ("line", "site") for name in row.changed)
    names = [f.name for f in beat_figures()["line"]]
    energy = names.index("ac_energy_hour")
    moment = max(t for scope, t in touched if scope == "line")
    old = np.frombuffer(before["line", moment]).reshape(len(names), -1)[energy, 0]
    new = np.frombuffer(after["line", moment]).reshape(len(names), -1)[energy, 0]
    (was,) = kept.restatements.superseded("line", "ac_energy_hour", "L1", moment)
    assert was.version == row.version
    assert was.value == old
    assert new > old
    assert kept.restatements.superseded("line", "dc_energy_hour", "L1", moment) == []


def test_a_correction_changes_figures_and_its_withdrawal_restores_them(kept, samples, expected):
    kept.put(samples, END)
    kept.finish(END)
    start, end = START + 10 * SECOND, START + 40 * SECOND
    kept.restatements.correct("L1-R.ac_power", start, end, 1.1, 0.0, "eng", "wrong ratio")
    kept.finish(END)
    cubes, _ = kept.figures()
    touched = {key for key in cubes if cubes[key] != expected[0][key]}
    assert touched
    assert min(t for _, t in touched) >= start
    (correction,) = kept.restatements.corrections()
    assert kept.restatements.withdraw(correction.id)
    same(kept, expected)
    causes = [row.cause for row in kept.restatements.rows(0, 2**62)]
    assert causes == ["correction withdrawn: wrong ratio", "correction: wrong ratio"]


def test_other_factors_restate_what_depends_on_them_and_nothing_else(kept, samples, expected):
    kept.put(samples, END)
    kept.finish(END)
    plant = kept.plant
    name = f"grid.{plant.site.grid_region}.average.{plant.site.grid_year}"
    factor = plant.factors[name]
    other = replace(plant, factors={**plant.factors, name: replace(factor, value=0.3)})
    restating = Restating(other, kept.history, kept.spool, kept.restatements)
    kept.restatements.note(START, END, "new grid factor")
    live = Run.fresh(other, kept.pipeline.run.builder.start)
    while kept.restatements.due() is not None:
        live = restating.step(live, time.time_ns() + 10 * SECOND, 10)
    (row,) = kept.restatements.rows(0, 2**62)
    assert row.changed
    for changed in row.changed:
        scope, figure = changed.split(".")
        assert depends(scope, figure, "grid."), changed
    assert {"line.scope2_co2e_hour", "site.carbon_intensity_hour"} <= row.changed.keys()


def depends(scope, name, prefix, seen=()):
    """Does the table say that a figure uses such a factor, itself or through its inputs?"""
    row = next((f for f in figures().get(scope, ()) if f.name == name), None)
    if row is None or (scope, name) in seen:
        return False
    inputs = [i.rpartition(".") for i in row.inputs]
    seen = (*seen, (scope, name))
    return any(factor.startswith(prefix) for factor in row.factors) or any(
        depends(kind or scope, n, prefix, seen) for kind, _, n in inputs
    )


def test_an_anode_effect_that_was_none_is_withdrawn(kept, samples, expected):
    """A spike of bad readings, corrected away, takes its anode effect with it."""
    (key,) = [k for k in expected[1] if k.startswith("L1-003")][:1]
    row = expected[1][key]
    kept.put(samples, END)
    kept.finish(END)
    kept.restatements.correct(
        "L1-003.voltage", row["start"], END, float("nan"), 0.0, "eng", "loose wire"
    )
    kept.finish(END)
    _, events = kept.figures()
    assert key not in events


def test_replay_from_a_checkpoint_is_live(kept, plant, samples):
    kept.put(samples, END)
    kept.finish(END)
    checkpoint = kept.spool.checkpoints(START + 100 * SECOND)
    runs = Run.restored(plant, checkpoint), Run.fresh(plant, int(samples.times.min()))
    again = {f.end: a for f, a in forward(runs[0], kept.history, START + 140 * SECOND)}
    first = {f.end: a for f, a in forward(runs[1], kept.history, START + 140 * SECOND)}
    assert len(again) == (START + 140 * SECOND - checkpoint.beat) // SECOND
    for end, assessment in again.items():
        for scope in SCOPES:
            assert assessment.figures[scope].tobytes() == first[end].figures[scope].tobytes()


def test_a_checkpoint_of_another_calendar_is_not_taken(plant, kept, samples):
    kept.put(samples, END)
    kept.finish(END)
    checkpoint = kept.spool.checkpoints(None)
    assert Run.restored(plant, checkpoint) is not None
    assert Run.restored(replace(plant, alarms=plant.alarms[:1]), checkpoint) is not None
    utc = replace(plant, site=replace(plant.site, time_zone="UTC"))
    assert Run.restored(utc, checkpoint) is None


def test_beats_without_any_sample_are_left_out_and_the_same_in_a_replay(kept, plant, samples):
    shift = 3600 * SECOND
    later = Batch(samples.tags, samples.times + shift, samples.values, samples.quality)
    both = Batch.concat([samples, later])
    for now, batch in by_second(both):
        kept.put(batch, now + SECOND)
        kept.step(now + SECOND)
    kept.finish(END + shift)
    cubes, _ = kept.figures()
    assert len({t for _, t in cubes}) < (2 * SECONDS + 70) / 5 + 2
    run = Run.fresh(plant, int(samples.times.min()))
    for frame, assessment in forward(run, kept.history, max(t for _, t in cubes)):
        for scope in SCOPES:
            if (scope, frame.end) in cubes:
                kept_then = np.frombuffer(cubes[scope, frame.end])
                again = assessment.figures[scope].ravel()[: len(kept_then)]
                there = ~np.isnan(kept_then)
                assert there.any()
                assert kept_then[there].tobytes() == again[there].tobytes()


def test_state_survives_its_bytes(plant, samples):
    run = Run.fresh(plant, START)
    run.builder.add(samples)
    for _ in run.beats(START + 60 * SECOND):
        pass
    again = State.from_bytes(run.state.to_bytes())
    assert again.arrays.keys() == run.state.arrays.keys()
    for name, array in run.state.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
