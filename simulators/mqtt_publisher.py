"""One MQTT client for one source of the plant: publishes its tags as the plant file maps them."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from plant.batch import SECOND
from plant.model import Plant, Source
from simulators.bad_data import spoil

log = structlog.get_logger(__name__)

_QUEUE = 60_000  # messages kept while the broker is away; MQTT itself ends at 65 535
_FLUSH_S = 3.0
_RECONNECT_S = 4, 5  # after a broker's restart its listeners are back first
_PROTOCOLS = {"5": mqtt.MQTTv5, "3.1.1": mqtt.MQTTv311}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"unix_s": SECOND, "unix_ms": 10**6, "unix_us": 10**3, "unix_ns": 1}


@dataclass(frozen=True, slots=True)
class _Form:
    """How a message is built; tags that share it share a message."""

    topic: str
    time: str  # pointer, "" when none
    time_format: str
    format: str  # json or number

    def stamp(self, time: int) -> str | int | float:
        if self.time_format == "iso8601":
            moment = _EPOCH + timedelta(microseconds=time // 1000)
            return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        whole, rest = divmod(time, _UNITS[self.time_format])
        return whole if rest == 0 else time / _UNITS[self.time_format]

    def payload(self, values: dict[str, Any], time: int, *, timed: bool = True) -> str:
        """values by JSON pointer. Not-a-number is written as Python and JavaScript print it."""
        if self.format == "number":
            return json.dumps(next(iter(values.values())))
        document: dict[str, Any] = {}
        if self.time and timed:
            _set(document, self.time, self.stamp(time))
        for pointer, value in values.items():
            _set(document, pointer, value)
        return json.dumps(document)


def _set(document: dict[str, Any], pointer: str, value: object) -> None:
    *path, last = (p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:])
    for name in path:
        document = document.setdefault(name, {})
    document[last] = value


class MqttPublisher:
    """Publishes at QoS 1 while the context is entered; reconnects for ever, and keeps what the
    broker did not acknowledge until it does."""

    def __init__(self, plant: Plant, source: Source) -> None:
        self.source = source
        self.published: Counter[str] = Counter()  # messages by topic, queued ones included
        self.dropped = 0  # the queue was full
        self._acknowledged = 0
        self._forms: dict[int, _Form] = {}
        self._pointers: dict[int, str] = {}
        for tag in plant.tags:
            if tag.source == source.id:
                address = tag.address
                self._pointers[tag.column] = address.get("pointer", "")
                self._forms[tag.column] = _Form(
                    address["topic"],
                    address.get("time", ""),
                    address.get("time_format", "iso8601"),
                    address.get("format", "json"),
                )
        self._spoiled: defaultdict[int, list[str]] = defaultdict(list)
        self._up = True
        self._client = self._make_client()

    def _make_client(self) -> mqtt.Client:
        options = self.source.options
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{options['client_id']}-simulator",
            protocol=_PROTOCOLS[options.get("protocol", "5")],
        )
        client.max_queued_messages_set(_QUEUE)
        client.reconnect_delay_set(*_RECONNECT_S)
        if options.get("username"):
            client.username_pw_set(options["username"], _password(options))
        if options.get("tls"):
            client.tls_set(options.get("ca_file") or None)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, props: Any) -> None:
        if reason.is_failure:
            log.warning("broker refuses", source=self.source.id, reason=str(reason))
        else:
            log.info("broker connected", source=self.source.id)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, props: Any) -> None:
        log.info("broker disconnected", source=self.source.id, reason=str(reason))

    def _on_publish(self, client: Any, data: Any, mid: Any, reason: Any, props: Any) -> None:
        self._acknowledged += 1

    async def __aenter__(self) -> Self:
        self._connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Leaves when all is acknowledged, after a few seconds, or at once without a broker."""
        try:
            async with asyncio.timeout(_FLUSH_S):
                while self._client.is_connected() and self.waiting:  # noqa: ASYNC110  by a thread
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        finally:
            await asyncio.shield(asyncio.to_thread(self._disconnect))
            if self.waiting:
                log.warning("messages lost", source=self.source.id, messages=self.waiting)

    @property
    def waiting(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return self.published.total() - self._acknowledged

    def _connect(self) -> None:
        options = self.source.options
        self._client.connect_async(options["host"], options["port"], options.get("keepalive_s", 30))
        self._client.loop_start()

    def _disconnect(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def write(self, samples: list[tuple[int, float, int]]) -> None:
        """Publish samples (column, value in the unit on the wire, time [ns]): those of one topic
        and time in one message."""
        messages: dict[tuple[_Form, int], list[tuple[int, float]]] = {}
        for column, value, time in samples:
            messages.setdefault((self._forms[column], time), []).append((column, value))
        for (form, time), members in messages.items():
            values: dict[str, Any] = {self._pointers[column]: value for column, value in members}
            self._publish(form.topic, form.payload(values, time))
            for column, value in members:
                for what in self._spoiled.pop(column, ()):
                    self._publish(*_bad(form, self._pointers[column], what, value, time))

    def _publish(self, topic: str, payload: str | bytes) -> None:
        info = self._client.publish(topic, payload, qos=1)
        if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            if self.dropped == 0:
                log.error("queue full, messages are lost", source=self.source.id, queue=_QUEUE)
            self.dropped += 1
            return
        self.published[topic] += 1

    def spoil_next(self, column: int, what: str) -> None:
        """Send a bad datum after the next good one of this tag."""
        self._spoiled[column].append(what)

    async def set_link(self, up: bool) -> None:
        """Leave the broker, or come back to it."""
        if up != self._up:
            self._up = up
            await asyncio.to_thread(self._connect if up else self._disconnect)


def _bad(form: _Form, pointer: str, what: str, value: float, time: int) -> tuple[str, str | bytes]:
    """-> topic, payload"""
    number, when = spoil(what, value, time)
    good = form.payload({pointer: number}, when)
    match what:
        case "text":
            return form.topic, form.payload({pointer: "n/a"}, when)
        case "wrong_type":
            return form.topic, form.payload({pointer: [number, number]}, when)
        case "no_value":
            return form.topic, form.payload({"/nothing": number}, when)
        case "no_time":
            return form.topic, form.payload({pointer: number}, when, timed=False)
        case "truncated":
            return form.topic, good[: len(good) * 2 // 3]
        case "binary":
            return form.topic, b"\x00\xff\xfe\x80" + good.encode()[::-1]
        case "huge":
            return form.topic, good[:-1] + " " * 10_000_000 + good[-1]
        case "unknown_topic":
            return f"{form.topic}/unknown", good
    return form.topic, good


def _password(options: Any) -> str | None:
    if options.get("password_file"):
        return Path(options["password_file"]).read_text(encoding="utf-8").strip()
    return os.environ.get(options["password_env"]) if options.get("password_env") else None
