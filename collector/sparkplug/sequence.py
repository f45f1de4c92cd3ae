"""In which order messages of an edge node count: by their sequence numbers, within a window.

Sparkplug 3.0, "Sparkplug Host Application Message Ordering": one that comes ahead of others is held
until they come, or until the window is over; then what is held counts as it came, and births are
asked for.
"""

from __future__ import annotations

import time
from typing import Protocol

from collector.sparkplug.places import Message, Node, Nodes
from collector.sparkplug.wire import NBIRTH, NDEATH

_CYCLE = 256
_MOST_HELD_BYTES = 64 << 20
_UNCERTAIN = 1


class Receiver(Protocol):
    """What happens with messages when it is their turn."""

    def apply(self, node: Node, message: Message) -> None: ...
    def born(self, node: Node, message: Message) -> bool: ...
    def died(self, node: Node, message: Message) -> None: ...
    def refuse_unborn(self, node: Node, message: Message) -> None: ...


class Sequencer:
    def __init__(self, nodes: Nodes, receiver: Receiver, reorder_s: float) -> None:
        self._nodes = nodes
        self._receiver = receiver
        self._reorder_s = reorder_s
        self._held_bytes = 0
        self.missed = 0  # messages that never came

    def forget(self) -> None:
        """All that was held is of an earlier connection."""
        self._held_bytes = 0

    def arrive(self, node: Node, message: Message) -> None:
        if message.kind == NBIRTH:
            self._birth(node, message)
        elif message.kind == NDEATH:
            self._receiver.died(node, message)
        elif self._nodes.next_seq[node.index] < 0:
            self._receiver.refuse_unborn(node, message)
        else:
            self._in_turn(node, message)

    def tick(self) -> None:
        """Give up what was waited for long enough."""
        if not self._nodes.holding.any():
            return
        now = time.monotonic()
        for index in self._nodes.holding.nonzero()[0]:
            node = self._nodes.nodes[index]
            if now >= node.give_up_at or self._held_bytes > _MOST_HELD_BYTES:
                self.give_up(node)

    def _ahead(self, node: Node, seq: int) -> int:
        return int((seq - self._nodes.next_seq[node.index]) % _CYCLE)

    def _in_turn(self, node: Node, message: Message) -> None:
        ahead = self._ahead(node, message.seq)
        if message.seq >= 0 and ahead == 0:
            self._apply(node, message)
            self._release(node)
        elif ahead == _CYCLE - 1 and message.sent == self._nodes.heard[node.index]:
            self._receiver.apply(node, message)  # the same once more
        else:
            if not node.held:
                node.give_up_at = time.monotonic() + self._reorder_s
                node.moved = False
            self._hold(node, message)

    def _hold(self, node: Node, message: Message) -> None:
        node.held.append(message)
        self._held_bytes += len(message.payload)
        self._nodes.holding[node.index] = True

    def take_held(self, node: Node) -> list[Message]:
        """What is held, no longer to be."""
        held, node.held = node.held, []
        self._held_bytes -= sum(len(message.payload) for message in held)
        self._nodes.holding[node.index] = False
        return held

    def _apply(self, node: Node, message: Message) -> None:
        self._nodes.next_seq[node.index] = (message.seq + 1) % _CYCLE
        node.moved = True
        self._nodes.hear(node, message)
        self._receiver.apply(node, message)

    def _release(self, node: Node) -> None:
        """Those held whose turn it is now."""
        while True:
            turn = next((m for m in node.held if self._ahead(node, m.seq) == 0), None)
            if turn is None:
                return
            held = self.take_held(node)
            held.remove(turn)
            for message in held:
                self._hold(node, message)
            self._apply(node, turn)

    def give_up(self, node: Node) -> None:
        """What is held counts now: first what came behind its turn, then the rest in its order."""
        newest = node.held[-1].seq
        for message in sorted(self.take_held(node), key=lambda m: self._turn(node, m)):
            ahead = self._turn(node, message)
            if message.seq < 0 or ahead < 0:
                self._receiver.apply(node, message)
                continue
            self.missed += ahead
            self._apply(node, message)
        if self._nodes.next_seq[node.index] >= 0:
            self._nodes.marks[node.index] = _UNCERTAIN  # until births tell again what is what
            if newest >= 0 and not node.moved:  # as after a birth that never came
                self._nodes.next_seq[node.index] = (newest + 1) % _CYCLE
        self._nodes.wants_birth[node.index] = True

    def _turn(self, node: Node, message: Message) -> int:
        """How far ahead, negative for behind."""
        return (self._ahead(node, message.seq) + _CYCLE // 2) % _CYCLE - _CYCLE // 2

    def _birth(self, node: Node, message: Message) -> None:
        """What was held and is older than the birth belongs to the births before."""
        held = self.take_held(node)
        if self._nodes.next_seq[node.index] >= 0:
            for earlier in held:
                if earlier.time < message.time:
                    self._receiver.apply(node, earlier)
        marks = self._nodes.marks[node.index]
        self._nodes.marks[node.index] = 0
        if not self._receiver.born(node, message):
            self._nodes.marks[node.index] = marks
            return
        self._nodes.next_seq[node.index] = (max(message.seq, 0) + 1) % _CYCLE
        self._nodes.wants_birth[node.index] = False
        node.born(time.monotonic())
        self._nodes.hear(node, message)
        node.give_up_at = time.monotonic() + self._reorder_s
        for later in held:
            if later.time >= message.time:
                self._hold(node, later)
        self._release(node)
