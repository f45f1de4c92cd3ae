"""One output: a thread with a client of its own, beside everything else.

The pipeline leaves the newest assessment in a slot and goes on; one that was not fetched in time is
replaced. This is the only place where an output publishes: each topic is checked against those that
were named for it.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, error_string
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from analytics.beat.assessment import Assessment
from collector.link import LinkState
from collector.mqtt.tls import secure
from collector.mqtt.transport import BrokerError
from collector.secrets import password
from collector.source import Link
from plant.batch import SECOND
from plant.model import Output, Source

CONNECT_S = 4.0
TICK_S = 0.05
LEAVE_S = 1.0
WINDOW = 500
"""Messages at QoS 1 that the broker has not acknowledged yet, at most."""


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class OutputStatus:
    id: str
    kind: str
    link: Link
    last_error: str
    published: int  # messages
    replaced: int  # assessments that were not fetched in time


class Publisher(ABC):
    """`offer` from the pipeline's thread; `run` in the output's own until `stop` is called."""

    def __init__(self, output: Output) -> None:
        options = output.options
        self._output = output
        self._every_ns = round(options["every_s"] * SECOND)
        self._link = LinkState(output.id, f"{options['host']}:{options['port']}")
        self._offered = 0  # time of the newest offered, in steps of every_s
        self._slot: Assessment | None = None
        self._stop = threading.Event()
        self._pending: Iterator[Message] = iter(())
        self._unacknowledged = 0
        self._connected = False
        self._ended = ""
        self._published = self._replaced = 0

    # -- what an output is

    @abstractmethod
    def may_publish(self, topic: str) -> bool:
        """Is it a topic that was named for this output?"""

    @abstractmethod
    def messages(self, assessment: Assessment) -> Iterator[Message]:
        """What is to be said of it."""

    @abstractmethod
    def begin(self, client: Client) -> None:
        """Before each CONNECT."""

    @abstractmethod
    def connected(self, client: Client) -> None:
        """After each CONNACK."""

    def ready(self) -> bool:
        """May something be said now?"""
        return True

    def last_words(self) -> Iterator[Message]:
        """Before a leave."""
        return iter(())

    # -- from the pipeline

    def offer(self, assessment: Assessment) -> None:
        """Take the first of every `every_s`; never waits."""
        step = assessment.time // self._every_ns
        if step != self._offered:
            self._offered = step
            self._replaced += self._slot is not None
            self._slot = assessment

    def stop(self) -> None:
        self._stop.set()

    @property
    def status(self) -> OutputStatus:
        health = self._link.health
        return OutputStatus(
            self._output.id, self._output.kind, health.link, health.last_error, self._published,
            self._replaced,
        )  # fmt: skip

    # -- the thread

    def run(self) -> None:
        """Connections, one after the other; what goes wrong is told once and tried again."""
        while not self._stop.is_set():
            try:
                self._serve()
            except Exception as error:  # paho raises many on packets that are none
                self._link.lost(error)
            self._stop.wait(self._link.delay_s())

    def _new_client(self) -> Client:
        options = self._output.options
        five = options["protocol"] == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=options["client_id"],
            clean_session=None if five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(WINDOW)
        if options["username"]:
            client.username_pw_set(options["username"], password(options))
        secure(client, Source(self._output.id, "mqtt", 0.0, options))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _serve(self) -> None:
        options = self._output.options
        self._connected, self._ended, self._unacknowledged = False, "", 0
        client = self._new_client()
        self.begin(client)
        more: dict[str, Any] = {"clean_start": True} if options["protocol"] == "5" else {}
        client.connect(options["host"], options["port"], options["keepalive_s"], **more)
        give_up_at = time.monotonic() + CONNECT_S
        try:
            while not (self._stop.is_set() or (self._ended and self._connected)):
                self._loop(client)
                if self._connected:
                    self._speak(client)
                elif time.monotonic() > give_up_at:
                    raise BrokerError(
                        f"the broker takes the connection but says nothing ({CONNECT_S:g} s)"
                    )
            if self._connected:
                self._leave(client)
        finally:
            if (socket := client.socket()) is not None:
                socket.close()
        if self._ended:
            raise BrokerError(self._ended)

    def _loop(self, client: Client) -> None:
        code = client.loop(TICK_S)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._connected = False
            raise BrokerError(self._ended or error_string(code))

    def _speak(self, client: Client) -> None:
        """Say what is pending, as far as the broker keeps up; then take what is new."""
        while self.ready() and self._unacknowledged < WINDOW and not client.want_write():
            message = next(self._pending, None)
            if message is not None:
                self._publish(client, message)
                continue
            assessment, self._slot = self._slot, None
            if assessment is None:
                return
            self._pending = self.messages(assessment)

    def _publish(self, client: Client, message: Message) -> None:
        if not self.may_publish(message.topic):
            raise ValueError(f"output {self._output.id} must not publish at {message.topic}")
        client.publish(message.topic, message.payload, message.qos, message.retain)
        self._unacknowledged += message.qos > 0
        self._published += 1

    def _leave(self, client: Client) -> None:
        for message in self.last_words():
            self._publish(client, message)
        give_up_at = time.monotonic() + LEAVE_S
        while time.monotonic() < give_up_at and (self._unacknowledged or client.want_write()):
            self._loop(client)
        client.disconnect()

    # -- callbacks of paho

    def _on_connect(self, client: Client, _: object, flags: object, reason: Any, more: Any) -> None:
        if reason.is_failure:
            self._ended = f"the broker refused the connection: {reason}"
            return
        self._connected = True
        self._link.connected()
        self.connected(client)

    def _on_disconnect(self, client: Client, _: object, flags: Any, reason: Any, more: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._ended = f"the broker ended the connection: {reason}"

    def _on_publish(self, client: Client, _: object, mid: int, reason: Any, more: Any) -> None:
        self._unacknowledged -= 1
