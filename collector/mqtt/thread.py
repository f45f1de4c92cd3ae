"""A source that reads one broker: connections one after the other, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Protocol

from collector.channel import Put, channel
from collector.link import LinkState
from collector.mqtt.connection import MqttConnection
from collector.mqtt.session import HandOver
from collector.mqtt.transport import BrokerError
from collector.source import Delivery
from plant.model import Source


class Warms(Protocol):
    """A decoder: `warm` compiles its kernels, before a broker waits for us."""

    def warm(self) -> None: ...


class BrokerReader:
    """Connects again for ever, with a fresh client for each connection."""

    def __init__(self, source: Source, decoder: Warms) -> None:
        options = source.options
        self._source = source
        self._link = LinkState(source.id, f"{options['host']}:{options['port']}")
        self.health = self._link.health
        self._to_warm = decoder
        self._stop = threading.Event()

    def _connection(self, hand_over: HandOver) -> MqttConnection:
        """The next one."""
        raise NotImplementedError

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        async with aclosing(channel(self._run)) as samples:
            async for delivery in samples:
                yield delivery

    async def _run(self, put: Put) -> None:
        loop = asyncio.get_running_loop()
        hand_over = HandOver(put, loop)
        with ThreadPoolExecutor(1, f"broker-{self._source.id}") as thread:
            self._stop.clear()
            work = loop.run_in_executor(thread, self._work, hand_over)
            try:
                await asyncio.shield(work)
            finally:
                self._stop.set()
                hand_over.cancel()
                await asyncio.wait((work,))

    def _work(self, hand_over: HandOver) -> None:
        self._to_warm.warm()
        while not self._stop.is_set():
            try:
                self._connection(hand_over).serve()
            except (OSError, BrokerError) as error:
                self._link.lost(error)
            self._stop.wait(self._link.delay_s())
