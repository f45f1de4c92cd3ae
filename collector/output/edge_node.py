"""Figures as a Sparkplug B 3.0 edge node: each entity is a device, each figure a metric.

The one command that it obeys is the request for its births.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import orjson
from paho.mqtt.client import Client, MQTTMessage

from analytics.beat.assessment import Assessment
from collector.output.publisher import Message, Publisher
from collector.output.selection import Changes, Entities, selection
from collector.sparkplug.encode import alias_of, data_of, metric_named, payload_of
from collector.sparkplug.places import NAMESPACE
from collector.sparkplug.speech import REBIRTH
from collector.sparkplug.wire import BITS, BOOLEAN, FIELD, METRIC, NAME, NAME_END, head, metrics
from plant.model import Output, Plant

_CYCLE = 256


class EdgeNode(Publisher):
    def __init__(self, output: Output, plant: Plant) -> None:
        super().__init__(output)
        options = output.options
        group, node = options["group"], options["edge_node"]
        self._topic = f"{NAMESPACE}/{group}/{{}}/{node}"
        self._commands = self._topic.format("NCMD")
        host = options["primary_host"]
        self._state = f"{NAMESPACE}/STATE/{host}" if host else ""
        self._changes = Changes(selection(plant, output))
        devices = {id_ for each in self._changes.entities for id_ in each.ids}
        own = [self._topic.format(kind) for kind in ("NBIRTH", "NDEATH")]
        own += [f"{self._topic.format(k)}/{d}" for k in ("DBIRTH", "DDATA") for d in devices]
        self._own = frozenset(own)
        counts = [len(each.ids) * len(each.figures) for each in self._changes.entities]
        starts = np.cumsum([1, *counts]).tolist()
        self._aliases = {
            each.scope: [alias_of(n) for n in range(start, start + count)]
            for each, start, count in zip(self._changes.entities, starts, counts, strict=False)
        }
        self._first = dict(zip((e.scope for e in self._changes.entities), starts, strict=False))
        self._death = -1  # bdSeq
        self._seq = 0
        self._born = False
        self._host_online = False
        self._host_time = 0  # of its newest STATE
        self._newest: Assessment | None = None

    # -- what it may say, and when

    def may_publish(self, topic: str) -> bool:
        return topic in self._own

    def ready(self) -> bool:
        return not self._state or self._host_online

    def begin(self, client: Client) -> None:
        self._death = (self._death + 1) % _CYCLE
        self._born = self._host_online = False
        self._pending = iter(())
        client.will_set(self._topic.format("NDEATH"), self._last_will(), qos=1, retain=False)
        client.on_message = self._on_message

    def connected(self, client: Client) -> None:
        client.subscribe([(topic, 1) for topic in (self._commands, self._state) if topic])
        self._pending = self._births()

    def last_words(self) -> Iterator[Message]:
        if self._born:
            yield Message(self._topic.format("NDEATH"), self._last_will(), 1)

    def _last_will(self) -> bytes:
        now_ms = _now_ms()
        return payload_of(now_ms, [metric_named("bdSeq", self._death, now_ms)])

    # -- figures

    def messages(self, assessment: Assessment) -> Iterator[Message]:
        self._newest = assessment
        time_ms = assessment.time // 1_000_000
        for entities, index, values, changed in self._changes.take(assessment):
            count = len(entities.figures)
            aliases = self._aliases[entities.scope][index * count : (index + 1) * count]
            which = np.flatnonzero(changed)
            told = [aliases[i] for i in which.tolist()]
            payload = data_of(time_ms, told, values[which], self._next_seq())
            yield Message(f"{self._topic.format('DDATA')}/{entities.ids[index]}", payload)

    def _births(self) -> Iterator[Message]:
        """All metrics with their newest values."""
        now_ms = _now_ms()
        self._seq = 0
        own = [
            metric_named("bdSeq", self._death, now_ms),
            metric_named(REBIRTH, False, now_ms),
        ]
        yield Message(self._topic.format("NBIRTH"), payload_of(now_ms, own, self._next_seq()))
        self._born = True
        for entities, index, values in self._changes.all(self._newest):
            yield self._birth_of(entities, index, values.tolist(), now_ms)

    def _birth_of(
        self, entities: Entities, index: int, values: list[float], now_ms: int
    ) -> Message:
        first = self._first[entities.scope] + index * len(entities.figures)
        told = [
            metric_named(
                figure.name,
                None if math.isnan(value) else value,
                now_ms,
                alias=first + i,
                unit=figure.unit,
            )
            for i, (figure, value) in enumerate(zip(entities.figures, values, strict=True))
        ]
        topic = f"{self._topic.format('DBIRTH')}/{entities.ids[index]}"
        return Message(topic, payload_of(now_ms, told, self._next_seq()))

    def _next_seq(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % _CYCLE
        return seq

    # -- what it hears

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        if message.topic == self._state:
            self._hear_of_host(message.payload)
        elif message.topic == self._commands and asks_for_birth(message.payload):
            self._pending = self._births()

    def _hear_of_host(self, payload: bytes | bytearray) -> None:
        """STATE of the primary host; one that is older than another says nothing."""
        try:
            state = orjson.loads(payload)
            online, when = state["online"] is True, int(state["timestamp"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return
        if when < self._host_time:
            return
        self._host_time = when
        if online and not self._host_online:
            self._pending = self._births()
        self._host_online = online
        if not online and self._born:
            self._ended = "the primary host is offline"


def asks_for_birth(payload: bytes | bytearray) -> bool:
    """Is it a command "Node Control/Rebirth" of true?"""
    buffer = np.frombuffer(bytearray(payload), np.uint8)
    count = head(buffer, 0, len(buffer))[2]
    rows = np.empty((max(count, 0), METRIC), np.int64)
    if count <= 0 or not metrics(buffer, 0, len(buffer), rows):
        return False
    return any(
        payload[begin:end] == REBIRTH.encode() and field == BOOLEAN and bits == 1
        for begin, end, field, bits in rows[:, (NAME, NAME_END, FIELD, BITS)].tolist()
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
