"""The host application and the simulator's edge node, each with its own idea of the wire."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from sparkplug import tag

from collector.sparkplug.reader import SparkplugReader
from plant.batch import Quality
from plant.model import Source
from simulators.sparkplug_node import SparkplugNodes

pytestmark = pytest.mark.servers


def source(port: int) -> Source:
    own = {"host": "127.0.0.1", "port": port, "client_id": "host", "host_id": "H"}
    return Source("s", "sparkplug", 10.0, {**own, "keepalive_s": 2, "rebirth": True,
                                           "reorder_s": 0.3})  # fmt: skip


async def test_faults_lose_nothing_that_was_sent(plant_of, mosquitto, collecting, until):
    rows = [tag("a", "x"), tag("b", "y", "D"), tag("c", "z", "E")]
    plant = plant_of(source(mosquitto.port), rows)
    reader = SparkplugReader(plant.sources[0], plant)
    nodes = SparkplugNodes(plant, plant.sources[0])
    node = nodes.nodes["G/N"]
    began = time.time_ns() // 10**9 * 10**9
    said = 0

    async def say(count: int) -> None:
        nonlocal said
        for _ in range(count):
            said += 1
            at = began + said * 1_000_000
            await asyncio.to_thread(nodes.write, [(0, float(said), at), (1, -float(said), at)])

    def good(column: int) -> set[float]:
        batch = seen.batch
        return set(batch.values[(batch.tags == column) & (batch.quality <= 1)].tolist())

    async with collecting(reader) as seen:
        await until(lambda: reader.health.link == "connected")
        async with nodes:
            await until(lambda: node._born)
            await say(300)  # the sequence number goes round
            await until(lambda: good(0) >= set(map(float, range(1, 301))))
            node.swap_next()
            await say(2)
            await until(lambda: good(1) >= {-301.0, -302.0})
            assert reader.health.missed_notifications == 0
            node.lose_next()
            await say(3)
            await until(lambda: reader.health.missed_notifications == 1)
            await until(lambda: good(0) >= {304.0, 305.0})
            await until(lambda: 303.0 in good(0) or 305.0 in good(0))
            node.birth()  # nobody asked
            await say(2)
            await until(lambda: good(0) >= {306.0, 307.0})
            before = np.count_nonzero(seen.batch.quality == Quality.BAD)  # births without values
            await asyncio.to_thread(node.die)
            await until(lambda: np.count_nonzero(seen.batch.quality == Quality.BAD) > before)
            await say(1)  # nobody hears it
            await asyncio.to_thread(node.start)
            await until(lambda: 308.0 in good(0))  # its birth tells
            await say(1)
            await until(lambda: good(1) >= {-308.0, -309.0})
        await until(lambda: reader.health.unresolved.get("c.a") == "G/N is offline")
    bad = seen.batch.quality & Quality.SEVERITY == Quality.BAD
    assert np.isnan(seen.batch.values[bad]).all()
    assert not any(d.refused for d in seen.deliveries)
