"""What of a plant is read from which edge nodes and devices, and how each of these stands."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from collector.sparkplug.wire import DBIRTH, DDATA, DDEATH, NBIRTH, NDATA, NDEATH
from plant.model import Tag

NAMESPACE = "spBv1.0"
MILLISECOND = 1_000_000
_LATEST_MS = np.iinfo(np.int64).max // MILLISECOND
KINDS = {
    "NBIRTH": NBIRTH,
    "NDATA": NDATA,
    "NDEATH": NDEATH,
    "DBIRTH": DBIRTH,
    "DDATA": DDATA,
    "DDEATH": DDEATH,
}
ASK_SOON_S, ASK_S, ASK_LONGEST_S = 0.2, 10.0, 300.0
"""Between two requests for births of one edge node: doubling while it does not help."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """What came for an edge node and is not data in sequence. time: of the payload [ms], -1 for
    none; received: [ns]; place: index, -1 for a device that nothing is read from."""

    kind: int
    place: int
    payload: NDArray[np.uint8]
    time: int
    seq: int
    count: int  # of metrics
    received: int

    @property
    def sent(self) -> int:
        """Its time, that of receipt where it has none. [ns]"""
        return min(self.time, _LATEST_MS) * MILLISECOND if self.time >= 0 else self.received


@dataclass(slots=True)
class Node:
    """An edge node. What the kernels need of it stands in `Nodes`."""

    index: int
    id: str  # "group/node"
    places: list[int] = field(default_factory=list)  # its own, and of its devices
    death: int | None = None  # bdSeq of its birth
    dead: bool = False
    held: list[Message] = field(default_factory=list)  # out of sequence
    moved: bool = False  # one came in its turn while others were held
    give_up_at: float = 0.0  # monotonic: when what is held is no longer waited for
    ask_at: float = 0.0  # monotonic: no request for births before
    wait_s: float = ASK_S
    told: bool = False

    def tell_once(self) -> bool:
        """-> was it not told yet?"""
        first, self.told = not self.told, True
        return first

    def urge(self, now: float) -> None:
        """It speaks and was not asked yet: soon, unless it follows our STATE by itself."""
        if self.wait_s == ASK_S:
            self.ask_at = min(self.ask_at, now + ASK_SOON_S)

    def asked(self, now: float) -> None:
        """Births were requested."""
        self.ask_at = now + self.wait_s
        self.wait_s = min(2 * self.wait_s, ASK_LONGEST_S)

    def born(self, now: float) -> None:
        if now > self.ask_at + self.wait_s:
            self.wait_s = ASK_S
        self.dead = False


class Nodes:
    """All edge nodes of a source, and their places: a node itself or one of its devices."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        self.nodes: list[Node] = []
        self.by_id: dict[str, Node] = {}
        self.place_of: dict[str, int] = {}  # "group/node", "group/node/device"
        self.node_of_place: list[Node] = []
        self.wanted: list[dict[bytes, int]] = []  # by place: metric -> column
        self.tags_of: dict[str, list[str]] = defaultdict(list)  # node -> tag ids
        self._tag_ids: dict[int, str] = {}
        for tag in tags:
            place = tag.address.get("device") or tag.address["edge_node"]
            node = "/".join(place.split("/")[:2])
            self._add(node)
            self._add(place)
            self.wanted[self.place_of[place]][tag.address["metric"].encode()] = tag.column
            self.tags_of[node].append(tag.id)
            self._tag_ids[tag.column] = tag.id
        count = len(self.nodes)
        self.next_seq = np.full(count, -1, np.int64)
        self.holding = np.zeros(count, np.bool_)
        self.marks = np.zeros(count, np.int64)
        self.alias_scopes = np.zeros(count, np.int64)
        self.heard = np.zeros(count, np.int64)
        self.wants_birth = np.zeros(count, np.bool_)
        self.place_scopes = np.zeros(len(self.wanted), np.int64)
        self.arrays = (
            self.next_seq, self.holding, self.marks, self.alias_scopes, self.heard,
            self.wants_birth,
        )  # fmt: skip

    def _add(self, place: str) -> None:
        if place in self.place_of:
            return
        node_id = "/".join(place.split("/")[:2])
        if place == node_id:
            self.by_id[place] = Node(len(self.nodes), place)
            self.nodes.append(self.by_id[place])
        node = self.by_id[node_id]
        self.place_of[place] = len(self.wanted)
        node.places.append(len(self.wanted))
        self.node_of_place.append(node)
        self.wanted.append({})

    @property
    def filters(self) -> list[str]:
        """One for each edge node: all kinds of messages of itself and of its devices."""
        ids = (node.id.split("/") for node in self.nodes)
        return [f"{NAMESPACE}/{group}/+/{node}/#" for group, node in ids]

    def hear(self, node: Node, message: Message) -> None:
        """A message came in its turn: until then the node had nothing else to tell."""
        self.heard[node.index] = message.sent

    def columns(self, places: Iterable[int]) -> NDArray[np.int32]:
        """Columns of the tags of some places."""
        return np.array([c for place in places for c in self.wanted[place].values()], np.int32)

    def forget(self, reorder_s: float) -> None:
        """A new connection: what births told may be others' now."""
        now = time.monotonic()
        self.next_seq[:] = -1
        self.holding[:] = False
        self.marks[:] = 0
        self.alias_scopes[:] = 0
        self.place_scopes[:] = 0
        self.wants_birth[:] = True
        for node in self.nodes:
            node.held.clear()
            node.death, node.dead, node.wait_s = None, False, ASK_S
            node.ask_at = now + reorder_s  # those that follow our STATE come by themselves

    def unresolved(self, missing: dict[int, str]) -> dict[str, str]:
        """Why tags are not read: tag id -> reason. missing: column -> what its birth lacks."""
        found: dict[str, str] = {}
        for node in self.nodes:
            for place in node.places:
                if self.place_scopes[place]:
                    reasons = missing
                else:
                    why = f"{node.id} is offline" if node.dead else f"no birth of {node.id} yet"
                    reasons = dict.fromkeys(self.wanted[place].values(), why)
                for column in self.wanted[place].values():
                    if column in reasons:
                        found[self._tag_ids[column]] = reasons[column]
        return found
