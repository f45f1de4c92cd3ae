"""A host application's decoder, fed with packets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sparkplug import publish

from collector.mqtt.wire import PacketReader
from collector.sparkplug.columns import SparkplugDecoder
from plant.batch import Batch
from plant.model import Plant, Source


@dataclass
class Host:
    """A decoder, and the connection that it reads."""

    decoder: SparkplugDecoder
    reader: PacketReader
    received: int = 10**18

    def hear(self, topic: str, content: bytes) -> None:
        wire = publish(f"spBv1.0/{topic}", content)
        while wire:
            room = self.reader.room()
            count = min(len(room), len(wire))
            room[:count] = wire[:count]
            wire = wire[count:]
            self.reader.take(count)
            while len(packets := self.reader.packets()):
                self.decoder.take(self.reader.bytes, self.reader.buffer, packets, self.received)
            self.reader.keep()

    def flush(self) -> tuple[Batch, dict[str, int]]:
        batch, refused = self.decoder.flush()
        live = batch.take(batch.quality & 4 == 0)  # confirmations are looked at elsewhere
        return live, dict(refused)

    def values(self) -> list[tuple[int, float]]:
        batch, _ = self.flush()
        return list(zip(batch.tags.tolist(), batch.values.tolist(), strict=True))


@pytest.fixture
def host_of(plant_of: Callable[..., Plant]) -> Callable[..., Host]:
    """host_of(rows, **options): a decoder of a source with these tags, connected."""

    def build(rows: list[dict[str, Any]], **options: object) -> Host:
        own = {"host": "127.0.0.1", "port": 1, "client_id": "c", "host_id": "H", **options}
        plant = plant_of(Source("s", "sparkplug", 10.0, own), rows)
        decoder = SparkplugDecoder(plant, plant.sources[0])
        decoder.connected()
        return Host(decoder, PacketReader(True, decoder.max_payload_bytes))

    return build
