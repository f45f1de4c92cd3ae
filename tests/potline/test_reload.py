"""Another plant file while potline runs: all of it or nothing, and no sample misses its tag."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
import time
import urllib.request

import numpy as np
import pytest
from harness import unused_port, write_plant
from structlog.testing import capture_logs

from collector.source import Delivery, SourceHealth
from collector.supervise import READERS
from plant.batch import SECOND, Batch
from plant.load import load
from potline import reload as reloading
from potline.reload import reload
from potline.stack import Stack
from store.contract import StoreUnavailable
from store.open import open_store

FEWER, MORE = "003-006", "001-012"


class Plugged:
    """A reader that a test feeds, in the columns of the plant file it was made from."""

    def __init__(self, source, plant, newest):
        self.source, self.plant = source.id, plant
        self.health = SourceHealth(link="connected")
        self.queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self.acknowledged = 0
        self.ended = False

    async def deliveries(self):
        try:
            while True:
                yield await self.queue.get()
        finally:
            self.ended = True

    def say(self, tag: str, time_ns: int, value: float) -> None:
        def durable() -> None:
            self.acknowledged += 1

        batch = Batch.of([self.plant.column_of[tag]], [time_ns], [value])
        self.queue.put_nowait(Delivery(self.source, batch, durable=durable))


@pytest.fixture
def path(tmp_path):
    store = f'[store]\nkind = "embedded"\npath = "{tmp_path / "var"}"\n'
    return write_plant(tmp_path, store, unused_port())


@pytest.fixture
async def stack(path, monkeypatch):
    for kind in ("opcua", "mqtt"):
        monkeypatch.setitem(READERS, kind, Plugged)
    stack = Stack(load(path))
    try:
        async with stack.running("127.0.0.1", 0) as address:
            stack.address = address
            yield stack
    finally:
        stack.close()


def edit(path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


async def soon(what: str, ready, within_s: float = 10.0) -> None:
    until = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < until, what
        await asyncio.sleep(0.02)


async def get(stack, noun: str):
    def read():
        with urllib.request.urlopen(f"{stack.address}{noun}", timeout=10) as answer:
            return answer.read().decode()

    return await asyncio.to_thread(read)


def kept(stack, tag: str) -> dict[float, int]:
    """{value: how often it is kept}, of spool and store."""
    found = stack.history.samples([stack.plant.column_of[tag]], 0, 2**62)
    values, counts = np.unique(found.values, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


async def test_readers_and_what_they_bring_around_a_change(path, stack):
    pots, meters = stack.supervisor.readers["pots"], stack.supervisor.readers["meters"]
    now = time.time_ns()
    pots.say("L1-008.voltage", now, 3.91)
    meters.say("B1.oxygen", now, 5.1)
    await soon("the first samples", lambda: pots.acknowledged and meters.acknowledged)
    edit(path, ("001-008", MORE))
    async with stack.intake.still:  # these wait while the file changes
        pots.say("L1-008.voltage", now + 1, 3.92)
        meters.say("B1.oxygen", now + 1, 5.2)
        work = asyncio.create_task(reload(stack, path))
        await asyncio.sleep(0.3)
    assert await work == "applied"
    after = stack.supervisor.readers
    assert after["meters"] is meters, "nothing changed for it"
    assert after["pots"] is not pots
    assert after["pots"].plant.column_of["L1-012.voltage"]
    meters.say("B1.oxygen", now + 2, 5.3)
    pots.say("L1-008.voltage", now + 2, 3.93)
    assert not pots.ended, "it goes when the other has brought something"
    after["pots"].say("L1-008.voltage", now + 2, 3.93)
    after["pots"].say("L1-012.voltage", now + 2, 3.99)
    await soon("the old connection ends", lambda: pots.ended)
    assert (pots.acknowledged, meters.acknowledged, after["pots"].acknowledged) == (3, 3, 2)
    assert not meters.ended
    await soon("the store has all", lambda: not stack.spool.extent())
    assert kept(stack, "L1-008.voltage") == {3.91: 1, 3.92: 1, 3.93: 1}
    assert kept(stack, "L1-012.voltage") == {3.99: 1}
    assert kept(stack, "B1.oxygen") == {5.1: 1, 5.2: 1, 5.3: 1}
    ledger = stack.spool.ledger()
    assert ledger["pots"].rejected == {"duplicate": 1}
    assert {row.balance for row in ledger.values()} == {0}
    assert stack.spool.gaps() == []


async def test_a_broker_is_left_before_its_successor_comes_and_nothing_unacknowledged(path, stack):
    old, now = stack.supervisor.readers["meters"], time.time_ns()
    edit(path, ('client_id = "potline-mini"', 'client_id = "potline-other"'))
    async with stack.intake.still:
        old.say("B1.oxygen", now, 5.0)
        work = asyncio.create_task(reload(stack, path))
        await asyncio.sleep(0.3)
        assert not old.ended, "what it brought is not durable yet"
    assert await work == "applied"
    assert old.ended
    assert old.acknowledged == 1
    new = stack.supervisor.readers["meters"]
    new.say("B1.oxygen", now + 1, 5.5)
    await soon("the new one reads", lambda: new.acknowledged)
    assert kept(stack, "B1.oxygen") == {5.0: 1, 5.5: 1}


async def test_what_came_of_removed_tags_is_stored_before_they_go(path, stack, monkeypatch):
    monkeypatch.setattr(reloading, "DRAIN_S", 1.0)
    write, away = type(stack.store).write_samples, [True]

    def unreliable(store, batch):
        if away[0]:
            raise StoreUnavailable("away for a test")
        return write(store, batch)

    monkeypatch.setattr(type(stack.store), "write_samples", unreliable)
    before, pots = stack.plant, stack.supervisor.readers["pots"]
    now = time.time_ns()
    pots.say("L1-008.voltage", now, 3.98)
    await soon("the writer notices", lambda: stack.writer.last_error)
    edit(path, ("001-008", FEWER))
    with capture_logs() as logs:
        assert await reload(stack, path) == "refused"
    assert "reload again when it has" in next(row["reason"] for row in logs if "reason" in row)
    assert stack.plant is before
    assert stack.supervisor.readers["pots"] is pots
    away[0] = False
    await soon("the store is back", lambda: not stack.writer.last_error)
    pots.say("L1-008.voltage", now + 1, 3.99)
    assert await reload(stack, path) == "applied"
    pots.say("L1-008.voltage", now + 2, 4.0)  # the connection before still brings it
    pots.say("L1-004.voltage", now + 2, 4.1)
    await soon("both are counted", lambda: stack.spool.ledger()["pots"].received == 4)
    ledger = stack.spool.ledger()["pots"]
    assert ledger.rejected == {"tag_removed": 1}
    assert ledger.balance == 0
    await soon("the store has all", lambda: not stack.spool.extent())
    found = open_store(before).samples([before.column_of["L1-008.voltage"]], 0, 2**62)
    assert found.values.tolist() == [3.98, 3.99]
    assert kept(stack, "L1-004.voltage") == {4.1: 1}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("001-008", "001-0x8", "sections"),
        ('time_zone = "Asia/Shanghai"', 'time_zone = "UTC"', "[site] time_zone: to change this"),
        ('kind = "embedded"', 'kind = "embedded"\nraw_days = 90', "[store]: to change this"),
        ('id = "mini"', 'id = "maxi"', "[site] id: to change this"),
        ("figures_every_s = 5", "beat_s = 2\nfigures_every_s = 6", "[time] beat_s: to change"),
    ],
)
async def test_what_cannot_be_applied_changes_nothing(path, stack, old, new, why):
    before, readers = stack.plant, stack.supervisor.readers
    edit(path, (old, new), ("Line 1", "Line one"))
    with capture_logs() as logs:
        assert await reload(stack, path) == "refused"
    (told,) = [row for row in logs if row["event"].startswith("plant file")]
    assert told["log_level"] == "error"
    assert why in told["reason"]
    assert stack.plant is before
    assert stack.supervisor.readers == readers
    assert 'potline_reloads_total{outcome="refused"} 1.0' in await get(stack, "/metrics")


async def test_a_file_that_is_not_there_changes_nothing(path, stack):
    before = stack.plant
    path.unlink()
    assert await reload(stack, path) == "refused"
    assert stack.plant is before


async def test_changes_one_upon_another(path, stack):
    """Before the successor of a reader has brought anything it gets one itself."""
    readers, now = [stack.supervisor.readers["pots"]], time.time_ns()
    cells = ["001-008", "001-012", FEWER, "002-009"]
    for k, (old, new) in enumerate(itertools.pairwise(cells)):
        edit(path, (old, new))
        assert await reload(stack, path) == "applied"
        readers.append(stack.supervisor.readers["pots"])
        readers[0].say("L1-004.voltage", now + k, 4.0 + k / 100)
    assert not any(reader.ended for reader in readers)
    readers[-1].say("L1-009.voltage", now, 3.99)
    await soon("only the last goes on", lambda: sum(r.ended for r in readers) == 3)
    assert not readers[-1].ended
    assert (readers[0].acknowledged, readers[-1].acknowledged) == (3, 1)
    assert kept(stack, "L1-004.voltage") == {4.0: 1, 4.01: 1, 4.02: 1}
    assert kept(stack, "L1-009.voltage") == {3.99: 1}


async def test_the_same_file_is_told_once_and_touches_nothing(path, stack):
    before = stack.plant
    with capture_logs() as logs:
        assert await reload(stack, path) == "unchanged"
    assert [row["event"] for row in logs] == ["plant file read again: nothing changed"]
    assert stack.plant is before


async def test_rules_and_cells_change_with_alarms_figures_and_the_api(path, stack):
    pots, meters = stack.supervisor.readers["pots"], stack.supervisor.readers["meters"]
    begin = time.time_ns() // SECOND * SECOND - 30 * SECOND

    def second(k: int) -> None:
        at = begin + k * SECOND
        for reader, tag, value in (
            (pots, "L1.current", 600.0),
            (pots, "L1-008.voltage", 30.0),  # an anode effect
            (pots, "L1-001.voltage", 3.95),
            (meters, "B1.oxygen", 5.0),
        ):
            reader.say(tag, at, value)

    for k in range(20):
        second(k)
    await soon("an alarm", lambda: [a.entity for a in stack.alarms.open()], 60)
    assert [a.entity for a in stack.alarms.open()] == ["L1-008"]
    stream = await asyncio.to_thread(
        urllib.request.urlopen, f"{stack.address}/api/v1/stream", timeout=10
    )
    edit(path, ("001-008", "001-004"), ("off_delay_s = 60", "off_delay_s = 30"))
    beats, figures = stack.beats, stack.summary().figures
    stands = stack.pipeline.run.builder.start
    assert await reload(stack, path) == "applied"
    assert stack.alarms.open() == [], "the cell of the alarm is gone"
    assert stack.pipeline.run.builder.start >= stands
    stands = stack.pipeline.run.builder.start
    assert stack.beats >= beats
    assert stack.summary().figures >= figures
    text = await asyncio.to_thread(stream.read)  # it ends, so that its client comes again
    assert b"event: snapshot" in text
    plant = json.loads(await get(stack, "/api/v1/plant"))
    assert len(plant["cells"]) == 4
    assert next(a for a in stack.plant.alarms if a.id == "anode-effect").off_delay_s == 30
    new = stack.supervisor.readers["pots"]
    for k in range(20, 30):
        new.say("L1.current", begin + k * SECOND, 600.0)
        new.say("L1-001.voltage", begin + k * SECOND, 3.95)
        meters.say("B1.oxygen", begin + k * SECOND, 5.0)
    await soon("beats go on", lambda: stack.pipeline.run.builder.start > stands)
    await soon("and are shown", lambda: stack.live.beat.time is not None)
    live = json.loads(await get(stack, "/api/v1/live"))
    assert len(live["figures"]["cell"]["voltage"]) == 4
    assert live["figures"]["cell"]["voltage"][0] == pytest.approx(3.95)
    found = re.search(r"^potline_beats_total (\S+)$", await get(stack, "/metrics"), re.MULTILINE)
    assert float(found[1]) >= beats


async def test_systemd_is_told(path, stack, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        began = time.monotonic_ns() // 1000
        assert await reload(stack, path) == "unchanged"
        first, last = (
            dict(line.split("=", 1) for line in listener.recv(4096).decode().split("\n"))
            for _ in range(2)
        )
    assert first["RELOADING"] == "1"
    assert began <= int(first["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert last["READY"] == "1"
