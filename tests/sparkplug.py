"""Sparkplug's payload as protobuf itself knows it, and packets of edge nodes as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

OPTIONAL, REPEATED = 1, 3
KINDS = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "bool": 8, "string": 9, "bytes": 12,
    "uint32": 13,
}  # fmt: skip
SCHEMA: dict[str, list[tuple[str, int, str]]] = {
    # field, number, type; "*" repeated, "|" one of the values
    "PropertyValue": [
        ("type", 1, "uint32"), ("is_null", 2, "bool"), ("int_value", 3, "uint32|"),
        ("long_value", 4, "uint64|"), ("float_value", 5, "float|"), ("double_value", 6, "double|"),
        ("boolean_value", 7, "bool|"), ("string_value", 8, "string|"),
    ],
    "PropertySet": [("keys", 1, "string*"), ("values", 2, "PropertyValue*")],
    "DataSet": [("num_of_columns", 1, "uint64"), ("columns", 2, "string*")],
    "Template": [("version", 1, "string"), ("metrics", 2, "Metric*")],
    "Metric": [
        ("name", 1, "string"), ("alias", 2, "uint64"), ("timestamp", 3, "uint64"),
        ("datatype", 4, "uint32"), ("is_historical", 5, "bool"), ("is_transient", 6, "bool"),
        ("is_null", 7, "bool"), ("properties", 9, "PropertySet"), ("int_value", 10, "uint32|"),
        ("long_value", 11, "uint64|"), ("float_value", 12, "float|"),
        ("double_value", 13, "double|"), ("boolean_value", 14, "bool|"),
        ("string_value", 15, "string|"), ("bytes_value", 16, "bytes|"),
        ("dataset_value", 17, "DataSet|"), ("template_value", 18, "Template|"),
    ],
    "Payload": [
        ("timestamp", 1, "uint64"), ("metrics", 2, "Metric*"), ("seq", 3, "uint64"),
        ("uuid", 4, "string"), ("body", 5, "bytes"),
    ],
}  # fmt: skip


def _payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="b.proto", package="b", syntax="proto2")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        if any(kind.endswith("|") for _, _, kind in fields):
            message.oneof_decl.add(name="value")
        for field_name, number, kind in fields:
            bare = kind.rstrip("*|")
            row = message.field.add(name=field_name, number=number)
            row.label = REPEATED if kind.endswith("*") else OPTIONAL
            if bare in KINDS:
                row.type = KINDS[bare]
            else:
                row.type, row.type_name = 11, f".b.{bare}"
            if kind.endswith("|"):
                row.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("b.Payload"))


PAYLOAD = _payload_class()
FIELD_OF = {
    **dict.fromkeys((1, 2, 3, 5, 6, 7), "int_value"), 4: "long_value", 8: "long_value",
    9: "float_value", 10: "double_value", 11: "boolean_value", 12: "string_value",
}  # fmt: skip
BITS = {1: 32, 2: 32, 3: 32, 4: 64}  # of the unsigned field that holds a signed number


def metric(
    name: str = "",
    value: object = None,
    *,
    alias: int | None = None,
    datatype: int = 10,
    told: bool = True,
    time: int | None = None,
    **more: object,
) -> dict[str, Any]:
    """Keys of a metric. told: is its datatype in it? A value of None is null."""
    row: dict[str, Any] = dict(more)
    if name:
        row["name"] = name
    if alias is not None:
        row["alias"] = alias
    if told:
        row["datatype"] = datatype
    if time is not None:
        row["timestamp"] = time
    if value is None:
        row["is_null"] = True
    else:
        wrapped = value % (1 << BITS[datatype]) if datatype in BITS else value  # type: ignore[operator]
        row[FIELD_OF[datatype]] = wrapped
    return row


def payload(
    metrics: Iterable[dict[str, Any]] = (), seq: int | None = None, time: int | None = 1000
) -> bytes:
    message = PAYLOAD(metrics=list(metrics))
    if seq is not None:
        message.seq = seq
    if time is not None:
        message.timestamp = time
    encoded: bytes = message.SerializeToString()
    return encoded


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def publish(topic: str, content: bytes) -> bytes:
    """A PUBLISH of MQTT 5 at QoS 0."""
    name = topic.encode()
    body = len(name).to_bytes(2) + name + b"\x00" + content
    return b"\x30" + varint(len(body)) + body


def tag(signal: str, metric_: str, device: str = "", **more: object) -> dict[str, Any]:
    place = {"device": f"G/N/{device}"} if device else {"edge_node": "G/N"}
    return {"signal": signal, "address": {"metric": metric_, **place}, **more}
