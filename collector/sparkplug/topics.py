"""Topics of edge nodes by their bytes: those of the plant, and others as they come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collector.mqtt.columns import ALIASES
from collector.mqtt.scan_json import NEVER_TOLD, find_topics, hash_of
from collector.mqtt.wire import ALIAS, KNOWN, TOPIC, TOPIC_END, MalformedError, Rows
from collector.sparkplug.places import KINDS, NAMESPACE, Nodes
from collector.sparkplug.wire import OTHER, STATE

UNKNOWN = -1
"""Of a topic that Sparkplug does not have, as its kind."""
_MOST = 100_000
"""Topics that are remembered; a namespace that has more is read more slowly."""


class Topics:
    def __init__(self, nodes: Nodes, state_topic: str) -> None:
        self._nodes = nodes
        self._state = state_topic
        self._count = 0
        self._slots = np.full(64, -1, np.int32)
        self._texts = np.zeros(1024, np.uint8)
        self._text_at = np.zeros(32, np.int64)
        self.kind = np.zeros(32, np.int64)
        self.node = np.zeros(32, np.int64)
        self.place = np.zeros(32, np.int64)
        self.connected()

    def connected(self) -> None:
        """Topic aliases end with their connection."""
        self._aliases = np.full(ALIASES + 1, NEVER_TOLD, np.int32)

    def find(self, buffer: NDArray[np.uint8], packets: Rows) -> None:
        """Fill KNOWN of packets [n, 9]. MalformedError."""
        find_topics(buffer, packets, self._slots, self._texts, self._text_at, self._aliases)
        known = packets[:, KNOWN]
        if (known >= 0).all():
            return
        for row in packets[known < 0]:  # a copy: aliases told in between are found again below
            self._learn(buffer[row[TOPIC] : row[TOPIC_END]].tobytes(), int(row[ALIAS]))
        find_topics(buffer, packets, self._slots, self._texts, self._text_at, self._aliases)
        if (known == NEVER_TOLD).any():
            raise MalformedError("a topic alias that it never told")

    def _learn(self, topic: bytes, alias: int) -> None:
        if not topic or self._count >= _MOST:
            return
        begin, end = self._text_at[self._count], self._text_at[self._count] + len(topic)
        while end > len(self._texts):
            self._texts = np.concatenate((self._texts, np.zeros_like(self._texts)))
        self._texts[begin:end] = np.frombuffer(topic, np.uint8)
        slot = hash_of(self._texts, begin, end) & (len(self._slots) - 1)
        while (there := self._slots[slot]) >= 0:
            if self._texts[self._text_at[there] : self._text_at[there + 1]].tobytes() == topic:
                return
            slot = (slot + 1) & (len(self._slots) - 1)
        index = self._count
        self._slots[slot] = index
        self._text_at[index + 1] = end
        self.kind[index], self.node[index], self.place[index] = self._meaning(topic)
        self._count += 1
        if alias:
            self._aliases[alias] = index
        if self._count + 2 > len(self.kind):
            self._grow()

    def _grow(self) -> None:
        for name in ("kind", "node", "place", "_text_at"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate((array, np.zeros_like(array))))
        self._slots = np.full(2 * len(self._slots), -1, np.int32)
        for index in range(self._count):
            begin, end = self._text_at[index], self._text_at[index + 1]
            slot = hash_of(self._texts, begin, end) & (len(self._slots) - 1)
            while self._slots[slot] >= 0:
                slot = (slot + 1) & (len(self._slots) - 1)
            self._slots[slot] = index

    def _meaning(self, topic: bytes) -> tuple[int, int, int]:
        """Kind, node, place (-1 of a device that nothing is read from)."""
        text = topic.decode(errors="replace")
        if text == self._state:
            return STATE, 0, 0
        levels = text.split("/")
        if levels[0] != NAMESPACE or len(levels) not in (4, 5):
            return UNKNOWN, 0, 0
        group, kind, *rest = levels[1:]
        node = self._nodes.by_id.get(f"{group}/{rest[0]}")
        if node is None:
            return UNKNOWN, 0, 0
        if kind in ("NCMD", "DCMD"):
            return OTHER, node.index, 0
        if kind not in KINDS or (kind[0] == "D") != (len(rest) == 2):
            return UNKNOWN, 0, 0
        place = self._nodes.place_of.get("/".join([group, *rest]), -1)
        return KINDS[kind], node.index, place
