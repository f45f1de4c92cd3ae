"""Packets of edge nodes to samples: data in sequence by kernels, all else message by message."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import numpy as np
import orjson
from numpy.typing import NDArray

from collector.mqtt.columns import Columns
from collector.mqtt.wire import END, KNOWN, PAYLOAD, PacketReader, Rows
from collector.scaling import Scaling
from collector.sparkplug.births import Births, death_number
from collector.sparkplug.places import NAMESPACE, Message, Node, Nodes
from collector.sparkplug.sequence import Sequencer
from collector.sparkplug.topics import UNKNOWN, Topics
from collector.sparkplug.wire import (
    DDATA,
    DDEATH,
    METRIC,
    NBIRTH,
    NDATA,
    NO_BIRTH,
    OTHER,
    REASONS,
    STATE,
    TOO_LARGE,
    UNDECODABLE,
    UNKNOWN_TOPIC,
    fill,
    hash_of,
    head,
    metrics,
    remember,
    scratch,
    take,
)
from plant.batch import SECOND, Batch, Quality
from plant.model import Plant, Source

_ROOM = 16_384
_CONFIRM_S = 1.0


class SparkplugDecoder:
    """Gathers packets with `take`; `flush` gives what was gathered as one batch.

    Refused, one for a message: unknown_topic, too_large, undecodable. One for each metric: no_birth
    (of the node or device), unknown_metric (its birth has not told it), no_value, wrong_type.
    Metrics of births that no tag is read from are passed over.
    """

    def __init__(self, plant: Plant, source: Source) -> None:
        options = source.options
        self.max_payload_bytes: int = options.get("max_payload_bytes", 16 << 20)
        self._reorder_s: float = options.get("reorder_s", 2.0)
        self.state_topic = f"{NAMESPACE}/STATE/{options['host_id']}"
        self.nodes = Nodes(tag for tag in plant.tags if tag.source == source.id)
        self.topics = [*self.nodes.filters, self.state_topic]
        self.tags_of_topic = {
            filter_: self.nodes.tags_of[node.id]
            for filter_, node in zip(self.nodes.filters, self.nodes.nodes, strict=True)
        }
        self.denied = False  # somebody told that we are offline
        self.changed = True  # which tags are read
        self._topics = Topics(self.nodes, self.state_topic)
        self._sequencer = Sequencer(self.nodes, self, self._reorder_s)
        self._births = Births()
        self._missing: dict[int, str] = {}  # column -> what its birth lacks
        self._scaling = Scaling.of(plant)
        self._takes_bool = np.array([t.signal.kind == "state" for t in plant.tags], np.bool_)
        self._node_of_tag = np.full(len(plant.tags), -1, np.int64)
        for node in self.nodes.nodes:
            self._node_of_tag[self.nodes.columns(node.places)] = node.index
        self._half_hold = plant.hold_ns // 2
        self._ahead = round(plant.time.max_future_s * SECOND)
        self._newest = np.zeros(len(plant.tags), np.int64)  # ns
        self._value = np.full(len(plant.tags), np.nan)  # NaN: not known, or its place is gone
        self._confirm_at = 0.0
        self._refused = np.zeros(len(REASONS), np.int64)
        self._work = scratch()
        self._parts: list[Columns] = []
        self._filled = 0
        self._start(_ROOM)

    # -- as the connection uses it

    def connected(self) -> None:
        """A new connection: births are to be told again."""
        self._topics.connected()
        self._sequencer.forget()
        self.nodes.forget(self._reorder_s)
        self._value[:] = np.nan
        self.changed = True

    def warm(self) -> None:
        """Compile the kernels, before a broker waits for us."""
        reader = PacketReader(True, self.max_payload_bytes)
        reader.take(0)
        self.take(reader.bytes, reader.buffer, reader.packets(), 0)
        nothing = np.zeros(0, np.uint8)
        Births().tell(nothing, np.zeros((0, METRIC), np.int64), {}, 1, np.zeros(0, np.int64))
        head(nothing, 0, 0)
        metrics(nothing, 0, 0, np.zeros((0, METRIC), np.int64))
        hash_of(nothing, 0, 0)
        self._run_fill(nothing, 0, -1, 0, 0, 1, 1)

    def take(
        self, held: memoryview, buffer: NDArray[np.uint8], packets: Rows, received: int
    ) -> list[str]:
        """Read PUBLISH packets [n, 9] of `buffer` that came at `received` [ns]. -> no topic is
        to be left. MalformedError."""
        self._topics.find(buffer, packets)
        topics, nodes, at = self._topics, self.nodes, 0
        while True:
            at, self._filled, room = take(
                buffer, packets, at, self.max_payload_bytes, received,
                (topics.kind, topics.node, topics.place), nodes.arrays, nodes.place_scopes,
                self._births.table, self._work, self._takes_bool, *self._columns,
                self._filled, self._refused,
            )  # fmt: skip
            if at == len(packets):
                return []
            if room:
                self._spill(max(_ROOM, room))
                continue
            self._other(buffer, packets[at], received)
            at += 1

    def tick(self) -> None:
        """Time goes by without messages, too."""
        self._sequencer.tick()

    @property
    def missed(self) -> int:
        """Messages that never came, by the gaps in the sequence numbers."""
        return self._sequencer.missed

    @property
    def gathered(self) -> int:
        """Samples since the last flush."""
        gathered: int = self._filled + sum(len(part[0]) for part in self._parts)
        return gathered

    def unresolved(self) -> dict[str, str]:
        """Tag id -> why it is not read."""
        return self.nodes.unresolved(self._missing)

    def flush(self) -> tuple[Batch, Counter[str]]:
        """What was taken since the last call, and what was refused."""
        self._spill(_ROOM)
        gathered = self._joined()
        remember(*gathered, time.time_ns() + self._ahead, self._newest, self._value)
        if time.monotonic() >= self._confirm_at:
            self._confirm_at = time.monotonic() + _CONFIRM_S
            self._parts = [gathered, self._confirm()]
            gathered = self._joined()
        tags, times, values, quality = gathered
        batch = Batch(tags, times, self._scaling.apply(tags, values), quality)
        refused = Counter(
            {reason: n for reason, n in zip(REASONS, self._refused.tolist(), strict=True) if n}
        )
        self._refused[:] = 0
        return batch, refused

    # -- one message

    def _other(self, buffer: NDArray[np.uint8], packet: NDArray[np.int64], received: int) -> None:
        """A packet that `take` has left."""
        topic = packet[KNOWN]
        kind = int(self._topics.kind[topic]) if topic >= 0 else UNKNOWN
        begin, end = int(packet[PAYLOAD]), int(packet[END])
        if kind == UNKNOWN:
            self._refused[UNKNOWN_TOPIC] += 1
        elif kind == OTHER:
            return
        elif end - begin > self.max_payload_bytes:
            self._refused[TOO_LARGE] += 1
        elif kind == STATE:
            self._hear_of_us(buffer[begin:end].tobytes())
        else:
            payload = buffer[begin:end].copy()
            sent, seq, count = head(payload, 0, len(payload))
            if count < 0:
                self._refused[UNDECODABLE] += 1
                return
            place = int(self._topics.place[topic])
            message = Message(kind, place, payload, sent, seq, count, received)
            self._sequencer.arrive(self.nodes.nodes[self._topics.node[topic]], message)

    def _hear_of_us(self, payload: bytes) -> None:
        try:
            state = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return
        self.denied = isinstance(state, dict) and state.get("online") is False

    # -- what the sequencer asks for

    def refuse_unborn(self, node: Node, message: Message) -> None:
        if message.place >= 0:
            self._refused[NO_BIRTH] += message.count
        node.urge(time.monotonic())
        self.nodes.wants_birth[node.index] = True

    def apply(self, node: Node, message: Message) -> None:
        """A message of a born node other than NBIRTH and NDEATH."""
        place = message.place
        if place < 0:
            return
        if message.kind == DDEATH:
            self._gone([place], message.sent)
        elif message.kind in (NDATA, DDATA):
            if self.nodes.place_scopes[place]:
                self._fill(node, message)
            else:
                self.refuse_unborn(node, message)
        else:
            self._register(node, message)

    def born(self, node: Node, message: Message) -> bool:
        """NBIRTH: all that was told before is void. -> could it be read?"""
        before = self.nodes.alias_scopes[node.index]
        self.nodes.alias_scopes[node.index] = self._births.new_scope()
        if self._register(node, message):
            self.nodes.place_scopes[[p for p in node.places if p != message.place]] = 0
            return True
        self.nodes.alias_scopes[node.index] = before
        return False

    def died(self, node: Node, message: Message) -> None:
        """NDEATH; one of an earlier connection of the node says nothing."""
        rows = self._rows(message)
        told = None if rows is None else death_number(message.payload, rows)
        if node.dead or (None not in (told, node.death) and told != node.death):
            return
        for earlier in self._sequencer.take_held(node):
            self.apply(node, earlier)
        node.dead = True
        self.nodes.next_seq[node.index] = -1
        self.nodes.wants_birth[node.index] = False
        self._gone(node.places, message.received)

    def _gone(self, places: Iterable[int], when: int) -> None:
        """From `when` [ns] on nothing is known of these places."""
        columns = self.nodes.columns(places)
        self.nodes.place_scopes[list(places)] = 0
        self.changed = True
        count = len(columns)
        bad = np.full(count, Quality.BAD, np.uint8)
        self._spill(_ROOM)  # before it in the order
        self._parts.append((columns, np.full(count, when, np.int64), np.full(count, np.nan), bad))

    # -- births

    def _rows(self, message: Message) -> NDArray[np.int64] | None:
        rows = np.empty((message.count, METRIC), np.int64)
        if metrics(message.payload, 0, len(message.payload), rows):
            return rows
        self._refused[UNDECODABLE] += 1
        return None

    def _register(self, node: Node, message: Message) -> bool:
        """What a birth tells of its metrics, and their values. -> could it be read?"""
        rows = self._rows(message)
        if rows is None:
            return False
        if message.kind == NBIRTH:
            node.death = death_number(message.payload, rows)
        place, wanted = message.place, self.nodes.wanted[message.place]
        scopes = self.nodes.alias_scopes, self.nodes.place_scopes
        self.nodes.place_scopes[place], told = self._births.tell(
            message.payload, rows, wanted, int(scopes[0][node.index]), np.concatenate(scopes)
        )
        for name, column in wanted.items():
            if name in told:
                self._missing.pop(column, None)
            else:
                self._missing[column] = f'its birth has no metric "{name.decode()}"'
        self.changed = True
        self._fill(node, message)
        return True

    # -- samples

    def _fill(self, node: Node, message: Message) -> None:
        """Samples of a message whose place is born."""
        if self._filled + message.count > len(self._columns[0]):
            self._spill(max(_ROOM, message.count))
        rows, unknown = self._run_fill(
            message.payload,
            len(message.payload),
            message.time,
            message.received,
            int(self.nodes.marks[node.index]),
            int(self.nodes.place_scopes[message.place]),
            int(self.nodes.alias_scopes[node.index]),
        )
        if rows < 0:
            self._refused[UNDECODABLE] += 1
            return
        self._filled = rows
        if unknown:
            self.nodes.wants_birth[node.index] = True

    def _run_fill(
        self, payload: NDArray[np.uint8], end: int, sent: int, received: int, marks: int,
        name_scope: int, alias_scope: int,
    ) -> tuple[int, int]:  # fmt: skip
        rows: tuple[int, int] = fill(
            payload, 0, end, sent, received, marks, name_scope, alias_scope, self._births.table,
            self._work, self._takes_bool, *self._columns, self._filled, self._refused,
        )  # fmt: skip
        return rows

    def _start(self, rows: int) -> None:
        self._columns: Columns = (
            np.empty(rows, np.int32),
            np.empty(rows, np.int64),
            np.empty(rows, np.float64),
            np.empty(rows, np.uint8),
        )
        self._filled = 0

    def _spill(self, room: int) -> None:
        tags, times, values, quality = self._columns
        n = self._filled
        self._parts.append((tags[:n], times[:n], values[:n], quality[:n]))
        self._start(room)

    def _joined(self) -> Columns:
        tags, times, values, quality = (
            np.concatenate(column) for column in zip(*self._parts, strict=True)
        )
        self._parts = []
        return tags, times, values, quality

    # -- what is quiet and still known

    def _confirm(self) -> Columns:
        """Values that were not told again stand while their node is heard, for it tells changes."""
        heard = np.where(self._node_of_tag >= 0, self.nodes.heard[self._node_of_tag], 0)
        quiet = np.flatnonzero(~np.isnan(self._value) & (heard - self._newest > self._half_hold))
        self._newest[quiet] = heard[quiet]
        marks = self.nodes.marks[self._node_of_tag[quiet]] | int(Quality.CONFIRMED)
        return (
            quiet.astype(np.int32),
            heard[quiet],
            self._value[quiet],
            marks.astype(np.uint8),
        )
