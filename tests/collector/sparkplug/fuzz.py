"""Broken births and data through the whole decoder: python fuzz.py SEED MESSAGES"""

from __future__ import annotations

import random
import sys
from types import SimpleNamespace

import numpy as np
from sparkplug import metric, payload, publish

from collector.mqtt.wire import PacketReader
from collector.sparkplug.columns import SparkplugDecoder
from plant.model import Source


def main(seed: int, messages: int) -> None:
    luck = random.Random(seed)
    signal = SimpleNamespace(kind="gauge")
    tags = [
        SimpleNamespace(
            column=i, id=f"t{i}", source="s", signal=signal, scale=1.0, offset=0.0,
            address={"metric": f"m{i}", "edge_node": "G/N"},
        )
        for i in range(20)
    ]  # fmt: skip
    time = SimpleNamespace(max_future_s=60.0)
    plant = SimpleNamespace(tags=tags, time=time, hold_ns=np.full(20, 10**10))
    options = {"host_id": "H", "max_payload_bytes": 4000}
    decoder = SparkplugDecoder(plant, Source("s", "sparkplug", 1.0, options))
    decoder.connected()
    reader = PacketReader(True, 4000)
    quality = {"keys": ["Quality"], "values": [{"type": 3, "int_value": 192}]}
    samples = 0
    for n in range(messages):
        kind = luck.choice(["NBIRTH", "NDATA", "NDATA", "NDATA", "NDEATH"])
        rows = [
            metric(f"m{i}" if kind == "NBIRTH" else "", 1.0, alias=i, properties=quality)
            for i in luck.sample(range(20), 4)
        ]
        content = bytearray(payload(rows, 0 if kind == "NBIRTH" else n % 3))
        if luck.random() < 0.7:
            for _ in range(luck.randrange(1, 5)):
                content[luck.randrange(len(content))] = luck.getrandbits(8)
        wire = publish(f"spBv1.0/G/{kind}/N", bytes(content[: luck.randrange(1, 400)]))
        room = reader.room()
        room[: len(wire)] = wire
        reader.take(len(wire))
        while len(packets := reader.packets()):
            # the payload alone, so that its end is the end of the array
            end = int(packets[0, 7])
            decoder.take(reader.bytes[:end], reader.buffer[:end], packets, 10**18)
        reader.keep()
        samples += len(decoder.flush()[0])
    assert samples > messages // 10


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
