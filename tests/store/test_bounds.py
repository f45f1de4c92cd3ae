"""A spool without room: it waits or gives up what the plant file says, and tells of each sample."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from spooling import NOW, bounded, closes, deliver_all, put, total

from plant.batch import SECOND, Batch
from store.embedded import EmbeddedStore
from store.spool import Checkpoint, Event, Spool, SpoolFull
from store.writer import Writer

HOUR = 3600 * SECOND


@pytest.fixture
def open_spool(tmp_path):
    """open_spool(plant): a spool of the test's own."""
    opened = []

    def make(plant, folder=tmp_path):
        opened.append(Spool(Path(folder) / "spool.sqlite", plant))
        return opened[-1]

    yield make
    for spool in opened:
        spool.close()


def fill(spool, samples, seconds=300):
    for k in range(0, seconds, 5):
        put(spool, samples(NOW + k * SECOND, 5, seed=k))


def kept_times(spool):
    return set(spool.samples([0], 0, 2**62).times.tolist())


def test_the_oldest_are_given_up(open_spool, plant, samples):
    spool = open_spool(bounded(plant, "drop_oldest"))
    fill(spool, samples)
    n = len(plant.tags)
    received, _, spooled, rejected = total(spool)
    assert received == 300 * n
    assert rejected == {"spool_full": received - spooled}
    assert 0 < spooled < received
    assert spool.used_bytes() <= 500_000
    times = kept_times(spool)
    lost = spooled_until = min(times)
    assert times == set(range(spooled_until, NOW + 300 * SECOND, SECOND))
    assert len(spool.notices) == 1
    assert "full, the oldest samples are given up" in spool.notices[0]
    gaps = spool.gaps()
    assert {gap.tag for gap in gaps} == {tag.id for tag in plant.tags}
    assert {(gap.start, gap.end, gap.cause) for gap in gaps} == {
        (NOW, lost - SECOND + 1, "spool_full")
    }
    (loss,) = spool.losses()
    assert loss.samples == rejected["spool_full"]
    deliver_all(spool)
    put(spool, samples(NOW + HOUR))
    assert f"{loss.samples} values were lost" in spool.notices[1]
    assert total(spool)[3] == rejected


def test_the_newest_are_given_up(open_spool, plant, samples):
    spool = open_spool(bounded(plant, "drop_newest"))
    fill(spool, samples)
    received, _, spooled, rejected = total(spool)
    assert rejected == {"spool_full": received - spooled}
    times = kept_times(spool)
    assert min(times) == NOW
    assert put(spool, samples(NOW + 400 * SECOND, 5)) == 0
    assert (spool.last_times().newest == max(times)).all()
    assert {gap.start for gap in spool.gaps()} >= {max(times) + SECOND}
    assert len(spool.notices) == 1
    deliver_all(spool)
    assert put(spool, samples(NOW + HOUR)) > 0
    closes(spool)


def test_what_may_be_in_the_store_already_is_not_given_up(open_spool, plant, samples, tmp_path):
    """Nor after kill -9: the store's own count and the ledger stay equal."""
    wanted = bounded(plant, "drop_oldest")
    spool = open_spool(wanted)
    put(spool, samples(NOW - 2 * SECOND, 2))
    taken = spool.pending(1)
    fill(spool, samples)
    again = Spool(spool.path, wanted)
    with pytest.raises(Exception, match="another process"):
        again.claim()
    again.close()
    spool._let_go()  # as if killed
    spool = open_spool(wanted)
    put(spool, samples(NOW + HOUR, 5))
    assert spool.pending(10**6)[0].id == taken[0].id
    store = EmbeddedStore(tmp_path / "store", plant)
    writer = Writer(spool, store)
    while writer.step():
        pass
    received, stored, spooled, rejected = total(spool)
    assert spooled == 0
    assert stored == store.count(0, 2**62).sum() == received - rejected["spool_full"]
    store.close()


def test_events_and_checkpoints_stay(open_spool, plant, samples):
    spool = open_spool(bounded(plant, "drop_oldest"))
    spool.commit_beats((), [Event("alarm", {"key": "1", "time": NOW})], Checkpoint(NOW, b"state"))
    fill(spool, samples)
    assert spool.events("alarm", NOW, NOW + 1) == [{"key": "1", "time": NOW}]
    assert spool.checkpoints() == Checkpoint(NOW, b"state")


def test_what_waited_too_long_is_given_up(open_spool, plant, samples):
    """By the plant's own time: a step of this computer's clock changes nothing."""
    spool = open_spool(bounded(plant, max_GB=1.0, max_days=2.0))
    put(spool, samples(NOW))
    put(spool, samples(NOW + 10 * HOUR))
    put(spool, samples(NOW - 30 * 24 * HOUR), suspect=True)  # old, but it came now
    spool.tidy()
    assert total(spool)[3] == {}
    put(spool, samples(NOW + 49 * HOUR))
    spool.tidy()
    assert total(spool)[3] == {"spool_too_old": len(plant.tags)}
    assert kept_times(spool) == {NOW + 10 * HOUR, NOW - 30 * 24 * HOUR, NOW + 49 * HOUR}
    assert [(g.start, g.end, g.cause) for g in spool.gaps(plant.tags[0].id)] == [
        (NOW, NOW + 1, "spool_too_old")
    ]
    assert "waited longer than max_days = 2" in spool.notices[0]


def test_clock_steps_are_of_no_account(open_spool, plant, samples, monkeypatch):
    spool = open_spool(bounded(plant, max_GB=1.0, max_days=1.0))
    for year, second in ((1999, 0), (2046, 1), (2024, 2)):
        clock = (year - 1970) * 31_557_600
        monkeypatch.setattr(time, "time", lambda clock=clock: float(clock))
        monkeypatch.setattr(time, "time_ns", lambda clock=clock: clock * SECOND)
        put(spool, samples(NOW + second * SECOND))
        spool.tidy()
    assert total(spool)[2:] == (3 * len(plant.tags), {})
    assert kept_times(spool) == {NOW, NOW + SECOND, NOW + 2 * SECOND}


# -- the disk itself


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 32 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def use_up(path):
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


def test_a_disk_that_is_full_and_free_again(small_disk, open_spool, plant, samples, tmp_path):
    spool = open_spool(bounded(plant, max_GB=1.0), small_disk)
    put(spool, samples(NOW))
    ballast = small_disk / "ballast"
    use_up(ballast)
    with pytest.raises(SpoolFull, match="the disk is full"):
        put(spool, samples(NOW + SECOND))
    assert total(spool)[0] == len(plant.tags)
    with pytest.raises(SpoolFull):
        spool.commit_beats((), [Event("alarm", {"key": "1", "time": NOW, "x": "x" * 10**6})], None)
    ballast.unlink()
    put(spool, samples(NOW + SECOND))
    store = EmbeddedStore(tmp_path / "store", plant)
    writer = Writer(spool, store)
    while writer.step():
        pass
    assert total(spool)[1:3] == (2 * len(plant.tags), 0)
    assert store.count(0, 2**62).tolist() == [2] * len(plant.tags)
    store.close()


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
def test_a_full_disk_and_a_policy(small_disk, open_spool, plant, samples, when_full):
    """The disk is smaller than max_GB."""
    spool = open_spool(bounded(plant, when_full, max_GB=1.0), small_disk)
    for k in range(0, 10_000, 50):
        put(spool, samples(NOW + k * SECOND, 50, seed=k))
    received, _, spooled, rejected = total(spool)
    assert received == 10_000 * len(plant.tags)
    assert rejected.get("spool_full", 0) == received - spooled > 0
    gap = spool.gaps(plant.tags[0].id)
    assert gap
    assert {g.cause for g in gap} == {"spool_full"}


def test_a_disk_that_is_read_only_for_a_while(small_disk, plant, samples):
    wanted = bounded(plant, max_GB=1.0)
    spool = Spool(small_disk / "spool.sqlite", wanted)
    put(spool, samples(NOW))
    spool.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(SpoolFull, match=r"see that the disk is there and writable|read-only"):
        Spool(small_disk / "spool.sqlite", wanted)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    spool = Spool(small_disk / "spool.sqlite", wanted)
    put(spool, samples(NOW + SECOND))
    assert total(spool)[2] == 2 * len(plant.tags)
    spool.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from plant.load import load
from spooling import NOW, put, total
from plant.batch import SECOND, Batch
from store.spool import Spool, SpoolFull
plant = load(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(Path(sys.argv[1]), plant)
tags = np.arange(len(plant.tags))
def second(k):
    return Batch.of(tags, np.full(len(tags), NOW + k * SECOND), np.full(len(tags), k / 7))
put(spool, second(0))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
k = 1
try:
    while True:
        put(spool, second(k))
        k += 1
except SpoolFull as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
put(spool, second(k))
print(k + 1, total(spool)[2] // len(tags), len(spool.samples([0], 0, 2**62)))
"""


def test_a_file_that_must_not_grow(tmp_path, plant):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "s.sqlite"), plant.path],
        capture_output=True, text=True, timeout=60, cwd=root, check=False,
        env={"PYTHONPATH": f"{root}:{root / 'tests'}", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, counts = done.stdout.splitlines()
    assert "the disk" in said
    sent, spooled, found = counts.split()
    assert sent == spooled == found


def test_a_gap_that_has_not_ended(open_spool, plant, samples):
    spool = open_spool(plant)
    assert spool.open_gaps(NOW) == []
    put(spool, samples(NOW))
    hold = int(plant.hold_ns[0])
    assert spool.open_gaps(NOW + SECOND) == []
    later = NOW + hold + 1
    again = Batch.of([1], [later], [4.0])
    put(spool, again)
    reader = Spool(spool.path, plant)
    for each in (spool, reader):
        found = {gap.tag: gap for gap in each.open_gaps(later)}
        assert plant.tags[1].id not in found
        gap = found[plant.tags[0].id]
        assert (gap.start, gap.end, gap.cause) == (NOW, later, "not ended")
        silent = np.flatnonzero(plant.hold_ns < hold + 1)
        assert len(found) == len(silent) - (1 in silent)
    reader.close()
