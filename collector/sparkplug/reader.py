"""Sparkplug source: a host application over the MQTT source's own reading of many packets."""

from __future__ import annotations

from dataclasses import replace

from collector.mqtt.session import HandOver, Session
from collector.mqtt.thread import BrokerReader
from collector.sparkplug.columns import SparkplugDecoder
from collector.sparkplug.connection import HostConnection
from plant.model import Plant, Source


class SparkplugReader(BrokerReader):
    """Samples of the edge nodes of one broker. It publishes what `speech.py` has, no more."""

    def __init__(self, source: Source, plant: Plant) -> None:
        self._decoder = SparkplugDecoder(plant, source)
        options = {**source.options, "subscribe": "topics", "session_expiry_s": 0}
        super().__init__(replace(source, options=options), self._decoder)

    def _connection(self, hand_over: HandOver) -> HostConnection:
        session = Session.of(self._source)  # nothing outlives a connection
        return HostConnection(
            self._source, self._decoder, self._link, session, hand_over, self._stop
        )
