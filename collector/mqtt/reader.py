"""MQTT source: paho in a thread of its own, under our own reconnecting. It never publishes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from collector.channel import Put, channel
from collector.link import LinkState
from collector.mqtt.columns import PacketDecoder
from collector.mqtt.connection import MqttConnection
from collector.mqtt.session import HandOver, Session
from collector.mqtt.transport import BrokerError
from collector.source import Delivery
from plant.model import Plant, Source

MOST_PAYLOAD_BYTES = 1 << 20


class MqttReader:
    """Samples of one broker: a fresh client for each connection, and on the broker a session that
    outlives them under a stable client id."""

    def __init__(self, source: Source, plant: Plant) -> None:
        options = source.options
        self._source = source
        self._link = LinkState(source.id, f"{options['host']}:{options['port']}")
        self.health = self._link.health
        most = options.get("max_payload_bytes", MOST_PAYLOAD_BYTES)
        self._decoder = PacketDecoder(plant, source.id, most)
        self.session = Session.of(source)
        self._stop = threading.Event()

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        loop = asyncio.get_running_loop()
        hand_over = HandOver(put, loop)
        with ThreadPoolExecutor(1, f"mqtt-{self._source.id}") as thread:
            self._stop.clear()
            work = loop.run_in_executor(thread, self._work, hand_over)
            try:
                await asyncio.shield(work)
            finally:
                self._stop.set()
                hand_over.cancel()
                await asyncio.wait((work,))

    def _work(self, hand_over: HandOver) -> None:
        """The thread: connections, one after the other."""
        self._decoder.warm()
        while not self._stop.is_set():
            try:
                MqttConnection(
                    self._source, self._decoder, self._link, self.session, hand_over, self._stop
                ).serve()
            except (OSError, BrokerError) as error:
                self._link.lost(error)
            self._stop.wait(self._link.delay_s())
