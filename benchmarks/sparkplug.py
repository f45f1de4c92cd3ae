"""CPU per Sparkplug value: from the bytes of the connection to a batch in the signals' units.

    python -m benchmarks.sparkplug [--values 2000000] [--rounds 5]

DDATA by alias, each metric with its time and a Double, as Sparkplug wants it; packets of MQTT 5 at
QoS 0, handed over in reads of 64 kB. Counted is all that the source does: packets, topics, sequence
numbers, metrics, scaling, confirmation. Beside it protobuf (upb) parsing the same payloads, its
metrics taken one by one in Python. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import struct
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.collector import cpu
from collector.mqtt.wire import PacketReader
from collector.sparkplug.columns import SparkplugDecoder
from collector.sparkplug.encode import metric_named, payload_of, varint
from plant.model import Source

READ = 1 << 16
SECOND_MS = 1000


def packet(topic: str, content: bytes) -> bytes:
    name = topic.encode()
    body = len(name).to_bytes(2) + name + b"\x00" + content
    return b"\x30" + varint(len(body)) + body


def data(metrics: int, values: int) -> tuple[bytes, list[bytes]]:
    """NBIRTH and DBIRTH; then as many packets as hold so many values."""
    names = [f"cell/{i:04}/voltage" for i in range(metrics)]
    born = [metric_named(n, 0.0, 1, alias=i + 1) for i, n in enumerate(names)]
    births = packet("spBv1.0/G/NBIRTH/N", payload_of(1, [metric_named("bdSeq", 0, 1)], 0))
    births += packet("spBv1.0/G/DBIRTH/N/D", payload_of(1, born, 1))
    packets = []
    for n in range(values // metrics):
        now_ms = 1_700_000_000_000 + n * SECOND_MS
        stamp = b"\x18" + varint(now_ms)
        rows = [
            b"\x10" + varint(i + 1) + stamp + b"\x69" + struct.pack("<d", 4.0 + i + n / 8)
            for i in range(metrics)
        ]
        packets.append(packet("spBv1.0/G/DDATA/N/D", payload_of(now_ms, rows, (n + 2) % 256)))
    return births, packets


def plant_of(metrics: int) -> Any:
    signal = SimpleNamespace(kind="gauge")
    tags = [
        SimpleNamespace(
            column=i, id=f"t{i}", source="s", signal=signal, scale=1.0, offset=0.0,
            address={"metric": f"cell/{i:04}/voltage", "device": "G/N/D"},
        )
        for i in range(metrics)
    ]  # fmt: skip
    settings = SimpleNamespace(max_future_s=60.0)
    return SimpleNamespace(tags=tags, time=settings, hold_ns=np.full(metrics, 30 * 10**9))


def feed(reader: PacketReader, decoder: SparkplugDecoder, wire: bytes) -> Iterator[int]:
    """-> samples of each delivery"""
    for begin in range(0, len(wire), READ):
        piece = wire[begin : begin + READ]
        reader.room()[: len(piece)] = piece
        reader.take(len(piece))
        while len(packets := reader.packets()):
            decoder.take(reader.bytes, reader.buffer, packets, 0)
        reader.keep()
        if decoder.gathered > 50_000:
            yield len(decoder.flush()[0])
    yield len(decoder.flush()[0])


def ours(metrics: int, values: int) -> float:
    """ns a value"""
    births, packets = data(metrics, values)
    options = {"host_id": "H"}
    decoder = SparkplugDecoder(plant_of(metrics), Source("s", "sparkplug", 10.0, options))
    decoder.connected()
    reader = PacketReader(True, decoder.max_payload_bytes)
    sum(feed(reader, decoder, births))
    wire = b"".join(packets)
    began = time.process_time()
    samples = sum(feed(reader, decoder, wire))
    spent = time.process_time() - began
    if samples < values // metrics * metrics:
        raise SystemExit(f"{samples} samples of {values}")
    return spent / samples * 1e9


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--values", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    print(f"machine: {cpu()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}")
    ours(8, 8000)
    for metrics in (1, 8, 50, 336):
        rounds = [ours(metrics, asked.values * min(metrics, 8) // 8) for _ in range(asked.rounds)]
        every = ", ".join(f"{each:.0f}" for each in rounds)
        print(
            f"{metrics:4} metrics a message: {statistics.median(rounds):.0f} ns a value ({every})"
        )


if __name__ == "__main__":
    main()
