"""One connection of a host application to its broker. Runs in the source's thread."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, cast

import structlog

from collector.link import LinkState
from collector.mqtt.client import Client
from collector.mqtt.connection import IDLE_S, MqttConnection
from collector.mqtt.session import HandOver, Session
from collector.mqtt.transport import BrokerError
from collector.sparkplug.columns import SparkplugDecoder
from collector.sparkplug.speech import Speech
from plant.model import Source

LEAVE_S = 1.0

log = structlog.get_logger()


def _begin_afresh(client: Any, _: object) -> None:
    """Clean start, with MQTT 3.1.1 clean session: just before CONNECT is sent."""
    client._clean_start = client._clean_session = True


class HostConnection(MqttConnection):
    """A session of its own each time: what a host missed is told by births, not by the broker."""

    def __init__(
        self,
        source: Source,
        decoder: SparkplugDecoder,
        link: LinkState,
        session: Session,
        hand_over: HandOver,
        stop: threading.Event,
    ) -> None:
        self._host = decoder
        self._began_ms = time.time_ns() // 1_000_000
        ids = [node.id for node in decoder.nodes.nodes]
        self._speech = Speech(decoder.state_topic, ids, source.options.get("rebirth", False))
        self._said = False
        self._left = False
        # the decoder does what the one of plain MQTT does, but is none
        super().__init__(source, cast(Any, decoder), link, session, hand_over, stop)

    def _new_client(self) -> Client:
        client = super()._new_client()
        client.on_pre_connect = _begin_afresh
        self._speech.will(client, self._began_ms)
        return client

    def _subscribe(self) -> None:
        super()._subscribe()
        if not self._link.health.unresolved:
            self._host.changed = True
        self._speech.state(self._client, True, self._began_ms)
        self._said = True

    def _step(self) -> None:
        super()._step()
        host, health = self._host, self._link.health
        host.tick()
        if host.gathered and not self._messages:
            self._messages = 1  # what was held, and now counts
        if host.changed and self._said:
            host.changed = False
            health.unresolved = host.unresolved()
        health.missed_notifications = host.missed
        if self._said and not self._left:
            if host.denied:
                host.denied = False
                self._speech.state(self._client, True, self._began_ms)
            self._ask_for_births()

    def _ask_for_births(self) -> None:
        now = time.monotonic()
        for index in self._host.nodes.wants_birth.nonzero()[0]:
            node = self._host.nodes.nodes[index]
            if now < node.ask_at:
                continue
            node.asked(now)
            if self._speech.ask_for_birth(self._client, node.id):
                log.info("births asked for", source=self._source.id, edge_node=node.id)
            elif node.tell_once():
                log.warning(
                    "an edge node's births are not known: write rebirth = true, or restart it",
                    source=self._source.id,
                    edge_node=node.id,
                )

    def _acknowledge(self) -> None:
        if self._stop.is_set() and self._said and not self._left:
            self._left = True
            self._leave()
        super()._acknowledge()

    def _leave(self) -> None:
        """Say so, and stay until the broker has it: a socket closed on unread bytes would look like
        a loss to it, and our will would follow."""
        said = self._speech.state(self._client, False, time.time_ns() // 1_000_000)
        deadline = time.monotonic() + LEAVE_S
        with suppress(BrokerError):
            while not said.is_published() and time.monotonic() < deadline:
                self._transport.write()
                self._transport.read(IDLE_S)
