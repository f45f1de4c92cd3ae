"""Two collectors with one store: it has what either received, once, and each ledger closes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from plant.batch import SECOND, Batch, Quality
from store.contract import FigureBlock, StoreUnavailable
from store.embedded import EmbeddedStore
from store.history import History
from store.shared import BY_PEER, MARGIN_NS, PATIENCE_S, Shared, Told
from store.spool import Event, Spool
from store.writer import Writer

NOW = 1_795_261_200 * SECOND
LONG_AGO, FOREVER = 0, np.iinfo(np.int64).max


class Half:
    """A collector's end: spool, writer, and what it knows of the other's."""

    def __init__(self, plant, path, store, clock) -> None:
        self.plant = plant
        self.spool = Spool(path, plant)
        self.shared = Shared(plant, clock)
        self.writer = Writer(self.spool, store, shared=self.shared)

    def receive(self, batch, suspect=False) -> None:
        counts = np.bincount(
            self.plant.source_of_tag[batch.tags], minlength=len(self.plant.sources)
        )
        received = {s.id: int(n) for s, n in zip(self.plant.sources, counts, strict=True)}
        self.spool.append(batch, received, {}, [], np.full(len(batch), suspect))

    def carry(self) -> int:
        return sum(iter(self.writer.step, 0))

    def tells(self, other: Half, computed=None, store="up") -> None:
        digests, marks = self.shared.tell()
        other.shared.told(Told(digests, marks, computed, store))
        self.shared.heard(digests)

    @property
    def total(self) -> tuple[int, int, dict[str, int]]:
        rows = self.spool.ledger().values()
        assert all(row.balance == 0 for row in rows)
        rejected: dict[str, int] = {}
        for row in rows:
            for reason, n in row.rejected.items():
                rejected[reason] = rejected.get(reason, 0) + n
        return sum(r.stored for r in rows), sum(r.spooled for r in rows), rejected


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Counted(EmbeddedStore):
    """Counts what is written, also again; may be away."""

    written = 0
    away = False

    def write_samples(self, batch):
        if self.away:
            raise StoreUnavailable("away")
        self.written += len(batch)
        return super().write_samples(batch)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, plant):
    store = Counted(tmp_path / "store", plant)
    store.open()
    yield store
    store.close()


@pytest.fixture
def halves(tmp_path, plant, store, clock):
    """(active, standby)"""
    made = [Half(plant, tmp_path / f"{name}.sqlite", store, clock) for name in "ab"]
    made[0].shared.lead(True)
    yield made
    for half in made:
        half.spool.close()


def parts(batch, n, seed=1):
    """The batch, its rows in another order, in n parts."""
    order = np.random.default_rng(seed).permutation(len(batch))
    return [batch.take(rows) for rows in np.array_split(order, n)]


def in_store(store) -> int:
    return int(store.count(LONG_AGO, FOREVER).sum())


def test_the_standby_lets_go_of_what_the_active_has_stored_and_writes_nothing(
    halves, store, samples
):
    active, standby = halves
    batch = samples(NOW, 5)
    for part in parts(batch, 3, 1):
        active.receive(part)
    for part in parts(batch, 7, 2):
        standby.receive(part)
    assert standby.carry() == 0
    active.carry()
    assert standby.carry() == 0, "not told yet"
    active.tells(standby)
    standby.carry()
    n = len(batch)
    assert active.total == (n, 0, {})
    assert standby.total == (0, 0, {BY_PEER: n})
    assert store.written == in_store(store) == n
    assert standby.shared.added() == []


def test_a_second_that_the_active_has_not_all_of_is_kept(halves, store, samples):
    active, standby = halves
    batch = samples(NOW, 3)
    active.receive(batch.take(slice(0, len(batch) - 1)))
    standby.receive(batch)
    active.carry()
    active.tells(standby)
    standby.carry()
    assert standby.total[1] == len(batch), "one segment: it waits as a whole"
    assert standby.shared.held == len(batch)


def test_what_the_active_does_not_tell_of_the_standby_writes_after_a_while(
    halves, store, samples, plant, clock
):
    """The active has lost a source; only what it lacks is written, and it is told from when."""
    active, standby = halves
    batch = samples(NOW, 4)
    lacks = plant.source_of_tag[batch.tags] == 1
    assert 0 < lacks.sum() < len(batch)
    active.receive(batch.take(~lacks))
    standby.receive(batch)
    active.carry()
    active.tells(standby)
    assert standby.carry() == 0
    clock.now += PATIENCE_S - 1
    assert standby.carry() == 0
    clock.now += 2
    standby.carry()
    assert in_store(store) == store.written == len(batch)
    assert standby.total == (lacks.sum(), 0, {BY_PEER: (~lacks).sum()})
    assert standby.shared.added() == [(NOW, NOW + 3 * SECOND + 1)]
    assert standby.shared.added() == []


def test_while_the_active_works_off_a_backlog_the_standby_waits(halves, samples, clock):
    active, standby = halves
    standby.receive(samples(NOW))
    active.tells(standby, store="behind")
    assert standby.carry() == 0
    clock.now += 100 * PATIENCE_S
    assert standby.carry() == 0
    active.tells(standby, store="away")
    assert standby.carry() == 1, "the store of the active is away; perhaps not for us"


def test_at_a_take_over_nothing_is_lost_and_nothing_twice(halves, store, samples):
    """Killed between storing and telling, with more in its spool; then it comes back."""
    active, standby = halves
    for at in range(6):
        batch = samples(NOW + at * SECOND)
        for half in halves:
            half.receive(batch)
        if at < 4:
            active.carry()
        if at == 2:
            active.tells(standby)
            standby.carry()
    standby.shared.lead(True)
    standby.carry()
    n = len(batch)
    assert in_store(store) == 6 * n
    assert standby.total == (3 * n, 0, {BY_PEER: 3 * n})
    active.shared.lead(False)
    standby.tells(active)
    active.carry()
    assert active.total == (4 * n, 0, {BY_PEER: 2 * n})
    assert in_store(store) == 6 * n


def test_a_time_that_is_ours_is_covered_by_the_newest_of_the_active(halves, store, plant):
    active, standby = halves

    def polled(at):
        n = len(plant.tags)
        quality = np.full(n, Quality.RECEIVED_TIME, np.uint8)
        return Batch.of(np.arange(n), np.full(n, at), np.ones(n), quality)

    for half, shift in ((active, 0), (standby, SECOND // 10)):
        for at in range(3):
            half.receive(polled(NOW + at * SECOND + shift))
    active.carry()
    active.tells(standby)
    standby.carry()
    n = len(plant.tags)
    assert standby.total == (0, n, {BY_PEER: 2 * n}), "the last is newer than what was told"
    assert in_store(store) == 3 * n


def test_a_late_sample_and_a_duplicate(halves, store, samples, clock):
    active, standby = halves
    batch, late = samples(NOW), samples(NOW - 60 * SECOND, seed=2)
    for half in halves:
        half.receive(batch)
        half.receive(late, suspect=True)
        half.receive(late, suspect=True)
    active.carry()
    active.tells(standby)
    standby.carry()
    clock.now += PATIENCE_S + 1
    standby.carry()
    n = len(batch)
    assert active.total == (2 * n, 0, {"duplicate": n})
    stored, spooled, rejected = standby.total
    assert (stored, spooled) == (0, 0)
    assert sum(rejected.values()) == 3 * n
    assert in_store(store) == store.written == 2 * n


def block(value, at):
    return FigureBlock("cell", ("voltage",), ("L1-001",), np.array([at]), np.full((1, 1, 1), value))


def test_figures_are_the_actives_until_it_is_gone(halves, store, samples, plant):
    active, standby = halves
    for at in range(3):
        for half, value in ((active, 1.0), (standby, 2.0)):
            half.receive(samples(NOW + at * 60 * SECOND))
            event = Event("anode_effect", {"key": f"{at}", "time": NOW, "of": value})
            half.spool.commit_beats([block(value, NOW + at * 60 * SECOND)], [event], None)
        if at < 2:
            active.carry()
    active.tells(standby, computed=(NOW, NOW + 60 * SECOND + MARGIN_NS))
    standby.carry()

    def kept():
        history = History(store, standby.spool)
        found = history.figures("cell", ["voltage"], ["L1-001"], NOW, FOREVER)
        events = {row["key"]: row["of"] for row in history.events("anode_effect", NOW, FOREVER)}
        return found.values.ravel().tolist(), events

    assert kept() == ([1.0, 1.0, 2.0], {"0": 1.0, "1": 1.0, "2": 2.0})
    assert standby.spool.computed_before() == NOW + 120 * SECOND, "two are let go of"
    standby.shared.lead(True)
    standby.carry()
    assert standby.spool.computed_before() is None
    assert kept() == ([1.0, 1.0, 2.0], {"0": 1.0, "1": 1.0, "2": 2.0})


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_lost_on_the_way_the_store_has_what_either_received(
    halves, store, samples, clock, seed
):
    luck = random.Random(seed)
    expected = 0
    for at in range(25):
        batch = samples(NOW + at * SECOND, seed=at)
        rows = np.array_split(np.arange(len(batch)), 4)
        fates = [luck.choice(["both", "both", "first", "second"]) for _ in rows]
        expected += len(batch)
        for half, only in zip(halves, ("first", "second"), strict=True):
            got = [r for r, fate in zip(rows, fates, strict=True) if fate in ("both", only)]
            for which in got:
                half.receive(batch.take(which))
        store.away = luck.random() < 0.2
        for half in luck.sample(halves, 2):
            if luck.random() < 0.8:
                try:
                    half.carry()
                except StoreUnavailable:
                    clock.now += 1
        leader, other = sorted(halves, key=lambda half: not half.shared.active)
        if luck.random() < 0.7:
            leader.tells(other, store=luck.choice(["up", "behind", "away"]))
        clock.now += luck.choice([0.5, 0.5, PATIENCE_S])
        if luck.random() < 0.15:
            other.shared.lead(True)
            leader.shared.lead(luck.random() < 0.3)
    store.away = False
    for half in halves:
        half.shared.lead(True)
        half.carry()
        assert half.total[1] == 0
        mine = half.total[0] + half.total[2].get(BY_PEER, 0)
        assert mine <= in_store(store)
    assert in_store(store) == expected
