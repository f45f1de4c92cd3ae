"""The source against a hostile server and a broken network: found, mended, nothing lost unsaid."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from collector.opcua.reader import OpcUaReader
from collector.opcua.secure_client import SecureClient
from simulators.proxy import Network, Proxy

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


def reader_of(server, port: int = 0) -> OpcUaReader:
    source = server.plant.sources[0]
    if port:
        source.options["url"] = f"opc.tcp://127.0.0.1:{port}"
    return OpcUaReader(source, server.plant)


def whole(seen, server, column: int = 0) -> bool:
    """Every value from the first that came to the last, each at least once."""
    got = {int(v) for v in seen.values(column)}
    return got == set(range(min(got), max(got) + 1))


async def flowing(seen, until, count: int = 3, within_s: float = 15.0) -> None:
    """So many more samples of the first tag."""
    rows = len(seen.values(0))
    await until(lambda: len(seen.values(0)) >= rows + count, within_s=within_s)


async def test_what_does_not_come_is_asked_for_again(hostile, collecting, until):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            await server.misbehave("drop_notifications", 0.3)
            await flowing(seen, until, 30)
            await server.behave()
            await flowing(seen, until, 5)
    assert reader.health.republished >= 1
    assert reader.health.missed_notifications == 0
    assert whole(seen, server)
    assert not any(d.missing for d in seen.deliveries)


async def test_what_the_server_has_lost_is_put_on_record(hostile, collecting, until):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            await server.misbehave("lose_notifications", 0.3)
            await flowing(seen, until, 30)
    assert reader.health.missed_notifications >= 1
    assert not whole(seen, server)
    missing = [d.missing["sequence gap"] for d in seen.deliveries if d.missing]
    assert missing
    assert missing[0].tolist() == list(range(10))


@pytest.mark.parametrize("kind", ["duplicate_notifications", "reorder_notifications"])
async def test_order_and_doubles_lose_nothing(hostile, collecting, until, kind):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            await server.misbehave(kind, 0.3)
            await flowing(seen, until, 30)
            await server.behave()
            await flowing(seen, until, 5)
    assert whole(seen, server)
    assert reader.health.missed_notifications == 0
    assert reader.health.reconnects == 0


@pytest.mark.parametrize("how", ["reset", "black hole", "closed port"])
async def test_a_lost_connection_goes_on_with_its_session(hostile, collecting, until, how):
    async with hostile() as server, Proxy("127.0.0.1", _port(server)) as proxy:
        reader = reader_of(server, proxy.port)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            for _ in range(2):
                if how == "reset":
                    proxy.reset()
                elif how == "black hole":
                    proxy.network.black_hole = True
                    await asyncio.sleep(0.7)
                    proxy.network = Network()
                else:
                    await server.misbehave("drop_connection")
                    await asyncio.sleep(0.5)
                    await server.behave()
                came = reader.health.resumed
                assert await until(lambda n=came: reader.health.resumed > n, within_s=8) < 4
                await flowing(seen, until)
            assert server.sessions == 1
            assert server.subscriptions == 1
    assert reader.health.resumed >= 2
    assert whole(seen, server)
    assert sum(d.resumed for d in seen.deliveries) == 1, "nothing was missed"


async def test_a_new_session_takes_the_subscription_over(hostile, collecting, until, monkeypatch):
    """The server does not take the session back, but has the subscription still."""
    monkeypatch.setattr(SecureClient, "_try_load_persisted_session", lambda client: False)
    async with hostile() as server, Proxy("127.0.0.1", _port(server)) as proxy:
        reader = reader_of(server, proxy.port)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            proxy.reset()
            await until(lambda: reader.health.resumed == 1)
            await flowing(seen, until)
            assert server.subscriptions == 1
            assert whole(seen, server)
            await server.misbehave("refuse_transfer")
            proxy.reset()
            await until(lambda: sum(d.resumed for d in seen.deliveries) == 2)
            await flowing(seen, until)
    assert reader.health.resumed == 1


async def test_what_was_not_handed_on_is_asked_for_again(hostile, until, monkeypatch):
    """The intake does not take anything for a while, and the connection is lost meanwhile."""
    monkeypatch.setattr("collector.channel._WAITING", 3)
    async with hostile() as server, Proxy("127.0.0.1", _port(server)) as proxy:
        reader = reader_of(server, proxy.port)
        got: set[int] = set()
        deliveries = reader.deliveries()
        async for delivery in deliveries:
            got |= {int(v) for v in delivery.batch.values}
            if delivery.durable is not None:
                delivery.durable()
            if len(got) == 5:
                await asyncio.sleep(2)  # more than may wait
                proxy.reset()
                await asyncio.sleep(0.5)
            if len(got) > 50:
                break
        await deliveries.aclose()
    assert got == set(range(min(got), max(got) + 1))
    assert reader.health.resumed == 1


async def test_a_lost_session_is_made_anew_and_told(hostile, collecting, until):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            await server.misbehave("drop_sessions")
            await server.behave()
            await until(lambda: reader.health.reconnects == 1)
            await until(lambda: sum(d.resumed for d in seen.deliveries) == 2)
            await flowing(seen, until)
            assert server.sessions == 1
    assert reader.health.resumed == 0


async def test_a_frozen_subscription_is_found_within_twice_its_interval(hostile, collecting, until):
    async with hostile(step_s=0.5, publishing_interval_s=0.5) as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until, 6)
            await server.misbehave("freeze_server")
            found_s = await until(lambda: reader.health.stalls["subscription"] == 1, within_s=5)
            await server.behave()
            await flowing(seen, until)
            await until(lambda: server.subscriptions == 1)
    assert found_s <= 1.1
    assert reader.health.resubscribes == 1
    assert reader.health.reconnects == 0


async def test_what_stays_frozen_gets_a_new_session(hostile, collecting, until):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until, 5)
            await server.misbehave("freeze_server")
            await until(lambda: reader.health.reconnects == 1, within_s=10)
            assert reader.health.resubscribes == 1
            await server.behave()
            await flowing(seen, until)
            await until(lambda: server.subscriptions == 1)
            assert server.sessions == 1


async def test_stalled_publishing_is_found_and_mended(hostile, collecting, until):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            server.counting = False  # nothing that a Read could tell
            await asyncio.sleep(0.5)
            await server.misbehave("stall_publishing")
            assert await until(lambda: reader.health.stalls["publish"] == 1, within_s=6) < 4.2
            await server.behave()
            server.counting = True
            await flowing(seen, until)
    assert reader.health.reconnects == 0


async def test_vanished_nodes_are_listed_and_come_back(hostile, collecting, until, monkeypatch):
    monkeypatch.setattr("collector.opcua.session.RETRY_UNRESOLVED_S", 1.0)
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until, 8)
            await server.misbehave("vanish_nodes", 0.4)
            gone = np.flatnonzero(server.server.tags.gone)
            assert 0 < len(gone) < 10
            await until(lambda: np.isnan(seen.values(int(gone[0]))[-1]))
            await flowing(seen, until, 8)
            await server.behave()
            now = len(server.told)
            await until(lambda: all(seen.values(int(g))[-1] > now for g in gone), within_s=12)
    assert reader.health.stalls["tag"] >= 1
    assert reader.health.reconnects == 0


async def test_permuted_namespaces_are_resolved_anew(hostile, collecting, until):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until)
            await server.misbehave("permute_namespaces")
            await until(lambda: sum(d.resumed for d in seen.deliveries) == 2)
            await flowing(seen, until)
            assert not reader.health.unresolved


async def test_a_busy_server_is_not_declared_dead(hostile, collecting, until):
    """Answers take longer than the publishing interval, and keep-alives too."""
    async with hostile() as server:
        reader = reader_of(server)
        await server.misbehave("slow_answers", 0.5)
        async with collecting(reader) as seen:
            await until(lambda: reader.health.link == "connected", within_s=15)
            server.counting = False
            await asyncio.sleep(2.5)
            server.counting = True
            await flowing(seen, until)
    assert reader.health.reconnects == 0


@pytest.mark.parametrize("kind", ["lie_about_limits", "limit_message_size"])
async def test_limits_that_lie_are_halved(hostile, collecting, until, kind):
    async with hostile(tags=100, step_s=0.5) as server:
        reader = reader_of(server)
        await server.misbehave(kind, 7 if kind == "lie_about_limits" else 2000)
        async with collecting(reader) as seen:
            await until(lambda: len(set(seen.batch.tags.tolist())) == 100, within_s=15)
            assert not reader.health.unresolved
            began = time.monotonic()
            await flowing(seen, until, 3)
            assert time.monotonic() - began < 5
            assert reader.health.link == "connected"


async def test_the_server_revises_and_it_is_told(hostile, collecting, until):
    async with hostile() as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until)
    assert reader.health.revised == {
        "publishing": "0.2 s (asked 0.2 s), keep-alive 2 s, lifetime 60 s",
        "sampling": "0.1 s of 10",
        "queue": "32 of 10",
    }


async def test_an_overflow_is_counted_and_told_with_its_tags(hostile, collecting, until):
    async with hostile(step_s=0.05, publishing_interval_s=1.0, queue_size=4) as server:
        reader = reader_of(server)
        async with collecting(reader) as seen:
            await flowing(seen, until, 8)
    assert reader.health.overflows["c.v0"] >= 1
    missing = [d.missing["overflow"] for d in seen.deliveries if d.missing]
    assert missing[0].tolist() == list(range(10))


def _port(server) -> int:
    return int(server.plant.sources[0].options["url"].rpartition(":")[2])
