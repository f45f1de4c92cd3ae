"""An OPC UA server to be killed: `opcua_server.py PORT [--first URI] [--without NODE]`.

Node s=count counts at 10 Hz, s=still stays at 7.5, both in namespace urn:test:plant.
"""

from __future__ import annotations

import argparse
import asyncio
import logging

from asyncua import Server, ua

PLANT = "urn:test:plant"


async def serve(port: int, first: str, without: str) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    if first:
        other = await server.register_namespace(first)
        await server.nodes.objects.add_variable(ua.NodeId("count", other), "count", -1.0)
    index = await server.register_namespace(PLANT)
    nodes = {}
    for name, value in {"count": 0.0, "still": 7.5}.items():
        if name != without:
            nodes[name] = await server.nodes.objects.add_variable(
                ua.NodeId(name, index), name, value
            )
    async with server:
        for count in range(10_000):
            await asyncio.sleep(0.1)
            if "count" in nodes:
                await nodes["count"].write_value(float(count))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--first", default="")
    parser.add_argument("--without", default="")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.first, arguments.without))
