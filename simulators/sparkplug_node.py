"""Edge nodes for one Sparkplug source of the plant: births by alias, data, deaths, and faults.

It writes protobuf's wire format itself: the collector's own encoder would check the collector's
decoder with itself.
"""

from __future__ import annotations

import asyncio
import math
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Self

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from plant.model import Plant, Source, Tag

log = structlog.get_logger(__name__)

_PROTOCOLS = {"5": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311}
_DOUBLE, _INT64, _BOOLEAN = 10, 4, 11
_REBIRTH = b"Node Control/Rebirth"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | float | bytes) -> bytes:
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    return _varint(number << 3) + _varint(value)


def _value(value: float) -> bytes:
    return _field(7, 1) if math.isnan(value) else _field(13, value)


def _payload(time_ms: int, metrics: Iterable[bytes], seq: int | None) -> bytes:
    number = b"" if seq is None else _field(3, seq)
    return _field(1, time_ms) + b"".join(_field(2, metric) for metric in metrics) + number


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class EdgeNode:
    """One edge node with a client of its own. Faults: `lose_next`, `swap_next`, `die`, `birth`."""

    def __init__(self, source: Source, place: str, tags: Iterable[Tag]) -> None:
        self._source = source
        self._group, self._node = place.split("/")
        self._tags = list(tags)
        self._alias = {tag.column: i + 1 for i, tag in enumerate(self._tags)}
        self._last: dict[int, tuple[float, int]] = {}  # column -> value, ms
        self._death = -1  # bdSeq
        self._seq = 0
        self._lose = 0
        self._swapped: tuple[str, bytes] | None = None
        self._swap = False
        self._born = False
        self._lock = threading.RLock()
        self._client: mqtt.Client | None = None

    def start(self) -> None:
        options = self._source.options
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{options['client_id']}-{self._group}-{self._node}-simulator",
            protocol=_PROTOCOLS[options.get("protocol", "5")],
        )
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_pre_connect = self._before_connect
        client.connect_async(options["host"], options["port"], options.get("keepalive_s", 30))
        self._client = client  # before its thread runs, which sends births when it is connected
        client.loop_start()

    def stop(self, *, death: bool = True) -> None:
        """Leave. death: say so before."""
        client, self._client = self._client, None
        if client is None:
            return
        if death and self._born:
            client.publish(self._topic("NDEATH"), self._will(), 1).wait_for_publish(1)
        self._born = False
        client.disconnect()
        client.loop_stop()

    def die(self) -> None:
        """Its connection breaks: the broker tells its death."""
        client, self._client = self._client, None
        if client is not None:
            self._born = False
            socket = client.socket()
            client.loop_stop()
            if socket is not None:
                socket.close()

    def lose_next(self, messages: int = 1) -> None:
        """So many messages get a sequence number and do not leave."""
        self._lose += messages

    def swap_next(self) -> None:
        """The next two messages leave in the wrong order."""
        self._swap = True

    def birth(self) -> None:
        """All births, with the newest values; at any time."""
        now_ms = _now_ms()
        with self._lock:
            self._seq = 0
            own = [
                _field(1, b"bdSeq") + _field(3, now_ms) + _field(4, _INT64)
                + _field(11, self._death),
                _field(1, _REBIRTH) + _field(3, now_ms) + _field(4, _BOOLEAN) + _field(14, 0),
            ]  # fmt: skip
            by_device: dict[str, list[bytes]] = defaultdict(list)
            for tag in self._tags:
                value, when = self._last.get(tag.column, (math.nan, now_ms))
                by_device[_device(tag)].append(
                    _field(1, tag.address["metric"].encode())
                    + _field(2, self._alias[tag.column])
                    + _field(3, when)
                    + _field(4, _DOUBLE)
                    + _value(value)
                )
            self._send("NBIRTH", "", own + by_device.pop("", []), now_ms)
            for device, metrics in by_device.items():
                self._send("DBIRTH", device, metrics, now_ms)
            self._born = True

    def write(self, samples: Iterable[tuple[Tag, float, int]]) -> None:
        """Samples with wire values and times [ns]; before the birth they are only remembered."""
        by_device: dict[str, list[bytes]] = defaultdict(list)
        with self._lock:
            for tag, value, when in samples:
                time_ms = when // 1_000_000
                self._last[tag.column] = value, time_ms
                by_device[_device(tag)].append(
                    _field(2, self._alias[tag.column]) + _field(3, time_ms) + _value(value)
                )
            if self._born:
                for device, metrics in by_device.items():
                    self._send("DDATA" if device else "NDATA", device, metrics, _now_ms())

    def _send(self, kind: str, device: str, metrics: Iterable[bytes], time_ms: int) -> None:
        seq, self._seq = self._seq, (self._seq + 1) % 256
        message = self._topic(kind, device), _payload(time_ms, metrics, seq)
        if self._lose:
            self._lose -= 1
        elif self._swap:
            self._swap, self._swapped = False, message
        elif self._client is not None:
            self._client.publish(*message)
            if self._swapped is not None:
                self._client.publish(*self._swapped)
                self._swapped = None

    def _topic(self, kind: str, device: str = "") -> str:
        topic = f"spBv1.0/{self._group}/{kind}/{self._node}"
        return f"{topic}/{device}" if device else topic

    def _will(self) -> bytes:
        now_ms = _now_ms()
        number = _field(1, b"bdSeq") + _field(3, now_ms) + _field(4, _INT64)
        return _payload(now_ms, [number + _field(11, self._death)], None)

    def _before_connect(self, client: mqtt.Client, _: object) -> None:
        self._death = (self._death + 1) % 256
        client.will_set(self._topic("NDEATH"), self._will(), 1)

    def _on_connect(self, client: Any, _: object, flags: Any, reason: Any, more: Any) -> None:
        if reason.is_failure:
            log.warning("broker refuses", source=self._source.id, reason=str(reason))
            return
        client.subscribe(self._topic("NCMD"), 1)
        self.birth()

    def _on_message(self, client: Any, _: object, message: Any) -> None:
        if _REBIRTH in message.payload:  # nothing else is sent in a simulation
            self.birth()


def _device(tag: Tag) -> str:
    return (tag.address.get("device") or "//").split("/")[2]


class SparkplugNodes:
    """All edge nodes of a source, as an outlet of the simulated plant."""

    def __init__(self, plant: Plant, source: Source) -> None:
        self.source = source
        by_node: dict[str, list[Tag]] = defaultdict(list)
        self._tags = {tag.column: tag for tag in plant.tags if tag.source == source.id}
        self._node_of: dict[int, str] = {}
        for tag in self._tags.values():
            place = tag.address.get("device") or tag.address["edge_node"]
            self._node_of[tag.column] = "/".join(place.split("/")[:2])
            by_node[self._node_of[tag.column]].append(tag)
        self.nodes = {place: EdgeNode(source, place, tags) for place, tags in by_node.items()}
        self._spoiled: dict[int, float] = {}
        self._up = True

    async def __aenter__(self) -> Self:
        for node in self.nodes.values():
            node.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(asyncio.to_thread(node.stop) for node in self.nodes.values()))

    def write(self, samples: Iterable[tuple[int, float, int]]) -> None:
        """(column, wire value, time [ns]) of samples that are due."""
        by_node: dict[str, list[tuple[Tag, float, int]]] = defaultdict(list)
        for column, value, when in samples:
            known = self._spoiled.pop(column, value)
            by_node[self._node_of[column]].append((self._tags[column], known, when))
        for place, rows in by_node.items():
            self.nodes[place].write(rows)

    def spoil_next(self, column: int, what: str) -> None:
        """Whatever is asked for: the next value is far beyond any limit."""
        self._spoiled[column] = 1e300

    async def set_link(self, up: bool) -> None:
        """Break the connections, or make them again."""
        if up != self._up:
            self._up = up
            for node in self.nodes.values():
                await asyncio.to_thread(node.start if up else node.die)
