"""Which of two collectors is the active one: a lease that is renewed by being heard.

No clock is compared: each counts seconds since it heard the other. An epoch counts take-overs; it
only grows, and where both believe to be active the higher one stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BEGIN = "waits to hear of another active collector"


@dataclass(frozen=True, slots=True)
class Word:
    """What one collector says of itself. leaving: it gives up the lease, if it has it."""

    name: str
    priority: int
    epoch: int
    active: bool
    leaving: bool = False

    @property
    def rank(self) -> tuple[int, int, str]:
        """Of two active ones the greater stands: the newer lease, then the lower number."""
        return self.epoch, -self.priority, self.name


class Lease:
    """`hear` what the other one says, `tick` often; both tell of an edge by `changed`. Times are
    seconds of one monotonic clock.

    keep: makes an epoch durable before it counts.
    """

    def __init__(
        self,
        name: str,
        priority: int,
        lease_s: float,
        now: float,
        epoch: int = 0,
        keep: Callable[[int], None] = lambda _: None,
        changed: Callable[[bool, str], None] = lambda _active, _why: None,
    ) -> None:
        self.active = False
        self.reason = BEGIN
        self.epoch = epoch
        self.takeovers = 0
        self.peer: Word | None = None
        self.heard_at: float | None = None
        self._name = name
        self._priority = priority
        self._lease_s = lease_s
        self._keep = keep
        self._changed = changed
        self._newest = epoch  # ever heard of
        self._renewed = self._ticked = now  # by an active one; at first by nobody
        self._leaving = False

    @property
    def word(self) -> Word:
        return Word(self._name, self._priority, self.epoch, self.active, self._leaving)

    def begin(self, now: float) -> None:
        """From now on it waits."""
        self._renewed = self._ticked = now

    def leave(self) -> None:
        """Give it up for good: the other one need not wait until it runs out."""
        self._leaving = True
        if self.active:
            self._become(False, "stops")

    def hear(self, word: Word, now: float) -> None:
        self.peer, self.heard_at = word, now
        self._newest = max(self._newest, word.epoch)
        if word.active and not word.leaving:
            self._renewed = now
            if self.active and word.rank > self.word.rank:
                self._become(False, f"{word.name} has the newer lease")
        elif not (self.active or self._leaving):
            # Nobody is active. Whoever comes second in rank waits for the other to take it.
            mine, other = (self._priority, self._name), (word.priority, word.name)
            if word.leaving:
                self._take(f"{word.name} has left")
            elif mine < other:
                self._take(f"{word.name} is not active, and comes after this one")

    def tick(self, now: float) -> None:
        """Take the lease when it has run out. Who slept for so long has lost it without knowing."""
        slept = now - self._ticked > self._lease_s
        self._ticked = now
        if slept:
            self._renewed = now
            if self.active:
                self._become(False, "stood still for longer than the lease")
        elif not (self.active or self._leaving) and now - self._renewed >= self._lease_s:
            heard = self.peer is not None and self.peer.active
            self._take(
                f"the lease of {self.peer.name} ran out"
                if heard and self.peer
                else "no other active collector was heard of"
            )

    def _take(self, why: str) -> None:
        self.epoch = self._newest = self._newest + 1
        self._keep(self.epoch)
        self.takeovers += 1
        self._become(True, why)

    def _become(self, active: bool, why: str) -> None:
        self.active, self.reason = active, why
        self._changed(active, why)
