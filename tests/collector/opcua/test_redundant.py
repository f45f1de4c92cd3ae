"""Redundant servers: the source goes on with another one, within 3 s, and hot without a loss."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import numpy as np
import pytest
import pytest_asyncio
from asyncua import ua
from peers.opcua_bodies import data_change, publish_response, slots_of
from structlog.testing import capture_logs

from collector.opcua.decode import Decoder
from collector.opcua.known import Known
from collector.opcua.overlap import Overlap
from collector.opcua.reader import OpcUaReader
from collector.opcua.redundant import DWELL_S
from plant.batch import Batch, Quality
from plant.model import Source
from simulators.proxy import Network, Proxy
from simulators.scale.server import ScaleServer
from simulators.scenario import Fault

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

STEP_S = 0.1
URI = "urn:test:plant"


class Pair:
    """Two servers that tell the same, each behind a proxy; every tag counts up."""

    def __init__(self, plant_of, server: ScaleServer, proxies: list[Proxy]) -> None:
        self.servers = [server, *server.others]
        self.proxies = proxies
        self._plant_of = plant_of

    def reader(self, redundancy: str, **options) -> OpcUaReader:
        rows = [
            {"signal": f"v{i}", "address": {"node": f"s=v{i}"}, "interval_s": STEP_S}
            for i in range(5)
        ]
        urls = [f"opc.tcp://127.0.0.1:{proxy.port}" for proxy in self.proxies]
        given = {"url": urls[0], "urls": urls, "redundancy": redundancy, "namespace": URI}
        given |= {"publishing_interval_s": 0.2, "anonymous": True, **options}
        source = Source("o", "opcua", 3.0, given)
        return OpcUaReader(source, self._plant_of(source, rows))

    def sessions(self) -> list[int]:
        return [len(server._inside._external_sessions) for server in self.servers]

    def reporting(self) -> list[int]:
        """Subscriptions that publish, at each server."""
        return [
            sum(s._publishing_enabled for s in server._service.subscriptions.values())
            for server in self.servers
        ]

    async def level(self, which: int, level: float) -> None:
        fault = Fault("degrade_service", "o", 0, level, "", 0.0, float("inf"))
        await self.servers[which].misbehave([fault], [fault])

    async def count(self) -> None:
        first = self.servers[0]
        columns = first.tags.columns
        due, value = time.monotonic(), 0.0
        while True:
            now = time.time_ns() // 1000 * 1000
            first.send(columns, np.full(len(columns), value), np.full(len(columns), now))
            due, value = due + STEP_S, value + 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made() -> AsyncIterator[list[ScaleServer]]:
    servers: list[ScaleServer] = []
    yield servers
    for server in servers:
        await server.__aexit__()


@pytest_asyncio.fixture(loop_scope="module")
async def pair(made, plant_of, free_port) -> AsyncIterator[Pair]:
    """As the two servers were when they began."""
    if not made:
        urls = [f"opc.tcp://127.0.0.1:{free_port()}" for _ in range(2)]
        source = Source("o", "opcua", 3.0, {"url": urls[0], "urls": urls, "namespace": URI})
        rows = [
            {"signal": f"v{i}", "address": {"node": f"s=v{i}"}, "interval_s": STEP_S}
            for i in range(5)
        ]
        made.append(await ScaleServer(plant_of(source, rows), source).__aenter__())
    (server,) = made
    both = [server, *server.others]
    ports = [int(s.source.options["url"].rpartition(":")[2]) for s in both]
    async with contextlib.AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(Proxy("127.0.0.1", p)) for p in ports]
        one = Pair(plant_of, server, proxies)
        counting = asyncio.create_task(one.count())
        yield one
        counting.cancel()
        for each in both:
            await each.misbehave([], [])
            await each._forget()


def cut(proxy: Proxy) -> None:
    """Nothing comes through any more."""
    proxy.network.black_hole = True


async def flowing(seen, until, count: int = 5, within_s: float = 10.0) -> float:
    rows = len(seen.values(0))
    return await until(lambda: len(seen.values(0)) >= rows + count, within_s=within_s)


def fresh(seen) -> Batch:
    """Without what was only confirmed."""
    batch = seen.batch
    return batch.take(batch.quality & Quality.CONFIRMED == 0)


async def standing_by(pair, until, which: int = 1) -> None:
    """The other server has the items too."""
    await until(lambda: pair.servers[which]._service.subscriptions, within_s=10)
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("how", ["reset", "black hole", "service level"])
async def test_hot_servers_lose_and_double_nothing(pair, collecting, until, how):
    reader = pair.reader("hot")
    with capture_logs() as logs:
        async with collecting(reader) as seen:
            await flowing(seen, until)
            await standing_by(pair, until)
            assert pair.reporting() == [1, 0]
            if how == "reset":
                cut(pair.proxies[0])
                pair.proxies[0].reset()
            elif how == "black hole":
                cut(pair.proxies[0])
            else:
                await pair.level(0, 150)
            before = len(seen.values(0))
            took_s = await until(lambda: len(seen.values(0)) > before + 10, within_s=10)
            assert reader.health.switched == 1
            assert reader.health.link == "connected"
            pair.proxies[0].network = Network()
            await until(lambda: pair.reporting() == [0, 1])  # it comes back, with what it has left
            await flowing(seen, until, 10)
    assert took_s < 3.5  # of which ten samples are one
    got = fresh(seen)
    for column in range(5):
        values = got.values[got.tags == column]
        assert np.array_equal(values, np.arange(values[0], values[0] + len(values)))
    assert seen.refused("duplicate") > 0  # of the queue that took over
    assert not reader.health.overflows
    assert [entry["event"] for entry in logs].count("switched over") == 1


@pytest.mark.parametrize("redundancy", ["warm", "cold"])
async def test_others_take_over_within_three_seconds_and_the_gap_is_told(
    pair, collecting, until, redundancy
):
    reader = pair.reader(redundancy)
    async with collecting(reader) as seen:
        await flowing(seen, until)
        if redundancy == "warm":
            await standing_by(pair, until)
            rows = pair.servers[1]._service.subscriptions
            assert not any(s.items.queue.due() for s in rows.values())  # nothing is sampled
        else:
            await asyncio.sleep(0.5)
            assert pair.sessions() == [1, 0]
        cut(pair.proxies[0])
        deliveries = len(seen.deliveries)
        last = seen.values(0)[-1]
        took_s = await until(lambda: seen.values(0)[-1] > last + 5, within_s=10)
        assert took_s < 3.0
        assert reader.health.switched == 1
        assert any(d.resumed for d in seen.deliveries[deliveries:])
        await flowing(seen, until)
        pair.proxies[0].network = Network()
        if redundancy == "cold":
            await until(lambda: pair.sessions()[1] == 1)
            await asyncio.sleep(1.5)
            assert reader.health.link == "connected"
        assert reader.health.switched == 1, "whoever took over keeps it"
        await until(lambda: pair.reporting()[1] == 1)


async def test_levels_that_go_up_and_down_switch_once_in_a_while(pair, collecting, until):
    reader = pair.reader("warm")
    async with collecting(reader) as seen:
        await flowing(seen, until)
        await standing_by(pair, until)
        await pair.level(1, 210)
        await pair.level(0, 200)
        await asyncio.sleep(0.7)
        assert reader.health.switched == 0, "from 200 up all are as good"
        await pair.level(0, 120)
        await until(lambda: reader.health.switched == 1, within_s=2)
        began = time.monotonic()
        while time.monotonic() < began + 2:
            await pair.level(0, 180)
            await pair.level(1, 110)
            await asyncio.sleep(0.4)
            await pair.level(0, 120)
            await pair.level(1, 130)
            await asyncio.sleep(0.1)
        assert reader.health.switched == 1
        await pair.level(0, 250)
        await until(lambda: reader.health.switched == 2, within_s=DWELL_S + 1)
        await until(lambda: pair.reporting() == [1, 0])
        await flowing(seen, until)
    assert reader.health.reconnects == 0


async def test_the_second_is_taken_when_the_first_is_not_there(pair, collecting, until):
    await pair.servers[0].set_link(False)
    reader = pair.reader("cold")
    async with collecting(reader) as seen:
        await flowing(seen, until)
        assert reader.health.link == "connected"
        assert "opc.tcp" not in reader.health.last_error  # the first is not wanted any more
        await pair.servers[0].set_link(True)
        await asyncio.sleep(1.0)
        assert pair.sessions() == [0, 1]
    assert reader.health.switched == 1


async def test_a_standby_that_is_lost_is_told_and_comes_back(pair, collecting, until):
    reader = pair.reader("hot")
    async with collecting(reader) as seen:
        await flowing(seen, until)
        await standing_by(pair, until)
        await pair.servers[1].set_link(False)
        await until(lambda: "stands by" in reader.health.last_error)
        assert reader.health.link == "connected"
        await pair.servers[1].set_link(True)
        await until(lambda: not reader.health.last_error)
        await flowing(seen, until)
    assert reader.health.switched == 0
    assert sum(d.resumed for d in seen.deliveries) == 1


async def test_what_the_server_says_of_its_set_is_shown(pair, collecting, until):
    with capture_logs() as logs:
        async with collecting(pair.reader("warm")) as seen:
            await flowing(seen, until)
            await standing_by(pair, until)
    said = [entry for entry in logs if "redundancy" in entry["event"]]
    assert {entry["peer"][-6:] for entry in said} == {
        f":{proxy.port}"[-6:] for proxy in pair.proxies
    }


def published(times: dict[int, list[int]], status: int = 0):
    """Of the items 0 and 1, with these times [s]."""
    rows = [
        (
            handle,
            ua.DataValue(
                ua.Variant(float(when)),
                ua.StatusCode(status),
                SourceTimestamp=datetime.fromtimestamp(when, UTC),
            ),
        )
        for handle, moments in times.items()
        for when in moments
    ]
    decoder = Decoder(slots_of([[-1], [-1]]))
    return decoder.publication(publish_response(data_change(rows), sequence=1), 0)


async def test_only_the_overlap_is_screened(monkeypatch):
    base = 1_800_000_000
    known = Known.since(np.array([base, base]) * 10**9)
    overlap, other = Overlap(known), Overlap(known)
    assert len(other.without(published({0: [base], 1: [base]})).batch) == 2, "by nobody yet"
    first = published({0: [base - 1, base, base + 1], 1: [base - 20]}, status=0x480)
    overlap.begin()
    kept = overlap.without(first)
    known.take(kept.batch, 2**62)
    assert kept.batch.values.tolist() == [base + 1]
    assert kept.refused == Counter(duplicate=3)
    assert not len(kept.overflowed), "what overflowed was known"
    late = overlap.without(published({0: [base - 5], 1: [base - 1]}))
    assert late.batch.tags.tolist() == [0], "its overlap has ended; the other's goes on"
    left = published({0: [base + 2]})
    assert len(other.without(left).batch) == 1, "what one that stands by had left is news"
    known.take(left.batch, 2**62)
    assert not len(overlap.without(left).batch), "and then it is told"
    monkeypatch.setattr("collector.opcua.overlap.time.monotonic", lambda: 1e12)
    rest = overlap.without(published({1: [base - 20, base - 1]}))
    assert rest.batch.values.tolist() == [base - 20], "of a clock that is far behind"
