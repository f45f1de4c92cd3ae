"""Record anew what servers of three makers send: `PYTHONPATH=. python tests/peers/record.py`.

Writes tests/collector/opcua/recordings/MAKER.json: for each handle the node it was made for, and
the bodies of the PublishResponses and of a ReadResponse of all nodes, as they came. Needs Node.js
with tests/peers/node_opcua installed, and Maven with Java 17.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary
from opcua_server import KINDS

PEERS = Path(__file__).parent
RECORDINGS = PEERS.parent / "collector" / "opcua" / "recordings"
BUILT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "potline" / "milo"
PUBLISHINGS = 4
NODES = [*KINDS, "count"]


def command(maker: str, port: int) -> list[str]:
    """What starts the server of a maker."""
    if maker == "asyncua":
        return [sys.executable, str(PEERS / "opcua_server.py"), str(port), "--kinds"]
    if maker == "node-opcua":
        return ["node", str(PEERS / "node_opcua" / "kinds.js"), str(port)]
    return ["java", "-cp", f"{BUILT}/classes:{BUILT}/lib/*", "Peer", str(port)]


def build_milo() -> None:
    """Into the user's cache, once for a version of its sources."""
    flags = ["-q", "-B", "package", f"-Dpeer.build={BUILT}"]
    subprocess.run(["mvn", *flags], cwd=PEERS / "milo", check=True)


@contextlib.contextmanager
def serving(maker: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    home = PEERS / "node_opcua" / "node_modules" / ".home"
    home.mkdir(exist_ok=True)
    server = subprocess.Popen(
        command(maker, port),
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            time.sleep(0.1)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        else:
            raise TimeoutError(f"{maker} does not listen")
        yield port
    finally:
        server.kill()
        server.wait()


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
    build_milo()
    RECORDINGS.mkdir(exist_ok=True)
    for maker in ("asyncua", "node-opcua", "milo"):
        with serving(maker) as port:
            recording = asyncio.run(record(port))
        file = RECORDINGS / f"{maker}.json"
        file.write_text(json.dumps(recording, indent=1) + "\n")
        print(f"{file.name}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
