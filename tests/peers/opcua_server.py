"""An OPC UA server to be killed: `opcua_server.py PORT [--first URI] [--without NODE] [--kinds]`.

Node s=count counts at 10 Hz, s=still stays at 7.5, both in namespace urn:test:plant; with --kinds
there is one more for each kind of value, the same as the other peers serve. With --secured FOLDER
[PLAIN EXPIRED] it also offers every policy and mode under the folder's certificate.pem and key.pem,
and takes user "me" with $PASSWORD or any user certificate; on port PLAIN it offers no security, and
on port EXPIRED all of it under expired.pem.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole

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


class Users:
    def get_user(self, iserver, username=None, password=None, certificate=None):
        known = username is None or (username, password) == ("me", os.environ["PASSWORD"])
        return User(role=UserRole.User) if known else None


async def server_at(port: int, folder: Path | None = None, file: str = "") -> Server:
    server = Server(user_manager=Users() if folder else None)
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    if folder is None:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        return server
    await server.set_application_uri("urn:test:server")
    await server.load_certificate(folder / file)
    await server.load_private_key(folder / "key.pem")
    server.set_security_policy(
        [
            ua.SecurityPolicyType.NoSecurity,
            *(
                ua.SecurityPolicyType[f"{policy}_{mode}"]
                for policy in ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
                for mode in ("Sign", "SignAndEncrypt")
            ),
        ]
    )
    return server


async def serve(arguments: argparse.Namespace) -> None:
    folder = Path(arguments.secured[0]) if arguments.secured else None
    for port, file in zip(map(int, arguments.secured[1:]), ("", "expired.pem"), strict=False):
        await (await server_at(port, folder if file else None, file)).start()
    server = await server_at(arguments.port, folder, "certificate.pem")
    if arguments.first:
        other = await server.register_namespace(arguments.first)
        await server.nodes.objects.add_variable(ua.NodeId("count", other), "count", -1.0)
    index = await server.register_namespace(PLANT)
    nodes = {}
    for name, value in {"count": 0.0, "still": 7.5}.items():
        if name != arguments.without:
            nodes[name] = await server.nodes.objects.add_variable(
                ua.NodeId(name, index), name, value
            )
    for name, value in KINDS.items() if arguments.kinds else ():
        node = await server.nodes.objects.add_variable(ua.NodeId(name, index), name, value.Value)
        await server.write_attribute_value(node.nodeid, value)
    async with server:
        for count in range(10_000):
            await asyncio.sleep(0.1)
            if "count" in nodes:
                await nodes["count"].write_value(float(count))


if __name__ == "__main__":
    from opcua_space import fill_once

    logging.disable(logging.CRITICAL)
    fill_once()
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--first", default="")
    parser.add_argument("--without", default="")
    parser.add_argument("--kinds", action="store_true")
    parser.add_argument("--secured", nargs="*", default=[])
    asyncio.run(serve(parser.parse_args()))
