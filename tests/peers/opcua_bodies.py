"""OPC UA message bodies made by the library, and what the library reads in them: the slow twin."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from numpy.typing import NDArray

from collector.opcua.scan import Slots
from collector.times import microseconds
from plant.batch import Batch, Quality

RECORDINGS = Path(__file__).parents[1] / "collector" / "opcua" / "recordings"
MAKERS = ("asyncua", "node-opcua", "milo")
LAST_US = np.iinfo(np.int64).max // 1000 - 1
NUMERIC = set(range(ua.VariantType.Boolean, ua.VariantType.Double + 1))


@dataclass(frozen=True)
class Recording:
    """What a server sent: nodes[h] is the node that was monitored with client handle h."""

    nodes: list[str]
    publish: list[bytes]
    read: bytes

    @classmethod
    def of(cls, maker: str) -> Recording:
        found = json.loads((RECORDINGS / f"{maker}.json").read_text())
        bodies = [bytes.fromhex(text) for text in found["publish"]]
        return cls(found["nodes"], bodies, bytes.fromhex(found["read"]))


def slots_of(elements: Sequence[Sequence[int]], scale: float = 1.0, offset: float = 0.0) -> Slots:
    """elements[h]: what each tag of handle h is of its node's value; -1: the value itself."""
    counts = [len(of_handle) for of_handle in elements]
    total = sum(counts)
    return Slots(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
        np.arange(total, dtype=np.int32),
        np.array([e for of_handle in elements for e in of_handle], np.int64),
        np.full(total, scale),
        np.full(total, offset),
    )


def publish_response(*notifications: Any, sequence: int = 7, **more: Any) -> bytes:
    """A PublishResponse of subscription 5, as the library encodes it."""
    response = ua.PublishResponse(**more)
    response.Parameters.SubscriptionId = 5
    response.Parameters.NotificationMessage.SequenceNumber = sequence
    response.Parameters.NotificationMessage.PublishTime = datetime(2026, 3, 1, tzinfo=UTC)
    response.Parameters.NotificationMessage.NotificationData = list(notifications)
    return struct_to_binary(response)


def data_change(values: Iterable[tuple[int, ua.DataValue]]) -> ua.DataChangeNotification:
    return ua.DataChangeNotification(
        MonitoredItems=[ua.MonitoredItemNotification(handle, value) for handle, value in values]
    )


def by_library(body: bytes, slots: Slots, received: int) -> tuple[Batch, Counter[str]]:
    """A PublishResponse as the library decodes it; what it raises for one that is broken.

    Matrices are left flat, and no more than they say they are. Times are cut to the µs, and clipped
    to what int64 ns holds.
    """
    response = _decoded(ua.PublishResponse, body)
    refused: Counter[str] = Counter()
    values: list[tuple[int, ua.DataValue]] = []
    for notification in response.Parameters.NotificationMessage.NotificationData or ():
        if isinstance(notification, ua.DataChangeNotification):
            values += [(item.ClientHandle, item.Value) for item in notification.MonitoredItems]
        elif not isinstance(notification, ua.StatusChangeNotification):
            refused["undecodable"] += 1
    return _batch(values, slots, received, refused)


def read_by_library(
    body: bytes, asked: NDArray[np.int64], slots: Slots, received: int
) -> tuple[Batch, Counter[str]]:
    """The same of a ReadResponse."""
    values = list(zip(asked.tolist(), _decoded(ua.ReadResponse, body).Results, strict=True))
    return _batch(values, slots, received, Counter())


def cut(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """[ns] as `by_library` gives them."""
    return np.clip(times // 1000, -LAST_US, LAST_US) * 1000


def _decoded(kind: type, body: bytes) -> Any:
    with patch.object(ua_binary, "_reshape", lambda flat, _: flat):
        return struct_from_binary(kind, Buffer(body))


def _batch(
    values: Iterable[tuple[int, ua.DataValue]], slots: Slots, received: int, refused: Counter[str]
) -> tuple[Batch, Counter[str]]:
    rows = []
    for handle, value in values:
        if handle >= len(slots.first) - 1:
            refused["unknown_handle"] += 1
            continue
        severity = min(value.StatusCode.value >> 30, Quality.BAD)
        stamp = value.SourceTimestamp or value.ServerTimestamp
        micros = received // 1000 if stamp is None else microseconds(stamp)
        quality = severity | (Quality.RECEIVED_TIME if stamp is None else 0)
        time = min(max(micros, -LAST_US), LAST_US) * 1000
        for slot in range(slots.first[handle], slots.first[handle + 1]):
            number = np.nan if severity == Quality.BAD else _number(value, slots.elements[slot])
            if isinstance(number, str):
                refused[number] += 1
            else:
                wire = np.array([number], np.float64)
                with np.errstate(invalid="ignore"):  # a signalling NaN
                    scaled = wire * slots.scale[slot] + slots.offset[slot]
                rows.append((slots.columns[slot], time, scaled[0], quality))
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    return Batch.of(*columns), refused


def _number(value: ua.DataValue, element: int) -> Any:
    """The number, or why there is none."""
    variant = value.Value
    content = variant.Value
    if isinstance(content, ua.XmlElement):
        content = content.Value
    is_array = isinstance(content, list)
    if content is None or (is_array and element >= len(content)):
        return "no_value"
    if variant.VariantType.value not in NUMERIC or is_array != (element >= 0):
        return "wrong_type"
    return content[element] if is_array else content


def mixed(values: int) -> Iterator[tuple[int, ua.DataValue]]:
    """(handle, value) of every kind in turn, for seeds of a fuzz."""
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    kinds = ua.VariantType
    contents: list[tuple[object, ua.VariantType | None]] = [
        (True, None), (-1, kinds.SByte), (2, kinds.Byte), (-3, kinds.Int16), (4, kinds.UInt16),
        (-5, kinds.Int32), (6, kinds.UInt32), (-7, kinds.Int64), (8, kinds.UInt64),
        (9.5, kinds.Float), (10.5, None), ([1.5, 2.5, 3.5], None), ([True, False], None),
        ([[1, 2], [3, 4]], kinds.Int32), ("text", None), (None, None), (b"octets", None),
        (at, None), (["a", None, "b"], kinds.String), (ua.LocalizedText("hot", "en"), None),
        (ua.QualifiedName("name", 2), None), (ua.NodeId("node", 3), None),
        (ua.ExpandedNodeId("node", 3, NamespaceUri="urn:x", ServerIndex=1), None),
        (ua.StatusCode(0x80000000), None), (ua.Argument("a"), kinds.ExtensionObject),
        ([ua.Variant(1.5), ua.Variant(["x"])], kinds.Variant), (ua.DataValue(ua.Variant(2)), None),
        (ua.DiagnosticInfo(SymbolicId=1, AdditionalInfo="why"), kinds.DiagnosticInfo),
    ]  # fmt: skip
    stamps: list[dict[str, Any]] = [
        {"SourceTimestamp": at, "ServerTimestamp": at},
        {"SourceTimestamp": at},
        {"ServerTimestamp": at},
        {},
        {"SourceTimestamp": at, "SourcePicoseconds": 1234},
    ]
    statuses = [0, 0, 0x40900000, 0x480, 0x808C0000]
    for i in range(values):
        content, kind = contents[i % len(contents)]
        status = ua.StatusCode(statuses[i % len(statuses)])
        yield i % 60, ua.DataValue(ua.Variant(content, kind), status, **stamps[i % len(stamps)])
