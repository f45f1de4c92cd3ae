"""What an outage left is filled from the server's history, behind the live samples."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from collector.opcua.decode import Undecodable
from collector.opcua.history import FILLED, parts_of
from collector.opcua.reader import OpcUaReader
from plant.batch import Quality
from plant.model import Source
from simulators.proxy import Network, Proxy

PEERS = Path(__file__).parents[2] / "peers" / "node_opcua"


@pytest.fixture
def historian(node_opcua):
    """node-opcua with a history, started."""
    node_opcua.command[1] = str(PEERS / "history.js")
    node_opcua.start()
    return node_opcua


@pytest.mark.servers
async def test_an_outage_is_filled_in_order_and_marked(
    plant_of, historian, collecting, until, monkeypatch
):
    monkeypatch.setattr("collector.opcua.history.VALUES_A_NODE", 7)  # with continuation points
    async with Proxy("127.0.0.1", historian.port) as proxy:
        address = {"url": f"opc.tcp://127.0.0.1:{proxy.port}", "namespace": "urn:test:plant"}
        options = {**address, "publishing_interval_s": 0.2, "history": True, "queue_size": 3}
        source = Source("h", "opcua", 3.0, {**options, "history_rate_per_s": 100.0})
        rows = [
            {"signal": n, "address": {"node": f"s={n}"}, "interval_s": 0.1}
            for n in ("count", "plain")
        ]
        plant = plant_of(source, rows)
        reader = OpcUaReader(source, plant)
        async with collecting(reader) as seen:
            await until(lambda: len(seen.values(0)) > 10)
            proxy.network = Network(refuse=True)
            proxy.reset()
            await asyncio.sleep(4)
            proxy.network = Network()
            await until(lambda: any(d.gaps for d in seen.deliveries), within_s=15)
    batch = seen.batch.take(seen.batch.tags == 0)
    filled = batch.take(batch.quality & Quality.BACKFILLED > 0)
    assert len(filled) > 20
    assert np.all(np.diff(filled.times) > 0)
    values = {int(v) for v in batch.values}
    assert values == set(range(min(values), max(values) + 1)), "nothing is missing"
    (gap,) = next(d.gaps for d in seen.deliveries if d.gaps)
    assert (gap.tag, gap.cause) == ("c.count", FILLED)
    assert gap.start < filled.times[0]
    assert filled.times[-1] < gap.end
    live_again = next(
        i for i, d in enumerate(seen.deliveries) if len(d.batch) and d.batch.times[-1] >= gap.end
    )
    assert not any(
        (d.batch.quality & Quality.BACKFILLED).any() for d in seen.deliveries[:live_again]
    ), "live first"


def response() -> ua.HistoryReadResponse:
    values = [ua.DataValue(ua.Variant(float(i))) for i in range(3)]
    body = struct.pack("<i", 3) + b"".join(struct_to_binary(v) for v in values)
    answer = ua.HistoryReadResponse()
    data = ua.ExtensionObject(ua.FourByteNodeId(658), ua.ByteString(body))
    answer.Results = [
        ua.HistoryReadResult(ua.StatusCode(), b"more", data),
        ua.HistoryReadResult(ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)),
    ]
    return answer


def test_a_response_is_taken_apart():
    first, second = parts_of(struct_to_binary(response()))
    assert (first.status, first.more, first.count) == (0, b"more", 3)
    assert (second.status >> 31, second.more, second.count) == (1, b"", 0)


def test_a_cut_or_lying_response_is_refused():
    whole = struct_to_binary(response())
    for end in range(len(whole) - 8):
        with pytest.raises(Undecodable):
            parts_of(whole[:end])
    for at in range(28, len(whole) - 4):
        lying = whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4 :]
        with contextlib.suppress(Undecodable):
            assert len(parts_of(lying)) <= len(whole)
