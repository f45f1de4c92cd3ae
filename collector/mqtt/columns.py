"""Packets to samples: the common payloads by kernels, all others by the library, in their order."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from collector.mqtt.payload import PayloadDecoder
from collector.mqtt.scan_json import NEVER_TOLD, REASONS, UNWANTED, decode, find_topics
from collector.mqtt.shapes import Shapes
from collector.mqtt.wire import (
    END,
    KNOWN,
    PAYLOAD,
    TOPIC,
    TOPIC_END,
    MalformedError,
    PacketReader,
    Rows,
)
from collector.scaling import Scaling
from plant.batch import Batch
from plant.model import Plant

ALIASES = 65_535
"""Topic aliases that a broker may use."""
_ROOM = 16_384
_UNWANTED = 20
"""Topics of no tag that are named by one `take`, at most."""

Columns = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]


class PacketDecoder:
    """Gathers packets with `take`; `flush` gives what was gathered as one batch.

    Samples and reasons of refusal are those of PayloadDecoder, message by message.
    """

    def __init__(self, plant: Plant, source: str, max_payload_bytes: int) -> None:
        self._library = PayloadDecoder(plant, source, max_payload_bytes)
        self.max_payload_bytes = max_payload_bytes
        self._scaling = Scaling.of(plant)
        self._shapes = Shapes(self._library)
        self.topics = self._library.topics
        self.tags_of_topic = self._library.tags_of_topic
        self._refused = np.zeros(len(REASONS), np.int64)
        self._taken = 0  # packets, ever: their order
        self._parts: list[tuple[Columns, NDArray[np.int64]]] = []
        self._left: list[tuple[int, int]] = []  # order of a packet, rows that the library gave
        self._start()
        self.connected()

    def connected(self) -> None:
        """Topic aliases end with their connection."""
        self._aliases = np.full(ALIASES + 1, NEVER_TOLD, np.int32)

    def warm(self) -> None:
        """Compile the kernels, before a broker waits for us."""
        reader = PacketReader(True, self.max_payload_bytes)
        reader.take(0)
        self.take(reader.bytes, reader.buffer, reader.packets(), 0)

    def _start(self) -> None:
        rows = _ROOM + self._shapes.widest
        self._columns: Columns = (
            np.empty(rows, np.int32),
            np.empty(rows, np.int64),
            np.empty(rows, np.float64),
            np.empty(rows, np.uint8),
        )
        self._order = np.empty(rows, np.int64)
        self._filled = 0

    def take(
        self, held: memoryview, buffer: NDArray[np.uint8], packets: Rows, received: int
    ) -> list[str]:
        """Read PUBLISH packets [n, 9] of `buffer` that came at `received` [ns]; `held`: the same
        bytes. -> some of the topics that are of no tag. MalformedError."""
        shapes = self._shapes
        find_topics(buffer, packets, shapes.slots, shapes.texts, shapes.text_at, self._aliases)
        known = packets[:, KNOWN]
        never = known == NEVER_TOLD
        if never.any():
            self.take(held, buffer, packets[: never.argmax()], received)
            raise MalformedError("a topic alias that it never told")
        left = np.zeros(len(packets), np.bool_)
        done = 0
        while True:
            done, self._filled = decode(
                buffer, packets, done, self.max_payload_bytes, received, shapes.tables,
                *self._columns, self._order, self._filled, self._taken, left, self._refused,
            )  # fmt: skip
            if done == len(packets):
                break
            self._spill()
        for i in np.flatnonzero(left).tolist():
            before = self._library.gathered
            payload = bytes(held[packets[i, PAYLOAD] : packets[i, END]])
            self._library.take(self.topics[known[i]], payload, received)
            self._left.append((self._taken + i, self._library.gathered - before))
        self._taken += len(packets)
        unknown = np.flatnonzero(known == UNWANTED)[:_UNWANTED]
        names = (bytes(held[packets[i, TOPIC] : packets[i, TOPIC_END]]) for i in unknown)
        return [name.decode(errors="ignore") for name in names if name]

    @property
    def gathered(self) -> int:
        """Samples since the last flush."""
        spilled = sum(len(order) for _, order in self._parts)
        return spilled + self._filled + self._library.gathered

    def _spill(self) -> None:
        columns = tuple(column[: self._filled] for column in self._columns)
        self._parts.append((columns, self._order[: self._filled]))  # type: ignore[arg-type]
        self._start()

    def flush(self) -> tuple[Batch, Counter[str]]:
        """What was taken since the last call, and what was refused."""
        self._spill()
        tags, times, values, quality = (
            np.concatenate(column)
            for column in zip(*(columns for columns, _ in self._parts), strict=True)
        )
        batch = Batch(tags, times, self._scaling.apply(tags, values), quality)
        others, refused = self._library.flush()
        if self._left:
            orders = [order for _, order in self._parts]
            orders.append(np.repeat(*np.array(self._left, np.int64).T))
            batch = Batch.concat((batch, others)).take(
                np.argsort(np.concatenate(orders), kind="stable")
            )
        for reason, count in zip(REASONS, self._refused.tolist(), strict=True):
            if count:
                refused[reason] += count
        self._refused[:] = 0
        self._parts = []
        self._left = []
        return batch, refused
