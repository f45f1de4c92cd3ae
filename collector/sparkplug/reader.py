"""Sparkplug source: a host application over the MQTT source's own reading of many packets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace

from collector.channel import Put, channel
from collector.link import LinkState
from collector.mqtt.session import HandOver, Session
from collector.mqtt.transport import BrokerError
from collector.source import Delivery
from collector.sparkplug.columns import SparkplugDecoder
from collector.sparkplug.connection import HostConnection
from plant.model import Plant, Source


class SparkplugReader:
    """Samples of the edge nodes of one broker. It publishes what `speech.py` has, no more."""

    def __init__(self, source: Source, plant: Plant) -> None:
        options = source.options
        self._source = replace(
            source, options={**options, "subscribe": "topics", "session_expiry_s": 0}
        )
        self._link = LinkState(source.id, f"{options['host']}:{options['port']}")
        self.health = self._link.health
        self._decoder = SparkplugDecoder(plant, source)
        self._stop = threading.Event()

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        loop = asyncio.get_running_loop()
        hand_over = HandOver(put, loop)
        with ThreadPoolExecutor(1, f"sparkplug-{self._source.id}") as thread:
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
            session = Session.of(self._source)  # nothing outlives a connection
            try:
                HostConnection(
                    self._source, self._decoder, self._link, session, hand_over, self._stop
                ).serve()
            except (OSError, BrokerError) as error:
                self._link.lost(error)
            self._stop.wait(self._link.delay_s())
