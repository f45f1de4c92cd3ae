"""One connection to an MQTT broker, from CONNECT until it is lost. Runs in the source's thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

import structlog
from paho.mqtt.client import (
    Client,
    ConnectFlags,
    MQTTMessage,
    error_string,
    topic_matches_sub,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from collector.channel import Put
from collector.link import LinkState
from collector.mqtt.payload import PayloadDecoder
from collector.secrets import password
from collector.source import Delivery
from plant.model import Source

CONNECT_S = 4.0
STEP_S = 0.02
CHUNK = 500
"""Messages in one delivery at most."""
GATHER_S = 0.05
"""Messages are gathered this long for one delivery."""
CHUNKS_WAITING = 8
"""Deliveries not taken yet; above it the socket is not read, so the broker waits."""
TOPICS_PER_SUBSCRIBE = 100
RETRY_SUBSCRIBE_S = 30.0
UNSUPPORTED_VERSION = 132

log = structlog.get_logger()


class BrokerError(Exception):
    """The broker refused or dropped us; trying again may help."""


class HandOver:
    """Deliveries from the thread to the event loop, in order, few at a time."""

    def __init__(self, put: Put, loop: asyncio.AbstractEventLoop) -> None:
        self._put = put
        self._loop = loop
        self._waiting: deque[Future[None]] = deque()

    def __call__(self, delivery: Delivery) -> None:
        self._waiting.append(asyncio.run_coroutine_threadsafe(self._send(delivery), self._loop))

    async def _send(self, delivery: Delivery) -> None:
        await self._put(delivery)

    def full(self) -> bool:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return len(self._waiting) >= CHUNKS_WAITING

    def cancel(self) -> None:
        for waiting in self._waiting:
            waiting.cancel()


def topic_filters(topics: Sequence[str], subscribe: str) -> list[str]:
    """What to subscribe to: the topics themselves, or all below the levels that they share (what
    else is published there is then counted); where they share none, below the first of each."""
    if subscribe == "topics":
        return sorted(topics)
    parents = [topic.split("/")[:-1] for topic in topics]
    shared: list[str] = []
    for column in zip(*parents, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    if shared:
        return ["/".join([*shared, "#"])]
    return sorted(
        {
            "/".join([*parent[:1], "#"]) if parent else topic
            for parent, topic in zip(parents, topics, strict=True)
        }
    )


class MqttConnection:
    """`serve` returns when told to stop, and raises when the connection is lost."""

    def __init__(
        self,
        source: Source,
        decoder: PayloadDecoder,
        link: LinkState,
        hand_over: HandOver,
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._link = link
        self._hand_over = hand_over
        self._five = source.options.get("protocol", "5") == "5"
        self._stop = stop
        self._client = self._new_client()
        self._answer: ReasonCode | None = None
        self._resumed = True
        self._messages = 0
        self._flush_at = 0.0
        self._ids: list[int] = []
        self._durable: deque[Sequence[int]] = deque()
        self._asked: dict[int, list[str]] = {}  # SUBSCRIBE id -> filters
        self._refused: dict[str, str] = {}  # filter -> reason
        self._filters = topic_filters(decoder.topics, source.options.get("subscribe", "prefix"))
        self._unwanted: set[str] = set()

    def _new_client(self) -> Client:
        options = self._source.options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=options["client_id"],
            clean_session=None if self._five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_S
        if options.get("username"):
            client.username_pw_set(options["username"], password(options))
        if options.get("tls"):
            client.tls_set(ca_certs=options.get("ca_file") or None)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def serve(self) -> None:
        try:
            self._connect()
            self._subscribe(self._filters)
            deadline = time.monotonic() + CONNECT_S
            while self._asked and not self._stop.is_set():
                if time.monotonic() > deadline:
                    raise BrokerError("the broker does not answer subscriptions")
                self._step()
            self._leave()
            self._link.connected()
            next_retry = time.monotonic() + RETRY_SUBSCRIBE_S
            while not self._stop.is_set():
                self._step()
                if self._refused and time.monotonic() > next_retry:
                    next_retry = time.monotonic() + RETRY_SUBSCRIBE_S
                    self._subscribe(list(self._refused))
            self._acknowledge()
            self._client.disconnect()
        finally:
            if (socket := self._client.socket()) is not None:
                socket.close()

    def _leave(self) -> None:
        """Give back what the other way to subscribe may have left in the session."""
        ways = (topic_filters(self._decoder.topics, way) for way in ("prefix", "topics"))
        left = sorted(set().union(*ways) - set(self._filters))
        for start in range(0, len(left), TOPICS_PER_SUBSCRIBE):
            self._client.unsubscribe(left[start : start + TOPICS_PER_SUBSCRIBE])

    def _connect(self) -> None:
        options = self._source.options
        keepalive = options.get("keepalive_s", 30)
        if self._five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = options.get("session_expiry_s", 604_800)
            properties.ReceiveMaximum = options.get("receive_maximum", 1000)
            self._client.connect(
                options["host"],
                options["port"],
                keepalive,
                clean_start=False,
                properties=properties,
            )
        else:
            self._client.connect(options["host"], options["port"], keepalive)
        deadline = time.monotonic() + CONNECT_S
        while self._answer is None:
            self._check(self._client.loop(STEP_S))
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the broker takes the connection but says nothing ({CONNECT_S} s)"
                )
        if self._answer.is_failure:
            raise BrokerError(
                f"the broker refused the connection: {self._answer}{_remedy(self._answer)}"
            )

    def _check(self, code: MQTTErrorCode) -> None:
        if self._answer is not None and self._answer.is_failure:
            return  # told in full by _connect
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(error_string(code))

    def _step(self) -> None:
        """Read what is there, hand it over, acknowledge what has become durable."""
        if self._hand_over.full():
            time.sleep(STEP_S)
            self._check(self._client.loop_misc())
        else:
            self._check(self._client.loop(STEP_S))
            before = 0
            while before < self._messages < CHUNK:
                before = self._messages
                self._check(self._client.loop_read())
        if self._messages >= CHUNK or (self._messages and time.monotonic() > self._flush_at):
            self._flush()
        self._acknowledge()

    def _acknowledge(self) -> None:
        while self._durable:
            for message_id in self._durable.popleft():
                self._check(self._client.ack(message_id, 1))

    def _flush(self) -> None:
        batch, refused = self._decoder.flush()
        durable = partial(self._durable.append, self._ids)
        self._hand_over(Delivery(self._source.id, batch, refused, self._resumed, durable))
        self._resumed = False
        self._messages = 0
        self._ids = []

    # -- subscriptions

    def _subscribe(self, filters: Sequence[str]) -> None:
        for start in range(0, len(filters), TOPICS_PER_SUBSCRIBE):
            chunk = list(filters[start : start + TOPICS_PER_SUBSCRIBE])
            if self._five:
                # 1: retained messages only where the subscription is new
                options = SubscribeOptions(qos=1, retainHandling=1)
                code, message_id = self._client.subscribe([(f, options) for f in chunk])
            else:
                code, message_id = self._client.subscribe([(f, 1) for f in chunk])
            self._check(code)
            if message_id is not None:
                self._asked[message_id] = chunk

    def _on_subscribe(
        self,
        client: Client,
        userdata: object,
        message_id: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        for asked, reason in zip(self._asked.pop(message_id, ()), reasons, strict=False):
            if reason.is_failure:
                if asked not in self._refused:
                    log.warning(
                        "the broker refused a subscription",
                        source=self._source.id,
                        topic=asked,
                        reason=str(reason),
                    )
                self._refused[asked] = str(reason)
            else:
                self._refused.pop(asked, None)
        self._link.health.unresolved = {
            tag: f"subscription refused: {self._refused[topic]}"
            for topic, tags in self._decoder.tags_of_topic.items()
            if topic in self._refused
            for tag in tags
        }

    # -- callbacks of paho

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._answer = reason

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        try:
            topic: str | None = message.topic
        except UnicodeDecodeError:
            topic = None
        known = self._decoder.take(topic, message.payload, time.time_ns())
        if not self._messages:
            self._flush_at = time.monotonic() + GATHER_S
        self._messages += 1
        if message.qos == 1:
            self._ids.append(message.mid)
        if not known and topic is not None and topic not in self._unwanted:
            if any(topic_matches_sub(f, topic) for f in self._filters):
                return
            # Left over in the session from an earlier plant file.
            self._unwanted.add(topic)
            client.unsubscribe(topic)


def _remedy(answer: ReasonCode) -> str:
    return '; write protocol = "3.1.1"' if answer.value == UNSUPPORTED_VERSION else ""
