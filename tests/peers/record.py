"""Record anew what servers of three makers send: `PYTHONPATH=. python tests/peers/record.py`.

Writes tests/collector/opcua/recordings/MAKER.json: for each handle the node it was made for, and
the bodies of the PublishResponses and of a ReadResponse of all nodes, as they came. Needs what
`make provision` brings.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary
from opcua_server import KINDS
from stacks import MAKERS, Stack

RECORDINGS = Path(__file__).parents[1] / "collector" / "opcua" / "recordings"
PUBLISHINGS = 4
NODES = [*KINDS, "count"]


@contextlib.contextmanager
def serving(maker: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    stack = Stack(maker, port)
    stack.begin()
    try:
        stack.wait()
        yield port
    finally:
        stack.kill()


async def record(port: int) -> dict[str, object]:
    async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=30) as client:
        send = client.uaclient.protocol.send_request
        index = await client.get_namespace_index("urn:test:plant")
        create = ua.CreateSubscriptionRequest()
        create.Parameters.RequestedPublishingInterval = 200
        create.Parameters.RequestedMaxKeepAliveCount = 10
        create.Parameters.RequestedLifetimeCount = 100
        create.Parameters.PublishingEnabled = True
        made = struct_from_binary(ua.CreateSubscriptionResponse, await send(create))
        monitor = ua.CreateMonitoredItemsRequest()
        monitor.Parameters.SubscriptionId = made.Parameters.SubscriptionId
        monitor.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        read = ua.ReadRequest()
        read.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        for handle, name in enumerate(NODES):
            node = ua.ReadValueId(ua.NodeId(name, index), ua.AttributeIds.Value)
            item = ua.MonitoredItemCreateRequest(ItemToMonitor=node)
            item.MonitoringMode = ua.MonitoringMode.Reporting
            item.RequestedParameters.ClientHandle = handle
            item.RequestedParameters.SamplingInterval = 100
            item.RequestedParameters.QueueSize = 10
            monitor.Parameters.ItemsToCreate.append(item)
            read.Parameters.NodesToRead.append(node)
        results = struct_from_binary(ua.CreateMonitoredItemsResponse, await send(monitor)).Results
        refused = [n for n, r in zip(NODES, results, strict=True) if not r.StatusCode.is_good()]
        if refused:
            raise RuntimeError(f"not monitored: {refused}")
        publish = [bytes(await send(ua.PublishRequest(), 0)) for _ in range(PUBLISHINGS)]
        body = bytes(await send(read))
    return {
        "nodes": NODES,
        "publish": [response.hex() for response in publish],
        "read": body.hex(),
    }


def main() -> None:
    RECORDINGS.mkdir(exist_ok=True)
    for maker in MAKERS:
        with serving(maker) as port:
            recording = asyncio.run(record(port))
        file = RECORDINGS / f"{maker}.json"
        file.write_text(json.dumps(recording, indent=1) + "\n")
        print(f"{file.name}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
