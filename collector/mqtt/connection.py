"""One connection to an MQTT broker, from CONNECT until it is lost. Runs in the source's thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial

from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.link import LinkState
from collector.mqtt.client import Client
from collector.mqtt.columns import ALIASES, PacketDecoder
from collector.mqtt.session import (
    DELIVERIES,
    LONGEST_PATIENCE_S,
    PATIENCE_S,
    HandOver,
    Session,
)
from collector.mqtt.subscriptions import Subscriptions
from collector.mqtt.tls import secure
from collector.mqtt.transport import ANSWER_BYTES, BrokerError, SilentError, Transport
from collector.mqtt.wire import PacketReader, Rows
from collector.secrets import password
from collector.source import Delivery
from plant.model import Source

CONNECT_S = 4.0
IDLE_S = 0.05
TICK_S, SOON_S = 0.02, 0.005
"""Between two reads while messages come: many from each read, many acknowledged in one write. Soon
with MQTT 3.1.1, where the broker's own small window would be the limit."""
GATHER_S = 0.1
"""Messages are gathered this long for one delivery, less when the broker has no more to give."""
MOST_SAMPLES, MOST_MESSAGES = 50_000, 20_000
"""In one delivery, about."""
RETRY_SUBSCRIBE_S = 30.0
REMEDIES = {
    132: '; write protocol = "3.1.1"',
    142: "; another client uses the same client_id, give each its own",
}
"""By reason code of MQTT 5.0."""


class MqttConnection:
    """`serve` returns when told to stop, and raises when the connection is lost."""

    def __init__(
        self,
        source: Source,
        decoder: PacketDecoder,
        link: LinkState,
        session: Session,
        hand_over: HandOver,
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._link = link
        self._session = session
        self._hand_over = hand_over
        self._five = source.options.get("protocol", "5") == "5"
        self._tick_s = TICK_S if self._five else SOON_S
        self._stop = stop
        self._subscriptions = Subscriptions(source, decoder, link.health)
        self._client = self._new_client()
        self._answer: ReasonCode | None = None
        self._ended = ""
        self._resumed = True
        self._messages = 0  # gathered for the next delivery
        self._flush_at = 0.0
        self._durable: deque[bytes] = deque()  # what acknowledges them

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
        secure(client, self._source)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._subscriptions.answered
        return client

    def serve(self) -> None:
        try:
            self._connect()
            self._subscribe()
            self._link.connected()
            next_retry = time.monotonic() + RETRY_SUBSCRIBE_S
            while not self._stop.is_set():
                self._step()
                if time.monotonic() > next_retry:
                    next_retry = time.monotonic() + RETRY_SUBSCRIBE_S
                    self._subscriptions.retry(self._client)
            with suppress(OSError):
                self._acknowledge()
                self._transport.close()
        except SilentError:
            self._session.patience_s = min(2 * self._session.patience_s, LONGEST_PATIENCE_S)
            raise
        except BrokerError as error:
            raise BrokerError(self._ended or str(error)) from None
        finally:
            self._session.unacknowledged = 0
            if self._messages and not self._stop.is_set():
                self._flush()
            if (socket := self._client.socket()) is not None:
                socket.close()

    def _connect(self) -> None:
        options = self._source.options
        keepalive = options.get("keepalive_s", 30)
        if self._five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = self._session.expiry_s
            properties.ReceiveMaximum = self._session.receive_maximum
            properties.TopicAliasMaximum = ALIASES
            self._client.connect(
                options["host"],
                options["port"],
                keepalive,
                clean_start=False,
                properties=properties,
            )
        else:
            self._client.connect(options["host"], options["port"], keepalive)
        self._decoder.connected()
        reader = PacketReader(self._five, self._decoder.max_payload_bytes)
        self._transport = Transport(self._client, reader, self._take)
        deadline = time.monotonic() + CONNECT_S
        while self._answer is None:
            self._step()
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"the broker takes the connection but says nothing ({CONNECT_S} s)"
                )

    def _subscribe(self) -> None:
        self._subscriptions.subscribe(self._client)
        deadline = time.monotonic() + CONNECT_S
        while self._subscriptions.unanswered and not self._stop.is_set():
            if time.monotonic() > deadline:
                raise BrokerError("the broker does not answer subscriptions")
            self._step()
        self._subscriptions.leave_others(self._client)

    def _step(self) -> None:
        """Read what is there, hand it over, acknowledge what has become durable."""
        self._transport.write()
        gathering = self._messages or self._hand_over.open
        read = 0
        paused = self._behind()
        if paused or self._transport.choked:
            time.sleep(self._tick_s)
        else:
            read = self._transport.read(self._tick_s if gathering else IDLE_S)
        if self._messages and self._hand_over.open < DELIVERIES:
            dry = not read and not self._hand_over.open
            if dry or self._full() or time.monotonic() > self._flush_at:
                self._flush()
        self._acknowledge()
        self._transport.keep_alive(not paused, self._session.patience_s)
        self._session.window(paused)
        if self._messages and not self._full():
            time.sleep(self._tick_s)

    def _full(self) -> bool:
        return self._messages >= MOST_MESSAGES or self._decoder.gathered >= MOST_SAMPLES

    def _behind(self) -> bool:
        """What was read waits to become durable, so the rest is left to the broker."""
        return self._full() and self._hand_over.open >= DELIVERIES

    def _take(self, reader: PacketReader, packets: Rows) -> None:
        if not self._messages:
            self._flush_at = time.monotonic() + GATHER_S
        self._messages += len(packets)
        unwanted = self._decoder.take(reader.bytes, reader.buffer, packets, time.time_ns())
        if unwanted:
            self._subscriptions.leave(self._client, unwanted)

    def _flush(self) -> None:
        batch, refused = self._decoder.flush()
        answers = bytes(self._transport.answers)
        self._transport.answers.clear()
        self._session.unacknowledged += len(answers) // ANSWER_BYTES
        durable = partial(self._durable.append, answers)
        self._hand_over(Delivery(self._source.id, batch, refused, self._resumed, durable))
        self._resumed = False
        self._messages = 0
        self._session.patience_s = PATIENCE_S

    def _acknowledge(self) -> None:
        while self._durable:
            answers = self._durable.popleft()
            self._session.unacknowledged -= len(answers) // ANSWER_BYTES
            self._transport.send(answers)
        self._transport.write()

    # -- callbacks of paho

    def _on_connect(
        self,
        client: object,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._answer = reason
        if reason.is_failure:
            remedy = REMEDIES.get(reason.value, "")
            self._ended = f"the broker refused the connection: {reason}{remedy}"
        else:
            granted = getattr(properties, "SessionExpiryInterval", self._session.expiry_s)
            self._session.connected(flags.session_present, granted)

    def _on_disconnect(
        self,
        client: object,
        userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            remedy = REMEDIES.get(reason.value, "")
            self._ended = f"the broker ended the connection: {reason}{remedy}"
