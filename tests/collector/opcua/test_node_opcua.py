"""A server of another maker that takes two items a call; the rest is in test_stacks."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from collector.opcua.reader import OpcUaReader
from plant.batch import Quality
from plant.model import Source

pytestmark = pytest.mark.servers
NAMES = ("count", "still", "whole", "text", "bad", "absent")


async def test_node_opcua_is_collected_within_its_limits(plant_of, node_opcua, collecting, until):
    address = {"url": f"opc.tcp://127.0.0.1:{node_opcua.port}", "namespace": "urn:test:plant"}
    source = Source("n", "opcua", 3.0, {**address, "publishing_interval_s": 0.2})
    rows = [
        {"signal": n, "address": {"node": f"s={n}"}, "hold_s": 4.0, "interval_s": 0.1}
        for n in NAMES
    ]
    plant = plant_of(source, rows)
    reader = OpcUaReader(source, plant)
    await asyncio.to_thread(node_opcua.start)
    async with collecting(reader) as seen:
        await until(lambda: len(seen.values(0)) >= 30, within_s=15)
        counts = seen.values(0)
        assert np.array_equal(counts, np.arange(counts[0], counts[0] + len(counts)))  # none missed
        assert seen.values(2)[0] == 42.0
        assert seen.refused("wrong_type") >= 1
        bad = seen.batch.take(seen.batch.tags == 4)
        assert bad.quality[0] == Quality.BAD
        assert np.isnan(bad.values[0])
        assert "BadNodeIdUnknown" in reader.health.unresolved["c.absent"]
        still = lambda: seen.batch.quality[seen.batch.tags == 1].tolist()  # noqa: E731
        await until(lambda: len(still()) >= 2)
        assert still()[:2] == [Quality.GOOD, Quality.CONFIRMED]
