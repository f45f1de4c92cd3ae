"""The spool: durable, counted, bounded, and honest about damage."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spooling import NOW, bounded, closes, put, received, tags_of

from plant.batch import SECOND, Batch, Quality
from store.contract import FigureBlock
from store.segments import EventSegment, FigureSegment, SampleSegment
from store.spool import BadLine, Checkpoint, Event, Gap, Spool, SpoolFull, SpoolInUse
from store.spoolfile import SpoolFile


@pytest.fixture
def spool(tmp_path, plant):
    spool = Spool(tmp_path / "spool.sqlite", plant)
    yield spool
    spool.close()


def test_what_was_appended_is_pending_and_read_back(spool, samples):
    batch = samples(NOW, 2)
    first = put(spool, batch)
    second = put(spool, samples(NOW + 2 * SECOND), suspect=True)
    found = spool.pending(10**6)
    assert [s.id for s in found] == [first, second]
    assert found[0].batch.values.tobytes() == batch.values.tobytes()
    assert found[1].suspect.all()
    assert found[0].duplicates is None
    part = spool.samples([3], NOW + SECOND, NOW + 2 * SECOND)
    assert (part.tags.tolist(), part.times.tolist()) == ([3], [NOW + SECOND])
    assert spool.extent() == (NOW, NOW + 2 * SECOND)
    assert closes(spool)["meters"].spooled == 3 * tags_of(spool.plant, "meters")


def test_pending_is_bounded_but_never_stuck(spool, samples):
    for k in range(4):
        put(spool, samples(NOW + k * SECOND))
    n = len(samples(NOW))
    assert len(spool.pending(2 * n)) == 2
    assert len(spool.pending(1)) == 1


def test_delivery_empties_the_spool_and_the_ledger_closes(spool, samples):
    put(spool, samples(NOW), refused={("meters", "unreadable"): 2, ("meters", "out_of_range"): 1})
    segments = spool.pending(10**6)
    refused = np.zeros(len(segments[0].batch), np.bool_)
    refused[:3] = True
    bad = [BadLine("L1-001.voltage", NOW, float("nan"), 2, "because")]
    spool.delivered(segments, {"refused_by_store": refused}, bad)
    rows = closes(spool)
    assert rows["meters"].rejected == {"unreadable": 2, "out_of_range": 1}
    assert rows["meters"].stored == tags_of(spool.plant, "meters")
    assert sum(r.rejected.get("refused_by_store", 0) for r in rows.values()) == 3
    assert [b.reason for b in spool.bad_lines()] == ["because"]
    assert spool.pending(10**6) == []
    assert spool.extent() is None
    with pytest.raises(ValueError, match="delivered before"):
        spool.delivered(segments, {})
    assert closes(spool) == rows


def test_counts_that_do_not_close_are_a_bug(spool, samples):
    batch = samples(NOW)
    counts = received(spool.plant, batch)
    with pytest.raises(ValueError, match="is not kept and refused"):
        spool.append(batch, {**counts, "meters": 1}, {}, [], np.zeros(len(batch), np.bool_))
    assert spool.pending(1) == []


def test_newest_times_survive_restart_before_and_after_delivery(tmp_path, plant, samples):
    path = tmp_path / "spool.sqlite"
    for k in range(3):
        spool = Spool(path, plant)
        put(spool, samples(NOW + k * SECOND))
        if k:
            spool.delivered(spool.pending(10**6), {})
            spool.tidy()
        assert (spool.last_times().newest == NOW + k * SECOND).all()
        spool.close()
    spool = Spool(path, plant)
    assert (spool.last_times().newest == NOW + 2 * SECOND).all()
    spool.close()


def test_a_changed_plant_file_finds_its_tags_again(tmp_path, plant, samples):
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, plant)
    batch = samples(NOW)
    put(spool, batch)
    spool.close()
    kept = [t for t in plant.tags if t.entity != "L1-003"][::-1]
    tags = tuple(dataclasses.replace(t, column=i) for i, t in enumerate(kept))
    spool = Spool(path, dataclasses.replace(plant, tags=tags))
    (segment,) = spool.pending(10**6)
    gone = segment.batch.tags < 0
    assert gone.sum() == len(plant.tags) - len(tags)
    for column, value in zip(segment.batch.tags[~gone], segment.batch.values[~gone], strict=True):
        assert value == batch.values[plant.column_of[tags[column].id]]
    assert len(spool.samples(None, NOW, NOW + 1)) == len(tags)
    spool.delivered([segment], {"tag_removed": gone})
    of_pots = [t for t in plant.tags if t.entity == "L1-003" and t.source == "pots-L1"]
    assert closes(spool)["pots-L1"].rejected == {"tag_removed": len(of_pots)}
    spool.close()


def test_full_means_nothing_was_kept_and_room_comes_back(tmp_path, plant, samples):
    spool = Spool(tmp_path / "spool.sqlite", bounded(plant, "wait"))
    appended = 0
    while spool.used_bytes() + 16_000 < 500_000:
        put(spool, samples(NOW + appended * SECOND, 3))
        appended += 3
    with pytest.raises(SpoolFull, match="bytes are in use"):
        put(spool, samples(NOW + 900 * SECOND, 12))
    assert appended > 60
    assert len(spool.samples(None, 0, NOW * 2)) == appended * len(plant.tags)
    closes(spool)
    spool.delivered(spool.pending(10**6), {})
    spool.tidy()
    put(spool, samples(NOW + 1000 * SECOND))
    closes(spool)
    spool.close()


def test_one_process_collects_others_read(spool, samples, plant):
    put(spool, samples(NOW))
    code = (
        "import sys; from pathlib import Path; from plant.load import load\n"
        "from store.spool import Spool, SpoolInUse\n"
        "spool = Spool(Path(sys.argv[1]), load(sys.argv[2]))\n"
        "print(spool.ledger()['meters'].spooled)\n"
        "try: spool.claim()\n"
        "except SpoolInUse as error: print(error)\n"
    )
    demo = "deploy/plants/demo.toml"
    done = subprocess.run(
        [sys.executable, "-c", code, str(spool.path), demo],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == str(tags_of(plant, "meters"))
    assert "another process collects into it" in second
    with pytest.raises(SpoolInUse):
        Spool(spool.path, plant).last_times()


def test_threads_append_and_deliver_at_once(spool, samples):
    stop = threading.Event()
    failures: list[Exception] = []

    def deliver():
        try:
            while not stop.is_set() or spool.pending(1):
                segments = spool.pending(2000)
                if segments:
                    spool.delivered(segments, {})
        except Exception as error:
            failures.append(error)

    def watch():
        try:
            while not stop.is_set():
                closes(spool)
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=f) for f in (deliver, watch)]
    for thread in threads:
        thread.start()
    for k in range(200):
        put(spool, samples(NOW + k * SECOND))
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not failures
    rows = closes(spool)
    assert sum(r.stored for r in rows.values()) == 200 * len(spool.plant.tags)


def corrupt(spool, segment):
    with closing(sqlite3.connect(spool.path)) as db:
        (blob,) = db.execute("SELECT blob FROM blobs WHERE id = ?", (segment,)).fetchone()
        flipped = bytearray(blob)
        flipped[len(blob) // 3] ^= 0x10
        db.execute("UPDATE blobs SET blob = ? WHERE id = ?", (bytes(flipped), segment))
        db.commit()


def test_a_damaged_segment_is_set_aside_counted_and_a_gap(spool, samples):
    put(spool, samples(NOW))
    damaged = put(spool, samples(NOW + SECOND))
    put(spool, samples(NOW + 2 * SECOND))
    corrupt(spool, damaged)
    assert len(spool.samples([0], NOW, NOW + 10 * SECOND)) == 2
    assert damaged not in [s.id for s in spool.pending(10**6)]
    assert "is damaged, set aside" in spool.notices[0]
    rows = closes(spool)
    assert rows["meters"].rejected == {"spool_corrupt": tags_of(spool.plant, "meters")}
    assert spool.gaps("L1-001.voltage") == [
        Gap("L1-001.voltage", NOW + SECOND, NOW + SECOND + 1, "spool_corrupt")
    ]
    with closing(sqlite3.connect(spool.path)) as db:
        assert db.execute("SELECT id FROM quarantine").fetchall() == [(damaged,)]


def test_what_a_damaged_segment_may_have_held_is_suspect_when_it_comes_again(
    tmp_path, plant, samples
):
    """It is in the store already, and its newest times cannot be read any more."""
    spool = Spool(tmp_path / "spool.sqlite", plant)
    put(spool, samples(NOW))
    damaged = put(spool, samples(NOW + SECOND))
    spool.delivered(spool.pending(10**6), {})
    corrupt(spool, damaged)
    SpoolFile.close(spool)  # as a kill: nothing is tidied
    spool = Spool(tmp_path / "spool.sqlite", plant)
    assert (spool.last_times().newest == NOW + SECOND + 1).all()
    assert (spool.last_times().told == NOW).all(), "a gap begins with what is known"
    spool.close()


def test_what_was_told_last_survives_restart(tmp_path, plant, samples):
    """A clock was 3 s ahead and is right again; then something late and something old came."""
    late, filled_in = samples(NOW - 3600 * SECOND), samples(NOW - SECOND)
    filled_in.quality[:] = Quality.BACKFILLED
    for tidied in (False, True):
        path = tmp_path / f"{tidied}.sqlite"
        spool = Spool(path, plant)
        for batch in (samples(NOW + 3 * SECOND), samples(NOW), late, filled_in):
            put(spool, batch)
        if tidied:
            spool.delivered(spool.pending(10**6), {})
            spool.tidy()
        for _ in range(2):
            last = spool.last_times()
            assert (last.newest == NOW + 3 * SECOND).all()
            assert (last.told == NOW).all()
            SpoolFile.close(spool)  # as a kill
            spool = Spool(path, plant)
        starts = {gap.start for gap in spool.open_gaps(NOW + 7200 * SECOND)}
        assert starts == {NOW}
        spool.close()


def test_gaps_by_tag_and_time(spool):
    gaps = [Gap("a", 10, 20, "silent"), Gap("b", 15, 30, "disconnected"), Gap("a", 40, 50, "x")]
    put(spool, Batch.empty(), gaps=gaps)
    assert spool.gaps() == gaps
    assert spool.gaps("a") == [gaps[0], gaps[2]]
    assert spool.gaps(start=20, end=40) == [gaps[1]]
    assert spool.gaps("a", end=41) == [gaps[0], gaps[2]]


def test_beats_are_committed_all_or_none(spool, plant):
    cells = plant.entities("cell")
    block = FigureBlock("cell", ("voltage",), cells, np.array([NOW]), np.ones((1, 1, len(cells))))
    spool.commit_beats([block], [Event("alarm", {"key": "1", "time": NOW})], Checkpoint(NOW, b"s"))
    figures, events = spool.pending(10**6)
    assert isinstance(figures, FigureSegment)
    assert isinstance(events, EventSegment)
    assert figures.block.values.tobytes() == block.values.tobytes()
    assert (figures.block.names, figures.block.entities) == (block.names, block.entities)
    assert events.events == (Event("alarm", {"key": "1", "time": NOW}),)
    with pytest.raises(KeyError):
        spool.commit_beats([block], [Event("alarm", {"key": "2"})], Checkpoint(NOW + 1, b"t"))
    assert spool.checkpoints() == Checkpoint(NOW, b"s")
    assert len(spool.pending(10**6)) == 2
    closes(spool)


def test_checkpoints_are_found_thinned_and_checked(spool):
    minute = 60 * SECOND
    start = NOW // (3600 * SECOND) * 3600 * SECOND
    for k in range(24 * 60):
        spool.commit_beats([], [], Checkpoint(start + k * minute, b"%d" % k))
    last = start + (24 * 60 - 1) * minute
    assert spool.checkpoints().beat == last
    assert spool.checkpoints(last - 1).beat == last - minute
    assert spool.checkpoints(start - 1) is None
    assert spool.checkpoints(start + 90 * minute).beat == start + 60 * minute
    ages = []
    before = last
    while (found := spool.checkpoints(before)) is not None:
        ages.append((last - found.beat) // minute)
        before = found.beat - 1
    assert ages[:11] == list(range(11))
    assert len(ages) < 11 + 6 * 6 + 20
    with closing(sqlite3.connect(spool.path)) as db:
        db.execute("UPDATE checkpoints SET blob = x'00' WHERE beat = ?", (last,))
        db.commit()
    assert spool.checkpoints().beat == last - minute


STEP = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 60), st.integers(0, 5)),
    st.tuples(st.just("resolve"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("deliver"), st.integers(1, 100), st.integers(0, 9)),
    st.tuples(st.just("corrupt"), st.just(0), st.just(0)),
    st.tuples(st.just("tidy"), st.just(0), st.just(0)),
    st.tuples(st.just("restart"), st.just(0), st.just(0)),
)


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(STEP, max_size=25), seed=st.integers(0, 2**32 - 1))
def test_the_ledger_always_closes(tmp_path_factory, plant, steps, seed):
    random = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("ledger") / "spool.sqlite"
    spool = Spool(path, plant)
    total = 0
    for step, a, b in steps:
        if step == "append":
            tags = random.integers(0, len(plant.tags), a)
            batch = Batch.of(tags, NOW + random.integers(0, 99, a), random.random(a))
            put(spool, batch, refused={("meters", "unreadable"): b, ("pots-L2", "out_of_range"): 1})
            total += a + b + 1
        elif step == "restart":
            spool.close()
            spool = Spool(path, plant)
        elif step == "tidy":
            spool.tidy()
        else:
            segments = [s for s in spool.pending(a) if isinstance(s, SampleSegment)]
            if step == "resolve":
                for segment in segments:
                    spool.resolve(segment.id, random.random(len(segment.batch)) < 0.3)
            elif step == "corrupt" and segments:
                corrupt(spool, segments[0].id)
            elif step == "deliver":
                rows = sum(len(s.batch) for s in segments)
                reason = random.integers(0, 3, rows)
                rejected = {"duplicate": reason == 1, "refused_by_store": reason == 2}
                spool.delivered(segments, rejected)
        ledger = closes(spool)
        assert sum(row.received for row in ledger.values()) == total
    spool.close()


def test_what_is_durable_is_kept_once_though_tidying_fails(spool, samples, monkeypatch):
    def full() -> None:
        raise SpoolFull("no room")

    monkeypatch.setattr(spool, "tidy", full)
    monkeypatch.setattr(spool, "_tidied", float("-inf"))
    assert put(spool, samples(NOW)) > 0
    monkeypatch.undo()
    assert len(spool.pending(10**6)) == 1
    closes(spool)
