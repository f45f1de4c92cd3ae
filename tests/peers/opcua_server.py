"""An OPC UA server to be killed: `opcua_server.py PORT [--first URI] [--without NODE] [--kinds]`.

Node s=count counts at 10 Hz, s=still stays at 7.5, both in namespace urn:test:plant; with --kinds
there is one more for each kind of value, the same as the other peers serve.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from datetime import UTC, datetime

from asyncua import Server, ua

PLANT = "urn:test:plant"
AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
KIND = ua.VariantType


def of(value: object, kind: ua.VariantType | None = None, status: int = 0) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status), AT, AT)


KINDS = {
    "boolean": of(True),
    "sbyte": of(-7, KIND.SByte),
    "byte": of(200, KIND.Byte),
    "int16": of(-30_000, KIND.Int16),
    "uint16": of(60_000, KIND.UInt16),
    "int32": of(-2_000_000_000, KIND.Int32),
    "uint32": of(4_000_000_000, KIND.UInt32),
    "int64": of(-9_007_199_254_740_993, KIND.Int64),
    "uint64": of(2**64 - 1, KIND.UInt64),
    "float": of(3.14, KIND.Float),
    "double": of(0.1),
    "nan": of(float("nan")),
    "infinite": of(float("-inf")),
    "doubles": of([0.5, 1.5, 2.5, 3.5]),
    "floats": of([0.5, 1.1], KIND.Float),
    "int32s": of([1, -2, 3], KIND.Int32),
    "booleans": of([False, True]),
    "none": of([], KIND.Double),
    "matrix": of([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "text": of("on"),
    "texts": of(["on", "off"]),
    "octets": of(b"\x01\x02"),
    "moment": of(AT),
    "localized": of(ua.LocalizedText("hot")),
    "null": of(None),
    "bad": of(1.0, status=ua.StatusCodes.BadSensorFailure),
    "uncertain": of(2.0, status=ua.StatusCodes.UncertainLastUsableValue),
    "overflowed": of(3.0, status=0x480),
    "unsourced": ua.DataValue(ua.Variant(4.0), ServerTimestamp=AT),
    "untimed": ua.DataValue(ua.Variant(5.0)),
    # Without the server's time: with both, the library writes the picoseconds in the wrong place.
    "fine": ua.DataValue(ua.Variant(6.0), SourceTimestamp=AT, SourcePicoseconds=1234),
}


async def serve(port: int, first: str, without: str, kinds: bool) -> None:
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
    for name, value in KINDS.items() if kinds else ():
        node = await server.nodes.objects.add_variable(ua.NodeId(name, index), name, value.Value)
        await server.write_attribute_value(node.nodeid, value)
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
    parser.add_argument("--kinds", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.first, arguments.without, arguments.kinds))
