"""MQTT source: paho under our own reconnecting. It never publishes."""

from __future__ import annotations

from collector.mqtt.columns import PacketDecoder
from collector.mqtt.connection import MqttConnection
from collector.mqtt.session import HandOver, Session
from collector.mqtt.thread import BrokerReader
from plant.model import Plant, Source

MOST_PAYLOAD_BYTES = 1 << 20


class MqttReader(BrokerReader):
    """Samples of one broker, which has a session for us that outlives connections under a stable
    client id."""

    def __init__(self, source: Source, plant: Plant) -> None:
        most = source.options.get("max_payload_bytes", MOST_PAYLOAD_BYTES)
        self._decoder = PacketDecoder(plant, source.id, most)
        self.session = Session.of(source)
        super().__init__(source, self._decoder)

    def _connection(self, hand_over: HandOver) -> MqttConnection:
        return MqttConnection(
            self._source, self._decoder, self._link, self.session, hand_over, self._stop
        )
